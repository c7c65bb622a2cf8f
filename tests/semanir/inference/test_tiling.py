"""The memory of a pass, counted without computing, and the tile that follows from it."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

import semanir
from data_prep.tasks import get_task
from semanir import memory
from semanir.attention import dispatch
from semanir.evaluate import evaluation
from semanir.evaluate.evaluation import score_images
from semanir.evaluate.systems import network_of
from semanir.inference import tiling
from semanir.inference.tiling import choose_tile, fitting_tile, free_bytes, meta_peak_bytes
from semanir.measure.timing import peak_bytes


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("semanir-s-tiny", (1, 3, 80, 96)),  # smaller: what makes the bias, which is kept, counts
        ("semanir-u-tiny", (1, 3, 96, 80)),
        ("dncnn:denoise_gray", (1, 1, 96, 80)),
        pytest.param("swinir:x2", (1, 3, 32, 32), marks=pytest.mark.slow),
    ],
)
def test_the_count_is_what_the_allocator_holds(name, shape):
    """By the profiler, within 5 % of no copies in convolutions (AVX2) and of all (AVX-512)."""
    options = {"upscale": 2} if name == "semanir-s-tiny" else {}
    own = name.startswith("semanir")
    network, x = semanir.build(name, **options) if own else network_of(name), torch.rand(shape)
    network.eval()
    with torch.inference_mode():
        network(x)  # packs weights, which stay
        measured = peak_bytes(lambda: network(x))
    least, most = (meta_peak_bytes(network, shape, copies) for copies in (False, True))
    assert 0.95 * least <= measured <= 1.05 * most
    assert most <= 2.1 * least


def test_a_picture_that_fits_is_not_tiled_and_one_that_does_not_is():
    network = semanir.build("semanir-u-tiny").eval()
    per_pixel = tiling.bytes_per_pixel(network, 3)
    assert choose_tile(network, (3, 256, 256), limit_bytes=int(256 * 256 * per_pixel) + 1) is None
    side = choose_tile(network, (3, 2048, 2048), limit_bytes=int(400 * 400 * per_pixel))
    assert side == 400 // network.tile_unit * network.tile_unit
    assert meta_peak_bytes(network, (1, 3, side, side)) <= 400 * 400 * per_pixel * 1.01
    # never smaller than its overlaps
    assert choose_tile(network, (3, 2048, 2048), limit_bytes=1) == tiling.SMALLEST_TILE
    assert fitting_tile(network, np.zeros((64, 64, 3))) is None
    assert {p.device.type for p in network.parameters()} == {"cpu"}  # it was counted in a copy


def test_memory_is_counted_for_each_type():
    network = semanir.build("semanir-u-tiny", backend="mask").eval()
    single = tiling.bytes_per_pixel(network, 3)
    assert 1.8 * single < tiling.bytes_per_pixel(network.double(), 3) < 2.2 * single
    assert tiling.bytes_per_pixel(network.float(), 3) == single


@pytest.mark.parametrize(
    ("instructions", "k", "backend"),
    [
        (None, 32, "mask"),
        ("AVX2", 48, "mask"),
        ("AVX2", 32, "fused"),
        ("AVX512", 48, "fused"),
    ],
)
def test_memory_is_counted_by_the_back_end_that_will_run(monkeypatch, instructions, k, backend):
    """Of k keys of 64, on machines without compiler or with these instructions."""
    found = instructions and SimpleNamespace(instruction_set=instructions)
    monkeypatch.setattr(dispatch, "kernels", lambda: found)
    chosen, named = (semanir.build("semanir-u-tiny", backend=b).eval() for b in ("auto", backend))
    other = semanir.build("semanir-u-tiny", k=k, backend=backend).eval()
    needed = tiling.bytes_per_pixel(chosen, 3, k)
    assert needed == tiling.bytes_per_pixel(named, 3, k) == tiling.bytes_per_pixel(other, 3)
    assert choose_tile(chosen, (3, 1024, 1024), k, int(401**2 * needed)) == 400


def test_memory_is_counted_for_each_k():
    network = semanir.build("semanir-u-tiny", backend="gather").eval()
    few, some = (tiling.bytes_per_pixel(network, 3, k) for k in (4, 32))
    assert few < some / 2 and some == tiling.bytes_per_pixel(network, 3)


def test_free_memory_heeds_the_control_group(monkeypatch):
    files = {"/proc/meminfo": "MemTotal: 9 kB\nMemAvailable:    8000 kB\n"}
    monkeypatch.setattr(memory, "_read", lambda path: files.get(str(path), ""))
    assert free_bytes(torch.device("cpu")) == 8_192_000
    files |= {"/sys/fs/cgroup/memory.max": "5000000\n", "/sys/fs/cgroup/memory.current": "1000000"}
    assert free_bytes(torch.device("cpu")) == 4_000_000
    files["/sys/fs/cgroup/memory.max"] = "max\n"
    assert free_bytes(torch.device("cpu")) == 8_192_000


def test_both_scores_are_recorded(monkeypatch):
    """Of the whole image, of tiles or an ensemble if asked for, and the tile that memory forced."""
    task = get_task("denoise_gray-sigma50")
    image, entry = np.full((30, 40), 128, np.uint8), {"file": "a.npy", "clean": "a"}
    degraded = image / np.float32(255)
    for name, value in ("load_index", [entry]), ("read_degraded", degraded), ("read_image", image):
        monkeypatch.setattr(evaluation, name, lambda *given, value=value, **fields: value)

    def restorer(given, level, tile=None):
        return given + np.float32(2 / 255 if tile else 1 / 255), tile or forced

    for forced in (None, 256):
        (whole,) = score_images(restorer, task, [("a", "sigma50")])
        assert whole["psnr"] == pytest.approx(20 * np.log10(255), abs=0.01)
        assert whole.get("tile") == forced and "psnr_tiled" not in whole
    forced = None
    (both,) = score_images(restorer, task, [("a", "sigma50")], tile=16)
    assert both["psnr_tiled"] == pytest.approx(20 * np.log10(255 / 2), abs=0.01)
    assert both["psnr"] > both["psnr_tiled"] and "psnr_self_ensemble" not in both

    def other(given, level, tile=None):
        return given + np.float32(3 / 255), tile

    (averaged,) = score_images(restorer, task, [("a", "sigma50")], ensemble=other)
    assert averaged["psnr"] == both["psnr"]
    assert averaged["psnr_self_ensemble"] == pytest.approx(20 * np.log10(255 / 3), abs=0.01)
