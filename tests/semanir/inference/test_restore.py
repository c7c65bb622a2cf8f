"""Restoring whole images and tiles, and weights files."""

import hashlib
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from semanir.errors import InputError
from semanir.inference import checkpoint
from semanir.inference.restore import ForGrey, _spans, restore
from semanir.network import build


def make(name, *, weight=0.1, seed=0, **options):
    """A double-precision network with random weights whose output strays little from its input.

    In double precision no two dot products come so close that rounding changes a selection.
    """
    network = build(name, **options).double().eval()
    source = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            values = torch.randn(parameter.shape, generator=source, dtype=torch.float64)
            fan_in = parameter[0].numel() if parameter.ndim > 1 else 25
            parameter.copy_(values / fan_in**0.5)
        network.conv_last.weight.mul_(weight)
        network.conv_last.bias.zero_()
    return network


def photograph(height, width, channels=3, seed=1):
    """Random pixels in the middle of the range, so that few outputs are clipped."""
    pixels = np.random.default_rng(seed).uniform(0.3, 0.7, (height, width, channels))
    return (pixels[..., 0] if channels == 1 else pixels).astype(np.float32)


def unclipped(image):
    return np.mean((image > 0) & (image < 1))


# --- tiles -----------------------------------------------------------------------------------

# window 4; half of `overlap` covers the receptive field, counted in pixels from a tile's edge
TILED = [
    # conv 1, windows 4, conv 5, shifted windows 6, conv 7, body 8, features 9, upsampler 10,
    # last 11
    ("semanir-s-tiny", {"upscale": 2, "layers": 1, "dim": 8}, 40, 24),
    ("semanir-s-tiny", {"upscale": 3, "layers": 2, "dim": 8, "channels": 1}, 36, 24),
    # conv 1, windows 4, conv 5; below: 3, shifted windows 6, conv 7; above: 14, windows 16, 17, 18
    ("semanir-u-tiny", {"dims": (6, 8), "layers": 1}, 64, 40),
    ("semanir-u-tiny", {"dims": (6, 8), "layers": 2, "channels": 1}, 48, 40),
    # conv 1, windows 4, conv 5; below: 3, windows 6, conv 7, windows 8, conv 9; above: 18, fuse 19,
    # windows 22, conv 23, windows 24, conv 25, body 26, last 27
    ("semanir-u-tiny", {"dims": (6, 8), "layers": 1, "layout": "U1"}, 80, 56),
]
TILED_IDS = [
    "-".join([name, *(str(value) for value in options.values())]) for name, options, *_ in TILED
]


@pytest.mark.parametrize(("name", "options", "tile", "overlap"), TILED, ids=TILED_IDS)
@pytest.mark.parametrize("height_width", [(97, 61), (50, 104)], ids=["97x61", "50x104"])
def test_tiles_equal_the_whole_image(name, options, tile, overlap, height_width):
    network = make(name, window=4, k=6, **options)
    degraded = photograph(*height_width, options.get("channels", 3))
    whole = restore(network, degraded)
    tiled = restore(network, degraded, tile=tile, overlap=overlap)
    assert unclipped(whole) > 0.9
    np.testing.assert_allclose(tiled, whole, rtol=0, atol=1e-6)


def test_tiles_with_too_little_overlap_show():
    """Control of the test above: the same comparison fails when the overlap is taken away."""
    for name, options, tile, _ in TILED:
        network = make(name, window=4, k=6, **options)
        degraded = photograph(97, 61, options.get("channels", 3))
        difference = restore(network, degraded) - restore(network, degraded, tile=tile, overlap=0)
        assert np.abs(difference).max() > 1e-3


@pytest.mark.parametrize("tile", [61, 64, 1000])
def test_a_tile_as_large_as_the_image_is_the_whole_image(tile):
    network = make("semanir-s-tiny", window=4, upscale=2)
    degraded = photograph(61, 43)
    whole = restore(network, degraded)
    np.testing.assert_array_equal(restore(network, degraded, tile=tile, overlap=8), whole)


def test_tile_and_overlap_are_rounded_up_to_windows():
    network = make("semanir-u-tiny", window=4, dims=(6, 8), layers=1)
    degraded = photograph(50, 70)
    expected = restore(network, degraded, tile=32, overlap=12)
    np.testing.assert_array_equal(restore(network, degraded, tile=29, overlap=9), expected)


def test_alignment():
    """Columnar: the window. U-shape: windows and the pixels of the lowest level."""
    assert build("semanir-s", upscale=2, window=12).tile_unit == 12
    assert build("semanir-u", window=8).tile_unit == 16  # five levels
    assert build("semanir-u", window=32).tile_unit == 32
    assert build("semanir-u", layout="U1", window=12).tile_unit == 24  # four levels


