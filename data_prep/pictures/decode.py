"""Reading picture files: exact, or refused by name.

Pillow decodes. It has no colour of 16 bits, which OpenCV decodes, held against Pillow's upper
eight bits; and it takes some kinds of TIFF for others, so the directory is looked at before.
"""

import contextlib
import struct
import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import BmpImagePlugin, Image, JpegImagePlugin, PngImagePlugin, TiffImagePlugin
from PIL import WebPImagePlugin as WebpImagePlugin

from data_prep.pictures import density as densities
from data_prep.pictures import exif as blocks
from data_prep.pictures import png, tiff
from data_prep.pictures.picture import Picture, turn_back
from semanir.errors import InputError
from semanir.memory import check_memory

OPENERS: dict[str, Callable[..., Image.Image]] = {
    "PNG": PngImagePlugin.PngImageFile,
    "JPEG": JpegImagePlugin.jpeg_factory,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "WEBP": WebpImagePlugin.WebPImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
}
CONVERTED = {"1": "L", "P": "RGB", "PA": "RGBA"}  # nothing is lost
DEEP = ("I;16", "I;16B")  # Pillow's names of 16-bit grey
PLAIN = ("L", "LA", "RGB", "RGBA", *DEEP, *CONVERTED)
PILLOW_BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2}  # of a pixel; all others 4
BGR = [2, 1, 0, 3]  # OpenCV's order of channels, and back
BAND = 2**22  # pixels that are converted at a time
CONVERT = "convert it to grey or RGB of 8 or 16 bits"
_lifting = threading.Lock()


def read_picture(path: Path) -> Picture:
    """Decode PNG, JPEG, TIFF, WebP or BMP of 8 or 16 bits: grey or colour, with alpha or without.

    Fewer bits, palettes and key colours become the grey, RGB and alpha that they stand for.
    InputError names the file if it is missing, broken, larger than the free memory, or of a kind
    that is not read exactly: several pages or frames, inks (CMYK), floats, signed numbers, other
    depths, samples of no stated meaning, premultiplied alpha.
    """
    return _decoding(path, _decode)


def shown_size(path: Path) -> tuple[int, int]:
    """(width, height) as a viewer shows the picture; only its header is read. As `read_picture`."""
    header = _decoding(path, _read_header)
    sides = header.size[::-1] if blocks.orientation(header.exif) in (5, 6, 7, 8) else header.size
    return sides[0], sides[1]


def _decoding(path: Path, read: Callable[[BinaryIO, Path], Any]) -> Any:
    """What `read` makes of a file; whatever goes wrong is one InputError that names it."""
    try:
        with path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # large pictures, odd EXIF: neither needs a word
            try:
                return read(file, path)
            except Image.DecompressionBombError:
                with _without_limit():
                    return read(file, path)
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"no such picture: {path}") from None
    except Exception as error:  # Pillow reports broken files as nearly anything
        if isinstance(error, OSError) and error.errno:  # the disk's, not the picture's
            raise
        reason = str(error) or type(error).__name__
        raise InputError(f"cannot decode picture {path}: {reason}; get it again") from None


@contextlib.contextmanager
def _without_limit() -> Iterator[None]:
    """Lift Pillow's limit of pixels, in whose place stands the free memory."""
    with _lifting:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit


# --- headers -----------------------------------------------------------------------------------


@dataclass
class _Header:
    """What the header of a file says: size (width, height) as stored, bits a sample, and the rest.

    grey: 16-bit grey with alpha, which Pillow takes for colour; chunks: those of a PNG.
    """

    image: Image.Image
    size: tuple[int, int]
    bits: int = 8
    grey: bool = False
    exif: bytes = b""
    density: densities.Density | None = None
    chunks: dict[bytes, bytes] = field(default_factory=dict)


