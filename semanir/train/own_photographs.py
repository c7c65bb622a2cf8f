"""Training on photographs of one's own: which network, by which recipe, and what it gained.

The photographs are prepared by data_prep.own_photographs.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from data_prep.own_photographs import HELD_OUT
from data_prep.tasks import Task
from semanir.errors import InputError
from semanir.inference import checkpoint
from semanir.inference.shipped import facts
from semanir.network.config import ColumnarConfig, Config
from semanir.train.recipe import Recipe, make_recipe

DATASET = "photographs of one's own"  # as recipe and weights name them
FINER = 0.1  # of the recipe's rate, where training starts from trained weights
SAVES = 10  # at least, of a training


def network_of(weights: Path, task: Task) -> Config:
    """The network that a weights file describes; InputError if it is not one for the task."""
    config = checkpoint.load(weights).config
    upscale = config.upscale if isinstance(config, ColumnarConfig) else None
    own, wanted = _kind(config.channels, upscale), _kind(task.channels, task.upscale)
    if own != wanted:
        of = facts(weights).get("task", "a task that it does not name")
        start = "" if bool(upscale) != bool(task.upscale) else "; --model takes over what fits"
        raise InputError(
            f"{weights} is a network for {own}, of {of}, and {task.name} wants one for {wanted}: "
            f"choose another --task or --init{start}"
        )
    return config


def _kind(channels: int, upscale: int | None) -> str:
    return f"{'grey' if channels == 1 else 'colour'}{f', enlarging x{upscale}' if upscale else ''}"


def own_recipe(
    options: Mapping[str, Any], k: float, finer: bool, changes: Mapping[str, Any]
) -> Recipe:
    """The recipe of a scale for photographs of one's own.

    k: keys per query of the network, as a part of those that the recipe was made for; the drawn
    ones follow. finer: whether the network is trained already, whose rate is a tenth. changes:
    recipe fields that were asked for.
    """
    values = {**options, "datasets": [DATASET], "holdout": HELD_OUT}
    values.pop("reductions", None)  # photographs of one's own are as sharp as they should become
    values["topk"] = sorted({max(1, round(k * choice)) for choice in options["topk"]})
    if finer:
        values["lr"] = FINER * options["lr"]
    recipe = make_recipe(values | dict(changes))
    return replace(recipe, save_every=max(1, min(recipe.save_every, recipe.iterations // SAVES)))


def gain(before: Mapping[str, float], after: Mapping[str, float]) -> str:
    """PSNR in dB by level, before and after, as the command line says it."""
    found = [f"{before[level]:.2f} -> {after[level]:.2f}" for level in after]
    if len(found) > 1:
        found = [f"{level} {one}" for level, one in zip(after, found, strict=True)]
    return f"{', '.join(found)} dB"
