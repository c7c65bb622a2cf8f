"""Restoring whole images and tiles: floats and whole numbers, grey and colour."""

import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from restorable import make, photograph

from semanir.errors import InputError
from semanir.inference.restore import ForGrey, restore, spans
from semanir.network import build

# window 4; half of `overlap` covers the receptive field, counted in pixels from a tile's edge
TILED = [
    # conv 1, windows 4, conv 5, shifted windows 6, conv 7, body 8, features 9, upsampler 10, 11
    ("semanir-s-tiny", {"upscale": 2, "layers": 1, "dim": 8}, 40, 24),
    ("semanir-s-tiny", {"upscale": 3, "layers": 2, "dim": 8, "channels": 1}, 36, 24),
    # conv 1, windows 4, conv 5; below: 3, shifted windows 6, conv 7; above: 14, windows 16, 17, 18
    ("semanir-u-tiny", {"dims": (6, 8), "layers": 1}, 64, 40),
    ("semanir-u-tiny", {"dims": (6, 8), "layers": 2, "channels": 1}, 48, 40),
    # as before, then below: windows 8, conv 9; above: 18, fuse 19, ... conv 25, body 26, last 27
    ("semanir-u-tiny", {"dims": (6, 8), "layers": 1, "layout": "U1"}, 80, 56),
]


@pytest.mark.parametrize(("name", "options", "tile", "overlap"), TILED, ids=str)
@pytest.mark.parametrize("size", [(97, 61), (50, 104)], ids=str)
def test_tiles_equal_the_whole_image(name, options, tile, overlap, size):
    """Control: without overlap the same comparison fails."""
    network = make(name, window=4, k=6, **options)
    degraded = photograph(*size, options.get("channels", 3))
    whole = restore(network, degraded)
    assert np.mean((whole > 0) & (whole < 1)) > 0.9  # few are clipped
    tiled = restore(network, degraded, tile=tile, overlap=overlap)
    np.testing.assert_allclose(tiled, whole, rtol=0, atol=1e-6)
    if size == (97, 61):
        assert np.abs(restore(network, degraded, tile=tile, overlap=0) - whole).max() > 1e-3


def test_large_tiles_are_the_whole_image_and_others_are_rounded_up_to_windows():
    network, degraded = make("semanir-u-tiny", window=4, dims=(6, 8), layers=1), photograph(50, 43)
    whole = restore(network, degraded)
    for tile in (50, 52, 1000):
        np.testing.assert_array_equal(restore(network, degraded, tile=tile, overlap=8), whole)
    expected = restore(network, degraded, tile=32, overlap=12)
    np.testing.assert_array_equal(restore(network, degraded, tile=29, overlap=9), expected)


UNITS = [("semanir-s", {"upscale": 2, "window": 12}, 12), ("semanir-u", {"window": 8}, 16)]
UNITS += [("semanir-u", {"window": 32}, 32), ("semanir-u", {"layout": "U1", "window": 12}, 24)]


@pytest.mark.parametrize(("name", "options", "unit"), UNITS)
def test_tile_unit(name, options, unit):
    """Columnar: the window. U-shape: windows and the pixels of the lowest of 5 or 4 levels."""
    with torch.device("meta"):
        assert build(name, **options).tile_unit == unit


