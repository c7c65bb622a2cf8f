"""Pictures with what belongs to them: bit depth, transparency, colour profile and EXIF.

Pillow reads and writes. It has no colour of 16 bits: there OpenCV decodes and encodes the pixels,
and Pillow writes the PNG chunks and the TIFF directory beside them.
"""

import io
import warnings
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image
from PIL.PngImagePlugin import putchunk

from data_prep.errors import InputError
from data_prep.files import replacing

ENDINGS = {
    ".png": "PNG",
    ".apng": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".jpe": "JPEG",
    ".jfif": "JPEG",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WEBP",
    ".bmp": "BMP",
}
CARRIES: dict[str, set[str]] = {
    "PNG": {"16 bits", "alpha", "profile", "exif"},
    "TIFF": {"16 bits", "alpha", "profile", "exif"},
    "WEBP": {"alpha", "profile", "exif"},
    "JPEG": {"profile", "exif"},
    "BMP": set(),
}
LONGEST = {"JPEG": 65500, "WEBP": 16383}  # pixels on a side
OPTIONS: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 95, "subsampling": 0},
    "WEBP": {"lossless": True, "exact": True},
}
CONVERTED = {"1": "L", "P": "RGB", "PA": "RGBA", "YCbCr": "RGB"}  # nothing is lost
WITH_ALPHA = {"L": "LA", "RGB": "RGBA"}
_BGR = [2, 1, 0, 3]  # OpenCV's order of channels, and back
DEEP = ("I;16", "I;16B")  # Pillow's names of 16-bit grey
ORIENTATION = ExifTags.Base.Orientation

# entries of a TIFF directory that tell how this file holds its pixels: sizes, types, places, tables
STRUCTURE = {254, 255, 256, 257, 258, 259, 262, 263, 264, 265, 266, 273, 277, 278, 279, 280, 281}
STRUCTURE |= {284, 290, 291, 292, 293, 297, 301, 317, 318, 319, 320, 321, 322, 323, 324, 325, 330}
STRUCTURE |= {332, 338, 339, 340, 341, 347, 512, 513, 514, 529, 530, 531, 532}
STRUCTURE |= {
    700,
    33723,
    34377,
    34675,
    37724,
}  # XMP, IPTC, Photoshop's; the profile goes its own way


@dataclass(frozen=True)
class Picture:
    """A decoded picture; rows and columns as stored, not turned by the EXIF orientation.

    pixels [H,W] grey or [H,W,3] RGB, uint8 or uint16; alpha [H,W] of the same type, or None; icc
    the colour profile and exif the whole block, b"" where there is none; orientation 1..8.
    """

    pixels: NDArray
    alpha: NDArray | None = None
    icc: bytes = b""
    exif: bytes = b""
    orientation: int = 1


def is_picture(path: Path) -> bool:
    return path.suffix.lower() in ENDINGS


# --- reading ---------------------------------------------------------------------------------


def read_picture(path: Path) -> Picture:
    """Decode PNG, JPEG, TIFF, WebP or BMP of 8 or 16 bits: grey or colour, with alpha or without.

    Bilevel and palette pictures become grey and RGB. InputError names the file if it is missing,
    broken, too large, or of a kind that would lose something: several pages or frames, inks (CMYK),
    other depths, premultiplied alpha.
    """
    data = path.read_bytes()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # large pictures, odd EXIF: neither needs a word
            return _decode(data, path)
    except InputError:
        raise
    except Image.DecompressionBombError as error:
        raise InputError(f"{path} is too large: {error}; cut it into parts") from None
    except Image.UnidentifiedImageError:
        raise InputError(
            f"cannot decode picture {path}: not a PNG, JPEG, TIFF, WebP or BMP"
        ) from None
    except Exception as error:  # Pillow reports broken files as nearly anything
        reason = str(error) or type(error).__name__
        raise InputError(f"cannot decode picture {path}: {reason}; get it again") from None