def _read_header(file: BinaryIO, path: Path) -> _Header:
    """Read the header; InputError names what the picture has that is not read."""
    file.seek(0)
    head = file.read(128)
    kind = _kind(head)
    if not kind:
        raise InputError(
            f"cannot decode picture {path}: not a PNG, JPEG, TIFF, WebP or BMP; "
            "convert it to one, or get it again"
        )
    directories, entries, unsupported = None, {}, ""
    if kind == "TIFF":
        directories = blocks.Directories(file)
        entries = directories.entries(directories.first)
        big = directories.big and directories.order == ">"
        unsupported = "the form of a big-endian BigTIFF" if big else ""
        unsupported = unsupported or tiff.refusal(directories, entries)
    elif kind == "BMP" and head[70:74] in (b"DEBM", b"KNIL"):
        unsupported = "a colour profile inside a BMP"
    _refuse(unsupported, path)
    header = _Header(OPENERS[kind](_rewound(file), ""), (0, 0))
    image = header.image
    header.size = image.size
    if directories is not None:
        width, height = (directories.numbers(entries.get(tag))[0] for tag in (256, 257))
        header.size, header.bits = (width, height), directories.numbers(entries.get(258), (1,))[0]
        header.exif = blocks.of_tiff(directories)
        header.density = tiff.density_of(directories, entries)
    elif kind == "PNG":
        header.chunks = png.chunks(_rewound(file), (*png.BEFORE, b"eXIf"))
        header.bits, header.grey = head[24], head[24] == 16 and head[25] in png.GREY
        header.exif = header.chunks.get(b"eXIf", b"") or _exif_in_text(image)
        header.density = densities.of_png(header.chunks.get(b"pHYs", b""))
    else:
        header.exif = image.info.get("exif") or b""
        header.density = _density(image)
    header.exif = header.exif.removeprefix(b"Exif\0\0")  # which JPEG puts before it
    # phones write MPO: a photograph first, then previews of it
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format != "MPO":
        raise InputError(f"{path} has {frames} pages or frames; save them one by one")
    if image.mode not in PLAIN:
        _refuse("inks (CMYK)" if image.mode == "CMYK" else f"pixels of type {image.mode}", path)
    return header


