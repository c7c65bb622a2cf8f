"""Density: how many pixels go to a length, as PNG, JPEG, TIFF and BMP write it."""

import struct
from dataclasses import dataclass
from fractions import Fraction

PER_METRE = {"metre": Fraction(1), "cm": Fraction(100), "inch": Fraction(10000, 254)}
JFIF_UNITS = ("", "inch", "cm")
TIFF_UNITS = {1: "", 2: "inch", 3: "cm"}


@dataclass(frozen=True)
class Density:
    """Pixels a unit across and down; unit "metre", "cm", "inch", or "" for their ratio alone."""

    x: Fraction
    y: Fraction
    unit: str

    def per(self, unit: str) -> tuple[Fraction, Fraction]:
        factor = PER_METRE[self.unit] / PER_METRE[unit]
        return self.x * factor, self.y * factor


def make_density(x: Fraction | int, y: Fraction | int, unit: str) -> Density | None:
    """None where nothing is said: no numbers, or square pixels of no size."""
    if x <= 0 or y <= 0 or (not unit and x == y):
        return None
    return Density(Fraction(x), Fraction(y), unit)


def of_png(phys: bytes) -> Density | None:
    """The data of a chunk pHYs."""
    if len(phys) != 9:
        return None
    x, y, unit = struct.unpack(">IIB", phys)
    return make_density(x, y, "metre" if unit == 1 else "")


def as_png(density: Density) -> bytes:
    """The nearest chunk pHYs, in whole pixels a metre."""
    x, y = _whole_ratio(density) if not density.unit else map(round, density.per("metre"))
    return struct.pack(">IIB", *_fit(x, y, 2**31 - 1), int(bool(density.unit)))


def as_jfif(density: Density) -> bytes:
    """The five bytes of a JFIF header: unit and two whole numbers, the nearest there are."""
    if not density.unit:
        return struct.pack(">BHH", 0, *_fit(*_whole_ratio(density), 2**16 - 1))
    unit = "cm" if density.unit == "cm" else "inch"
    x, y = map(round, density.per(unit))
    return struct.pack(">BHH", JFIF_UNITS.index(unit), *_fit(x, y, 2**16 - 1))


def as_tiff(density: Density) -> tuple[Fraction, Fraction, int]:
    """The numbers of the tags XResolution, YResolution, ResolutionUnit."""
    unit = "cm" if density.unit == "metre" else density.unit
    x, y = density.per(unit) if unit else (density.x, density.y)
    number = next(number for number, name in TIFF_UNITS.items() if name == unit)
    return x.limit_denominator(2**16), y.limit_denominator(2**16), number


def _whole_ratio(density: Density) -> tuple[int, int]:
    return (density.x / density.y).as_integer_ratio()


def _fit(x: int, y: int, most: int) -> tuple[int, int]:
    """Both on 1..most; what lies beyond is no density of any picture."""
    return max(1, min(x, most)), max(1, min(y, most))
