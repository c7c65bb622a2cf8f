"""Degradations of one image: pure functions (image, level, seed) -> degraded image.

DEGRADATIONS names those of tasks.yaml. data_prep.degrade applies them to whole test sets,
semanir.train.patches to training images. motion_blur and weather are synthetic stand-ins for real
pairs; no score on them compares with a printed number.
"""

from collections.abc import Callable
from functools import lru_cache
from hashlib import sha256
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from data_prep.images import check_image
from data_prep.resize import imresize, modcrop
from data_prep.synthetic import Random, motion_blur, weather
from semanir.errors import InputError
from semanir.names import known_name

# Malvar, He, Cutler, "High-quality linear interpolation for demosaicing of Bayer-patterned color
# images", ICASSP 2004, figure 2, times 16: the sums are whole and hence exact
_GREEN = np.array(  # green at a red or blue pixel
    [
        [0, 0, -2, 0, 0],
        [0, 0, 4, 0, 0],
        [-2, 4, 8, 4, -2],
        [0, 0, 4, 0, 0],
        [0, 0, -2, 0, 0],
    ],
    np.float64,
)
_FROM_ROW = np.array(  # red or blue at a green pixel, from its left and right neighbours
    [
        [0, 0, 1, 0, 0],
        [0, -2, 0, -2, 0],
        [-2, 8, 10, 8, -2],
        [0, -2, 0, -2, 0],
        [0, 0, 1, 0, 0],
    ],
    np.float64,
)
_FROM_DIAGONALS = np.array(  # red at a blue pixel, blue at a red one
    [
        [0, 0, -3, 0, 0],
        [0, 4, 0, 4, 0],
        [-3, 0, 12, 0, -3],
        [0, 4, 0, 4, 0],
        [0, 0, -3, 0, 0],
    ],
    np.float64,
)


def awgn(image: NDArray[np.uint8], sigma: float, seed: int | Random = 0) -> NDArray[np.float32]:
    """Additive white Gaussian noise: image/255 + N(0, sigma/255), never clipped, never quantised.

    image uint8 [H,W] or [H,W,3]; sigma on the 0..255 scale; returns float32 of the same shape on
    the [0,1] scale, values outside [0,1] included. An int seed restarts
    numpy.random.RandomState(seed), for each image of a test set alike (KAIR, SwinIR, Restormer).
    Raises InputError for a negative sigma or an image that is not uint8.
    """
    check_image(image)
    if not 0 <= sigma < np.inf:
        raise InputError(f"sigma must be finite and 0 or more, got {sigma}")
    if isinstance(seed, int | np.integer):
        noise = sigma / 255 * _standard_normal(int(seed), image.size).reshape(image.shape)
    else:
        noise = seed.normal(0, sigma / 255, image.shape)
    return (image / 255 + noise).astype(np.float32)


@lru_cache(maxsize=2)
def _standard_normal(seed: int, count: int) -> NDArray[np.float64]:
    """The draws of RandomState(seed), cached: all photographs of one size have the same noise.

    RandomState.normal(0, scale) is scale times these to the bit.
    """
    draws = np.random.RandomState(seed).standard_normal(count)
    draws.flags.writeable = False
    return draws


def downscale(image: NDArray[np.uint8], scale: int, seed: int | Random = 0) -> NDArray[np.uint8]:
    """MATLAB bicubic reduction by 1/scale of the image cropped to a multiple of scale.

    image uint8 [H,W] or [H,W,3]; returns uint8 [H//scale, W//scale(, 3)]. Deterministic: `seed` is
    taken for the common signature only. Raises InputError for an image smaller than the scale.
    """
    check_image(image)
    return imresize(modcrop(image, scale), 1 / scale)


