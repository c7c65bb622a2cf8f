"""Training pairs: patches degraded on the fly by the functions that make the test sets.

Every draw is a pure function of (seed, step, item), so a resumed training sees the same pairs.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from data_prep.degradations import degradation, name_seed
from data_prep.degrade import read_degraded
from data_prep.images import match_channels, read_image
from data_prep.prepare import load_index
from data_prep.resize import imresize
from data_prep.tasks import BLIND, Task
from semanir.errors import InputError, remake
from semanir.inference.arrays import as_float, as_tensor
from semanir.train.signals import heed_parent_alone

# of photographs held in memory, per process; 400 of BSD in colour at five sizes are 611 MB
DECODED_BYTES = 2**30
MARGIN = 16  # pixels of the network's input around a patch; also what regions are aligned to


@dataclass(frozen=True)
class Photograph:
    """A clean photograph on disk, [H,W] or [H,W,3], and its degraded file where pairs are real.

    height, width: in pixels, after it has been reduced to `reduction` of its sides.
    """

    clean: Path
    height: int
    width: int
    degraded: Path | None = None
    reduction: float = 1.0

    def reduced(self, to: float) -> "Photograph":
        """The same, its sides reduced to this part of them by `imresize`, which rounds up."""
        height, width = (math.ceil(side * to) for side in (self.height, self.width))
        return replace(self, height=height, width=width, reduction=to)


class TrainingPatches:
    """Prepared sets of photographs, and the (degraded, clean) pairs of patches drawn from them.

    folders: (prepared set, degraded set or None); with a degraded set its files are the pairs'
    inputs, else the task degrades the clean photographs. Construction verifies every file, so a
    corrupt photograph stops the job before any training; those that fit into memory are decoded
    then. Photographs whose name starts with `holdout` are kept for validation. levels: the first
    and the last whole number that training draws from, e.g. of sigma; () = the task's levels.
    reductions: parts of their sides that photographs are trained on at, 1 is the whole; those held
    out are whole. Real pairs have no other than 1.
    """

    def __init__(
        self,
        folders: Sequence[tuple[Path, Path | None]],
        task: Task,
        holdout: str,
        patch: int,
        levels: Sequence[int] = (),
        reductions: Sequence[float] = (1.0,),
    ) -> None:
        self.task = task
        self.levels = range(levels[0], levels[1] + 1) if levels else tuple(task.levels.values())
        self.patch = patch
        self.scale = task.upscale or 1
        self.degrade = degradation(task.degradation)
        every = [item for folder in folders for item in photographs(*folder)]
        held_out = [item for item in every if holdout and item.clean.name.startswith(holdout)]
        names = ", ".join(str(folder) for folder, _ in folders)
        if holdout and not held_out:
            raise InputError(f"no photograph of {names} starts with holdout {holdout!r}")
        self.photographs = [item for item in every if item not in held_out]
        if not self.photographs:
            raise InputError(f"{names} has no photograph to train on besides holdout {holdout!r}")
        self.held_out = sorted(held_out, key=lambda item: item.clean)
        self.reductions = tuple(reductions)
        if self.reductions != (1.0,) and any(item.degraded for item in every):
            raise InputError(
                f"{task.name} has real pairs, which are not reduced; leave `reductions` out"
            )
        smallest = min(self.reductions)
        for item in (item.reduced(smallest) for item in every):
            if min(item.height, item.width) < patch * self.scale:
                reduced = "" if smallest == 1 else f", reduced to {smallest:g},"
                raise InputError(
                    f"{item.clean}{reduced} of {item.height}x{item.width} is smaller than the "
                    f"training patch of {patch * self.scale}; lower `patch` in the recipe"
                )
        largest = max(item.height * item.width * task.channels for item in every)
        sizes = sum(reduction**2 for reduction in self.reductions) / len(self.reductions)
        # clean photographs are kept as uint8, the degraded ones of real pairs as float32
        value = 5 if any(item.degraded for item in every) else 1
        in_memory = max(1, int(DECODED_BYTES / (value * largest * sizes)))
        # by path and reduction: several degraded files of real pairs have one clean photograph
        self._clean = lru_cache(maxsize=in_memory)(self._read)
        self._degraded = lru_cache(maxsize=max(1, DECODED_BYTES // (5 * largest)))(
            self._degrade_whole
        )
        if len(every) * len(self.reductions) <= in_memory:
            for reduction in self.reductions:
                for item in self.photographs:
                    self._clean(item.clean, reduction)
            for item in self.held_out:
                self._clean(item.clean, item.reduction)

    def batch(self, seed: int, step: int, items: int | range) -> tuple[Tensor, Tensor]:
        """Degraded [B,C,patch,patch] and clean [B,C,s*patch,s*patch], float32 on [0,1].

        items: how many, or which of a larger batch.
        """
        items = range(items) if isinstance(items, int) else items
        pairs = [self._draw(np.random.default_rng((seed, step, item))) for item in items]
        degraded, clean = zip(*pairs, strict=True)
        return torch.stack(degraded), torch.stack(clean)

    def batches(
        self, seed: int, steps: range, items: int | range, workers: int = 0
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """`batch` of every step in turn, prepared ahead by `workers` processes."""
        batches = _Batches(self, seed, steps, items)
        # else the loader would draw its seed from torch's global generator
        generator = torch.Generator()
        return iter(
            DataLoader(
                batches,
                batch_size=None,
                num_workers=workers,
                generator=generator,
                worker_init_fn=heed_parent_alone,
            )
        )

    def validation(
        self, first: int = 0, stride: int = 1
    ) -> Iterator[tuple[NDArray[np.float32], NDArray[np.uint8], str]]:
        """(degraded on [0,1], clean uint8, level) of the held-out photographs at every level.

        first, stride: to take every stride-th of them alone.
        """
        levels, jobs = self.task.levels, list[tuple[Photograph, str, Any]]()
        for item in self.held_out:
            if item.degraded:
                jobs += [(item, next(iter(levels)) if len(levels) == 1 else BLIND, None)]
            else:
                jobs += [(item, level, value) for level, value in levels.items()]
        for item, level, value in jobs[first::stride]:
            # files of real pairs are read once, and have no place in the memory of patches
            given = read_degraded(item.degraded) if item.degraded else self._degraded(item, value)
            yield as_float(given), self._clean(item.clean, item.reduction), level

    def _draw(self, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        item = self.photographs[rng.integers(len(self.photographs))]
        if self.reductions != (1.0,):
            item = item.reduced(self.reductions[rng.integers(len(self.reductions))])
        value = self.levels[rng.integers(len(self.levels))]
        flips, transpose = rng.integers(2, size=2), int(rng.integers(2))
        sides = (item.height // self.scale, item.width // self.scale)
        top, left = (int(rng.integers(side - self.patch + 1)) for side in sides)
        clean = self._clean(item.clean, item.reduction)
        target = cut(clean, top, left, self.patch, self.scale)
        if item.degraded is None and self.task.degrades == "patch":
            target = augment(target, flips, transpose)
            source = self.degrade(target, value, rng)
            return as_tensor(as_float(source)), as_tensor(as_float(target))
        if item.degraded is None and self.task.degrades == "region":
            source = self._degrade_region(clean, top, left, value)
        else:
            source = cut(self._degraded(item, value), top, left, self.patch)
        source, target = (augment(image, flips, transpose) for image in (source, target))
        return as_tensor(as_float(source)), as_tensor(as_float(target))

    def _degrade_region(self, clean: NDArray, top: int, left: int, value: Any) -> NDArray:
        """The patch of the degraded photograph, from the region that it depends on.

        Regions start at multiples of 16 pixels of the network's input, which JPEG's blocks with
        halved colour and the Bayer pattern keep, and end a margin after the patch or with the
        photograph.
        """
        starts = [max(0, first // MARGIN - 1) * MARGIN for first in (top, left)]
        ends = [((first + self.patch - 1) // MARGIN + 2) * MARGIN for first in (top, left)]
        rows, columns = (
            slice(start * self.scale, end * self.scale)
            for start, end in zip(starts, ends, strict=True)
        )
        degraded = self.degrade(clean[rows, columns], value, 0)
        return cut(degraded, top - starts[0], left - starts[1], self.patch)

    def _read(self, path: Path, reduction: float) -> NDArray[np.uint8]:
        image = match_channels(read_image(path), self.task.channels, path, self.task.gray)
        return image if reduction == 1 else imresize(image, reduction)

    def _degrade_whole(self, item: Photograph, value: Any) -> NDArray:
        if item.degraded:
            return read_degraded(item.degraded)
        seed = name_seed(item.clean.name) if self.task.seed == "name" else 0
        return self.degrade(self._clean(item.clean, item.reduction), value, seed)


class _Batches(Dataset[tuple[Tensor, Tensor]]):
    """The batch of each step of a range, as torch's loader wants them."""

    def __init__(
        self, patches: TrainingPatches, seed: int, steps: range, items: int | range
    ) -> None:
        self.patches, self.seed, self.steps, self.items = patches, seed, steps, items

    def __len__(self) -> int:
        return len(self.steps)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.patches.batch(self.seed, self.steps[index], self.items)


def photographs(folder: Path, degraded: Path | None = None) -> list[Photograph]:
    """The photographs of a prepared set, or the pairs it makes with a degraded set; verified."""
    clean = {
        entry["file"]: Photograph(folder / entry["file"], entry["shape"][0], entry["shape"][1])
        for entry in load_index(folder, shape=list)
    }
    if degraded is None:
        return list(clean.values())
    pairs = []
    for entry in load_index(degraded, clean=str):
        if entry["clean"] not in clean:
            again = remake(degraded / "index.json")
            raise InputError(f"{degraded} names {entry['clean']}, which {folder} lacks; {again}")
        pairs.append(replace(clean[entry["clean"]], degraded=degraded / entry["file"]))
    return pairs


def cut(image: NDArray, top: int, left: int, side: int, scale: int = 1) -> NDArray:
    """The square patch of `side` at (top, left), all times `scale`."""
    return image[top * scale :, left * scale :][: side * scale, : side * scale]


def augment(image: NDArray, flips: NDArray, transpose: int) -> NDArray:
    """Flip rows and columns and swap the axes: the eight symmetries of the square."""
    image = image[:: -1 if flips[0] else 1, :: -1 if flips[1] else 1]
    return np.swapaxes(image, 0, 1) if transpose else image
