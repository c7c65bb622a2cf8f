"""What the directory of a TIFF says: kinds that are not read, and its density."""

import struct
from fractions import Fraction

from data_prep.pictures.density import TIFF_UNITS, Density, make_density
from data_prep.pictures.exif import RATIONAL, RESOLUTION, Directories, Entry

SAMPLES = {0: 1, 1: 1, 2: 3, 3: 1, 6: 3}  # photometric interpretation -> samples of a colour
INTERPRETATIONS = {4: "a mask", 5: "inks (CMYK)", 32803: "raw data of a sensor"}
INTERPRETATIONS |= dict.fromkeys((8, 9, 10), "CIE Lab colours")
FORMATS = {2: "signed numbers", 3: "floating-point numbers", 4: "numbers of no stated type"}
PREMULTIPLIED, PLAIN_ALPHA = (1,), (2,)


def refusal(directories: Directories, entries: dict[int, Entry]) -> str:
    """What the first picture has that is not read exactly, "" if nothing."""

    def numbers(tag: int, *default: int) -> tuple[int, ...]:
        return directories.numbers(entries.get(tag), default)

    bits, colour = numbers(258, 1), (numbers(262) or (-1,))[0]
    samples, meaning = (numbers(277) or (len(bits),))[0], numbers(338)
    further = samples - SAMPLES.get(colour, samples)
    kinds = set(numbers(339, 1)) - {1}
    if kinds:
        return f"{FORMATS.get(min(kinds), 'complex numbers')} of {bits[0]} bits"
    if colour not in SAMPLES:
        return INTERPRETATIONS.get(colour, f"photometric interpretation {colour}")
    if meaning == PREMULTIPLIED:
        return "premultiplied alpha"
    if further and (further != 1 or meaning != PLAIN_ALPHA):
        return f"{further} further sample{'s' * (further > 1)} a pixel, not known to be alpha"
    if len(set(bits)) > 1 or bits[0] not in (1, 2, 4, 8, 16):
        return f"samples of {', '.join(map(str, dict.fromkeys(bits)))} bits"
    if bits[0] == 16:
        return _refusal_of_16_bits(colour, further)
    table = numbers(320)
    if colour == 3 and any(value % 257 for value in table) and any(v % 256 for v in table):
        return "a palette of 16 bits"
    return ""


def _refusal_of_16_bits(colour: int, further: int) -> str:
    if colour == 0:
        return "16 bits where 0 is white"
    if colour in (3, 6):
        return f"{'a palette' if colour == 3 else 'YCbCr'} of 16 bits"
    return "16 bits of grey with alpha, as a TIFF" if colour == 1 and further else ""


def density_of(directories: Directories, entries: dict[int, Entry]) -> Density | None:
    """The resolution of the first picture."""
    across, down, unit = (entries.get(tag) for tag in RESOLUTION)
    x, y = (_rational(directories.order, entry) for entry in (across, down))
    return make_density(x, y, TIFF_UNITS.get((directories.numbers(unit) or (2,))[0], ""))


def _rational(order: str, entry: Entry | None) -> Fraction:
    """The value of an entry, 0 if it holds none."""
    if entry is None or entry.kind != RATIONAL or not entry.count:
        return Fraction(0)
    over, under = struct.unpack(order + "II", entry.data[:8])
    return Fraction(over, under) if under else Fraction(0)
