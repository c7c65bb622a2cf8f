"""MATLAB's resizing in exact fractions, pixel by pixel, and Malvar's demosaicking."""

import math
from fractions import Fraction

import numpy as np


def cubic(x):
    x = abs(x)
    if x <= 1:
        return Fraction(3, 2) * x**3 - Fraction(5, 2) * x**2 + 1
    if x < 2:
        return -Fraction(1, 2) * x**3 + Fraction(5, 2) * x**2 - 4 * x + 2
    return Fraction(0)


def resize_line(line, scale, eight_bit):
    n = len(line)
    width = 4 / min(scale, Fraction(1))
    table = [*range(1, n + 1), *range(n, 0, -1)]
    resized = []
    for x in range(1, math.ceil(n * scale) + 1):
        u = x / scale + Fraction(1, 2) * (1 - 1 / scale)
        left = math.floor(u - width / 2)
        total = weights = Fraction(0)
        for index in range(left, left + math.ceil(width) + 2):
            weight = cubic((u - index) * min(scale, Fraction(1)))
            total += weight * line[table[(index - 1) % (2 * n)] - 1]
            weights += weight
        value = total / weights
        resized.append(min(max(math.floor(value + Fraction(1, 2)), 0), 255) if eight_bit else value)
    return resized


def resize_plane(plane, scale):
    """Rows first, then columns; integers are rounded after each pass, fractions are not."""
    eight_bit = plane.dtype == np.uint8
    lines = [[int(v) if eight_bit else Fraction(float(v)) for v in row] for row in plane]
    columns = [resize_line(column, scale, eight_bit) for column in zip(*lines, strict=True)]
    rows = [resize_line(row, scale, eight_bit) for row in zip(*columns, strict=True)]
    return np.array(rows, dtype=np.uint8 if eight_bit else np.float64)


def slow_malvar(sensor):
    """Bilinear interpolation plus the paper's gradient corrections.

    alpha 1/2 for green, beta 5/8 for red and blue at green, gamma 3/4 for red at blue and back.
    """
    wide, (height, width) = np.pad(sensor.astype(float), 2, mode="reflect"), sensor.shape

    def total(*places):
        return sum(wide[2 + y : 2 + y + height, 2 + x : 2 + x + width] for y, x in places)

    centre, diagonal = total((0, 0)), total((-1, -1), (-1, 1), (1, -1), (1, 1))
    row, far_row = total((0, -1), (0, 1)), total((0, -2), (0, 2))
    column, far_column = total((-1, 0), (1, 0)), total((-2, 0), (2, 0))
    laplacian = centre - (far_row + far_column) / 4
    green, opposite = (row + column) / 4 + laplacian / 2, diagonal / 4 + 3 / 4 * laplacian
    # nine points: the centre against diagonals and its own line, the other line back
    of_row = row / 2 + 5 / 8 * (centre - (diagonal + far_row - far_column / 2) / 5)
    of_column = column / 2 + 5 / 8 * (centre - (diagonal + far_column - far_row / 2) / 5)
    y, x = np.indices(sensor.shape) % 2
    own = np.where((y == x)[..., None], np.dstack([centre, green, opposite]), 0)
    own += np.where((y != x)[..., None], np.dstack([of_row, centre, of_column]), 0)
    return np.where((y == 0)[..., None], own, own[..., ::-1])
