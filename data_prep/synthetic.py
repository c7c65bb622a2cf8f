"""Synthetic snow, rain with fog, lens drops and camera shake: stand-ins for real pairs.

The paper's weather and deblurring tasks use pairs that cannot be made from a photograph. Where they
cannot be fetched, these functions degrade other photographs instead, so that the tasks run from end
to end. Scores on them are synthetic and NOT comparable with any printed number.

`seed` is an int, which restarts numpy.random.RandomState(seed), or a generator of numpy, which is
advanced. The same seed gives the same picture (between machines to a grey level: processors may
round an exponential or a blur differently). Sizes follow the image: a flake covers the same part of
a small and of a large one. Constants are in pixels of a 192x192 image, values on 0..255.
"""

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from data_prep.images import check_image
from semanir.errors import InputError
from semanir.names import known_name

Random = np.random.RandomState | np.random.Generator
Float = NDArray[np.float32]

_SUBPIXEL = 4  # binary digits of OpenCV's fixed-point coordinates
_SPREAD = 0.6  # pixels by which OpenCV's antialiased polygons exceed their outline
_REFERENCE = 192.0
_LONGEST_SHAKE = 500


def snow(
    image: NDArray[np.uint8], strength: float = 1.0, seed: int | Random = 0
) -> NDArray[np.uint8]:
    """Falling snow at three depths: fine and dense far away, few large blurred flakes near.

    image uint8 RGB [H,W,3], returned alike; strength 0 (the image itself) to 2, 1 the task's.
    Flakes are lumpy, drawn out along one falling direction, blurred off the focal plane, and laid
    over the photograph and a thin white veil by alpha compositing.
    Raises InputError for another image, strength or seed.
    """
    rng = _check(image, strength, seed)
    unit, share = _size(image)
    fall = math.radians(90 + rng.uniform(-30, 30))
    # flakes, radius, length over width, opacity, blur
    layers = (
        (420, 0.85, 1.2, 0.52, 0.35),
        (90, 1.7, 1.4, 0.68, 0.5),
        (11, 3.4, 1.6, 0.58, 1.3),
    )
    density = rng.uniform(0.85, 1.15) * strength * share
    veil = np.full(image.shape[:2], 0.03 * strength, np.float32)
    scene = _blend(image.astype(np.float32), _colour(236, 240, 245), veil)
    for count, radius, stretch, opacity, blur in layers:
        number = int(rng.poisson(count * density))
        radii = radius * np.exp(rng.normal(0, 0.35, number))
        angles = fall + rng.normal(0, 0.12, number)
        opacities = opacity * rng.uniform(0.55, 1.25, number)
        alpha = _particles(
            image.shape, rng, radii * stretch * unit, radii * unit, angles, opacities, lumps=0.22
        )
        scene = _blend(scene, _colour(247, 250, 255), _blur(alpha, blur * unit))
    return _eight_bit(scene)