def _kind(head: bytes) -> str:
    """The format of a file by its first bytes, "" if it is none of ours."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    starts = {png.MAGIC: "PNG", b"\xff\xd8\xff": "JPEG", b"BM": "BMP"}
    starts |= dict.fromkeys((b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+"), "TIFF")
    return next((kind for start, kind in starts.items() if head.startswith(start)), "")


def _refuse(unsupported: str, path: Path) -> None:
    if unsupported:
        raise InputError(f"{path} has {unsupported}, which is not read; {CONVERT}")


def _rewound(file: BinaryIO) -> BinaryIO:
    file.seek(0)
    return file


def _exif_in_text(image: Image.Image) -> bytes:
    """The block that ImageMagick writes into a PNG as text: a name, a length, lines of hex."""
    text = str(image.info.get("Raw profile type exif", ""))
    return bytes.fromhex("".join(text.split("\n")[3:]))


def _density(image: Image.Image) -> densities.Density | None:
    """Of a JPEG or a BMP."""
    if "jfif_density" in image.info:
        x, y = image.info["jfif_density"]
        unit = dict(enumerate(densities.JFIF_UNITS)).get(image.info["jfif_unit"], "")
        return densities.make_density(x, y, unit)
    if image.format == "BMP" and "dpi" in image.info:
        x, y = (round(value * 39.3701) for value in image.info["dpi"])  # as Pillow divided
        return densities.make_density(x, y, "metre")
    return None


# --- pixels ------------------------------------------------------------------------------------


def _decode(file: BinaryIO, path: Path) -> Picture:
    header = _read_header(file, path)
    image, chunks = header.image, header.chunks
    mode = CONVERTED.get(image.mode, image.mode)
    if image.mode == "P" and "transparency" in image.info:
        mode = "RGBA"
    _check_memory(header, mode, path)
    picture = Picture(np.empty(0), exif=header.exif)
    if image.format == "TIFF":  # which Pillow turns as it loads; as said here, not in XMP
        image.getexif()[blocks.ORIENTATION] = picture.orientation
    if image.mode == "P":
        _check_palette(image, chunks, path)
    colour = header.bits == 16 and mode not in DEEP
    pixels = _deep_colour(image, path) if colour else _pixels(image, mode)
    turned = image.format == "TIFF" and blocks.ORIENTATION not in image.getexif()
    icc = image.info.get("icc_profile") or b""
    image.close()

    # alpha is a channel of its own, whichever way the file holds it
    alpha = None
    if header.grey and pixels.ndim == 3:
        pixels, alpha = pixels[..., 0], pixels[..., 3]
    elif mode in ("LA", "RGBA"):
        pixels, alpha = pixels[..., :-1], pixels[..., -1]
    pixels = pixels[..., 0] if pixels.shape[2:] == (1,) else pixels
    if b"tRNS" in chunks and image.mode != "P":
        pixels = pixels[..., :3] if pixels.ndim == 3 else pixels
        alpha = _alpha_of_key(pixels, chunks[b"tRNS"], header.bits)
    if turned:
        pixels = turn_back(pixels, picture.orientation)
        alpha = None if alpha is None else turn_back(alpha, picture.orientation)
    return Picture(
        np.ascontiguousarray(pixels),
        None if alpha is None else np.ascontiguousarray(alpha),
        icc,
        header.exif,
        {name: data for name, data in chunks.items() if name in png.COLOUR},
        header.density,
    )


def _check_memory(header: _Header, mode: str, path: Path) -> None:
    """InputError if Pillow's picture and the array made of it do not fit into the free memory.

    OpenCV holds colour of 16 bits twice while it decodes a PNG.
    """
    deep = header.bits == 16
    colour = mode not in ("L", "LA", *DEEP)
    array = (len(mode) if mode not in DEEP else 1) * (2 if deep else 1)
    copies = 2 if mode in ("LA", "RGBA") or blocks.orientation(header.exif) > 1 else 1
    each = PILLOW_BYTES.get(header.image.mode, 4) + copies * array
    if deep and colour:
        each = max(each, 2 * array)
    pixels = header.size[0] * header.size[1]
    check_memory(pixels * each, pixels, f"reading {path}")


def _check_palette(image: Image.Image, chunks: dict[bytes, bytes], path: Path) -> None:
    """InputError if pixels of a PNG are of colours that its palette lacks."""
    highest: Any = image.getextrema()[1]
    if b"PLTE" in chunks and highest >= len(chunks[b"PLTE"]) // 3:
        raise InputError(f"cannot decode picture {path}: its palette has no colour {highest}")


def _bands(image: Image.Image) -> Iterator[tuple[slice, Image.Image]]:
    """Rows of the picture and what they hold, so that no copy is made of all at once."""
    rows = max(1, BAND // image.width)
    if rows >= image.height:
        yield slice(None), image
        return
    for top in range(0, image.height, rows):
        bottom = min(top + rows, image.height)
        yield slice(top, bottom), image.crop((0, top, image.width, bottom))


def _pixels(image: Image.Image, mode: str) -> NDArray:
    """uint8 or uint16 [H,W] or [H,W,C] of a Pillow picture."""
    image.load()
    out: NDArray = np.empty(0)
    for rows, band in _bands(image):
        part = np.asarray(band if mode == band.mode else band.convert(mode))
        if part.dtype.kind == "u" and part.dtype.itemsize == 2:
            part = part.astype(np.uint16, copy=False)  # of the machine's byte order
        if rows == slice(None):
            return part
        if not out.size:
            out = np.empty((image.height, *part.shape[1:]), part.dtype)
        out[rows] = part
    return out


def _deep_colour(image: Image.Image, path: Path) -> NDArray[np.uint16]:
    """[H,W,3 or 4] by OpenCV: RGB, RGBA, or thrice the grey and its alpha."""
    decoded: Any = cv2.imdecode(np.memmap(path, np.uint8, "r"), cv2.IMREAD_UNCHANGED)
    image.load()
    fits = decoded is not None and decoded.dtype == np.uint16 and decoded.ndim == 3
    if not fits or decoded.shape[:2] != (image.height, image.width):
        raise _not_exact(path)
    for rows, band in _bands(image):
        part, upper = decoded[rows][..., BGR[: decoded.shape[2]]], np.asarray(band)
        if not np.array_equal(part[..., : upper.shape[2]] >> 8, upper):
            raise _not_exact(path)
        decoded[rows] = part
    return decoded


def _not_exact(path: Path) -> InputError:
    return InputError(
        f"cannot decode the 16 bits of {path}; save it as a plain 16-bit PNG, or with 8 bits"
    )


def _alpha_of_key(pixels: NDArray, key: bytes, bits: int) -> NDArray:
    """Alpha [H,W] where one grey or colour, given in `bits` as the file holds it, is clear."""
    full = np.iinfo(pixels.dtype).max
    step = full // (2**bits - 1)
    channels = pixels[..., None] if pixels.ndim == 2 else pixels
    values = struct.unpack(f">{channels.shape[2]}H", key[: 2 * channels.shape[2]])
    same = np.ones(pixels.shape[:2], bool)
    for channel, value in enumerate(values):
        same &= channels[..., channel] == (value & (2**bits - 1)) * step
    return np.where(same, pixels.dtype.type(0), pixels.dtype.type(full))