@settings(max_examples=300, deadline=None)
@given(size=st.integers(1, 400), unit=st.integers(1, 9), data=st.data())
def test_every_pixel_is_written_once(size, unit, data):
    """The kept spans follow each other without gap or overlap, and each lies within its tile."""
    tile = unit * data.draw(st.integers(1, 12), "tile")
    overlap = unit * data.draw(st.integers(0, tile // unit - 1), "overlap")
    spans = list(_spans(size, tile, overlap))
    written = [pixel for *_, first, last in spans for pixel in range(first, last)]
    assert written == list(range(size))
    for start, end, first, last in spans:
        assert start <= first < last <= end <= size and end - start <= tile
        assert start % unit == 0
        assert first - start >= overlap // 2 or start == 0
        assert end - last >= overlap // 2 or end == size


def test_every_output_pixel_comes_from_one_tile():
    """With a network that writes how often it was called, seams lie where the spans say."""
    calls = []

    class Counting(torch.nn.Module):
        tile_unit = 4

        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))

        def forward(self, x):
            calls.append(tuple(x.shape[-2:]))
            s, _, height, width = x.shape
            return torch.full((s, 3, 2 * height, 2 * width), len(calls) / 100)

    out = restore(Counting(), photograph(21, 16), tile=12, overlap=4)
    # rows [0,12) [8,20) [16,21), columns [0,12) [8,16), each cut in the middle of the overlap
    assert calls == [(12, 12), (12, 8), (12, 12), (12, 8), (5, 12), (5, 8)]
    rows = np.repeat([0, 1, 2], [2 * 10, 2 * 8, 2 * 3])
    columns = np.repeat([0, 1], [2 * 10, 2 * 6])
    expected = (1 + 2 * rows[:, None] + columns) / 100
    np.testing.assert_allclose(out, np.repeat(expected[..., None], 3, axis=2), atol=1e-6)


@pytest.mark.parametrize(
    ("tile", "overlap", "message"),
    [
        (8, 8, "overlap 8 must be smaller than the tile 8"),
        (7, 5, "overlap 8 must be smaller than the tile 8"),
        (0, 0, "tile must be at least 1"),
        (16, -8, "overlap 0, got 16 and -8"),
    ],
)
def test_impossible_tiles_are_refused(tile, overlap, message):
    with pytest.raises(InputError, match=message):
        restore(make("semanir-u-tiny"), photograph(40, 40), tile=tile, overlap=overlap)


# --- images ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("channels", "shape"), [(1, (17, 23)), (3, (17, 23, 3))])
@pytest.mark.parametrize("tile", [None, 16])
def test_shape_and_type(channels, shape, tile):
    degraded = photograph(17, 23, channels)
    same = restore(make("semanir-u-tiny", channels=channels), degraded, tile=tile, overlap=8)
    assert (same.shape, same.dtype) == (shape, np.float32)
    network = make("semanir-s-tiny", upscale=2, channels=channels)
    larger = restore(network, degraded, tile=tile, overlap=8)
    assert larger.shape == (34, 46, *shape[2:])


def test_values():
    """An untrained U-shape hands its input through: 8-bit scaled, floats as they are, clipped."""
    network = build("semanir-u-tiny")
    eight_bit = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    np.testing.assert_allclose(restore(network, eight_bit), eight_bit / 255, rtol=0, atol=1e-7)
    noisy = photograph(9, 7) * 4 - 1.5
    np.testing.assert_allclose(restore(network, noisy), noisy.clip(0, 1), rtol=0, atol=1e-7)
    assert noisy.min() < 0 and noisy.max() > 1


def test_k_is_passed_on():
    network = make("semanir-u-tiny", k=6)
    degraded = photograph(16, 16)
    np.testing.assert_array_equal(restore(network, degraded, k=6), restore(network, degraded))
    assert np.abs(restore(network, degraded, k=2) - restore(network, degraded)).max() > 1e-3
    tiled = [restore(network, degraded, k=k, tile=16, overlap=8) for k in (2, 6)]
    assert np.abs(tiled[0] - tiled[1]).max() > 1e-3


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.full((8, 8, 3), np.nan, np.float32), "NaN or infinite"),
        (np.full((8, 8, 3), -np.inf, np.float32), "NaN or infinite"),
        (np.zeros((0, 8, 3), np.float32), r"got shape \(0, 8, 3\)"),
        (np.zeros((1, 8, 8, 3), np.float32), r"got shape \(1, 8, 8, 3\)"),
        (np.zeros((8, 8, 4), np.float32), r"\[batch, 3, height, width\], got \[1, 4, 8, 8\]"),
        (np.zeros((8, 8), np.float32), r"\[batch, 3, height, width\], got \[1, 1, 8, 8\]"),
        (np.zeros((8, 8, 3), np.int32), "got int32"),
    ],
    ids=["nan", "infinite", "empty", "batch", "alpha", "grey", "int32"],
)
def test_bad_images_are_refused(image, message):
    with pytest.raises(InputError, match=message):
        restore(build("semanir-u-tiny"), image)


