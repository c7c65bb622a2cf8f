"""Picture files and EXIF blocks by their specifications, by no library for pictures."""

import struct
import zlib

import numpy as np

TEXT = "© Å. Ñame".encode() + b"\xff"  # no text in any encoding


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def write_png(path, samples, depth, kind, *before, after=b""):
    """A PNG of samples [H,W] or [H,W,C]; kind: its colour type; before, after: chunks."""
    width, rows = samples.shape[1], packed(samples.reshape(len(samples), -1), depth)
    header = struct.pack(">IIBBBBB", width, len(rows), depth, kind, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    chunks = (chunk(b"IHDR", header), *before, chunk(b"IDAT", data), after, chunk(b"IEND", b""))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
    return path


def packed(values, depth):
    if depth == 16:
        return [row.astype(">u2").tobytes() for row in values]
    bits = np.unpackbits(values.astype(np.uint8)[..., None], axis=-1)[..., 8 - depth :]
    return [np.packbits(row.reshape(-1)).tobytes() for row in bits]


def exif_block(order="<", orientation=1, more=0):
    """A camera's block: text, a note that tells places of its own, exposure, sizes, a thumbnail."""
    note, text = b"NOTE" + bytes(range(60)), TEXT + b"\0"
    first = [(274, 3, 1, struct.pack(order + "HH", orientation, 0))]
    first += [(315, 2, len(text), None), (34665, 4, 1, None)]
    second = [
        (37500, 7, len(note), None),
        (40962, 3, 1, struct.pack(order + "HH", 41, 0)),
        (40963, 4, 1, struct.pack(order + "I", 30)),
        (50000, 99, 1, b"\1\2\3\4"),  # a type that nobody knows
    ]
    text_at = 8 + 2 + 12 * len(first) + 4
    second_at = text_at + len(text) + len(text) % 2
    note_at = second_at + 2 + 12 * len(second) + 4
    places = {315: text_at, 34665: second_at, 37500: note_at}

    def lines(entries, following):
        out = struct.pack(order + "H", len(entries))
        for tag, kind, count, value in entries:
            value = value or struct.pack(order + "I", places[tag])
            out += struct.pack(order + "HHI", tag, kind, count) + value
        return out + struct.pack(order + "I", following)

    block = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 8)
    block += lines(first, note_at + len(note)) + text.ljust(second_at - text_at, b"\0")
    return block + lines(second, 0) + note + struct.pack(order + "H", 0) + bytes(4 + more)


def exif_in(path):
    """The block in a file, found by the specification of its format; of a TIFF the whole file."""
    data = path.read_bytes()
    if path.suffix == ".tif":
        return data
    name, order, before, behind = {  # its name, where its length stands, how far the block is
        ".jpg": (b"Exif\0\0", ">H", -2, 6),
        ".png": (b"eXIf", ">I", -4, 4),
        ".webp": (b"EXIF", "<I", 4, 8),
    }[path.suffix]
    at = data.index(name)
    (size,) = struct.unpack_from(order, data, at + before)
    return data[at + behind : at + (size - 2 if path.suffix == ".jpg" else size + behind)]