def _decode(data: bytes, path: Path) -> Picture:
    with Image.open(io.BytesIO(data), formats=[*CARRIES]) as image:
        # phones write MPO: a photograph first, then previews of it
        frames = getattr(image, "n_frames", 1)
        if frames > 1 and image.format != "MPO":
            raise InputError(f"{path} has {frames} pages or frames; save them one by one")
        bits = _bits(image, data)
        _refuse_lossy(image, bits, path)
        exif, icc = image.getexif(), image.info.get("icc_profile") or b""
        orientation = exif.get(ORIENTATION, 1)
        orientation = orientation if orientation in _TURNS else 1
        block = _block(exif)
        image.load()

        # alpha becomes a channel, whichever way the file tells it
        mode = CONVERTED.get(image.mode, image.mode)
        if image.mode not in DEEP and image.has_transparency_data:
            mode = WITH_ALPHA.get(mode, mode)
        pixels = np.asarray(image if mode == image.mode else image.convert(mode))
        turned = orientation != 1 and ORIENTATION not in image.getexif()  # Pillow turns TIFFs
    if image.mode in DEEP:
        pixels = pixels.astype(np.uint16)  # of the machine's byte order
    elif bits == 16:
        pixels = _deep_colour(data, pixels, path)
    if turned:
        pixels = turn(pixels, _UNDO.get(orientation, orientation))
    alpha = None
    if mode in ("LA", "RGBA"):
        pixels, alpha = pixels[..., :-1], np.ascontiguousarray(pixels[..., -1])
    pixels = np.ascontiguousarray(pixels[..., 0] if pixels.shape[2:] == (1,) else pixels)
    return Picture(pixels, alpha, icc, block, orientation)


def _bits(image: Image.Image, data: bytes) -> int:
    """Bits per sample; Pillow's mode does not tell 8 from 16 in colour."""
    if image.format == "PNG":
        return data[24]  # of the header, always the first chunk
    if image.format == "TIFF":
        return max(image.tag_v2.get(258, (1,)))  # type: ignore[attr-defined]
    return 8


def _refuse_lossy(image: Image.Image, bits: int, path: Path) -> None:
    """Raise InputError for what cannot be restored without losing something."""
    mode, tags = image.mode, getattr(image, "tag_v2", {})
    found = ""
    if mode == "CMYK":
        found = "inks (CMYK)"
    elif mode not in ("L", "LA", "RGB", "RGBA", *DEEP, *CONVERTED):
        found = f"pixels of type {mode}"
    elif bits > 8 and bits != 16:
        found = f"{bits} bits"
    elif tags.get(338) == (1,):
        found = "premultiplied alpha"
    elif bits == 16 and (mode == "LA" or "transparency" in image.info):
        found = "16 bits and transparency that is no channel of RGBA"
    elif bits == 16 and tags.get(262) == 0:
        found = "16 bits where 0 is white"
    if found:
        raise InputError(
            f"{path} has {found}, which is not read; convert it to grey or RGB of 8 or 16 bits"
        )


def _deep_colour(data: bytes, shallow: NDArray, path: Path) -> NDArray[np.uint16]:
    """Colour of 16 bits by OpenCV, held against Pillow's upper 8 bits [H,W,3 or 4]."""
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if decoded is not None and decoded.dtype == np.uint16 and decoded.shape == shallow.shape:
        deep = decoded[..., _BGR[: decoded.shape[2]]].astype(np.uint16)
        if np.array_equal((deep >> 8).astype(np.uint8), shallow):
            return deep
    raise InputError(
        f"cannot decode the 16 bits of {path}; save it as a plain 16-bit PNG, or with 8 bits"
    )


def _block(exif: Image.Exif) -> bytes:
    """The EXIF block of a picture, without what only the file it came from needs."""
    for tag in STRUCTURE & set(exif):
        del exif[tag]
    exif.bigtiff = False
    return exif.tobytes() if len(exif) else b""


# --- orientation -----------------------------------------------------------------------------

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


# --- writing ---------------------------------------------------------------------------------


def check_output(path: Path, picture: Picture, scale: int = 1) -> None:
    """Raise InputError if the format of `path` cannot hold the picture, enlarged `scale` times."""
    if not is_picture(path):
        raise InputError(f"{path} has no ending of a picture; valid: {', '.join(ENDINGS)}")
    kind = ENDINGS[path.suffix.lower()]
    missing = ""
    if picture.pixels.dtype == np.uint16 and "16 bits" not in CARRIES[kind]:
        missing = "16 bits"
    elif _see_through(picture) and "alpha" not in CARRIES[kind]:
        missing = "transparency"
    elif picture.icc and "profile" not in CARRIES[kind]:
        missing = "a colour profile"
    elif picture.icc[16:20] == b"GRAY" and kind == "WEBP":  # which has no grey
        missing = "a grey profile"
    elif max(picture.pixels.shape[:2]) * scale > LONGEST.get(kind, np.inf):
        missing = f"sides above {LONGEST[kind]} pixels"
    if missing:
        raise InputError(f"{path}: {kind} cannot hold {missing}; write a .png or .tif instead")


