"""MATLAB's resizing in exact fractions and Malvar's demosaicking in floats, pixel by pixel."""

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


def resize_line(line, scale, border, eight_bit):
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
            mirrored, replicated = table[(index - 1) % (2 * n)], min(max(index, 1), n)
            total += weight * line[(mirrored if border == "mirror" else replicated) - 1]
            weights += weight
        value = total / weights
        resized.append(min(max(math.floor(value + Fraction(1, 2)), 0), 255) if eight_bit else value)
    return resized


def resize_plane(plane, scale, border):
    """Rows first, then columns; integers are rounded after each pass, fractions are not."""
    eight_bit = plane.dtype == np.uint8
    lines = [[int(v) if eight_bit else Fraction(float(v)) for v in row] for row in plane]
    columns = [resize_line(column, scale, border, eight_bit) for column in zip(*lines, strict=True)]
    rows = [resize_line(row, scale, border, eight_bit) for row in zip(*columns, strict=True)]
    return np.array(rows, dtype=np.uint8 if eight_bit else np.float64)


def reflected(index, size):
    index = abs(index)
    return index if index < size else 2 * (size - 1) - index


def slow_malvar(sensor):
    """Bilinear interpolation plus the paper's gradient corrections, pixel by pixel.

    alpha 1/2 for green, beta 5/8 for red and blue at green, gamma 3/4 for red at blue and back.
    """
    height, width = sensor.shape
    full = np.empty((height, width, 3))
    for y, x in np.ndindex(height, width):

        def at(dy, dx, y=y, x=x):
            return float(sensor[reflected(y + dy, height), reflected(x + dx, width)])

        centre = at(0, 0)
        row, column = [at(0, -1), at(0, 1)], [at(-1, 0), at(1, 0)]
        diagonal = [at(dy, dx) for dy in (-1, 1) for dx in (-1, 1)]
        far_row, far_column = [at(0, -2), at(0, 2)], [at(-2, 0), at(2, 0)]
        own, other = (0, 2) if y % 2 == 0 else (2, 0)
        if (y + x) % 2 == 0:  # red or blue
            laplacian = centre - np.mean(far_row + far_column)
            full[y, x, own] = centre
            full[y, x, 1] = np.mean(row + column) + 1 / 2 * laplacian
            full[y, x, other] = np.mean(diagonal) + 3 / 4 * laplacian
        else:
            full[y, x, 1] = centre
            for channel, near, along, across in (
                (own, row, far_row, far_column),
                (other, column, far_column, far_row),
            ):
                # nine points: the centre against diagonals and its own line, the other line back
                laplacian = centre - (sum(diagonal) + sum(along) - sum(across) / 2) / 5
                full[y, x, channel] = np.mean(near) + 5 / 8 * laplacian
    return full
