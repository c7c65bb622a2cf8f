"""How far chance moves a training: measured from results, written, read, and used by the gate."""

import numpy as np
import pandas as pd
import pytest
from made_records import eval_record

from reports.collect import read_records
from reports.gate import spreads
from reports.gate.spreads import COLUMNS, Spreads, measure, read_spreads
from semanir.errors import InputError
from semanir.plan.models import base_model, get_scale, scales

TASK, PLACE = "denoise_gray-sigma50", ("set_a", "sigma50")
CELL = (TASK, "semanir-u", *PLACE, "psnr")


def results_of(folder, psnr):
    """Results of trainings; psnr: seed -> mean of two images that are 4 dB apart."""
    records = []
    for model, gain in (("semanir-u", 0.0), ("input", -9.0)):
        for seed, mean in psnr.items():
            images = [(*PLACE, mean + gain + offset, 0.5, 0.5) for offset in (-2, 2)]
            records.append(eval_record(folder, TASK, model, images, seed=seed))
    return read_records(records)


def line_of(lines, metric="psnr"):
    (line,) = lines[lines["metric"] == metric].to_dict("records")
    return line


def test_spreads_by_hand(tmp_path):
    ways = [{0: 30.00, 1: 30.30}, {0: 30.01, 1: 30.30}, {0: 30.02, 1: 30.36}]
    spread = measure([results_of(tmp_path, way) for way in ways])
    line = line_of(spread)
    assert tuple(line[name] for name in COLUMNS[:5]) == CELL
    # sums of squares 0.0002 and 0.0024, of two degrees each
    assert line["rounding"] == pytest.approx((0.0026 / 4) ** 0.5)
    assert line["seed"] == pytest.approx(0.3 / 2**0.5)
    assert (line["rounding_degrees"], line["seed_degrees"]) == (4, 1)
    assert set(spread["model"]) == {"semanir-u"}  # nothing trains the input
    assert line_of(spread, "ssim_matlab")["seed"] == pytest.approx(0, abs=1e-12)


def test_seeds_stand_for_a_rounding_that_was_not_measured(tmp_path):
    one, other = {0: 30.0, 1: 31.0}, {0: 30.2, 1: 31.2}
    found = measure([results_of(tmp_path, one)])
    for known in (Spreads(found), Spreads(found, redrawn=True)):
        assert known.get(CELL).sd == pytest.approx(1 / 2**0.5) and known.get(CELL).degrees == 1
    found = measure([results_of(tmp_path, one), results_of(tmp_path, other)])
    assert Spreads(found).get(CELL).sd == pytest.approx(0.2 / 2**0.5)
    assert Spreads(found, redrawn=True).get(CELL).sd == pytest.approx(1 / 2**0.5)
    assert Spreads(measure([results_of(tmp_path, {0: 30.0})])).get(CELL) is None


def test_the_gate_reads_what_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(spreads, "SPREADS", tmp_path / "spreads")
    paths = [tmp_path / "first.csv", tmp_path / "second.csv"]
    for path, means in zip(paths, ({0: 30.0, 1: 31.0}, {0: 30.02, 1: 31.02}), strict=True):
        results_of(tmp_path, means).to_csv(path, index=False)
    assert spreads.write_spreads("smoke", paths) == "smoke: spreads of 3 cells"
    text = (tmp_path / "spreads" / "smoke.csv").read_text()
    assert "# machines: A Processor <at> 2 GHz & more, AVX2\n" in text
    assert read_spreads("smoke").get(CELL).sd == pytest.approx(0.02 / 2**0.5, abs=1e-6)
    assert read_spreads("smoke", redrawn=True).get(CELL).degrees == 1
    assert read_spreads("mini").get(CELL) is None


@pytest.mark.parametrize(("scale", "count"), [("mini", 2), ("smoke", 1)])
def test_what_gives_no_spread_is_refused(tmp_path, monkeypatch, scale, count):
    monkeypatch.setattr(spreads, "SPREADS", tmp_path / "spreads")
    results_of(tmp_path, {0: 30.0}).to_csv(tmp_path / "r.csv", index=False)
    with pytest.raises(InputError, match="smoke scale" if scale == "mini" else "two seeds"):
        spreads.write_spreads(scale, [tmp_path / "r.csv"] * count)
    assert not (tmp_path / "spreads").exists()


@pytest.mark.parametrize("path", sorted(spreads.SPREADS.glob("*.csv")), ids=lambda p: p.stem)
def test_spreads_in_git_are_well_formed(path):
    lines = pd.read_csv(path, comment="#", keep_default_na=False)
    assert path.stem in scales() and list(lines.columns) == COLUMNS
    assert not lines.duplicated(COLUMNS[:5]).any()
    assert (lines[["rounding", "seed"]].to_numpy() >= 0).all()
    assert np.isfinite(lines[["rounding", "seed"]].to_numpy()).all()
    assert set(get_scale(path.stem)["networks"]) == {base_model(name) for name in lines["model"]}
