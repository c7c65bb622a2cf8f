"""Writing picture files, with what belongs to the picture, or refusing before any work."""

import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from data_prep.pictures import density as densities
from data_prep.pictures import exif as blocks
from data_prep.pictures import png
from data_prep.pictures.picture import ENDINGS, Picture, is_picture, see_through, turn
from semanir.errors import InputError
from semanir.files import replacing

CARRIES: dict[str, set[str]] = {
    "PNG": {"16 bits", "alpha", "profile", "exif"},
    "TIFF": {"16 bits", "alpha", "profile", "exif"},
    "WEBP": {"alpha", "profile", "exif"},
    "JPEG": {"profile", "exif"},
    "BMP": set(),
}
LONGEST_SIDE = {"JPEG": 65500, "WEBP": 16383}  # pixels on a side
LONGEST_BLOCK = {"JPEG": 65533 - len(b"Exif\0\0")}  # bytes of EXIF: one segment
LONGEST_PROFILE = {"JPEG": 255 * (65533 - 14)}  # bytes: 255 segments
MOST_BYTES = {"TIFF": 2**32, "BMP": 2**32}  # of a file, whose places have 32 bits
OPTIONS: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 95, "subsampling": 0},
    "WEBP": {"lossless": True, "exact": True},
}
JFIF = b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1"  # how a JPEG starts; its density follows


def check_output(path: Path, picture: Picture, scale: int = 1) -> None:
    """Raise InputError if the format of `path` cannot hold the picture, enlarged `scale` times."""
    if not is_picture(path):
        raise InputError(f"{path} has no ending of a picture; valid: {', '.join(ENDINGS)}")
    kind = ENDINGS[path.suffix.lower()]
    sides = [side * scale for side in picture.pixels.shape[:2]]
    size = (
        picture.pixels.nbytes + (0 if picture.alpha is None else picture.alpha.nbytes)
    ) * scale**2
    missing = ""
    if picture.pixels.dtype == np.uint16 and "16 bits" not in CARRIES[kind]:
        missing = "16 bits"
    elif see_through(picture) and "alpha" not in CARRIES[kind]:
        missing = "transparency"
    elif picture.icc and "profile" not in CARRIES[kind]:
        missing = "a colour profile"
    elif picture.icc[16:20] == b"GRAY" and kind == "WEBP":  # which has no grey
        missing = "a grey profile"
    elif kind != "PNG" and png.colour_beyond_srgb(picture.colour, bool(picture.icc)):
        missing = png.colour_beyond_srgb(picture.colour, bool(picture.icc))
    elif max(sides) > LONGEST_SIDE.get(kind, np.inf):
        missing = f"sides above {LONGEST_SIDE[kind]} pixels"
    elif len(picture.exif) > LONGEST_BLOCK.get(kind, np.inf):
        missing = f"EXIF of {len(picture.exif)} bytes, but {LONGEST_BLOCK[kind]} at most"
    elif len(picture.icc) > LONGEST_PROFILE.get(kind, np.inf):
        missing = f"a colour profile of {len(picture.icc)} bytes"
    elif size + len(picture.exif) + len(picture.icc) + 2**16 > MOST_BYTES.get(kind, np.inf):
        missing = f"{size / 2**30:.1f} GiB"
    elif kind == "TIFF" and picture.exif and not blocks.is_whole(picture.exif):
        missing = "an EXIF block that is broken"
    if missing:
        better = "png" if kind == "TIFF" else "png or .tif"
        raise InputError(f"{path}: {kind} cannot hold {missing}; write a .{better} instead")


