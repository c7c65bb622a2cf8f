"""Chunks of a PNG, what they say of its colours, and PNG of 16 bits a sample."""

import struct
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

MAGIC = b"\x89PNG\r\n\x1a\n"
HEADER = len(MAGIC) + 25  # with the first chunk, which tells size and type
COLOUR = (b"cICP", b"mDCV", b"cLLI", b"gAMA", b"cHRM", b"sRGB")  # what the numbers mean
BEFORE = (*COLOUR, b"pHYs", b"PLTE", b"tRNS")  # stand before the pixels
GREY, ALPHA = (0, 4), (4, 6)  # colour types
KIND = {1: 0, 2: 4, 3: 2, 4: 6}  # channels -> colour type
CICP_OF_SRGB = bytes([1, 13, 0, 1])
GAMMA_OF_SRGB, GAMMA_ERROR = 45455, 50  # 0.1 %: less than an eighth of a level of 255
PRIMARIES_OF_SRGB = struct.pack(
    ">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000
)  # white, red, green, blue
BAND = 2**24  # bytes of rows that are encoded at a time


def chunks(file: BinaryIO, wanted: Collection[bytes]) -> dict[bytes, bytes]:
    """{name: data} of the first chunk of each wanted name; a file cut short ends the search."""
    first: dict[bytes, bytes] = {}
    ahead = set(wanted) <= set(BEFORE)
    file.seek(len(MAGIC))
    while len(head := file.read(8)) == 8:
        size, name = struct.unpack(">I4s", head)
        if name == b"IEND" or (name == b"IDAT" and ahead):
            break
        if name in wanted and name not in first:
            first[name] = file.read(size)
            file.seek(4, 1)
        else:
            file.seek(size + 4, 1)
    return first


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def colour_beyond_srgb(colour: dict[bytes, bytes], profile: bool) -> str:
    """What the chunks say of the colours that other formats cannot hold, "" if they are sRGB.

    sRGB is what all take a picture for that says nothing. A profile, which those formats hold,
    stands above sRGB, gAMA and cHRM; cICP stands above all.
    """
    if b"cICP" in colour:
        return "" if colour[b"cICP"] == CICP_OF_SRGB else "colours of cICP"
    if profile or b"sRGB" in colour:
        return ""
    gamma = int.from_bytes(colour.get(b"gAMA", struct.pack(">I", GAMMA_OF_SRGB)), "big")
    if abs(gamma - GAMMA_OF_SRGB) > GAMMA_ERROR:
        return f"a gamma of {gamma / 1e5:g} (gAMA)"
    if colour.get(b"cHRM", PRIMARIES_OF_SRGB) != PRIMARIES_OF_SRGB:
        return "primaries other than sRGB's (cHRM)"
    return ""


def is_plain_png(path: Path) -> bool:
    """A PNG that every reader takes for the same uint8 [H,W] or [H,W,3]; not turned, no alpha."""
    with path.open("rb") as file:
        head = file.read(HEADER)
        return (
            head[:8] == MAGIC
            and tuple(head[24:26]) in ((8, 0), (8, 2))
            and not chunks(file, (b"tRNS", b"eXIf", b"acTL"))
        )


class Inserting:
    """A file to write, which takes `extra` in behind the header of the PNG written to it."""

    def __init__(self, file: BinaryIO, extra: bytes) -> None:
        self.file, self.extra, self.left = file, extra, HEADER

    def write(self, data: bytes) -> int:
        """Write bytes as a file does, `extra` among them once the header is through."""
        first = data[: self.left] if self.left else b""
        self.file.write(first)
        self.left -= len(first)
        if not self.left:
            self.file.write(self.extra)
            self.extra = b""
            self.file.write(memoryview(data)[len(first) :])
        return len(data)

    def flush(self) -> None:
        self.file.flush()


def write_deep(file: BinaryIO, pixels: NDArray[np.uint16], extra: bytes) -> None:
    """Write [H,W] or [H,W,2 to 4] (grey, with alpha, RGB, RGBA) with `extra` chunks, by bands.

    No library here writes grey with alpha of 16 bits. Rows are stored as differences to the row
    above, filter "Up".
    """
    height, width = pixels.shape[:2]
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    header = struct.pack(">IIBBBBB", width, height, 16, KIND[channels], 0, 0, 0)
    file.write(MAGIC + chunk(b"IHDR", header) + extra)
    rows = max(1, BAND // (2 * width * channels))
    above = np.zeros((1, 2 * width * channels), np.uint8)
    packer = zlib.compressobj()
    for top in range(0, height, rows):
        band = pixels[top : top + rows].astype(">u2").reshape(-1, width * channels).view(np.uint8)
        lines = np.empty((len(band), 1 + band.shape[1]), np.uint8)
        lines[:, 0] = 2
        np.subtract(band[:1], above, out=lines[:1, 1:])
        np.subtract(band[1:], band[:-1], out=lines[1:, 1:])
        above = band[-1:]
        if packed := packer.compress(lines.data):
            file.write(chunk(b"IDAT", packed))
    file.write(chunk(b"IDAT", packer.flush()) + chunk(b"IEND", b""))