def jpeg(image: NDArray[np.uint8], quality: int, seed: int | Random = 0) -> NDArray[np.uint8]:
    """Encode and decode the whole image as JPEG with OpenCV: chroma 4:2:0, its default.

    image uint8 [H,W] (stays grey) or [H,W,3] RGB; quality 1..100, the QF of the tables; returns
    uint8 of the same shape. Deterministic: `seed` is taken for the common signature only.
    Degrade whole images and cut afterwards: the 8x8 blocks start at the image's corner.
    Raises InputError for a quality that is no whole number of 1..100, or another image.
    """
    check_image(image)
    whole = isinstance(quality, int | np.integer) and not isinstance(quality, bool)
    if not whole or not 1 <= quality <= 100:
        raise InputError(f"quality must be a whole number of 1..100, got {quality!r}")
    # OpenCV takes and gives BGR
    pixels = image if image.ndim == 2 else np.ascontiguousarray(image[..., ::-1])
    _, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, int(quality)])
    decoded: Any = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    return decoded if image.ndim == 2 else np.ascontiguousarray(decoded[..., ::-1])


def bayer(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The mosaic of an RGGB Bayer filter: uint8 RGB [H,W,3] -> uint8 [H,W], red at (0, 0).

    Raises InputError for an image that is not uint8 [H,W,3].
    """
    check_image(image, 3)
    sensor = image[..., 1].copy()
    sensor[::2, ::2] = image[::2, ::2, 0]
    sensor[1::2, 1::2] = image[1::2, 1::2, 2]
    return sensor


def malvar(mosaic: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Malvar-He-Cutler demosaicking of an RGGB mosaic: uint8 [H,W] -> float64 RGB [H,W,3].

    On the 0..255 scale, neither rounded nor clipped: it overshoots at edges. The border is mirrored
    without repeating the edge. Clipped and rounded this is MATLAB's demosaic, the "Matlab" row of
    Table 9. All sums are exact. Raises InputError for an image that is not uint8 [H,W].
    """
    check_image(mosaic, 1)
    sensor = mosaic.astype(np.float64)
    green, from_row, from_column, from_diagonals = (
        cv2.filter2D(sensor, -1, kernel, borderType=cv2.BORDER_REFLECT_101) / 16
        for kernel in (_GREEN, _FROM_ROW, _FROM_ROW.T, _FROM_DIAGONALS)
    )
    full = np.repeat(sensor[..., None], 3, axis=2)
    for channel, row in ((0, 0), (2, 1)):  # red lies on even rows and columns, blue on odd ones
        other = 1 - row
        full[row::2, row::2, 1] = green[row::2, row::2]
        full[row::2, other::2, channel] = from_row[row::2, other::2]
        full[other::2, row::2, channel] = from_column[other::2, row::2]
        full[other::2, other::2, channel] = from_diagonals[other::2, other::2]
    return full


def mosaic(
    image: NDArray[np.uint8], level: str = "rggb", seed: int | Random = 0
) -> NDArray[np.float32]:
    """The demosaicking network's input: malvar(bayer(image)) / 255, neither rounded nor clipped.

    image uint8 RGB [H,W,3]; level "rggb", the only Bayer pattern; returns float32 [H,W,3], values
    outside [0,1] included. Deterministic: `seed` is taken for the common signature only.
    Raises InputError for another pattern or an image that is not uint8 [H,W,3].
    """
    known_name(level, ["rggb"], "Bayer pattern")
    return (malvar(bayer(image)) / 255).astype(np.float32)


def name_seed(name: str) -> int:
    """A seed 0..2**32-1 of the file name's own, the same on every machine.

    The first 32-bit word of the SHA-256 of the name, little-endian (GRL seeds with all eight
    words). Pass the bare name without folders, which differ between machines.
    """
    return int.from_bytes(sha256(name.encode()).digest()[:4], "little")


# key `degradation` of tasks.yaml -> function (image, level, seed) -> degraded image
DEGRADATIONS: dict[str, Callable[..., NDArray[Any]]] = {
    "awgn": awgn,
    "downscale": downscale,
    "jpeg": jpeg,
    "mosaic": mosaic,
    "motion_blur": motion_blur,
    "weather": weather,
}


def degradation(name: str) -> Callable[..., NDArray[Any]]:
    """The function of a name of DEGRADATIONS; UnknownNameError names the nearest valid ones."""
    return DEGRADATIONS[known_name(name, DEGRADATIONS, "degradation")]