def rain_fog(
    image: NDArray[np.uint8], strength: float = 1.0, seed: int | Random = 0
) -> NDArray[np.uint8]:
    """Rain streaks in depth-dependent fog.

    image uint8 RGB [H,W,3], returned alike; strength 0 (the image itself) to 2, 1 the task's. Fog
    after Koschmieder, J*t + A*(1 - t) with t = exp(-density*depth): the depth is drawn and grows
    from the bottom to the top with smooth hills; A is a bluish grey that rises with the
    photograph's mean. Streaks at three depths share one direction and are brighter than the fog.
    Raises InputError for another image, strength or seed.
    """
    rng = _check(image, strength, seed)
    unit, share = _size(image)
    ambient = 95 + 0.65 * float(image.mean()) + rng.uniform(-8, 8)
    light = _colour(0.97 * ambient, ambient, 1.03 * ambient)
    density = strength * rng.uniform(0.20, 0.30)
    fog = 1 - np.exp(-density * _depth(image.shape, rng))
    scene = _blend(image.astype(np.float32), light, fog)
    fall = math.radians(90 + rng.uniform(-22, 22))
    # streaks, half length, half width, opacity, blur
    layers = (
        (230, 4.5, 0.50, 0.36, 0.0),
        (90, 9.0, 0.75, 0.38, 0.3),
        (14, 17.5, 1.35, 0.30, 0.8),
    )
    for count, length, width, opacity, blur in layers:
        number = int(rng.poisson(count * strength * share * rng.uniform(0.85, 1.15)))
        lengths = length * np.exp(rng.normal(0, 0.3, number))
        widths = width * np.exp(rng.normal(0, 0.2, number))
        angles = fall + rng.normal(0, 0.03, number)
        opacities = opacity * rng.uniform(0.5, 1.4, number)
        alpha = _particles(image.shape, rng, lengths * unit, widths * unit, angles, opacities)
        scene = _blend(scene, 1.25 * light, _blur(alpha, blur * unit))
    return _eight_bit(scene)


