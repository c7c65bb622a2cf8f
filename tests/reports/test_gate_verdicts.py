"""The gate's verdicts: chance of training, what no chance moves, what cannot be compared."""

import re
from itertools import product

import numpy as np
import pandas as pd
import pytest
from gate_cases import SD, compared, lines_of, spreads_of, verdicts

from reports.collect import COLUMNS, METRICS, read_records
from reports.gate import compare
from semanir.plan.cells import COUNTED


@pytest.mark.parametrize(
    ("sd", "seeds", "changes"),
    [
        # the tolerance is inclusive, and decides where chance moves a cell by less
        (0.005, 1, {0: "passed", 0.05: "passed", 0.0501: "better"}),
        (0.005, 1, {-0.05: "passed", -0.0501: "worse"}),
        (0.02, 1, {-0.14: "uncertain", -0.15: "worse"}),  # t(0.999; 6) = 5.207627: 0.1473 dB
        (0.02, 4, {-0.073: "uncertain", -0.075: "worse"}),  # half of it
        (0.3, 1, {-1.0: "uncertain"}),
    ],
)
def test_a_drop_counts_where_chance_does_not_explain_it(sd, seeds, changes):
    """However many images: one training moves all of them alike."""
    values = np.linspace(25, 36, 12)
    before = pd.concat([lines_of(values, seed=str(n)) for n in range(seeds)])
    for change, verdict in changes.items():
        line = compared(before, moved(before, change), spreads_of(sd))
        assert line.verdict == verdict and line.fails is (verdict == "worse")
        assert verdict != "uncertain" or "by chance" in line.reason


def moved(lines, change):
    return lines.assign(value=lines["value"] + change)


def test_whose_spread_a_cell_has():
    """An ablation that of what it changes; seeds that draw other numbers that of seeds.

    SD 0.1 of seven degrees: sqrt(2) times t(0.999; 7) = 4.785 is 0.677 dB.
    """
    other = lines_of([30, 31, 32], task="sr-x2")
    line = compared(other, moved(other, -0.4))
    assert (line.verdict, line.interval) == ("worse", None) and "tolerance 0.05" in line.reason
    assert compared(other, other).interval == (0, 0)
    before = lines_of([30.0, 31.0], model="semanir-u-fixed")
    assert compared(before, moved(before, -0.1)).interval is not None
    before = lines_of([30.0, 31.0])
    for change, verdict in ((-0.67, "uncertain"), (-0.69, "worse")):
        after = moved(before, change)
        assert compared(before, after, spreads_of(redrawn=True)).verdict == verdict
        assert compared(before, after).verdict == "worse"


def weights_of(*values, model="semanir-u"):
    """Lines that say what trainings of some seeds gave."""
    place = {"metric": "weights", "model": model}
    lines = [lines_of({"": value}, seed=str(n), **place) for n, value in enumerate(values)]
    return pd.concat([lines_of({}), *lines]).assign(dataset="", level="")


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    # the same training, another one, one that is not known
    [((7,), (7,), "changed"), ((7,), (8,), "passed"), ((7,), (), "passed"), ((), (7,), "passed")],
)
@pytest.mark.parametrize("change", [-0.0011, 0.0011])
def test_with_the_same_weights_no_image_may_move(before, after, change, verdict):
    values = lines_of([30.0, 31.0, 32.0])
    changed = moved(values, [0, change, 0])
    sides = (pd.concat([values, weights_of(*before)]), pd.concat([changed, weights_of(*after)]))
    reason = f"image1 by {change:+.4f}" if verdict == "changed" else ""
    assert verdicts(*sides, spreads_of())["semanir-u"] == (verdict, reason)


def test_weights_are_those_of_every_seed_and_of_the_training():
    """One seed trained anew is chance; another k at inference has no training of its own."""
    model = "semanir-u-at-k8"
    values = pd.concat([lines_of([30.0], seed=str(n), model=model) for n in range(2)])
    accepted, after = pd.concat([values, weights_of(7, 8)]), moved(values, -0.01)
    for weights, verdict in (((7, 8), "changed"), ((7, 9), "passed")):
        found = verdicts(accepted, pd.concat([after, weights_of(*weights)]))
        assert found[model][0] == verdict


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ((0, 0, 0), ""),
        ((0.001, -0.001, 0.001), ""),
        ((0, 0, -0.0011), "image2 by -0.0011"),
        ((0, 0, 0.0011), "image2 by +0.0011"),  # an easier test set is a change as well
        ((0.3, -0.3, 0), "image0 by +0.3000"),  # whose mean is 0
    ],
)
def test_a_row_without_training_may_not_move_in_any_image(changes, reason):
    values = np.array([14.1512, 15.5, 16.25])
    line = compared(values, values + np.array(changes), model="input")
    assert (line.verdict, line.reason) == ("changed" if reason else "passed", reason)


KINDS = """ssim_matlab -0.002 passed, ssim_zero_padded -0.00201 worse, ssim_matlab_3d 0.00201 better
psnr_rgb -0.051 worse, median_ms 900 reported, ratio -0.5 reported, memory_cpu 1e9 reported"""


@pytest.mark.parametrize("kind", re.split(", |\n", KINDS))
def test_the_kinds_of_metrics(kind):
    metric, change, verdict = kind.split()
    assert compared([0.5] * 3, [0.5 + float(change)] * 3, metric=metric).verdict == verdict


