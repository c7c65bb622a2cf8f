"""The table semanir/plan/work.csv: what a training step of every scale computes and holds.

  python -m semanir.measure.work

Counts on meta tensors those kinds of steps that the table lacks, and drops those that no scale
trains. Run it after a change of scales.yaml or of a network; a test recounts samples.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from statistics import mean
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from semanir.files import replacing
from semanir.inference.tiling import LiveBytes
from semanir.network import build
from semanir.network.flops import multiply_adds, weightless
from semanir.plan.models import scales
from semanir.plan.plan import Plan
from semanir.plan.work import TABLE, Step, Work, counted, step_of


def wanted() -> list[Step]:
    """The kinds of steps of all scales, sorted."""
    plans = map(Plan, scales())
    trained = ((plan, run.training) for plan in plans for run in plan.evaluations() if run.trained)
    pairs = dict.fromkeys((plan, run.task, run.model) for plan, run in trained)
    return sorted({step_of(*pair) for pair in pairs})


class _AtK(nn.Module):
    """A network with a k of its own for its next pass."""

    def __init__(self, network: nn.Module, k: int) -> None:
        super().__init__()
        self.network, self.k = network, k

    def forward(self, image: Tensor) -> Tensor:
        restored: Tensor = self.network(image, self.k)
        return restored


def count(step: Step) -> Work:
    """Multiply-adds, bytes and parameters of a kind of step, on shapes alone.

    Bytes are those of batches of one and two items, which larger ones go on from.
    """
    sizes = [int(k) for k in step.topk.split()]
    shape = (1, step.channels, step.patch, step.patch)
    with weightless():
        network = build(step.preset, **_options(step))
    forward = mean(multiply_adds(_AtK(network, k), shape) for k in sizes)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    largest = _AtK(network, max(sizes))
    one, two = (peak_bytes(largest, (items, *shape[1:])) for items in (1, 2))
    return Work(round(3 * forward), two - one, max(0, 2 * one - two), parameters)


def peak_bytes(network: nn.Module, shape: tuple[int, ...]) -> int:
    """Most bytes alive at a time in a pass forward and backward for an input [B,C,H,W].

    Gradients are among them; weights, the optimizer and what a convolution copies are not.
    """
    network = network.to("meta").train()
    network.zero_grad()
    with LiveBytes(copies=False) as live, torch.device("meta"):
        network(torch.empty(shape, device="meta")).sum().backward()
    return live.peak


def _options(step: Step) -> dict[str, Any]:
    pairs = (pair.split("=") for pair in step.switches.split(",") if pair)
    values = {name: _value(text) for name, text in pairs}
    return (
        values
        | {"channels": step.channels}
        | ({"upscale": step.upscale} if step.upscale > 1 else {})
    )


def _value(text: str) -> int | bool | str:
    if text in ("True", "False"):
        return text == "True"
    return int(text) if text.isdigit() else text


def write(steps: Sequence[Step]) -> None:
    """Write the table of some kinds of steps; each that it lacks is counted, and kept at once."""
    table = {step: work for step, work in counted().items() if step in steps}
    for step in tqdm([step for step in steps if step not in table]):
        table[step] = count(step)
        _write(table)
    _write(table)


def _write(table: Mapping[Step, Work]) -> None:
    with replacing(TABLE) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        names = [*Step.__dataclass_fields__, *Work.__dataclass_fields__]
        rows = csv.DictWriter(file, names, lineterminator="\n")
        rows.writeheader()
        rows.writerows(asdict(step) | asdict(table[step]) for step in sorted(table))


def main(argv: Sequence[str] | None = None) -> None:
    """Write the table; takes no arguments."""
    torch.set_num_threads(1)
    write(wanted())


if __name__ == "__main__":
    main()
