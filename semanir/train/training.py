"""Train one network on one task.

Beside weights.safetensors and train.json a training keeps log.jsonl (loss, rate, gradient norm, k,
images per second, PSNR on held-out photographs) and, until it has finished, state.pt. The same
command resumes from the state; on one thread the weights are bitwise those of an uninterrupted run.
No GPU has run this file.
"""

import hashlib
import json
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_
from tqdm import tqdm

from data_prep.tasks import Task
from semanir.attention import NonFiniteTokensError
from semanir.errors import InputError
from semanir.evaluate.metrics import score
from semanir.files import blamed_on, replacing, sha256, write_text
from semanir.inference import checkpoint
from semanir.inference.restore import restore
from semanir.network import Network, build
from semanir.network.config import ColumnarConfig, configure, to_dict
from semanir.train.losses import Loss, make_loss
from semanir.train.optimizers import OPTIMIZERS
from semanir.train.patches import TrainingPatches
from semanir.train.recipe import Recipe


class TrainingStoppedError(InputError):
    """The training diverged; the message names iteration, learning rate and last good state."""


@dataclass
class Training:
    """Everything that a training is made of; `step` counts finished iterations."""

    network: Network
    optimizer: torch.optim.Optimizer
    loss: Loss
    pairs: TrainingPatches
    recipe: Recipe
    seed: int
    folder: Path
    fingerprint: str
    workers: int = 0
    step: int = 0

    @property
    def state_path(self) -> Path:
        return self.folder / "state.pt"

    @property
    def log_path(self) -> Path:
        return self.folder / "log.jsonl"


def train(training: Training, *, stop_after: int | None = None) -> None:
    """Run the remaining iterations (at most up to `stop_after`), logging and saving on the way.

    Raises TrainingStoppedError on a non-finite loss or gradient norm, or a norm above the recipe's
    `stop_norm`; weights and saved state are then those before the bad iteration.
    """
    recipe = training.recipe
    end = min(recipe.iterations, stop_after or recipe.iterations)
    # a bar on a terminal; one line a minute where the output is a file
    bar = tqdm(
        total=recipe.iterations,
        initial=training.step,
        unit="it",
        dynamic_ncols=True,
        mininterval=0.5 if sys.stderr.isatty() else 60,
        delay=0 if sys.stderr.isatty() else 60,
    )
    steps = range(training.step, end)
    batches = training.pairs.batches(training.seed, steps, recipe.batch, training.workers)
    started, images = time.perf_counter(), 0
    with bar:
        for degraded, clean in batches:
            facts = _iterate(training, degraded, clean)
            images += recipe.batch
            bar.update()
            if training.step % recipe.log_every == 0 or training.step == recipe.iterations:
                speed = images / (time.perf_counter() - started)
                _log(training, {**facts, "images_per_s": round(speed, 2)})
                bar.set_postfix(loss=f"{facts['loss']:.4f}", refresh=False)
                started, images = time.perf_counter(), 0
            if training.step % recipe.validate_every == 0 or training.step == recipe.iterations:
                _log(training, {"step": training.step, "holdout_psnr": validate(training)})
                started, images = time.perf_counter(), 0
            if training.step % recipe.save_every == 0 and training.step < recipe.iterations:
                save_state(training)


def _iterate(training: Training, degraded: Tensor, clean: Tensor) -> dict[str, Any]:
    recipe, network, step = training.recipe, training.network, training.step
    rate = recipe.learning_rate(step)
    for group in training.optimizer.param_groups:
        group["lr"] = rate
    k = draw_k(recipe.topk, training.seed, step)
    device = next(network.parameters()).device

    training.optimizer.zero_grad(set_to_none=True)
    try:
        loss = training.loss(network(degraded.to(device), k), clean.to(device))
    except NonFiniteTokensError:
        loss = torch.tensor(math.nan, requires_grad=True)
    loss.backward()
    norm = float(clip_grad_norm_(network.parameters(), recipe.clip_norm or math.inf))
    value = float(loss.detach())
    if not math.isfinite(value) or not math.isfinite(norm) or norm > recipe.stop_norm:
        saved = training.state_path
        kept = f"last good state: {saved}" if saved.is_file() else "no state was saved before it"
        raise TrainingStoppedError(
            f"training stopped at iteration {step + 1}: loss {value}, gradient norm {norm:.3g} "
            f"(limit {recipe.stop_norm:.3g}), learning rate {rate:.3g}; {kept}. "
            f"Lower lr or clip_norm in the recipe and train again"
        )
    training.optimizer.step()
    training.step += 1
    return {"step": training.step, "loss": value, "lr": rate, "grad_norm": norm, "k": k}


def draw_k(choices: tuple[int, ...], seed: int, step: int) -> int:
    """Random top-k of Sec. 3.3: one draw per iteration for the whole network, same on all ranks."""
    # a seed (seed, step) would repeat the stream of (seed, step, 0), which draws the first patch
    return choices[np.random.default_rng((seed, step, 0, 1)).integers(len(choices))]


def validate(training: Training) -> dict[str, float]:
    """PSNR in dB on the held-out photographs, per level."""
    task, network = training.pairs.task, training.network.eval()
    values: dict[str, list[float]] = {}
    for degraded, clean, level in training.pairs.validation():
        scale = task.upscale or 1
        clean = clean[: degraded.shape[0] * scale, : degraded.shape[1] * scale]
        quality = score(restore(network, degraded), clean, task.protocol(level))
        values.setdefault(level, []).append(quality["psnr"])
    network.train()
    return {level: round(float(np.mean(psnr)), 4) for level, psnr in values.items()}