def raindrop(
    image: NDArray[np.uint8], strength: float = 1.0, seed: int | Random = 0
) -> NDArray[np.uint8]:
    """Drops on the window before the lens, each a small wide-angle lens.

    image uint8 RGB [H,W,3], returned alike; strength 0 (the image itself) to 2, 1 the task's. A
    drop shows the scene around it upside down and blurred, is darker at its rim and carries a soft
    highlight. Its outline is soft, since the camera focuses behind the window.
    Raises InputError for another image, strength or seed.
    """
    rng = _check(image, strength, seed)
    height, width = image.shape[:2]
    unit, share = _size(image)
    number = round(26 * strength * share * rng.uniform(0.85, 1.15))
    centres = rng.uniform(0, 1, (number, 2)) * (width, height)
    radii = -np.sort(-unit * 8.0 * np.exp(rng.normal(0, 0.38, number)))
    shapes = rng.uniform(-1, 1, (number, 5))
    placed: list[int] = []  # from large to small, those that stay clear of all before
    for drop in range(number):
        gaps = np.hypot(*(centres[placed] - centres[drop]).T) - radii[placed] - radii[drop]
        if not placed or gaps.min() > 0:
            placed.append(drop)

    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    row, column = rows[:, :1].copy(), columns[:1].copy()
    alpha, shade = np.zeros((2, height, width), np.float32)
    drops = np.column_stack([centres, radii, shapes])[placed]
    for x, y, radius, *shape in drops.tolist():
        reach = 1.6 * radius + 2
        top, left = max(int(y - reach), 0), max(int(x - reach), 0)
        box = np.s_[top : int(y + reach) + 1, left : int(x + reach) + 1]
        down, right = (row[box[0]] - y) / radius, (column[:, box[1]] - x) / radius
        angle = np.arctan2(down, right)
        outline = 1 + 0.16 * shape[0] * np.cos(2 * angle + 3 * shape[1])
        outline += 0.09 * shape[2] * np.cos(3 * angle + 3 * shape[3]) + 0.10 * np.sin(angle)
        distance = np.hypot(down, right) / outline
        soft = max(0.16, 1.0 / radius)  # at least one pixel of rim
        cover = _smoothstep((1 - distance) / soft + 0.5)
        inside = cover > alpha[box]
        # the lens: from the centre outwards ever more of the scene around, upside down
        bend = -(1.1 + 0.9 * distance**2) * radius
        rows[box] = np.where(inside, y + down * bend, rows[box])
        columns[box] = np.where(inside, x + right * bend, columns[box])
        rim = 1 - 0.45 * _smoothstep((distance - 0.5) / 0.5)
        spot = np.exp(-((right + 0.32) ** 2 + (down + 0.38) ** 2) / 0.02)
        glint = rim + 0.4 * (1 + shape[4]) * spot
        shade[box] = np.where(inside, glint, shade[box])
        alpha[box] = np.maximum(alpha[box], cover)

    blurred = _blur(image.astype(np.float32), 1.6 * unit)
    lens = cv2.remap(blurred, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    lens = np.minimum(lens * shade[..., None] + 12, 255)
    return _eight_bit(_blend(image.astype(np.float32), lens, alpha))


def weather(image: NDArray[np.uint8], kind: str, seed: int | Random = 0) -> NDArray[np.uint8]:
    """The weather task's degradation at strength 1; kind "snow", "rain_fog" or "raindrop".

    image uint8 RGB [H,W,3], returned alike. Raises InputError for another image or kind.
    """
    function = {"snow": snow, "rain_fog": rain_fog, "raindrop": raindrop}
    return function[known_name(kind, function, "kind of weather")](image, 1.0, seed)


def motion_blur(
    image: NDArray[np.uint8], length_px: float, seed: int | Random = 0
) -> NDArray[np.uint8]:
    """Blur by camera shake: the whole image is averaged along shake_kernel's random path.

    image uint8 RGB [H,W,3], returned alike; length_px the length of the path. The stored values are
    averaged, as in GoPro's `blur` folder, not linear light, which keeps the mean brightness. The
    border is mirrored with the edge repeated. Raises InputError for another image or length.
    """
    check_image(image, 3)
    kernel = shake_kernel(length_px, seed)
    blurred: Any = cv2.filter2D(image.astype(np.float32), -1, kernel, borderType=cv2.BORDER_REFLECT)
    return _eight_bit(blurred)


def shake_kernel(length_px: float, seed: int | Random = 0) -> Float:
    """Kernel of a smooth random camera shake: float32 [K,K], K odd, non-negative, sum 1.

    length_px is the length of the path, 0 (no blur) to 500. The speed and the direction drift, so
    the path is a curve, dwelling where it is slow; it is centred, so the image does not shift.
    """
    if not 0 <= length_px <= _LONGEST_SHAKE:
        raise InputError(
            f"the length of a shake must be 0..{_LONGEST_SHAKE} pixels, got {length_px}"
        )
    rng = _generator(seed)
    steps = 4 * math.ceil(length_px) + 16
    grid = np.linspace(0, 1, steps)
    # a few sine waves of random phase turn the path and vary its speed
    waves, phases = rng.normal(0, 1, (2, 3)), rng.uniform(0, 2 * np.pi, (2, 3))
    drift = np.sin(2 * np.pi * grid[:, None, None] * [0.5, 1, 1.5] + phases) * waves / [1, 1.5, 2]
    turn, pace = drift.sum(axis=2).T
    angle = rng.uniform(0, 2 * np.pi) + 1.1 * turn
    speed = np.exp(0.5 * pace)
    path = np.cumsum(np.stack([np.cos(angle), np.sin(angle)]) * speed, axis=1)
    path *= length_px / np.hypot(*np.diff(path)).sum()
    path -= path.mean(axis=1, keepdims=True)

    half = math.ceil(np.abs(path).max()) + 1
    kernel = np.zeros((2 * half + 1, 2 * half + 1))
    (x, y), floor = path + half, np.floor(path + half).astype(int)
    right, down = x - floor[0], y - floor[1]
    for dy, dx in np.ndindex(2, 2):  # each point is spread over its four nearest pixels
        weight = np.abs(1 - dy - down) * np.abs(1 - dx - right)
        np.add.at(kernel, (floor[1] + dy, floor[0] + dx), weight)
    return (kernel / kernel.sum()).astype(np.float32)


# --- parts ------------------------------------------------------------------------------------


def _check(image: NDArray[np.uint8], strength: float, seed: int | Random) -> Random:
    """Raise InputError for a wrong image, strength or seed; returns the generator of the seed."""
    check_image(image, 3)
    if not 0 <= strength <= 2:
        raise InputError(f"strength must be 0..2, got {strength}; 1 is the task's")
    return _generator(seed)


def _generator(seed: int | Random) -> Random:
    if isinstance(seed, Random):
        return seed
    if not isinstance(seed, int | np.integer) or not 0 <= seed < 2**32:
        raise InputError(f"seed must be a whole number of 0..4294967295, got {seed!r}")
    return np.random.RandomState(seed)


def _size(image: NDArray[Any]) -> tuple[float, float]:
    """Pixels of this image per pixel of the reference, by area, and a factor for counts.

    Below 67x67 things would become too small to see; there are fewer of them instead.
    """
    natural = math.sqrt(image.shape[0] * image.shape[1]) / _REFERENCE
    unit = max(natural, 0.35)
    return unit, (natural / unit) ** 2


def _particles(
    shape: tuple[int, ...],
    rng: Random,
    lengths: NDArray[np.float64],
    widths: NDArray[np.float64],
    angles: NDArray[np.float64],
    opacities: NDArray[np.float64],
    lumps: float = 0.0,
) -> Float:
    """Opacity [H,W] of ellipses (half axes, direction of the long one) strewn over the image.

    `lumps` is the spread of their outline. Those too thin to draw are drawn wider and fainter.
    """
    height, width = shape[:2]
    number, corners = len(lengths), 10
    centres = rng.uniform(-0.05, 1.05, (number, 2)) * (width, height)
    bumps = 1 + lumps * rng.uniform(-1, 1, (number, corners))
    for axes in (lengths, widths):
        opacities = opacities * np.minimum(axes / (_SPREAD + 0.1), 1)
    lengths, widths = (np.maximum(axes - _SPREAD, 0.1) for axes in (lengths, widths))

    turn = np.arange(corners) * 2 * np.pi / corners
    along = lengths[:, None] * np.cos(turn) * bumps
    aside = widths[:, None] * np.sin(turn) * bumps
    cos, sin = np.cos(angles)[:, None], np.sin(angles)[:, None]
    points = np.stack([along * cos - aside * sin, along * sin + aside * cos], axis=2)
    points = np.rint((points + centres[:, None]) * 2**_SUBPIXEL).astype(np.int32)
    values = np.rint(255 * opacities.clip(0, 1)).astype(int).tolist()

    alpha = np.zeros((height, width), np.uint8)
    for outline, value in zip(points, values, strict=True):
        cv2.fillConvexPoly(alpha, outline, value, cv2.LINE_AA, _SUBPIXEL)
    return (alpha / 255).astype(np.float32)


def _depth(shape: tuple[int, ...], rng: Random) -> Float:
    """A plausible depth map [H,W]: about 1 on average, near at the bottom, with smooth hills."""
    height, width = shape[:2]
    hills = cv2.resize(
        rng.uniform(-1, 1, (5, 5)).astype(np.float32),
        (width, height),
        interpolation=cv2.INTER_CUBIC,
    )
    up = np.linspace(1.5, 0.5, height, dtype=np.float32)[:, None]
    return np.maximum(up + np.float32(0.35) * hills, 0.1).astype(np.float32)


def _colour(red: float, green: float, blue: float) -> Float:
    return np.array([red, green, blue], np.float32)


def _blend(scene: Float, colour: Float, alpha: Float) -> Float:
    """Lay a colour [3] or a picture [H,W,3] over the scene with opacity [H,W]."""
    return scene + (colour - scene) * alpha[..., None]


def _blur(image: Float, sigma: float) -> Float:
    if sigma < 0.1:
        return image
    blurred: Any = cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REFLECT)
    return blurred


def _smoothstep(x: NDArray[Any]) -> NDArray[Any]:
    x = np.clip(x, 0, 1)
    return x * x * (3 - 2 * x)


def _eight_bit(image: Float) -> NDArray[np.uint8]:
    return np.floor(np.clip(image, 0, 255) + 0.5).astype(np.uint8)