# --- weights files ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("semanir-s-tiny", {"upscale": 3, "window": 4, "k": 5}),
        ("semanir-u-tiny", {"layout": "U1", "channels": 1, "window": 16, "attention": "cosine"}),
    ],
)
def test_weights_file_rebuilds_the_network(tmp_path, name, options):
    network = make(name, **options).float()
    checkpoint.save(tmp_path / "new" / "weights.safetensors", network, task="sr-x3")
    again = checkpoint.load(tmp_path / "new" / "weights.safetensors")
    assert again.config == network.config and again.config.window == options["window"]
    assert not again.training
    for key, value in network.state_dict().items():
        assert torch.equal(again.state_dict()[key], value), key
    degraded = photograph(21, 18, options.get("channels", 3))
    np.testing.assert_array_equal(restore(again, degraded), restore(network, degraded))


def test_weights_files_of_equal_networks_are_equal(tmp_path):
    """Their SHA-256 goes on record."""
    hashes = set()
    for index in range(6):
        path = tmp_path / f"{index}.safetensors"
        checkpoint.save(path, make("semanir-u-tiny"), task="a", fingerprint="b", more="c")
        hashes.add(hashlib.sha256(path.read_bytes()).hexdigest())
    assert len(hashes) == 1


def test_weights_without_configuration_are_refused(tmp_path):
    path = tmp_path / "foreign.safetensors"
    save_file({"weight": torch.zeros(3)}, path)
    with pytest.raises(InputError, match=rf"{path} carries no network configuration"):
        checkpoint.load(path)
    save_file({"weight": torch.zeros(3)}, path, metadata={"format": "pt"})
    with pytest.raises(InputError, match=rf"{path} carries no network configuration"):
        checkpoint.load(path)


def test_failed_save_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "weights.safetensors"
    checkpoint.save(path, build("semanir-u-tiny"))
    before = path.read_bytes()

    def fail(partial, data):
        with partial.open("wb") as file:
            file.write(data[:100])
        raise OSError("disk full")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(OSError, match="disk full"):
        checkpoint.save(path, build("semanir-u-tiny"))
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["weights.safetensors"]


# --- whole numbers and memory ------------------------------------------------------------------


@pytest.mark.parametrize("tile", [None, 24])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
def test_whole_numbers_are_the_rounded_floats(channels, dtype, tile):
    """Of pictures of 8 and 16 bits; the enlarging network is given the same numbers as floats."""
    network = make("semanir-s-tiny", window=4, k=6, upscale=2, layers=1, channels=channels).float()
    full = np.iinfo(dtype).max
    whole = np.rint(photograph(37, 29, channels) * full).astype(dtype)
    floats = restore(network, (whole / full).astype(np.float32), tile=tile, overlap=8)
    restored = restore(network, whole, tile=tile, overlap=8, dtype=dtype)
    assert restored.dtype == dtype
    np.testing.assert_array_equal(restored, np.rint(floats * full))
    np.testing.assert_array_equal(restore(network, whole, tile=tile, overlap=8), floats)


class Cheap(torch.nn.Module):
    """Hands its input through, doubled in size; remembers the largest that it was given."""

    tile_unit = 8

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(()))
        self.largest = 0

    def forward(self, x):
        self.largest = max(self.largest, x.numel())
        return (x * self.weight).repeat_interleave(2, -1).repeat_interleave(2, -2)


@pytest.mark.parametrize("shape", [(1200, 1000), (600, 500, 3)], ids=["grey", "colour"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_no_picture_is_held_as_floats(shape, dtype):
    """Only the restored one is made, of the type of the picture, and a tile at a time beside it."""
    network = Cheap()
    image = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype, True)
    tracemalloc.start()
    restored = restore(network, image, tile=64, overlap=16, dtype=dtype)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    np.testing.assert_array_equal(restored, image.repeat(2, 0).repeat(2, 1))
    assert network.largest == 64 * 64 * (shape[2] if len(shape) == 3 else 1)
    # floats of the picture alone are as large as the restored one of 8 bits
    assert most < 1.5 * restored.nbytes


def test_a_network_for_colour_restores_grey_by_tiles():
    """As three equal channels, whose clipped outputs are averaged."""
    network = make("semanir-s-tiny", window=4, k=6, upscale=2, layers=1, weight=3.0).float()
    image = np.rint(photograph(30, 41, 1) * 255).astype(np.uint8)
    thrice = restore(network, np.stack([image] * 3, -1))
    assert (thrice == 0).any() or (thrice == 1).any()
    np.testing.assert_allclose(restore(ForGrey(network), image), thrice.mean(axis=2), atol=1e-6)
    tiled = restore(ForGrey(network), image, tile=24, overlap=8, dtype=np.uint8)
    thrice = restore(network, np.stack([image] * 3, -1), tile=24, overlap=8)
    assert np.abs(tiled - thrice.mean(axis=2) * 255).max() <= 0.5 + 1e-4


def test_nan_of_a_network_is_no_whole_number():
    network = Cheap()
    with torch.no_grad():
        network.weight.fill_(torch.nan)
    with pytest.raises(FloatingPointError):
        restore(network, np.zeros((9, 9), np.uint8), dtype=np.uint8)
