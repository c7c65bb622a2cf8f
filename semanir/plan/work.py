"""The counted work of one training step on one item, from a table: no torch is needed to plan.

work.csv is written by `python -m semanir.measure.work`, which counts on shapes. A row is a kind of
step; scales of the same kind share it, whatever their batch and iterations.
"""

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_prep.tasks import get_task

if TYPE_CHECKING:
    from semanir.plan.plan import Plan

DATA_FILES = ("work.csv",)
TABLE = Path(__file__).with_name("work.csv")


@dataclass(frozen=True, order=True)
class Step:
    """A kind of step: network, channels, enlargement, side of its inputs, the k that are drawn."""

    preset: str
    switches: str  # k=16,window=8; sorted, "" for none
    channels: int
    upscale: int
    patch: int
    topk: str  # 64 128 192


@dataclass(frozen=True)
class Work:
    """Of a step.

    multiply_adds: of one item, forward and backward, mean over the drawn k. bytes: at the peak in
    float32 at the largest k, of one item and besides, of activations, tables and gradients.
    parameters: of the network.
    """

    multiply_adds: int
    bytes_item: int
    bytes_besides: int
    parameters: int


def step_of(plan: "Plan", task: str, model: str) -> Step:
    """The kind of step that a network of a scale is trained by; errors as of `Plan.network`."""
    preset, switches = plan.network(model)
    recipe, wanted = plan.recipe(task, model), get_task(task)
    named = ",".join(f"{name}={value}" for name, value in sorted(switches.items()))
    topk = " ".join(map(str, recipe["topk"]))
    patch = recipe["patch"]
    return Step(preset, named, wanted.channels, wanted.upscale or 1, patch, topk)


@cache
def counted() -> dict[Step, Work]:
    """Every kind of step that work.csv has."""
    if not TABLE.is_file():
        return {}
    with TABLE.open(encoding="utf-8", newline="") as file:
        return dict(map(_read, csv.DictReader(file)))


def _read(row: dict[str, Any]) -> tuple[Step, Work]:
    channels, upscale, patch = (int(row[name]) for name in ("channels", "upscale", "patch"))
    step = Step(row["preset"], row["switches"], channels, upscale, patch, row["topk"])
    work = (int(row[name]) for name in Work.__dataclass_fields__)
    return step, Work(*work)
