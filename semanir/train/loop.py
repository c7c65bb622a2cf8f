"""The iterations of a training: one network, one draw of k and one batch each.

The batch of a recipe is that of all ranks together; every rank computes its share of it.
"""

import math
import sys
import time
from itertools import chain, zip_longest
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
from semanir.train import ranks
from semanir.train.signals import asked_to_end
from semanir.train.spikes import IN_A_ROW
from semanir.train.state import Training, go_back, history, log, mark_good, save_state


class TrainingStoppedError(InputError):
    """The training diverged; the message names iteration, learning rate and last good state."""


def train(training: Training) -> None:
    """Run the remaining iterations, logging and saving on the way.

    Raises TrainingStoppedError on a spike, see `Recipe`, unless its `on_spike` says otherwise, and
    on spikes without end; weights and saved state are then those before the spike. Raises
    PreemptedError after a signal of `signals.GRACEFUL`, to any rank, with the state of that moment
    saved.
    """
    recipe = training.recipe
    # a bar on a terminal; one line a minute where the output is a file
    bar = tqdm(
        total=recipe.iterations,
        initial=training.step,
        unit="it",
        dynamic_ncols=True,
        mininterval=0.5 if sys.stderr.isatty() else 60,
        delay=0 if sys.stderr.isatty() else 60,
        disable=not ranks.is_first(),
    )
    items = ranks.share(recipe.batch, recipe.accumulate)
    steps = range(training.step, recipe.iterations)
    batches = training.pairs.batches(training.seed, steps, items, training.workers)
    started, images = time.perf_counter(), 0
    with bar:
        if _is_to_validate(training) and not ranks.of_first(lambda: _is_validated(training)):
            _log_validation(training)  # the end came after the state was saved and before this
        for degraded, clean in batches:
            facts = iterate(training, degraded, clean)
            images += recipe.batch
            bar.update()
            if "spike" in facts:
                log(training, facts)
            elif training.step % recipe.log_every == 0 or training.step == recipe.iterations:
                speed = images / (time.perf_counter() - started)
                log(training, {**facts, "images_per_s": round(speed, 2)})
                bar.set_postfix(loss=f"{facts['loss']:.4f}", refresh=False)
                started, images = time.perf_counter(), 0
            if training.step % recipe.save_every == 0 or training.step == recipe.iterations:
                mark_good(training)
                save_state(training)
            if _is_to_validate(training):
                _log_validation(training)
                started, images = time.perf_counter(), 0
            # all ranks end after the same iteration
            if ranks.largest(bool(asked_to_end())) and training.step < recipe.iterations:
                save_state(training)
                name = asked_to_end() or "signal to another rank"
                raise PreemptedError(
                    f"{name}: state saved after iteration {training.step}; the same command resumes"
                )


def _is_to_validate(training: Training) -> bool:
    step, recipe = training.step, training.recipe
    return step == recipe.iterations or (step > 0 and step % recipe.validate_every == 0)


def _is_validated(training: Training) -> bool:
    return training.step in [entry["step"] for entry in history(training)]


def _log_validation(training: Training) -> None:
    log(training, {"step": training.step, "holdout_psnr": validate(training)})


def iterate(training: Training, degraded: Tensor, clean: Tensor) -> dict[str, Any]:
    """One iteration on this rank's share [B,C,H,W] of a batch on [0,1]; returns a line of the log.

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
        value += _gradients(training, *part, k)
    value = ranks.sum_gradients(network.parameters(), value)
    norm = float(clip_grad_norm_(network.parameters(), recipe.clip_norm or math.inf))
    if training.spikes.is_one(recipe, value, norm):
        return _spike(training, value, norm)
    training.optimizer.step()
    if training.average:
        training.average.update_parameters(network)
    training.step += 1
    return {"step": training.step, "loss": value, "lr": rate, "grad_norm": norm, "k": k}


def _spike(training: Training, loss: float, norm: float) -> dict[str, Any]:
    """What the recipe does instead of a step; returns the line of the log."""
    recipe, saved = training.recipe, training.state_path
    most_loss, most_norm = training.spikes.limits(recipe)
    if recipe.on_spike == "stop" or training.spikes.in_a_row == IN_A_ROW:
        row = f", spike {IN_A_ROW} in a row" if recipe.on_spike != "stop" else ""
        most = f" (limit {most_loss:.3g})" if most_loss < math.inf else ""
        kept = f"last good state: {saved}" if saved.is_file() else "no state was saved before it"
        raise TrainingStoppedError(
            f"training stopped at iteration {training.step + 1}{row}: loss {loss}{most}, gradient "
            f"norm {norm:.3g} (limit {most_norm:.3g}), learning rate "
            f"{recipe.learning_rate(training.step):.3g}; {kept}. "
            f"Lower lr or clip_norm in the recipe and train again"
        )
    back = {"back_to": go_back(training)} if recipe.on_spike == "restore" else {}
    training.step += 1
    # as text: JSON has no word for values that are not finite
    values = {"spike_loss": f"{loss:.6g}", "spike_norm": f"{norm:.6g}"}
    return {"step": training.step, "spike": recipe.on_spike, **back, **values}


def _gradients(training: Training, degraded: Tensor, clean: Tensor, k: int) -> float:
    """Add the gradients of a part of a batch; returns what it adds to the loss of the whole."""
    recipe, network = training.recipe, training.network
    device = next(network.parameters()).device
    with torch.autocast(device.type, torch.bfloat16, enabled=recipe.precision == "bf16"):
        try:
            restored = network(degraded.to(device, non_blocking=True), k)
        except NonFiniteTokensError:
            return math.nan
    loss = training.loss(restored.float(), clean.to(device, non_blocking=True))
    loss = loss / (recipe.accumulate * ranks.count())
    loss.backward()
    return float(loss.detach())


def draw_k(choices: tuple[int, ...], seed: int, step: int) -> int:
    """Random top-k of Sec. 3.3: one draw per iteration for the whole network, same on all ranks."""
    # a seed (seed, step) would repeat the stream of (seed, step, 0), which draws the first patch
    return choices[np.random.default_rng((seed, step, 0, 1)).integers(len(choices))]


def validate(training: Training) -> dict[str, float]:
    """PSNR in dB on the held-out photographs, per level; every rank restores some of them."""
    task, network = training.pairs.task, training.trained.eval()
    found, scale = list[tuple[str, float]](), task.upscale or 1
    for degraded, clean, level in training.pairs.validation(ranks.number(), ranks.count()):
        clean = clean[: degraded.shape[0] * scale, : degraded.shape[1] * scale]
        quality = score(restore(network, degraded), clean, task.protocol(level))
        found.append((level, quality["psnr"]))
    network.train()
    values: dict[str, list[float]] = {}
    # in the order of the photographs
    for level, psnr in filter(None, chain(*zip_longest(*ranks.of_all(found)))):
        values.setdefault(level, []).append(psnr)
    return {level: round(float(np.mean(psnr)), 4) for level, psnr in values.items()}
