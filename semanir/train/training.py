"""Train one network on one task.

Beside weights.safetensors and train.json a training keeps log.jsonl (loss, rate, gradient norm, k,
images per second, PSNR on held-out photographs) and, until it has finished, state.pt. The same
command resumes from the state; on one thread the weights are bitwise those of an uninterrupted run.
Started by torchrun, all of this is done by every rank, see semanir/train/ranks.py; the first alone
writes. No GPU has run this room's files.
"""

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from data_prep.tasks import Task
from semanir import paths
from semanir.errors import InputError
from semanir.files import sha256
from semanir.inference import checkpoint
from semanir.inference.shipped import facts
from semanir.network import Network, build_from
from semanir.network.config import ColumnarConfig, Config, configure, to_dict
from semanir.network.layers import Layer
from semanir.train import ranks
from semanir.train.average import moving_average
from semanir.train.loop import train
from semanir.train.losses import make_loss
from semanir.train.optimizers import make_optimizer
from semanir.train.patches import TrainingPatches
from semanir.train.precision import round_as
from semanir.train.recipe import Recipe
from semanir.train.state import Training, history, resume


def make_training(
    which: str | Config,
    task: Task,
    recipe: Recipe,
    data: Sequence[tuple[Path, Path | None]],
    folder: Path,
    seed: int,
    *,
    code: str,
    init: Path | None = None,
    pairs: TrainingPatches | None = None,
    **switches: Any,
) -> Training:
    """Network, optimizer and data of a training, seeded; nothing is written yet but `folder`.

    which: a preset, or the configuration of a network for the task. data: the prepared sets with
    their degraded partners, see `TrainingPatches`. code: hash of the code that trains; a state of
    other code is refused. init: weights to start from, see `start_from`. pairs: of `data`, where
    another training of the same photographs has read them. switches: of a preset, see
    `semanir.build`.
    """
    ranks.share(recipe.batch, recipe.accumulate)  # raises where it does not fit
    torch.manual_seed(seed)
    network = build_from(fit(which, task, **switches) if isinstance(which, str) else which)
    device = ranks.device()
    if init:
        start_from(network, init)
    network.to(device).train()
    average = moving_average(network, recipe.average) if recipe.average else None
    round_as(recipe)
    optimizer = make_optimizer(network, recipe)
    loss = make_loss(recipe.loss, device)
    pairs = pairs or TrainingPatches(
        data, task, recipe.holdout, recipe.patch, recipe.levels, recipe.reductions
    )
    # in how many parts a batch is computed does not make another training
    identity = {
        "recipe": asdict(replace(recipe, accumulate=1)),
        "network": to_dict(network.config),
        "task": task.name,
        "seed": seed,
        "data": [sha256(part / "index.json") for pair in data for part in pair if part],
        "init": sha256(init) if init else None,
        "code": code,
        "torch": torch.__version__,
    }
    if recipe.loss == "smooth_l1_vgg":
        identity["vgg"] = sha256(paths.VGG)
    fingerprint = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:12]
    folder.mkdir(parents=True, exist_ok=True)
    earlier = tuple(trainings_behind(init)) if init else ()
    return Training(
        network, average, optimizer, loss, pairs, recipe, seed, folder, fingerprint, earlier
    )


def fit(preset: str, task: Task, **switches: Any) -> Config:
    """A preset with the channels and the enlargement of a task; InputError if it is for others."""
    upscale = {"upscale": task.upscale} if task.upscale else {}
    if isinstance(configure(preset), ColumnarConfig) != bool(upscale):
        raise InputError(f"{preset} does not fit the task {task.name}")
    return configure(preset, channels=task.channels, **upscale, **switches)


def start_from(network: Network, weights: Path) -> None:
    """Copy the tensors of a weights file whose name and shape the network has.

    So a network for x3 starts from one for x2, or one in colour from a grey one, without the few
    tensors that differ. Layers that the file has nothing of begin as the identity: a network that
    is deeper alone starts with what the file's gives. Raises InputError where the file has less
    than half of the parameters.
    """
    own, given = network.state_dict(), checkpoint.load(weights).state_dict()
    fitting = {n: t for n, t in given.items() if n in own and own[n].shape == t.shape}
    taken, wanted = (sum(t.numel() for t in part.values()) for part in (fitting, own))
    if taken < wanted / 2:
        raise InputError(
            f"{weights} holds {taken} of the {wanted} parameters of this network; train with the "
            "--model that it was trained with, or without --init"
        )
    network.load_state_dict(fitting, strict=False)
    for name, module in network.named_modules():
        if isinstance(module, Layer) and not any(key.startswith(f"{name}.") for key in fitting):
            module.begin_as_identity()


def trainings_behind(weights: Path) -> list[dict[str, Any]]:
    """What a weights file says of the trainings behind it, the last one last; see `made_by`."""
    said = facts(weights)
    known = {name: said[name] for name in ("task", "fingerprint") if name in said}
    return said.get("trainings") or ([known] if known else [])


def train_network(training: Training, weights: Path, *, task: str) -> dict[str, Any]:
    """Train to the end, from the saved state if there is one, and write the weights.

    Returns what goes on record: network, recipe, digests, held-out PSNR, course and time; nothing
    on other ranks than the first. Raises InputError where ranks have different trainings.
    """
    if len(prints := set(ranks.of_all(training.fingerprint))) > 1:
        raise InputError(
            f"ranks have different trainings, {' and '.join(sorted(prints))}: give every machine "
            "the same code, photographs and options"
        )
    resume(training)
    first, started = training.step, time.perf_counter()
    train(training)
    seconds = time.perf_counter() - started
    if not ranks.is_first():
        return {}
    trainings, course = training.made_by(task), history(training)
    checkpoint.save(weights, training.trained, task=task, trainings=trainings)
    return {
        "config": to_dict(training.network.config),
        "parameters": sum(p.numel() for p in training.network.parameters()),
        "recipe": asdict(training.recipe),
        "fingerprint": training.fingerprint,
        "trainings": trainings,
        "weights_sha256": sha256(weights),
        "tensors_sha256": checkpoint.digest(training.trained),
        "holdout_psnr": course[-1]["psnr"],
        "history": course,
        "ranks": ranks.count(),
        "iterations_this_time": training.step - first,
        "seconds_this_time": round(seconds, 1),
    }
