"""EXIF blocks and TIFF directories, which are built alike; values are kept byte for byte.

A block is a TIFF without pixels: a byte order, the place of the first directory, directories of
entries, and the values that do not fit into their entries. No value is decoded to be carried over.
"""

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import BinaryIO

SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
SIZES |= {16: 8, 17: 8, 18: 8}  # of BigTIFF
BYTE, SHORT, LONG, RATIONAL, UNDEFINED, LONG8 = 1, 3, 4, 5, 7, 16
CODES = {BYTE: "B", SHORT: "H", LONG: "I", 13: "I", LONG8: "Q", 18: "Q"}
EXIF, GPS, INTEROP = 34665, 34853, 40965  # entries that are directories of their own
ORIENTATION, ICC, RESOLUTION = 274, 34675, (282, 283, 296)
WIDTHS, HEIGHTS = (256, 40962), (257, 40963)

# entries that tell how this file holds its pixels: sizes, types, places, tables
STRUCTURE = {254, 255, 256, 257, 258, 259, 262, 263, 264, 265, 266, 273, 277, 278, 279, 280, 281}
STRUCTURE |= {284, 290, 291, 292, 293, 297, 317, 320, 321, 322, 323, 324, 325, 330, 332, 338, 339}
STRUCTURE |= {340, 341, 347, 512, 513, 514, 529, 530, 531, 532}
# XMP, IPTC, Photoshop's; the profile goes its own way
STRUCTURE |= {700, 33723, 34377, ICC, 37724}


class BrokenError(ValueError):
    """Bytes that are no EXIF block or TIFF."""


@dataclass(frozen=True)
class Entry:
    """The values of a tag: their type, how many, and their bytes in the order of the file."""

    kind: int
    count: int
    data: bytes


Tree = dict[int, "Entry | Tree"]


class Directories:
    """The directories of a TIFF file or an EXIF block.

    order "<" or ">" of bytes; big: BigTIFF, whose places have 64 bits; first: the place of the
    first directory. Raises BrokenError if the file starts otherwise.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.end = file.seek(0, io.SEEK_END)
        head = self._read(0, min(16, self.end))
        self.order = {b"II": "<", b"MM": ">"}.get(head[:2], "")
        if not self.order or len(head) < 8:
            raise BrokenError("no byte order")
        magic = struct.unpack(self.order + "H", head[2:4])[0]
        self.big = magic == 43
        if magic not in (42, 43) or (self.big and len(head) < 16):
            raise BrokenError("no TIFF")
        place = head[8:16] if self.big else head[4:8]
        self.first = struct.unpack(self.order + ("Q" if self.big else "I"), place)[0]

    def entries(self, at: int) -> dict[int, Entry]:
        """{tag: entry} of the directory at a place, without those whose bytes the file lacks."""
        entries = {}
        for tag, kind, count, place in self.fields(at):
            size = SIZES.get(kind, 0) * count
            room = 8 if self.big else 4
            if size > room:
                word = self._read(place, room)
                place = struct.unpack(self.order + ("Q" if self.big else "I"), word)[0]
            data = self._read(place, size) if kind in SIZES else b""
            if kind in SIZES and len(data) == size:
                entries[tag] = Entry(kind, count, data)
        return entries

    def fields(self, at: int) -> Iterator[tuple[int, int, int, int]]:
        """(tag, type, count, place of the value or of its place) of a directory."""
        layout = struct.Struct(self.order + ("HHQ8x" if self.big else "HHI4x"))
        counted = self._read(at, 8 if self.big else 2)
        start = at + len(counted)
        try:
            count = struct.unpack(self.order + ("Q" if self.big else "H"), counted)[0]
            lines = self._read(start, count * layout.size)
            parts = [layout.unpack_from(lines, n * layout.size) for n in range(count)]
        except struct.error:
            raise BrokenError("a directory is cut short") from None
        room = 8 if self.big else 4
        for number, (tag, kind, size) in enumerate(parts):
            yield tag, kind, size, start + (number + 1) * layout.size - room

    def numbers(self, entry: Entry | None, default: tuple[int, ...] = ()) -> tuple[int, ...]:
        """The whole numbers of an entry, `default` where it is absent or holds none."""
        if entry is None or entry.kind not in CODES:
            return default
        return struct.unpack(f"{self.order}{entry.count}{CODES[entry.kind]}", entry.data)

    def tree(self, at: int, subdirectories: tuple[int, ...] = (EXIF, GPS, INTEROP)) -> Tree:
        """As `entries`, with the directories that entries point to in their places."""
        tree: Tree = {}
        for tag, entry in self.entries(at).items():
            tree[tag] = entry
            if tag in subdirectories and (place := self.numbers(entry)):
                try:
                    tree[tag] = self.tree(place[0], (INTEROP,) if tag == EXIF else ())
                except BrokenError:
                    del tree[tag]
        return tree

    def _read(self, at: int, size: int) -> bytes:
        """So many bytes, or none where the file ends before."""
        if at + size > self.end:
            return b""
        self.file.seek(at)
        return self.file.read(size)


# --- blocks ------------------------------------------------------------------------------------


def orientation(block: bytes) -> int:
    """The orientation that a block tells, else 1."""
    try:
        directories = Directories(io.BytesIO(block))
        return directories.numbers(directories.entries(directories.first).get(ORIENTATION), (1,))[0]
    except (BrokenError, IndexError):
        return 1


def with_size(block: bytes, width: int, height: int) -> bytes:
    """The block with the picture's size in the entries that tell it; nothing else is changed."""
    changed = bytearray(block)
    try:
        directories = Directories(io.BytesIO(block))
        first = directories.entries(directories.first)
        for at in (directories.first, *directories.numbers(first.get(EXIF))):
            for tag, kind, count, place in directories.fields(at):
                size = width if tag in WIDTHS else height if tag in HEIGHTS else 0
                if size and kind in (SHORT, LONG) and count == 1:
                    struct.pack_into(directories.order + "HII", changed, place - 6, LONG, 1, size)
    except BrokenError:
        pass  # it tells no size
    return bytes(changed)


