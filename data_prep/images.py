"""Reading and writing photographs as numpy arrays."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from data_prep.errors import InputError
from data_prep.files import replacing


def read_image(path: str | Path) -> NDArray[np.uint8]:
    """Decode one file to uint8: grey files as [H,W], all others as RGB [H,W,3].

    Raises InputError that names the file if it is missing, truncated, corrupt or empty.
    """
    try:
        with Image.open(path) as image:
            image.load()
            grey = image.mode in ("L", "1")
            return np.asarray(image.convert("L" if grey else "RGB"))
    except FileNotFoundError:
        raise InputError(f"no such image: {path}") from None
    except (
        OSError,
        SyntaxError,
        ValueError,
    ) as error:  # Pillow reports broken PNGs as any of these
        raise InputError(
            f"cannot decode image {path}: {error}; fetch or prepare it again"
        ) from None


def write_image(path: str | Path, image: NDArray[np.uint8]) -> None:
    """Write uint8 [H,W] or [H,W,3] as PNG, whole or not at all."""
    with replacing(path) as partial:
        Image.fromarray(image).save(partial, format="PNG")


def to_grey(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Full-range BT.601 luma, rounded: the grey of the denoising sets (not the 16..235 Y of SR)."""
    if image.ndim == 2:
        return image
    luma = image @ np.array([0.299, 0.587, 0.114])
    return np.rint(luma).astype(np.uint8)


def match_channels(image: NDArray[np.uint8], channels: int, path: str | Path) -> NDArray[np.uint8]:
    """The image as [H,W] for 1 channel or [H,W,3] for 3; a grey file cannot become colour."""
    if channels == 1:
        return to_grey(image)
    if image.ndim == 2:
        raise InputError(f"{path} is grey, the task needs colour; use the task's grey variant")
    return image
