"""The degradations of the paper's tasks: pure functions (image, level, rng) -> degraded image.

The same functions make the test sets and the training pairs.
"""

from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data_prep.errors import InputError
from data_prep.resize import imresize

Random = np.random.RandomState | np.random.Generator


def awgn(image: NDArray[np.uint8], sigma: float, seed: int | Random = 0) -> NDArray[np.float32]:
    """Additive white Gaussian noise: image/255 + N(0, sigma/255), never clipped, never quantised.

    image uint8 [H,W] or [H,W,3]; sigma on the 0..255 scale; returns float32 of the same shape on
    the [0,1] scale, values outside [0,1] included. An int seed restarts
    numpy.random.RandomState(seed), for each image of a test set alike (KAIR, SwinIR, Restormer).
    Raises InputError for a negative sigma or an image that is not uint8.
    """
    _check(image)
    if not 0 <= sigma < np.inf:
        raise InputError(f"sigma must be finite and 0 or more, got {sigma}")
    rng = np.random.RandomState(seed) if isinstance(seed, int | np.integer) else seed
    return (image / 255 + rng.normal(0, sigma / 255, image.shape)).astype(np.float32)


def downscale(image: NDArray[np.uint8], scale: int, seed: int | Random = 0) -> NDArray[np.uint8]:
    """MATLAB bicubic reduction by 1/scale of the image cropped to a multiple of scale.

    image uint8 [H,W] or [H,W,3]; returns uint8 [H//scale, W//scale(, 3)]. Deterministic: `seed` is
    taken for the common signature only. Raises InputError for an image smaller than the scale.
    """
    _check(image)
    height, width = (size - size % scale for size in image.shape[:2])
    if not height or not width:
        raise InputError(f"image of {image.shape[0]}x{image.shape[1]} is too small for x{scale}")
    return imresize(image[:height, :width], 1 / scale)


def degradation(dotted: str) -> Any:
    """The function that a task names, e.g. "data_prep.degrade.awgn"."""
    module, _, name = dotted.rpartition(".")
    return getattr(import_module(module), name)


def _check(image: NDArray[np.uint8]) -> None:
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or image.size == 0:
        raise InputError(
            f"expected a non-empty uint8 image [H,W] or [H,W,3], got {image.dtype} {image.shape}"
        )