def of_tiff(directories: Directories) -> bytes:
    """What a TIFF says in the manner of EXIF, as a block; without what only that file needs."""
    tree = directories.tree(directories.first)
    tree = {tag: entry for tag, entry in tree.items() if tag not in STRUCTURE}
    return _block(directories.order, tree) if tree else b""


def is_whole(block: bytes) -> bool:
    """Whether a TIFF can be made of the block."""
    try:
        directories = Directories(io.BytesIO(block))
        list(directories.fields(directories.first))
    except BrokenError:
        return False
    return not directories.big


def as_tiff(block: bytes, structure: dict[int, tuple[int, tuple[int | Fraction, ...]]]) -> bytes:
    """A TIFF up to its pixels: the block as it is, and a directory of its and further entries.

    structure: {tag: (type, values)}; type UNDEFINED takes bytes as its values. Strip 273 is put
    behind the directory. Nothing of the block is moved, so places named in it stay right.
    """
    block = block or struct.pack("<2sHI", b"II", 42, 0)
    directories = Directories(io.BytesIO(block))
    of_block: dict[int, Entry] = {}
    if directories.first:
        of_block = {
            t: e for t, e in directories.entries(directories.first).items() if t not in STRUCTURE
        }
    start = len(block) + len(block) % 2
    end = start
    for _ in range(2):  # the first pass tells where the directory ends
        new = structure | {273: (LONG, (end,))}
        made = {tag: _entry(directories.order, kind, values) for tag, (kind, values) in new.items()}
        directory = _directory(directories.order, of_block | made, start)
        end = start + len(directory)
    head = block[:4] + struct.pack(directories.order + "I", start) + block[8:]
    return head.ljust(start, b"\0") + directory


def _entry(order: str, kind: int, values: tuple[int | Fraction, ...]) -> Entry:
    if kind == UNDEFINED:
        return Entry(kind, len(values), bytes(values))  # type: ignore[arg-type]
    if kind == RATIONAL:
        parts = [part for value in values for part in value.as_integer_ratio()]
        return Entry(kind, len(values), struct.pack(f"{order}{len(parts)}I", *parts))
    return Entry(kind, len(values), struct.pack(f"{order}{len(values)}{CODES[kind]}", *values))


def _block(order: str, tree: Tree) -> bytes:
    out = bytearray(struct.pack(order + "2sHI", b"II" if order == "<" else b"MM", 42, 0))

    def place(tree: Tree) -> int:
        entries = {}
        for tag, entry in tree.items():
            if isinstance(entry, dict):
                entry = _entry(order, LONG, (place(entry),))
            entries[tag] = _narrow(order, entry)
        at = len(out)
        out.extend(_directory(order, entries, at))
        return at

    struct.pack_into(order + "I", out, 4, place(tree))
    return bytes(out)


def _narrow(order: str, entry: Entry) -> Entry:
    """64-bit numbers of a BigTIFF as the 32-bit ones of EXIF; struct.error where that is short."""
    kind, wide, code = {16: (LONG, "Q", "I"), 17: (9, "q", "i"), 18: (13, "Q", "I")}.get(
        entry.kind, (entry.kind, "", "")
    )
    if not code:
        return entry
    values = struct.unpack(f"{order}{entry.count}{wide}", entry.data)
    return Entry(kind, entry.count, struct.pack(f"{order}{entry.count}{code}", *values))


def _directory(order: str, entries: dict[int, Entry], at: int) -> bytes:
    """A directory for the place `at` (even), with its values behind it; none follows."""
    lines, values = [], b""
    behind = at + 2 + 12 * len(entries) + 4
    for tag, entry in sorted(entries.items()):
        if len(entry.data) > 4:
            place = struct.pack(order + "I", behind + len(values))
            values += entry.data + b"\0" * (len(entry.data) % 2)
        else:
            place = entry.data.ljust(4, b"\0")
        lines.append(struct.pack(order + "HHI", tag, entry.kind, entry.count) + place)
    return struct.pack(order + "H", len(lines)) + b"".join(lines) + bytes(4) + values
