"""The iterations of a training: one network, one draw of k and one batch each."""

import math
import sys
import time
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_
from tqdm import tqdm

from semanir.attention import NonFiniteTokensError
from semanir.errors import InputError, PreemptedError
from semanir.evaluate.metrics import score
from semanir.inference.restore import restore
from semanir.train.signals import asked_to_end
from semanir.train.state import Training, log, save_state


class TrainingStoppedError(InputError):
    """The training diverged; the message names iteration, learning rate and last good state."""


def train(training: Training, *, stop_after: int | None = None) -> None:
    """Run the remaining iterations (at most up to `stop_after`), logging and saving on the way.

    Raises TrainingStoppedError on a non-finite loss or gradient norm, or a norm above the recipe's
    `stop_norm`; weights and saved state are then those before the bad iteration. Raises
    PreemptedError after a signal of `signals.GRACEFUL`, with the state of that moment saved.
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
            facts = iterate(training, degraded, clean)
            images += recipe.batch
            bar.update()
            if training.step % recipe.log_every == 0 or training.step == recipe.iterations:
                speed = images / (time.perf_counter() - started)
                log(training, {**facts, "images_per_s": round(speed, 2)})
                bar.set_postfix(loss=f"{facts['loss']:.4f}", refresh=False)
                started, images = time.perf_counter(), 0
            if training.step % recipe.validate_every == 0 or training.step == recipe.iterations:
                log(training, {"step": training.step, "holdout_psnr": validate(training)})
                started, images = time.perf_counter(), 0
            if training.step % recipe.save_every == 0 and training.step < recipe.iterations:
                save_state(training)
            if (name := asked_to_end()) and training.step < recipe.iterations:
                save_state(training)
                raise PreemptedError(
                    f"{name}: state saved after iteration {training.step}; the same command resumes"
                )


def iterate(training: Training, degraded: Tensor, clean: Tensor) -> dict[str, Any]:
    """One iteration on a batch [B,C,H,W] on [0,1]; returns its line of the log.

    Raises TrainingStoppedError as `train` does.
    """
    recipe, network, step = training.recipe, training.network, training.step
    rate = recipe.learning_rate(step)
    for group in training.optimizer.param_groups:
        group["lr"] = rate
    k = draw_k(recipe.topk, training.seed, step)

    training.optimizer.zero_grad(set_to_none=True)
    value = 0.0
    for part in zip(degraded.chunk(recipe.accumulate), clean.chunk(recipe.accumulate), strict=True):
        value += _gradients(training, *part, k) / recipe.accumulate
    norm = float(clip_grad_norm_(network.parameters(), recipe.clip_norm or math.inf))
    if not math.isfinite(value) or not math.isfinite(norm) or norm > recipe.stop_norm:
        saved = training.state_path
        kept = f"last good state: {saved}" if saved.is_file() else "no state was saved before it"
        raise TrainingStoppedError(
            f"training stopped at iteration {step + 1}: loss {value}, gradient norm {norm:.3g} "
            f"(limit {recipe.stop_norm:.3g}), learning rate {rate:.3g}; {kept}. "
            f"Lower lr or clip_norm in the recipe and train again"
        )
    training.optimizer.step()
    if training.average:
        training.average.update_parameters(network)
    training.step += 1
    return {"step": training.step, "loss": value, "lr": rate, "grad_norm": norm, "k": k}


def _gradients(training: Training, degraded: Tensor, clean: Tensor, k: int) -> float:
    """Add the gradients of a part of a batch, as its share of the whole; returns its mean loss."""
    recipe, network = training.recipe, training.network
    device = next(network.parameters()).device
    with torch.autocast(device.type, torch.bfloat16, enabled=recipe.precision == "bf16"):
        try:
            restored = network(degraded.to(device, non_blocking=True), k)
        except NonFiniteTokensError:
            return math.nan
    loss = training.loss(restored.float(), clean.to(device, non_blocking=True))
    (loss / recipe.accumulate).backward()
    return float(loss.detach())


def draw_k(choices: tuple[int, ...], seed: int, step: int) -> int:
    """Random top-k of Sec. 3.3: one draw per iteration for the whole network, same on all ranks."""
    # a seed (seed, step) would repeat the stream of (seed, step, 0), which draws the first patch
    return choices[np.random.default_rng((seed, step, 0, 1)).integers(len(choices))]


def validate(training: Training) -> dict[str, float]:
    """PSNR in dB on the held-out photographs, per level."""
    task, network = training.pairs.task, training.trained.eval()
    values: dict[str, list[float]] = {}
    for degraded, clean, level in training.pairs.validation():
        scale = task.upscale or 1
        clean = clean[: degraded.shape[0] * scale, : degraded.shape[1] * scale]
        quality = score(restore(network, degraded), clean, task.protocol(level))
        values.setdefault(level, []).append(quality["psnr"])
    network.train()
    return {level: round(float(np.mean(psnr)), 4) for level, psnr in values.items()}
