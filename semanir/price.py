"""What the trainings of a scale cost, before they start: python -m semanir.price --scale paper

Every kind of training is counted on meta tensors (forward, and twice that backward) and one step of
it is timed here, on one core, at the middle of the drawn k; evaluations are not in the sum. What
has to be downloaded: python -m data_prep sizes --scale paper
"""

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from statistics import mean
from typing import Any

import torch
from tqdm import tqdm

from data_prep.datasets import get_set
from data_prep.errors import one_line_errors
from data_prep.inventory import columns
from data_prep.tasks import get_task
from semanir import models, plan
from semanir.flops import multiply_adds
from semanir.losses import l1
from semanir.network import build
from semanir.recipe import Recipe, make_recipe

LARGEST = 10**11  # multiply-adds of a step that is timed whole; larger ones at batch 1


@dataclass(frozen=True)
class Price:
    """A kind of training: what `trainings` of it compute together, and take on this machine."""

    model: str
    task: str
    trainings: int
    iterations: int
    batch: int
    patch: int
    multiply_adds: float
    hours_here: float


def prices(scale: str, without: tuple[str, ...] = ()) -> list[Price]:
    """One price for each model and kind of task that a scale trains."""
    kinds: dict[tuple[str, str], list[plan.Run]] = {}
    for run in trainings(scale, without):
        task = get_task(run.task)
        kind = run.task if task.upscale else task.family  # a network of its own per scale
        kinds.setdefault((run.model, kind), []).append(run)
    found = []
    for (model, kind), runs in tqdm(sorted(kinds.items()), unit="kind", delay=5):
        recipe = make_recipe(plan.recipe(scale, runs[0].task, model))
        preset, switches = models.network(scale, model)
        counted, seconds = step(preset, tuple(switches.items()), shape_of(runs[0], recipe), recipe)
        steps = recipe.iterations * len(runs)
        price = (len(runs), recipe.iterations, recipe.batch, recipe.patch)
        found.append(Price(model, kind, *price, counted * steps, seconds * steps / 3600))
    return found


def trainings(scale: str, without: tuple[str, ...] = ()) -> list[plan.Run]:
    """The runs of a scale whose networks are trained; each training once."""
    evaluated = [*plan.runs(scale, plan.tables(), without), *plan.ablation_runs(scale)]
    trained = [run for run in evaluated if run.trained]
    return list(dict.fromkeys(replace(run, model=run.trainee) for run in trained))


def shape_of(run: plan.Run, recipe: Recipe) -> tuple[int, int, int, int]:
    """Batch, channels, side of a training's inputs, and how much larger its outputs are."""
    task = get_task(run.task)
    return recipe.batch, task.channels, recipe.patch, task.upscale or 1


@cache
def step(
    preset: str, switches: tuple[tuple[str, Any], ...], shape: tuple[int, ...], recipe: Recipe
) -> tuple[float, float]:
    """(multiply-adds, seconds on this machine) of one iteration of a training."""
    size, channels, side, scale = shape
    options = {**dict(switches), "channels": channels, **({"upscale": scale} if scale > 1 else {})}
    inputs = (1, channels, side, side)
    forward = mean(multiply_adds(build(preset, **{**options, "k": k}), inputs) for k in recipe.topk)
    counted = 3 * forward * size
    large = counted > LARGEST
    batch = 1 if large else size
    device = "cuda" if torch.cuda.is_available() else "cpu"
    network = build(preset, **options).to(device).train()
    optimizer = torch.optim.AdamW(network.parameters(), fused=True)
    degraded = torch.rand(batch, *inputs[1:], device=device)
    clean = torch.rand(batch, channels, side * scale, side * scale, device=device)
    taken = []
    for _ in range(2 if large else 5):
        start = time.perf_counter()
        optimizer.zero_grad()
        l1(network(degraded, sorted(recipe.topk)[len(recipe.topk) // 2]), clean).backward()
        optimizer.step()
        if device == "cuda":
            torch.cuda.synchronize()
        taken.append(time.perf_counter() - start)
    return counted, min(taken) * size / batch


def images(scale: str, without: tuple[str, ...] = ()) -> int:
    """Photographs that the trained networks of a scale restore in all evaluations together."""
    evaluated = [*plan.runs(scale, plan.tables(), without), *plan.ablation_runs(scale)]
    return sum(
        get_set(name).images
        for run in dict.fromkeys(run for run in evaluated if run.trained)
        for name, _ in plan.test_places(scale, run.task, without)
    )


def report(found: Sequence[Price], scale: str, restored: int) -> str:
    """The prices as a table with its sum."""
    lines = [["network", "task", "runs", "iterations", "batch x patch", "multiply-adds", "here"]]
    for price in found:
        lines.append(
            [
                price.model,
                price.task,
                str(price.trainings),
                f"{price.iterations:,}",
                f"{price.batch} x {price.patch}",
                f"{price.multiply_adds:.2e}",
                duration(price.hours_here),
            ]
        )
    total = sum(price.multiply_adds for price in found)
    hours = sum(price.hours_here for price in found)
    lines.append(["all", "", str(sum(p.trainings for p in found)), "", "", f"{total:.2e}"])
    lines[-1].append(duration(hours))
    elsewhere = duration(2 * total / 20e12 / 3600)
    machine = "this GPU" if torch.cuda.is_available() else "one core of this CPU"
    return (
        f"{columns(lines)}\n\n"
        f"`here`: on {machine}, one training after the other. A device that sustains 20 TFLOP/s\n"
        f"(2 floating-point operations a multiply-add) takes {elsewhere}.\n"
        f"After that {restored:,} photographs are restored and scored.\n"
        f"Downloads: python -m data_prep sizes --scale {scale}"
    )


def duration(hours: float) -> str:
    """Hours as people read them: 12 min, 3.4 h, 5.6 days, 2.1 years."""
    for unit, length in (("years", 24 * 365), ("days", 24), ("h", 1)):
        if hours >= length:
            return f"{hours / length:.1f} {unit}"
    return f"{hours * 60:.1f} min"


@one_line_errors
def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m semanir.price",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--scale", default="paper", help="a scale of semanir/scales.yaml")
    parser.add_argument(
        "--without", nargs="*", default=[], help="entries of datasets.yaml that are left out"
    )
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args(argv)
    models.get_scale(args.scale)
    torch.set_num_threads(1)  # as the workflow trains
    found = prices(args.scale, tuple(args.without))
    if args.json:
        print(json.dumps([asdict(price) for price in found], indent=1))
    else:
        print(report(found, args.scale, images(args.scale, tuple(args.without))))


if __name__ == "__main__":
    main()
