"""Reading and writing photographs as numpy arrays of 8 bits."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from data_prep.pictures import read_picture, see_through, turn
from semanir.errors import InputError
from semanir.files import replacing

EIGHT_BITS: dict[str, Callable[[NDArray[np.uint16]], NDArray[np.uint8]]] = {
    # as Pillow and OpenCV read a PNG where they are not told to keep 16
    "high_byte": lambda deep: (deep >> 8).astype(np.uint8),
    # as MATLAB's im2uint8: 65535 is 255 and 257 is 1; no number is a tie
    "rounded": lambda deep: ((deep.astype(np.uint32) + 128) // 257).astype(np.uint8),
}


def read_image(path: str | Path, from_16_bits: str = "") -> NDArray[np.uint8]:
    """Decode one photograph to uint8, exactly: grey files as [H,W], all others as RGB [H,W,3].

    Bilevel and palette files are expanded, alpha that is full everywhere is left out, and what EXIF
    says is turned is turned. from_16_bits: how 16 bits become 8, a name of EIGHT_BITS; without one
    they are refused. InputError names the file if it is missing, broken, transparent in places, or
    of a kind that data_prep.pictures does not read.
    """
    picture = read_picture(Path(path))
    pixels = turn(picture.pixels, picture.orientation)
    if see_through(picture):
        raise InputError(f"{path} is transparent in places; save it on a background, without alpha")
    if pixels.dtype == np.uint16:
        if not from_16_bits:
            raise InputError(
                f"{path} has 16 bits; convert it to 8, or say in datasets.yaml how that is done "
                f"(from_16_bits: {' or '.join(EIGHT_BITS)})"
            )
        pixels = EIGHT_BITS[from_16_bits](pixels)
    return np.ascontiguousarray(pixels)


def write_image(path: str | Path, image: NDArray[np.uint8]) -> None:
    """Write uint8 [H,W] or [H,W,3] as PNG, whole or not at all."""
    with replacing(path) as partial:
        Image.fromarray(image).save(partial, format="PNG")


def to_grey(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Full-range BT.601 luma, rounded: the grey of the denoising sets (not the 16..235 Y of SR).

    image uint8 [H,W,3] -> uint8 [H,W]; a grey image [H,W] is returned as it is.
    """
    if image.ndim == 2:
        return image
    return np.rint(image @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)


def luma(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """BT.601 luma of an RGB image on 16..235: uint8 [H,W,3] -> float64 [H,W], not rounded.

    MATLAB's rgb2ycbcr rounds (to_y); the codes behind the super-resolution tables (BasicSR) do not,
    which is worth 0.02 to 0.09 dB.
    """
    r, g, b = (image[..., channel].astype(np.float64) for channel in range(3))
    return (65.481 * r + 128.553 * g + 24.966 * b) / 255 + 16


def to_y(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The Y of MATLAB's rgb2ycbcr: the grey of the JPEG sets (not the full-range to_grey).

    image uint8 [H,W,3] -> uint8 [H,W] on 16..235, rounded half away from zero; a grey image [H,W]
    is returned as it is. OpenCV's grey in its place is off by 0.7 dB. Raises InputError for others.
    """
    check_image(image)
    if image.ndim == 2:
        return image
    r, g, b = (image[..., channel].astype(np.int64) for channel in range(3))
    # in whole thousandths: 194 colours are exact ties, 39 of which floats would round down
    return ((65481 * r + 128553 * g + 24966 * b + 127500) // 255000 + 16).astype(np.uint8)


def check_image(image: NDArray[np.uint8], channels: int | None = None) -> None:
    """Raise InputError unless image is a non-empty uint8 array [H,W] or [H,W,3].

    channels 1 or 3 demands that one of the two. The message names dtype and shape of the image.
    """
    shapes = {1: "[H,W]", 3: "[H,W,3]", None: "[H,W] or [H,W,3]"}
    dtype, shape = getattr(image, "dtype", type(image).__name__), np.shape(image)
    own = 1 if len(shape) == 2 else 3 if len(shape) == 3 and shape[2] == 3 else 0
    eight_bit = isinstance(image, np.ndarray) and dtype == np.uint8 and image.size > 0
    if not eight_bit or not own or channels not in (None, own):
        raise InputError(
            f"expected a non-empty uint8 image {shapes[channels]}, got {dtype} {shape}; convert it"
        )


def match_channels(
    image: NDArray[np.uint8], channels: int, path: str | Path, gray: str = "full"
) -> NDArray[np.uint8]:
    """The image as [H,W] for 1 channel or [H,W,3] for 3; a grey file cannot become colour.

    gray: how colour becomes grey, "full" (to_grey, denoising) or "y" (to_y, JPEG).
    """
    if channels == 1:
        return to_y(image) if gray == "y" else to_grey(image)
    if image.ndim == 2:
        raise InputError(f"{path} is grey, the task needs colour; use the task's grey variant")
    return image
