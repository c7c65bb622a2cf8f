"""Training pairs: patches degraded on the fly by the functions that make the test sets.

Every draw is a pure function of (seed, step, item), so a resumed training sees the same pairs.
"""

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from data_prep.degrade import degradation, name_seed
from data_prep.errors import InputError
from data_prep.images import match_channels, read_image
from data_prep.prepared import load_index
from data_prep.tasks import Task


class Pairs:
    """Photographs of a prepared set as (degraded, clean) pairs of a task.

    Construction verifies every file, so a corrupt photograph stops the job before any training.
    Photographs whose name starts with `holdout` are kept for validation.
    """

    def __init__(self, folder: Path, task: Task, holdout: str, patch: int) -> None:
        self.task = task
        self.patch = patch
        self.degrade = degradation(task.degradation)
        self._clean = lru_cache(maxsize=512)(self._read)
        self._degraded = lru_cache(maxsize=512)(self._degrade_whole)
        paths = [folder / entry["file"] for entry in load_index(folder)]
        held = {path for path in paths if holdout and path.name.startswith(holdout)}
        if holdout and not held:
            raise InputError(f"no photograph of {folder} starts with holdout {holdout!r}")
        self.paths = [path for path in paths if path not in held]
        if not self.paths:
            raise InputError(f"{folder} has no photograph to train on besides holdout {holdout!r}")
        self.held = sorted(held)
        for path in paths:
            image = self._clean(path)
            if min(image.shape[:2]) < patch * (task.upscale or 1):
                raise InputError(
                    f"{path} of {image.shape[0]}x{image.shape[1]} is smaller than the training "
                    f"patch of {patch * (task.upscale or 1)}; lower `patch` in the recipe"
                )

    def batch(self, seed: int, step: int, size: int) -> tuple[Tensor, Tensor]:
        """Degraded [size,C,patch,patch] and clean [size,C,s*patch,s*patch], float32 on [0,1]."""
        pairs = [self._draw(np.random.default_rng((seed, step, item))) for item in range(size)]
        degraded, clean = zip(*pairs, strict=True)
        return torch.stack(degraded), torch.stack(clean)

    def validation(self) -> list[tuple[NDArray[np.float32], NDArray[np.uint8], str]]:
        """(degraded on [0,1], clean uint8, level) of the held-out photographs at every level."""
        found = []
        for path in self.held:
            for level, value in self.task.levels.items():
                degraded = self._degraded(path, value)
                found.append((as_float(degraded), self._clean(path), level))
        return found

    def _draw(self, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        path = self.paths[rng.integers(len(self.paths))]
        value = list(self.task.levels.values())[rng.integers(len(self.task.levels))]
        flips, transpose = rng.integers(2, size=2), int(rng.integers(2))
        if self.task.degrades == "image":
            degraded, scale = self._degraded(path, value), self.task.upscale or 1
            top, left = self._corner(degraded.shape, rng)
            source = degraded[top : top + self.patch, left : left + self.patch]
            size = self.patch * scale
            target = self._clean(path)[top * scale :, left * scale :][:size, :size]
            source, target = (augment(image, flips, transpose) for image in (source, target))
        else:
            top, left = self._corner(self._clean(path).shape, rng)
            target = self._clean(path)[top : top + self.patch, left : left + self.patch]
            target = augment(target, flips, transpose)
            source = self.degrade(target, value, rng)
        return as_tensor(as_float(source)), as_tensor(as_float(target))

    def _corner(self, shape: tuple[int, ...], rng: np.random.Generator) -> tuple[int, int]:
        top, left = (int(rng.integers(size - self.patch + 1)) for size in shape[:2])
        return top, left

    def _read(self, path: Path) -> NDArray[np.uint8]:
        return match_channels(read_image(path), self.task.channels, path, self.task.gray)

    def _degrade_whole(self, path: Path, value: Any) -> NDArray:
        seed = name_seed(path.name) if self.task.seed == "name" else 0
        return self.degrade(self._clean(path), value, seed)


def augment(image: NDArray, flips: NDArray, transpose: int) -> NDArray:
    """Flip rows and columns and swap the axes: the eight symmetries of the square."""
    image = image[:: -1 if flips[0] else 1, :: -1 if flips[1] else 1]
    return np.swapaxes(image, 0, 1) if transpose else image


def as_float(image: NDArray) -> NDArray[np.float32]:
    """uint8 to float32 on [0,1]; floats stay as they are."""
    return (image / 255 if image.dtype == np.uint8 else image).astype(np.float32)


def as_tensor(image: NDArray[np.float32]) -> Tensor:
    """[H,W] or [H,W,C] -> [C,H,W]."""
    if image.ndim == 2:
        image = image[..., None]
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
