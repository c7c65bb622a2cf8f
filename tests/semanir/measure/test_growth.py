"""How cost grows: what a record holds, memory that a picture's size leaves alone, counted work."""

from functools import partial

import numpy as np
import pytest
import torch
from tiny_networks import tiny
from torch import nn

from reports.tables.complexity import evaluate
from semanir.cli.bench import text_of_growth
from semanir.errors import InputError
from semanir.inference.pictures import TrainedNetwork, restore_pixels
from semanir.measure import growth
from semanir.measure.growth import DENSE, SPARSE, layers, measured, random_picture, slopes
from semanir.measure.timing import peak_bytes, peak_resident
from semanir.memory import keep_freed_memory
from semanir.plan.cells import cells

MB = 10**6


class Twice(nn.Module):
    """Every pixel four times: nothing is computed, so that large pictures take a moment."""

    tile_unit = 8

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, x):
        return (x * self.weight).repeat_interleave(2, -1).repeat_interleave(2, -2)


@pytest.fixture
def small(monkeypatch):
    """A map of 16 x 16 tokens, tiles of 48, and settings of which none takes long."""
    monkeypatch.setitem(growth.TOKENS, "cpu", 256)
    monkeypatch.setitem(growth.BACKENDS, "cpu", ("gather",))
    monkeypatch.setattr(growth, "TILE", 48)
    monkeypatch.setattr(growth, "OVERLAP", 16)
    usual = {"C": 24, "h": 2, "M": 8, "k": 8}
    sweeps = {
        "window": [usual | {"M": m} for m in (4, 8, 16)],
        "k": [usual | {"k": k} for k in (4, 16)],
        "heads": [usual | {"h": h} for h in (1, 4)],
        "channels": [usual | {"h": h, "C": 12 * h} for h in (1, 3)],
    }
    monkeypatch.setattr(growth, "SWEEPS", sweeps)


def test_a_record_has_pictures_and_layers(small):
    found = growth.growth([0.04, 0.01], seconds=0)
    facts = {"network": "semanir-u-tiny", "tile": 48, "overlap": 16, "device": "cpu"}
    assert facts.items() <= found.items() and found["threads"] == torch.get_num_threads()
    first, second = found["pictures"]
    # starts at 0, 32, 64 of 100 pixels: 48 + 48 + 36 in a row of tiles; of 200 six, the last of 40
    assert (first["height"], first["width"], first["tiles"]) == (100, 100, 9)
    assert (first["megapixels"], first["in_tiles"]) == (0.01, 132**2 / 1e6)
    assert (second["tiles"], second["in_tiles"]) == (36, (5 * 48 + 40) ** 2 / 1e6)
    assert (first["rounds"], second["rounds"]) == (4, 1)
    assert first["time_ratio"] == 1 and first["seconds"] > 0
    assert [row["sweep"] for row in found["layers"]] == [
        *("window", "window", "window", "k", "k", "heads", "heads", "channels", "channels")
    ]


def test_ratios_by_hand():
    first, second, third = slopes(
        [
            {"megapixels": 1.0, "seconds": 2.0, "bytes": 100},
            {"megapixels": 4.0, "seconds": 10.0, "bytes": 110},
            {"megapixels": 16.0, "seconds": 24.0, "bytes": None},
        ]
    )
    assert (first["time_ratio"], first["memory_ratio"]) == (1, 1)
    assert (second["time_ratio"], second["memory_ratio"]) == (1.25, 1.1)
    assert (third["time_ratio"], third["memory_ratio"]) == (0.75, None)


def test_what_torch_holds_is_the_same_for_a_larger_picture():
    """All tiles are whole: 48 pixels, and 32 more for each further one."""
    trained = TrainedNetwork(tiny("semanir-u-tiny", double=False))
    peaks = []
    for tiles in (1, 2, 5):  # of the first, what layers keep
        side = 48 + 32 * (tiles - 1)
        pixels = random_picture(side**2 / 1e6, 3)
        given = {"tile": 48, "overlap": 16, "dtype": np.uint8}
        peaks.append(peak_bytes(partial(restore_pixels, trained, pixels, **given)))
    assert peaks[1] == peaks[2] > 48 * 48 * 16 * 4


