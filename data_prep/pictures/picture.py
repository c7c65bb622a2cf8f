"""A picture in memory with what belongs to it, and which formats hold what."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from data_prep.pictures import exif as block
from data_prep.pictures.density import Density

ENDINGS = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".jpe": "JPEG",
    ".jfif": "JPEG",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WEBP",
    ".bmp": "BMP",
    ".apng": "PNG",  # of one frame
}


@dataclass(frozen=True)
class Picture:
    """A decoded picture; rows and columns as stored, not turned by the EXIF orientation.

    pixels [H,W] grey or [H,W,3] RGB, uint8 or uint16; alpha [H,W] of the same type, or None; icc
    the colour profile and exif the whole block from its byte order on, b"" where there is none;
    colour: the chunks of a PNG that say what its numbers mean, {name: data}.
    """

    pixels: NDArray
    alpha: NDArray | None = None
    icc: bytes = b""
    exif: bytes = b""
    colour: dict[bytes, bytes] = field(default_factory=dict)
    density: Density | None = None

    def __post_init__(self) -> None:
        # as JPEG has it, and Pillow gives it
        object.__setattr__(self, "exif", self.exif.removeprefix(b"Exif\0\0"))

    @property
    def orientation(self) -> int:
        """How a viewer turns the pixels, 1 (not at all) to 8, as EXIF counts them."""
        value = block.orientation(self.exif)
        return value if value in _TURNS else 1


def is_picture(path: Path) -> bool:
    return path.suffix.lower() in ENDINGS


def see_through(picture: Picture) -> bool:
    """Alpha that is full everywhere shows nothing and may be dropped."""
    alpha = picture.alpha
    return alpha is not None and bool((alpha != np.iinfo(alpha.dtype).max).any())


def resized(picture: Picture, pixels: NDArray) -> Picture:
    """The picture with other pixels; where they are more, alpha is enlarged and EXIF says so.

    The density stays: an enlarged picture covers more paper.
    """
    height, width = pixels.shape[:2]
    if picture.pixels.shape[:2] == (height, width):
        return replace(picture, pixels=pixels)
    alpha = picture.alpha
    if alpha is not None:
        alpha = cv2.resize(alpha, (width, height), interpolation=cv2.INTER_CUBIC)
    exif = block.with_size(picture.exif, width, height)
    return replace(picture, pixels=pixels, alpha=alpha, exif=exif)


# EXIF orientation: (swap rows and columns first, then reverse rows, reverse columns)
_TURNS = {
    1: (False, 1, 1),
    2: (False, 1, -1),
    3: (False, -1, -1),
    4: (False, -1, 1),
    5: (True, 1, 1),
    6: (True, 1, -1),
    7: (True, -1, -1),
    8: (True, -1, 1),
}
_UNDO = {6: 8, 8: 6}  # all others undo themselves


def turn(pixels: NDArray, orientation: int) -> NDArray:
    """Pixels [H,W] or [H,W,C] as a viewer shows them that heeds the orientation."""
    swap, rows, columns = _TURNS[orientation]
    return (np.swapaxes(pixels, 0, 1) if swap else pixels)[::rows, ::columns]


def turn_back(pixels: NDArray, orientation: int) -> NDArray:
    """What `turn` made these of."""
    return turn(pixels, _UNDO.get(orientation, orientation))