# --- state -----------------------------------------------------------------------------------


def save_state(training: Training) -> None:
    """Write all that a bitwise equal continuation needs; whole or not at all."""
    state = {
        "fingerprint": training.fingerprint,
        "step": training.step,
        "network": training.network.state_dict(),
        "optimizer": training.optimizer.state_dict(),
        "random": torch.get_rng_state(),
    }
    with replacing(training.state_path) as partial:
        torch.save(state, partial)


def resume(training: Training) -> None:
    """Continue from the saved state, if there is one; refuse one of another training."""
    path = training.state_path
    if not path.is_file():
        training.log_path.unlink(missing_ok=True)
        return
    try:
        state = torch.load(path, weights_only=True, map_location="cpu")
        fingerprint = state["fingerprint"]
    except Exception as error:  # torch's own text runs over lines and advises to unpickle anything
        kind = type(error).__name__
        raise InputError(f"cannot read {path} ({kind}); delete it to train anew") from None
    if fingerprint != training.fingerprint:
        raise InputError(
            f"{path} belongs to another training (recipe, network, data or code changed since): "
            f"fingerprint {fingerprint}, now {training.fingerprint}; "
            f"delete the file to train anew"
        )
    training.network.load_state_dict(state["network"])
    training.optimizer.load_state_dict(state["optimizer"])
    torch.set_rng_state(state["random"])
    training.step = state["step"]
    # lines after the saved state are written again; a kill may have cut the last of them short
    kept = [entry for entry in read_log(training.log_path) if entry["step"] <= training.step]
    write_text(training.log_path, "".join(f"{json.dumps(entry)}\n" for entry in kept))


def history(training: Training) -> list[dict[str, Any]]:
    """{step, psnr: {level: dB}} of every validation that the log holds."""
    logged = [entry for entry in read_log(training.log_path) if "holdout_psnr" in entry]
    return [{"step": entry["step"], "psnr": entry["holdout_psnr"]} for entry in logged]


def read_log(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a log, none where there is no file; InputError names a broken one."""
    log = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    entries = []
    for number, line in enumerate(log[: log.rfind("\n") + 1].splitlines(), 1):
        try:
            entries.append(json.loads(line))
            int(entries[-1]["step"])
        except (ValueError, TypeError, KeyError):
            raise InputError(
                f"broken {path}, line {number}: {line[:40]!r}; move {path.parent} elsewhere to "
                "train anew"
            ) from None
    return entries


def _log(training: Training, facts: dict[str, Any]) -> None:
    with blamed_on(training.log_path), training.log_path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(facts) + "\n")


# --- a training from its parts ---------------------------------------------------------------


def make_training(
    network_name: str,
    task: Task,
    recipe: Recipe,
    data: Sequence[tuple[Path, Path | None]],
    folder: Path,
    seed: int,
    *,
    code: str,
    **switches: Any,
) -> Training:
    """Network, optimizer and data of a training, seeded; nothing is written yet but `folder`.

    data: the prepared sets with their degraded partners, see `TrainingPatches`.
    code: hash of the code that trains; a state of other code is refused. switches: of the network,
    see `semanir.build`.
    """
    torch.manual_seed(seed)
    upscale = {"upscale": task.upscale} if task.upscale else {}
    if isinstance(configure(network_name), ColumnarConfig) != bool(upscale):
        raise InputError(f"{network_name} does not fit the task {task.name}")
    network = build(network_name, channels=task.channels, **upscale, **switches)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    network.to(device).train()
    optimizer = OPTIMIZERS[recipe.optimizer](
        network.parameters(),
        lr=recipe.lr,
        betas=recipe.betas,
        weight_decay=recipe.weight_decay,
        fused=True,
    )
    loss = make_loss(recipe.loss, device)
    pairs = TrainingPatches(data, task, recipe.holdout, recipe.patch)
    identity = {
        "recipe": asdict(recipe),
        "network": to_dict(network.config),
        "task": task.name,
        "seed": seed,
        "data": [sha256(part / "index.json") for pair in data for part in pair if part],
        "code": code,
        "torch": torch.__version__,
    }
    fingerprint = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:12]
    folder.mkdir(parents=True, exist_ok=True)
    return Training(network, optimizer, loss, pairs, recipe, seed, folder, fingerprint)


def train_network(training: Training, weights: Path, *, task: str) -> dict[str, Any]:
    """Train to the end, from the saved state if there is one, and write the weights.

    Returns what goes on record: network, recipe, digests, held-out PSNR, course and time.
    """
    resume(training)
    first, started = training.step, time.perf_counter()
    train(training)
    seconds = time.perf_counter() - started
    checkpoint.save(weights, training.network, task=task, fingerprint=training.fingerprint)
    return {
        "config": to_dict(training.network.config),
        "parameters": sum(p.numel() for p in training.network.parameters()),
        "recipe": asdict(training.recipe),
        "fingerprint": training.fingerprint,
        "weights_sha256": sha256(weights),
        "tensors_sha256": checkpoint.digest(training.network),
        "holdout_psnr": validate(training),
        "history": history(training),
        "iterations_this_time": training.step - first,
        "seconds_this_time": round(seconds, 1),
    }