@pytest.mark.parametrize("metric", [*compare.COUNTS, "FLOPs", "FLOPs_by_modules", "FLOPs_rest"])
def test_counts_are_exact(metric):
    """Fewer parameters are as wrong as more, in a trained model as in another."""
    for model, change in product(("semanir-u", "swinir"), (1, -1)):
        line = compared({"": 25_818_459}, {"": 25_818_459 + change}, metric=metric, model=model)
        assert (line.verdict, line.difference) == ("changed", change)


def test_equal_images_may_stay_equal_and_no_more():
    """inf - inf is 0; falling from inf to a number is the worst there is."""
    for accepted, candidate, verdict, difference in (
        ([np.inf, 30, 31], [np.inf, 30, 31], "passed", 0),
        ([np.inf, 30, 31], [50, 30, 31], "worse", -np.inf),
        ([40, np.inf, 31], [np.inf, 50, 31], "worse", -np.inf),  # whatever other image rose
        ([50, 30, 31], [np.inf, 30, 31], "better", np.inf),
    ):
        line = compared(accepted, candidate)
        assert (line.verdict, line.difference) == (verdict, difference)
    assert compared([np.inf, 30], [np.inf, 30]).interval == (0, 0)
    assert compared([50, 30], [np.inf, 30], model="input").verdict == "changed"


def test_seeds_are_compared_each_with_itself():
    """Seed 1 is 2 dB above seed 0 and both fall by 0.1; crosswise they would not seem to."""
    accepted = pd.concat([lines_of([30, 31], seed="0"), lines_of([32, 33], seed="1")])
    candidate = pd.concat([lines_of([31.9, 32.9], seed="1"), lines_of([29.9, 30.9], seed="0")])
    line = compared(accepted, candidate)
    assert (line.n, line.verdict) == (4, "worse")
    half = 2.446912 * SD  # sqrt(2 / 2)
    assert line.interval == pytest.approx((-0.1 - half, -0.1 + half), abs=1e-6)
    line = compared(accepted, lines_of([30, 31], seed="0"))
    assert (line.verdict, line.n) == ("missing", 2)
    assert line.reason == "image0 seed 1, image1 seed 1"


@pytest.mark.parametrize(
    ("accepted", "candidate", "expected"),
    [
        ({"cat": 30, "dog": 31}, {"cat": 30, "elk": 10}, ("missing", "dog", 1)),
        (range(30, 36), [30], ("missing", "image1, image2, image3, image4 and 1 more", 1)),
        ({"cat": 30}, {"cat": 30, "elk": 10}, ("passed", "1 more measured", 1)),
        ({"cat": 30, "dog": 31}, {"cat": 30, "dog": np.nan}, ("no number", "dog", 1)),
        ({"cat": 30}, {"cat": np.nan}, ("no number", "cat", 0)),
    ],
)
@pytest.mark.parametrize("model", ["semanir-u", "input"])
def test_images_that_are_missing_or_new_are_named(accepted, candidate, expected, model):
    line = compared(accepted, candidate, model=model)
    assert (line.verdict, line.reason, line.n) == expected


def test_a_missing_cell_fails_and_a_new_one_is_reported():
    lines = compare.compare(lines_of([30, 31, 32]), lines_of([40, 41, 42], level="sigma15"))
    shown = [(line.verdict, line.level, line.reason, line.fails, line.numbers) for line in lines]
    assert shown == [
        ("missing", "sigma50", "all 3 images", True, ["0", "31.0000", "", "", ""]),
        ("new", "sigma15", "", False, ["3", "", "41.0000", "", ""]),
    ]
    other = lines_of([40])
    both = pd.concat([lines_of({"": 5.0}, metric="median_ms"), other])
    assert verdicts(both, other)["median_ms"] == ("reported", "not measured")


def with_gain(gain):
    """A network so many decibels above its input of 14, 15, 16 dB."""
    degraded = lines_of([14, 15, 16], model="input", task="denoise_gray-x")
    return pd.concat([lines_of([14 + gain, 15 + gain, 16 + gain]), degraded])


def test_a_network_that_learnt_nothing_fails_below_the_tolerance():
    """It gained 0.04 dB: losing all of that is within 0.05 dB, and fails all the same."""
    accepted = with_gain(0.04)
    for gain, verdict in ((0.04, "passed"), (0.02, "passed"), (0.019, "no gain"), (0, "no gain")):
        lines = verdicts(accepted, with_gain(gain))
        assert lines["semanir-u"][0] == verdict
    assert lines["semanir-u"][1] == "gains 0.000 dB over its input, accepted 0.040"
    without = verdicts(accepted, lines_of([14.04, 15.04, 16.04]))
    assert without["semanir-u"] == ("no gain", "its input was not measured")
    assert without["input"] == ("missing", "all 3 images")
    for gain in (-1, 0, 0.009):  # one that never gained need not gain
        lines = verdicts(with_gain(gain), with_gain(gain - 0.01))
        assert {verdict for verdict, _ in lines.values()} == {"passed"}


def test_every_metric_of_the_tables_is_of_some_kind(everything):
    """None becomes "reported" because nobody thought of it."""
    metrics = set(read_records(everything)["metric"])
    reported = {name for name in metrics if compare.kind_of(name) == "other"}
    costs = {"median_ms", "ratio", "memory_cpu", "memory_cuda", "memory_predicted"}
    costs |= {"train_seconds", "weights"}
    # of the median picture, which another rounding may make another one
    assert reported <= costs | {"psnr_crop", "psnr_crop_input"}
    assert {compare.kind_of(name) for name in METRICS} == {"psnr", "ssim"}
    assert {compare.kind_of(name) for name in COUNTED} == {"count"}
    assert set(compare.KEY) <= set(COLUMNS)
