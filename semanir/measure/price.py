"""What the networks of a scale cost, before they start.

Every kind of training is counted on meta tensors (forward, and twice that backward) and one step of
it is timed here, on one core, at the middle of the drawn k. So are restoring and scoring, by the
pixels of all photographs, with released systems too (random weights), and starting a job.
What has to be downloaded: semanir data sizes --scale paper
"""

import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from statistics import mean
from typing import Any

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from baselines.registry import variant_for
from data_prep.datasets import get_set
from data_prep.inventory import columns
from data_prep.tasks import Task, get_task
from semanir import paths
from semanir.evaluate.metrics import score
from semanir.evaluate.systems import network_of
from semanir.inference.checkpoint import load
from semanir.network import build
from semanir.network.flops import multiply_adds
from semanir.plan.models import RELEASED, get_model, trained_models
from semanir.plan.plan import Plan
from semanir.plan.runs import Run
from semanir.train.losses import l1
from semanir.train.precision import round_as
from semanir.train.recipe import Recipe, make_recipe

SIDE = 128  # of the photograph that is restored
LONG = 5.0  # seconds after which restoring it twice is enough
LARGEST = 10**11  # multiply-adds of a step that a CPU does whole; larger ones are timed at batch 1


@dataclass(frozen=True)
class Price:
    """What a model's runs on a kind of task compute together, and take on this machine.

    restored: photographs in all evaluations; hours_restoring: that, scoring them, and starting
    every evaluation. The others are 0 for what is not trained here.
    """

    model: str
    task: str
    evaluations: int
    restored: int
    hours_restoring: float
    trainings: int = 0
    iterations: int = 0
    batch: int = 0
    patch: int = 0
    multiply_adds: float = 0
    hours_here: float = 0


def prices(plan: Plan) -> list[Price]:
    """One price for each model and kind of task of a plan."""
    kinds: dict[tuple[str, str], list[Run]] = {}
    for run in plan.evaluations():
        task = get_task(run.task)
        kind = run.task if task.upscale else task.family  # a network of its own per scale
        model = run.training.model if run.trained else run.model
        kinds.setdefault((model, kind), []).append(run)
    return [
        _price(plan, model, kind, evaluated)
        for (model, kind), evaluated in tqdm(sorted(kinds.items()), unit="kind", delay=5)
    ]


def _price(plan: Plan, model: str, kind: str, evaluated: Sequence[Run]) -> Price:
    entry, hours, restored = get_model(model), 0.0, 0
    for run in evaluated:
        variant = variant_for(entry, run.task) if "network" in entry else ""
        sets = [get_set(name) for name, _ in plan.evaluation_sets(run.task, run.model)]
        megapixels = sum(one.images * one.megapixels for one in sets)
        hours += seconds_a_megapixel(plan, model, variant, evaluated[0].task) * megapixels / 3600
        restored += sum(one.images for one in sets)
    trained = training(plan, model, evaluated) if evaluated[0].trained else {}
    hours += seconds_to_start() * len(evaluated) / 3600
    return Price(model, kind, len(evaluated), restored, hours, **trained)


def training(plan: Plan, model: str, evaluated: Sequence[Run]) -> dict[str, Any]:
    """Those fields of a price that its trainings make."""
    runs = list(dict.fromkeys(replace(run, model=model) for run in evaluated))
    recipe = make_recipe(plan.recipe(runs[0].task, model))
    preset, switches = plan.network(model)
    counted, seconds = step(preset, tuple(switches.items()), shape_of(runs[0], recipe), recipe)
    steps = recipe.iterations * len(runs)
    return {
        "trainings": len(runs),
        "iterations": recipe.iterations,
        "batch": recipe.batch,
        "patch": recipe.patch,
        "multiply_adds": counted * steps,
        "hours_here": (seconds * steps + seconds_to_start() * len(runs)) / 3600,
    }


@cache
def seconds_to_start() -> float:
    """Seconds that a job takes on this machine before it does anything."""
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, "-c", "import semanir.train.training, torch._dynamo"], check=True
    )
    return time.perf_counter() - start


def shape_of(run: Run, recipe: Recipe) -> tuple[int, int, int, int]:
    """Batch, channels, side of a training's inputs, and how much larger its outputs are."""
    task = get_task(run.task)
    return recipe.batch, task.channels, recipe.patch, task.upscale or 1


