"""Parameters and multiply-adds of networks, on meta tensors: no pass is computed."""

from contextlib import nullcontext
from typing import Any

from torch import nn

from baselines.registry import variant_for
from semanir.evaluate.systems import network_of
from semanir.measure.inputs import parse_input, taking
from semanir.network import Columnar, UShape, flops
from semanir.plan import models

DATA_FILES = ("../plan/models.yaml",)  # variants, and what is counted of them
CONVENTION = "fvcore's convention, counted on meta tensors"


def count(
    name: str, shape: tuple[int, ...], fvcore: bool = False, noncommercial: bool = False
) -> dict[str, Any]:
    """Parameters and multiply-adds of one image, under both conventions that Table 3 mixes."""
    with nullcontext() if fvcore else flops.weightless():
        network = network_of(name, noncommercial)
    counted: dict[str, Any] = {"parameters": sum(p.numel() for p in network.parameters())}
    with taking(name, network, shape):
        if fvcore:
            counted["multiply_adds_fvcore"] = flops.by_fvcore(network, (1, *shape))
        operators, counted["multiply_adds_by_modules"] = flops.by_both(network, (1, *shape))
    return counted | {"multiply_adds": sum(operators.values())}


def count_rows(model: str, noncommercial: bool = False) -> list[dict[str, Any]]:
    """Rows (variant, metric, value) of every variant of a model of models.yaml, at full size."""
    entry = models.get_model(model)
    rows: list[dict[str, Any]] = []
    for variant in entry.get("variants", [""]):
        with flops.weightless():
            network = network_of(f"{model}:{variant}", noncommercial)
        parameters = sum(parameter.numel() for parameter in network.parameters())
        rows.append({"variant": variant, "metric": "params", "value": parameters})
    if isinstance(network, Columnar | UShape):
        for part, stages in _stages(network).items():
            (layers,) = {len(stage.layers) for stage in stages}  # type: ignore[arg-type]
            rows.append({"variant": part, "metric": "stages", "value": len(stages)})
            rows.append({"variant": part, "metric": "layers_per_stage", "value": layers})
    for cell, given in entry.get("flops", {}).items():
        given = {"input": given} if isinstance(given, str) else given
        variant = given.get("variant") or variant_for(entry, cell)
        counted = count(
            f"{model}:{variant}", parse_input(given["input"]), noncommercial=noncommercial
        )
        row = {"variant": cell, "metric": "FLOPs", "value": counted["multiply_adds"]}
        rows.append(row | {"protocol": f"{CONVENTION}, {given['input']}, variant {variant}"})
        modules = {"metric": "FLOPs_by_modules", "value": counted["multiply_adds_by_modules"]}
        rows.append({"variant": cell, **modules})
        if model in models.trained_models():
            rows += decomposition(model, variant, cell, parse_input(given["input"]))
    return rows


def decomposition(
    model: str, variant: str, cell: str, shape: tuple[int, ...]
) -> list[dict[str, Any]]:
    """Multiply-adds of our network by window and k: attention, dictionaries, and all the rest."""
    rows = []
    for window, k in ((32, 64), (32, 256), (32, 384), (32, 512), (64, 64)):
        with flops.weightless():
            network = network_of(f"{model}:{variant}:window={window},k={k}")
        counted = flops.by_operator(network, (1, *shape))
        parts = {"attention": counted["attend"], "dictionary": counted["most_similar"]}
        parts["rest"] = sum(counted.values()) - sum(parts.values())
        rows += [
            {"variant": f"{cell} W={window} k={k}", "metric": f"FLOPs_{part}", "value": value}
            for part, value in parts.items()
        ]
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
