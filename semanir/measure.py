"""Count parameters, stages and layers at full size: `python -m semanir.measure --help`.

Networks are built on torch's meta device: exact counts, no memory, no weights.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from data_prep.errors import one_line_errors
from data_prep.names import pick
from semanir import plan
from semanir.network import Columnar, UShape, build
from semanir.record import write_record


def count(model: str) -> list[dict[str, Any]]:
    """Rows (variant, metric, value) of a model of models.yaml, measured on the built networks."""
    rows: list[dict[str, Any]] = []
    with torch.device("meta"):
        for variant, options in plan.trained_models()[model]["count"].items():
            network = build(model, **options)
            parameters = sum(parameter.numel() for parameter in network.parameters())
            rows.append({"variant": variant, "metric": "params", "value": parameters})
    for part, stages in _stages(network).items():
        (layers,) = {len(stage.layers) for stage in stages}  # type: ignore[arg-type]
        rows.append({"variant": part, "metric": "stages", "value": len(stages)})
        rows.append({"variant": part, "metric": "layers_per_stage", "value": layers})
    return rows


def _stages(network: nn.Module) -> dict[str, list[nn.Module]]:
    if isinstance(network, Columnar):
        return {"": list(network.stages)}
    assert isinstance(network, UShape)
    return {
        "down": list(network.down.values()),
        "up": list(network.up.values()),
        "final": [network.final],
    }


@one_line_errors
def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m semanir.measure", description=__doc__)
    parser.add_argument("--model", required=True, help="semanir-s, semanir-b or semanir-u")
    parser.add_argument("--scale", default="smoke", help="where the record goes; counts are equal")
    args = parser.parse_args(argv)
    pick(args.model, plan.trained_models(), "model")
    plan.get_scale(args.scale)
    path = Path(f"results/{args.scale}/cost/{args.model}/count.json")
    identity = {"scale": args.scale, "model": args.model}
    write_record(path, "count", identity, "count", rows=count(args.model))
    print(f"{args.model}: counted, {path}")


if __name__ == "__main__":
    main()