def test_the_process_holds_no_more_for_a_larger_picture(monkeypatch):
    """9 megapixels become 36, 135 MB in and out, 432 MB more as floats; the bound is 24."""
    if peak_resident(lambda: None) is None:
        pytest.skip("this system does not tell the memory of a process")
    monkeypatch.setattr(growth, "TILE", 256)
    trained, peaks = TrainedNetwork(Twice()), []
    before = peak_resident(lambda: None)
    for megapixels in (1, 9):
        pixels = random_picture(megapixels, 3)
        peaks.append(measured(trained, pixels, 1, before=before)[1])
    assert peaks[1] - peaks[0] < 24 * MB


def test_the_peak_of_a_process_is_that_of_known_arrays():
    if peak_resident(lambda: None) is None:
        pytest.skip("this system does not tell the memory of a process")

    def fill():
        held = np.ones(80 * MB, np.uint8)
        del held
        return np.ones(40 * MB, np.uint8)

    keep_freed_memory()  # as every command of semanir
    before = peak_resident(lambda: None)
    assert 76 * MB < peak_resident(fill) - before < 84 * MB
    assert peak_resident(lambda: None) - before < 4 * MB


@pytest.mark.parametrize("sweep", growth.SWEEPS)
def test_counted_work_is_what_the_formulas_say(small, sweep):
    formulas = {c.method: c.value for c in cells("table12") if c.metric == "time_complexity"}
    for row in layers(sweep, 0):
        assert (row["H"], row["W"], row["maps"]) == (16, 16, 1)
        for form in (SPARSE, DENSE):
            symbols = {name: row[name] for name in "HWChMk"}
            assert row["multiply_adds"][form] == evaluate(formulas[form], symbols)
            assert row["milliseconds"][form] > 0


def test_sweeps_change_one_size_of_what_they_say():
    for sweep, changed in (("window", "M"), ("k", "k"), ("heads", "h")):
        settings = growth.SWEEPS[sweep]
        others = [{name: one[name] for name in one if name != changed} for one in settings]
        assert all(one == others[0] for one in others)
        assert len({one[changed] for one in settings}) == len(settings) >= 3
    for one in [one for settings in growth.SWEEPS.values() for one in settings]:
        # the map is cut into whole windows, a window has more tokens than k, kernels take the heads
        assert 64 % one["M"] == 0 and one["k"] < one["M"] ** 2
        assert one["C"] % one["h"] == 0 and one["C"] // one["h"] <= 64
    assert {one["C"] // one["h"] for one in growth.SWEEPS["channels"]} == {30}


def test_networks_by_name():
    assert growth.load_or_build("sr-x4").config.upscale == 4
    one, other = (growth.load_or_build("semanir-u-tiny") for _ in range(2))
    values = zip(one.parameters(), other.parameters(), strict=True)
    assert all(torch.equal(*pair) for pair in values) and not one.training
    with pytest.raises(InputError, match="did you mean semanir-u"):
        growth.load_or_build("semanir-u-tinny")


def test_shown_as_text(small):
    found = growth.growth([0.01], seconds=0)
    found["pictures"][0] |= {"seconds": 2.5, "bytes": 3 * 2**20}
    rows = [row for row in found["layers"] if row["sweep"] == "k"]
    rows[0]["milliseconds"][SPARSE], rows[1]["milliseconds"][SPARSE] = 2.0, 3.0
    told = text_of_growth(found)
    assert "0.01 MP      2.50 s (1.00)        3 MiB (1.00)" in told
    # 4 HWC^2 + 2 k HWC with C = 24: 96 + 2k for each token and channel
    assert f"{SPARSE}     3.00 ( 1.50; {128 / 104:5.2f})" in told
    assert told.count("multiply-adds, against") == 4
    found["pictures"][0] |= {"bytes": None, "memory_ratio": None}
    assert "(1.00)\n" in text_of_growth(found)