def write_picture(path: Path, picture: Picture) -> None:
    """Write a picture whole or not at all, in the format of the ending.

    JPEG in quality 95 without subsampling, WebP lossless, TIFF uncompressed. EXIF is written as it
    is; BMP, which has none, gets the pixels turned as its orientation says. The density is left
    out of WebP, and what PNG says of colours out of all others, which take it for sRGB as it is.
    Raises InputError as `check_output` does.
    """
    check_output(path, picture)
    kind = ENDINGS[path.suffix.lower()]
    if "exif" not in CARRIES[kind]:
        turned = turn(picture.pixels, picture.orientation)
        picture = replace(picture, pixels=turned, exif=b"")
    pixels = np.ascontiguousarray(picture.pixels)
    if picture.alpha is not None and "alpha" in CARRIES[kind]:
        pixels = np.dstack([pixels, picture.alpha])
    with replacing(path) as partial, partial.open("wb") as file:
        try:
            _write(kind, file, pixels, picture)
        except (ValueError, SystemError) as error:
            raise InputError(f"cannot write {path}: {error}; write a .png instead") from None


def _write(kind: str, file: BinaryIO, pixels: NDArray, picture: Picture) -> None:
    density = picture.density
    options: dict[str, Any] = dict(OPTIONS.get(kind, {}))
    if kind == "TIFF":
        _write_tiff(file, pixels, picture)
        return
    if kind == "PNG" and pixels.dtype == np.uint16:
        png.write_deep(file, pixels, _chunks(picture))
        return
    target: Any = file
    if kind == "PNG":
        target = png.Inserting(file, _chunks(picture))
    elif kind == "BMP" and density and density.unit:
        options["dpi"] = tuple(round(value) / 39.3701 for value in density.per("metre"))
    elif kind in ("JPEG", "WEBP"):
        # Pillow takes an absent block, not an empty one
        if picture.icc:
            options["icc_profile"] = picture.icc
        if picture.exif:
            options["exif"] = b"Exif\0\0" + picture.exif
    Image.fromarray(pixels).save(target, kind, **options)
    if kind == "JPEG" and density:
        file.seek(len(JFIF))
        file.write(densities.as_jfif(density))


def _chunks(picture: Picture) -> bytes:
    """What stands between the header of a PNG and its pixels."""
    chunks = dict(picture.colour)
    if picture.icc:
        chunks[b"iCCP"] = b"ICC Profile\0\0" + zlib.compress(picture.icc)
    if picture.density:
        chunks[b"pHYs"] = densities.as_png(picture.density)
    if picture.exif:
        chunks[b"eXIf"] = picture.exif
    return b"".join(png.chunk(name, data) for name, data in chunks.items())


def _write_tiff(file: BinaryIO, pixels: NDArray, picture: Picture) -> None:
    """An EXIF block is a TIFF without pixels: say how they lie, and put them behind it."""
    height, width = pixels.shape[:2]
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    short, long = blocks.SHORT, blocks.LONG
    structure: dict[int, Any] = {
        256: (long, (width,)),
        257: (long, (height,)),
        258: (short, (8 * pixels.itemsize,) * channels),
        259: (short, (1,)),  # uncompressed
        262: (short, (2 if channels > 2 else 1,)),  # RGB or grey
        277: (short, (channels,)),
        278: (long, (height,)),  # one strip
        279: (long, (pixels.nbytes,)),
        284: (short, (1,)),  # channels of a pixel side by side
    }
    if channels in (2, 4):
        structure[338] = (short, (2,))  # the last channel is alpha, not premultiplied
    if picture.icc:
        structure[blocks.ICC] = (blocks.UNDEFINED, tuple(picture.icc))
    if picture.density:
        x, y, unit = densities.as_tiff(picture.density)
        values = ((blocks.RATIONAL, (x,)), (blocks.RATIONAL, (y,)), (short, (unit,)))
        structure |= dict(zip(blocks.RESOLUTION, values, strict=True))
    header = blocks.as_tiff(picture.exif, structure)
    file.write(header)
    order = pixels.dtype.newbyteorder("<" if header[:2] == b"II" else ">")
    file.write(np.ascontiguousarray(pixels, order).data)
