"""MATLAB's bicubic `imresize` in numpy: every pixel of the Set5 inputs shipped for x2, x3 and x4.

The super-resolution inputs of the literature were made with MATLAB, and no Python library makes the
same ones: the usual port rounds to 8 bit once, not after each of the two passes, and misses a tenth
of the pixels at x4.
"""

# n lines in, m lines out, L values a line

import math
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from semanir.errors import InputError

Image = TypeVar("Image", NDArray[np.uint8], NDArray[np.float32], NDArray[np.float64])

_CACHE_VALUES = 50_000  # values worked on at once: two float32 blocks of 200 kB stay in a 1 MB L2


def imresize(image: Image, scale: float) -> Image:
    """Resize by `scale` with MATLAB's bicubic kernel, smoothing (antialias) when shrinking.

    The border is mirrored with the edge pixel repeated, as MATLAB does and the Set5 inputs need.

    image: [H,W] or [H,W,C]; uint8, or finite float32/float64 in any range.
    scale: more than 0; 1/4 shrinks to a quarter, 4 enlarges.

    Returns [ceil(H*scale), ceil(W*scale)(, C)] of the same dtype. Rows are resized first, then
    columns. uint8 is rounded half away from zero and clipped after each of the two passes, float is
    neither rounded nor clipped; float32 is computed in float64 and converted at the end.
    (The x8 inputs of the same Set5 folder were rounded once: resize them as float, then round.)

    The bits of the result do not depend on the machine or its threads: 8-bit images are resized by
    whole factors in exact arithmetic; all other sums run over the taps in a fixed order, and their
    ties are recognised to 1e-9.

    Raises InputError (a ValueError) for another dtype or number of axes, an empty image, NaN or
    infinity, and an invalid scale.
    """
    _check(image)
    if not (math.isfinite(scale) and scale > 0):
        raise InputError(f"scale must be a finite number above 0, got {scale}; 1/4 gives x4 inputs")

    resized: NDArray[np.generic] = image
    for _ in range(2):
        lines = np.ascontiguousarray(resized).reshape(len(resized), -1)
        lines = _resize_lines(lines, scale)
        resized = lines.reshape(len(lines), *resized.shape[1:]).swapaxes(0, 1)  # [W,H(,C)] between
    return np.ascontiguousarray(resized, dtype=image.dtype)


def modcrop(image: Image, scale: int) -> Image:
    """Cut the image [H,W] or [H,W,C], any dtype, at the bottom and right to multiples of `scale`.

    Returns a view. Raises InputError if scale is no whole number above 0 or a side is below it.
    """
    if scale != int(scale) or scale < 1:
        raise InputError(f"scale must be a whole number of 1 or more, got {scale}")
    if image.ndim not in (2, 3):
        raise InputError(f"expected an image [H,W] or [H,W,C], got shape {image.shape}")
    height, width = (size - size % int(scale) for size in image.shape[:2])
    if not height or not width:
        raise InputError(
            f"an image of {image.shape[0]}x{image.shape[1]} is too small for x{scale}; leave it out"
        )
    return image[:height, :width]


def _check(image: NDArray[np.generic]) -> None:
    if not isinstance(image, np.ndarray) or image.dtype not in (np.uint8, np.float32, np.float64):
        kind = getattr(image, "dtype", type(image).__name__)
        raise InputError(f"expected an array of uint8, float32 or float64, got {kind}; convert it")
    if image.ndim not in (2, 3):
        raise InputError(f"expected an image [H,W] or [H,W,C], got shape {image.shape}")
    if image.size == 0:
        raise InputError(f"the image is empty, shape {image.shape}; check how it was cropped")
    if image.dtype != np.uint8 and not np.isfinite(image).all():
        raise InputError("the image holds NaN or infinite values; mend them before resizing")


def _resize_lines(lines: NDArray[np.generic], scale: float) -> NDArray[np.generic]:
    """One pass: [n,L] -> [m,L], uint8 to rounded uint8 and float to float64.

    Outputs g, g+period, g+2*period, ... have the same weights, and their first taps lie `step`
    lines apart. Whole factors have a short period; otherwise it is as long as the output.
    """
    n, eight_bit = len(lines), lines.dtype == np.uint8
    factor = round(max(scale, 1 / scale))
    whole = math.isclose(max(scale, 1 / scale), factor, rel_tol=1e-12)
    if whole:
        period, step, m = (1, factor, -(-n // factor)) if scale < 1 else (factor, 1, n * factor)
        scale = 1 / factor if scale < 1 else factor
    else:
        m = math.ceil(n * scale)
        period, step = m, 1
    first, weights = _taps(scale, period)
    taps = weights.shape[1]

    # with a whole factor s, every weight is a multiple of 1/(16 s^4): work in these units, exactly
    unit = 16 * factor**4 if whole else 1
    if whole:
        weights = np.rint(weights * unit)
    small = eight_bit and whole and np.abs(weights).sum(axis=1).max() * 255 < 2**24
    dtype = np.float32 if small else np.float64
    half = dtype(0.5 if whole else 0.5 + 1e-9)  # sums that are not exact may miss a tie by 1e-13

    # one stack of source lines per phase of `step`, so that the taps of a block are adjacent lines
    start, stop = int(first.min()), int(first.max()) + taps
    source = np.arange(start, stop + (m // period - 1) * step) % (2 * n)
    source = np.minimum(source, 2 * n - 1 - source)
    stacks = [source[phase::step] for phase in range(step)]

    resized = np.empty((m, lines.shape[1]), np.uint8 if eight_bit else np.float64)
    block = max(1, _CACHE_VALUES // lines.shape[1])
    for top in range(0, m // period, block):
        bottom = min(top + block, m // period)
        reach = bottom + (stop - start) // step
        near = [lines[stack[top:reach]].astype(dtype) for stack in stacks]
        total, product = np.empty((2, bottom - top, lines.shape[1]), dtype)
        for group in range(period):
            total[:] = 0
            for tap in np.flatnonzero(weights[group]):
                row, phase = divmod(int(first[group]) - start + int(tap), step)
                adjacent = near[phase][row : row + bottom - top]
                total += np.multiply(adjacent, dtype(weights[group, tap]), out=product)
            total /= unit
            if eight_bit:
                np.clip(total, 0, 255, out=total)
                total += half  # the assignment cuts off the fraction
            resized[group + top * period : group + bottom * period : period] = total
    return resized


def _taps(scale: float, count: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """First source line, counted from 0, [count] and weights [count, taps] of the first outputs."""
    shrink = min(scale, 1.0)
    width = 4 / shrink
    centre = np.arange(1, count + 1) / scale + 0.5 * (1 - 1 / scale)  # counted from 1, as MATLAB
    first = np.floor(centre - width / 2)
    lines = first[:, None] + np.arange(math.ceil(width) + 2)
    weights = _cubic(shrink * (centre[:, None] - lines))
    return first.astype(np.int64) - 1, weights / weights.sum(axis=1, keepdims=True)


def _cubic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Keys' cubic convolution kernel with a = -0.5."""
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))