@settings(max_examples=300, deadline=None)
@given(size=st.integers(1, 400), unit=st.integers(1, 9), data=st.data())
def test_every_pixel_is_written_once(size, unit, data):
    """What stays of each tile follows the last without gap or overlap, and lies within its tile."""
    tile = unit * data.draw(st.integers(1, 12), "tile")
    overlap = unit * data.draw(st.integers(0, tile // unit - 1), "overlap")
    tiles = list(spans(size, tile, overlap))
    written = [pixel for *_, first, last in tiles for pixel in range(first, last)]
    assert written == list(range(size))
    for start, end, first, last in tiles:
        assert start <= first < last <= end <= size and end - start <= tile
        assert start % unit == 0
        assert first - start >= overlap // 2 or start == 0
        assert end - last >= overlap // 2 or end == size


class Doubling(torch.nn.Module):
    """Doubles its input in size, and remembers what it was given."""

    tile_unit = 8

    def __init__(self, weight=1.0):
        super().__init__()
        self.weight, self.calls = torch.nn.Parameter(torch.tensor(weight)), []

    def forward(self, x):
        self.calls.append(tuple(x.shape[-2:]))
        return (x * self.weight).repeat_interleave(2, -1).repeat_interleave(2, -2)


def test_values():
    """An untrained U-shape hands its input through: 8-bit scaled, floats as they are, clipped."""
    network = build("semanir-u-tiny")
    eight_bit = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    np.testing.assert_allclose(restore(network, eight_bit), eight_bit / 255, rtol=0, atol=1e-7)
    noisy = photograph(9, 7) * 4 - 1.5
    np.testing.assert_allclose(restore(network, noisy), noisy.clip(0, 1), rtol=0, atol=1e-7)
    assert noisy.min() < 0 and noisy.max() > 1


@pytest.mark.parametrize("tile", [None, 16])
def test_k_is_passed_on(tile):
    network, degraded = make("semanir-u-tiny", k=6), photograph(24, 16)
    own, same, fewer = (restore(network, degraded, k=k, tile=tile, overlap=8) for k in (None, 6, 2))
    np.testing.assert_array_equal(own, same)
    assert np.abs(own - fewer).max() > 1e-3


FLOATS = np.zeros((8, 8, 3), np.float32)


@pytest.mark.parametrize(
    ("image", "options", "message"),
    [
        (FLOATS + np.float32(np.inf), {}, "NaN or infinite"),
        (FLOATS[:0], {}, r"\(0, 8, 3\)"),
        (FLOATS[None], {}, r"\(1, 8, 8, 3\)"),
        (FLOATS[..., [0, 1, 2, 2]], {}, r"got \[1, 4, 8, 8\]"),
        (FLOATS.astype(np.int32), {}, "got int32"),
        (FLOATS, {"tile": 7, "overlap": 5}, "overlap 8 .*smaller than the tile 8"),
        (FLOATS, {"tile": 0, "overlap": 0}, "got 0 and 0"),
        (FLOATS, {"tile": 16, "overlap": -8}, "got 16 and -8"),
    ],
)
def test_bad_images_and_tiles_are_refused(image, options, message):
    with pytest.raises(InputError, match=message):
        restore(build("semanir-u-tiny"), image, **options)


@pytest.mark.parametrize("tile", [None, 24])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
def test_whole_numbers_are_the_rounded_floats(channels, dtype, tile):
    """Of pictures of 8 and 16 bits; the enlarging network is given the same numbers as floats."""
    network = make("semanir-s-tiny", window=4, k=6, upscale=2, layers=1, channels=channels).float()
    full = np.iinfo(dtype).max
    whole = np.rint(photograph(37, 29, channels) * full).astype(dtype)
    floats = restore(network, (whole / full).astype(np.float32), tile=tile, overlap=8)
    assert (floats.shape, floats.dtype) == ((74, 58, *whole.shape[2:]), np.float32)
    restored = restore(network, whole, tile=tile, overlap=8, dtype=dtype)
    assert restored.dtype == dtype
    np.testing.assert_array_equal(restored, np.rint(floats * full))
    np.testing.assert_array_equal(restore(network, whole, tile=tile, overlap=8), floats)


@pytest.mark.parametrize("shape", [(1200, 1000), (600, 500, 3)], ids=["grey", "colour"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_no_picture_is_held_as_floats(shape, dtype):
    """Only the restored one is made, of the type of the picture, and a tile at a time beside it."""
    network = Doubling()
    image = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype, True)
    tracemalloc.start()
    restored = restore(network, image, tile=64, overlap=16, dtype=dtype)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    np.testing.assert_array_equal(restored, image.repeat(2, 0).repeat(2, 1))
    assert max(network.calls) == (64, 64)
    # floats of the picture alone are as large as the restored one of 8 bits
    assert most < 1.5 * restored.nbytes


def test_a_network_for_colour_restores_grey_by_tiles():
    """As three equal channels, whose clipped outputs are averaged."""
    network = make("semanir-s-tiny", window=4, k=6, upscale=2, layers=1, weight=3.0).float()
    image = np.rint(photograph(30, 41, 1) * 255).astype(np.uint8)
    for options in ({}, {"tile": 24, "overlap": 8}):
        thrice = restore(network, np.stack([image] * 3, -1), **options)
        assert (thrice == 0).any() or (thrice == 1).any()
        grey = restore(ForGrey(network), image, **options)
        np.testing.assert_allclose(grey, thrice.mean(axis=2), atol=1e-6)


def test_nan_of_a_network_is_no_whole_number():
    with pytest.raises(FloatingPointError):
        restore(Doubling(torch.nan), np.zeros((9, 9), np.uint8), dtype=np.uint8)