@cache
def step(
    preset: str, switches: tuple[tuple[str, Any], ...], shape: tuple[int, ...], recipe: Recipe
) -> tuple[float, float]:
    """(multiply-adds, seconds on this machine) of one iteration of a training.

    In the precision and the parts of the recipe; what is multiplied in bfloat16 counts the same.
    """
    size, channels, side, scale = shape
    options = {**dict(switches), "channels": channels, **({"upscale": scale} if scale > 1 else {})}
    inputs = (1, channels, side, side)
    forward = mean(multiply_adds(build(preset, **{**options, "k": k}), inputs) for k in recipe.topk)
    counted = 3 * forward * size
    device = "cuda" if torch.cuda.is_available() else "cpu"
    large = counted > LARGEST and device == "cpu"
    batch = 1 if large else size // recipe.accumulate
    network = build(preset, **options).to(device).train()
    optimizer = torch.optim.AdamW(network.parameters(), fused=True)
    degraded = torch.rand(batch, *inputs[1:], device=device)
    clean = torch.rand(batch, channels, side * scale, side * scale, device=device)
    k = sorted(recipe.topk)[len(recipe.topk) // 2]
    round_as(recipe)
    taken = []
    for _ in range(2 if large else 5):
        start = time.perf_counter()
        optimizer.zero_grad()
        with torch.autocast(device, torch.bfloat16, enabled=recipe.precision == "bf16"):
            restored = network(degraded, k)
        l1(restored.float(), clean).backward()
        optimizer.step()
        if device == "cuda":
            torch.cuda.synchronize()
        taken.append(time.perf_counter() - start)
    return counted, min(taken) * size / batch


@cache
def seconds_a_megapixel(plan: Plan, model: str, variant: str, name: str) -> float:
    """Seconds on this machine that a megapixel takes to be restored by a model, and scored.

    variant: of a released system. name: a task of the model.
    """
    task = get_task(name)
    upscale = task.upscale or 1
    device = "cuda" if torch.cuda.is_available() else "cpu"
    network = evaluated_network(plan, model, variant, task)
    if network is not None:
        network = network.to(device).eval()
    small = SIDE // upscale
    large = small * upscale
    degraded = torch.rand(1, task.channels, small, small, device=device)
    clean = np.random.default_rng(0).random((large, large, task.channels), np.float32)
    taken: list[float] = []
    with torch.inference_mode():
        while len(taken) < 2 or (len(taken) < 4 and sum(taken) < LONG):
            start = time.perf_counter()
            restored = clean[::-1]
            if network is not None:
                restored = network(degraded)[0].permute(1, 2, 0).cpu().numpy().clip(0, 1)
            score(restored, clean, task.protocol(next(iter(task.levels))))
            taken.append(time.perf_counter() - start)
    return min(taken) * 1e6 / large**2


def evaluated_network(plan: Plan, model: str, variant: str, task: Task) -> nn.Module | None:
    """What a model's evaluations run, with random weights; None for classical methods."""
    if model in trained_models():
        preset, switches = plan.network(model)
        upscale = {"upscale": task.upscale} if task.upscale else {}
        return build(preset, **{**switches, "channels": task.channels, **upscale})
    if model == RELEASED:
        return load(paths.SHIPPED.format(task=task.name))
    if "network" not in get_model(model):
        return None
    network = network_of(f"{model}:{variant}", plan.noncommercial)
    network.level = 25.0  # type: ignore[assignment]
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def report(priced: Sequence[Price], scale: str) -> str:
    """The prices as a table with its sum."""
    head = [
        "model",
        "task",
        "trainings",
        "iterations",
        "batch x patch",
        "multiply-adds",
        "training",
    ]
    lines = [[*head, "evaluations", "photographs", "restoring"]]
    for price in priced:
        trained = [""] * 5
        if price.trainings:
            trained = [
                str(price.trainings),
                f"{price.iterations:,}",
                f"{price.batch} x {price.patch}",
                f"{price.multiply_adds:.2e}",
                duration(price.hours_here),
            ]
        lines.append(
            [
                price.model,
                price.task,
                *trained,
                str(price.evaluations),
                f"{price.restored:,}",
                duration(price.hours_restoring),
            ]
        )
    total = sum(price.multiply_adds for price in priced)
    training = sum(price.hours_here for price in priced)
    restoring = sum(price.hours_restoring for price in priced)
    lines.append(["all", "", str(sum(p.trainings for p in priced)), "", "", f"{total:.2e}"])
    lines[-1] += [duration(training), str(sum(p.evaluations for p in priced))]
    lines[-1] += [f"{sum(p.restored for p in priced):,}", duration(restoring)]
    elsewhere, day = duration(2 * total / 20e12 / 3600), 2 * total / 86400 / 1e12  # TFLOP/s
    machine = "this GPU" if torch.cuda.is_available() else "one core of this CPU"
    return (
        f"{columns(lines)}\n\n"
        f"On {machine}, one thing after the other: {duration(training + restoring)}.\n"
        "Reading photographs, validating and logging come on top, run times and memory too.\n"
        "A device that sustains 20 TFLOP/s (2 floating-point operations a multiply-add) trains\n"
        f"all networks in {elsewhere}, one that sustains {day:.3g} in a day.\n"
        f"Downloads: semanir data sizes --scale {scale}"
    )


def duration(hours: float) -> str:
    """Hours as people read them: 12 min, 3.4 h, 5.6 days, 2.1 years."""
    for unit, length in (("years", 24 * 365), ("days", 24), ("h", 1)):
        if hours >= length:
            return f"{hours / length:.1f} {unit}"
    return f"{hours * 60:.1f} min"