def _see_through(picture: Picture) -> bool:
    """Alpha that is full everywhere shows nothing and may be dropped."""
    alpha = picture.alpha
    return alpha is not None and bool((alpha != np.iinfo(alpha.dtype).max).any())


def write_picture(path: Path, picture: Picture) -> None:
    """Write a picture whole or not at all, in the format of the ending.

    JPEG in quality 95 without subsampling, WebP lossless, TIFF uncompressed. A format without EXIF
    gets the pixels turned as the orientation says. Raises InputError as `check_output` does.
    """
    check_output(path, picture)
    kind = ENDINGS[path.suffix.lower()]
    if "exif" not in CARRIES[kind]:
        picture = replace(
            picture, pixels=turn(picture.pixels, picture.orientation), exif=b"", orientation=1
        )
    pixels = np.ascontiguousarray(picture.pixels)
    if picture.alpha is not None and "alpha" in CARRIES[kind]:
        pixels = np.dstack([pixels, picture.alpha])
    with replacing(path) as partial, partial.open("wb") as file:
        try:
            if kind == "TIFF":
                _write_tiff(file, pixels, picture)
            elif pixels.dtype == np.uint16 and pixels.ndim == 3:
                _write_deep_png(file, pixels, picture)
            else:
                # Pillow takes an absent block, not an empty one
                named = {"icc_profile": picture.icc or None, "exif": picture.exif}
                beside = {key: value for key, value in named.items() if value}
                Image.fromarray(pixels).save(file, kind, **beside, **OPTIONS.get(kind, {}))
        except (ValueError, SystemError) as error:
            raise InputError(f"cannot write {path}: {error}; write a .png instead") from None


def _write_deep_png(file: BinaryIO, pixels: NDArray, picture: Picture) -> None:
    encoded = cv2.imencode(".png", pixels[..., _BGR[: pixels.shape[2]]])[1].tobytes()
    header = 8 + 25  # signature and IHDR
    file.write(encoded[:header])
    if picture.icc:
        putchunk(file, b"iCCP", b"ICC Profile\0\0" + zlib.compress(picture.icc))
    if picture.exif:
        putchunk(file, b"eXIf", picture.exif.removeprefix(b"Exif\0\0"))
    file.write(encoded[header:])


def _write_tiff(file: BinaryIO, pixels: NDArray, picture: Picture) -> None:
    """An EXIF block is a TIFF without pixels: say how they lie, and put them behind it."""
    directory = _exif(picture)
    height, width, channels = (*pixels.shape, 1)[:3]
    directory[256], directory[257], directory[277] = width, height, channels
    directory[258] = (8 * pixels.itemsize,) * channels
    directory[259], directory[284] = 1, 1  # uncompressed, channels of a pixel side by side
    directory[262] = 2 if channels > 2 else 1  # RGB or grey
    directory[273], directory[278], directory[279] = 0, height, pixels.nbytes  # one strip, next
    if channels in (2, 4):
        directory[338] = 2  # the last channel is alpha, not premultiplied
    if picture.icc:
        directory[34675] = picture.icc
    header = directory.tobytes().removeprefix(b"Exif\0\0")
    file.write(header)
    order = pixels.dtype.newbyteorder("<" if header[:2] == b"II" else ">")
    file.write(pixels.astype(order).tobytes())


def _exif(picture: Picture) -> Image.Exif:
    exif = Image.Exif()
    exif.load(picture.exif)
    return exif


def resized(picture: Picture, pixels: NDArray) -> Picture:
    """The picture with other pixels; where they are more, alpha is enlarged and EXIF says so."""
    height, width = pixels.shape[:2]
    if picture.pixels.shape[:2] == (height, width):
        return replace(picture, pixels=pixels)
    alpha = picture.alpha
    if alpha is not None:
        alpha = cv2.resize(alpha, (width, height), interpolation=cv2.INTER_CUBIC)
    exif = _exif(picture)
    details = exif.get_ifd(ExifTags.IFD.Exif)
    sizes = {ExifTags.Base.ExifImageWidth: width, ExifTags.Base.ExifImageHeight: height}
    details.update({tag: size for tag, size in sizes.items() if tag in details})
    return replace(
        picture, pixels=pixels, alpha=alpha, exif=exif.tobytes() if picture.exif else b""
    )
