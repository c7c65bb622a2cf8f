"""Verdicts of printed cells."""

import math
from collections import Counter

import pandas as pd
import pytest
from made_records import STAMP, cell

from reports.collect import COLUMNS, collect
from reports.tables import verdicts as judging
from reports.tables.verdicts import Verdict, by_place, coverage, judge_table
from semanir.plan.runs import Answer, answer, cells


def place(metric="PSNR", **fields):
    standard = {"model": "input", "task": "demosaick", "datasets": ("kodak",), "metric": metric}
    return Answer(**standard | fields)


def judge(printed, where, scale, results):
    return judging.judge(printed, where, scale, by_place(results))


def measured(*values, metric="psnr", **fields):
    """Results with one line a seed."""
    standard = dict.fromkeys(COLUMNS, "") | {
        **{"scale": "smoke", "model": "input", "task": "demosaick", "dataset": "kodak"},
        **{"level": "", "metric": metric},
    }
    rows = [standard | {"seed": n, "value": v} | fields for n, v in enumerate(values)]
    return pd.DataFrame(rows, columns=COLUMNS)


@pytest.mark.parametrize(
    ("value", "verdict"),
    [
        (35.78, "match"),
        (35.80, "match"),
        (35.76, "match"),
        (35.78 + 0.0200001, "better than printed"),
        (35.78 - 0.0200001, "differs"),
        (40.0, "better than printed"),
        (20.0, "differs"),
        (math.inf, "better than printed"),
        (math.nan, "differs"),
    ],
)
def test_psnr_matches_within_two_hundredths_of_a_decibel(value, verdict):
    """The edge belongs to the tolerance; what is beyond it upwards is suspicious too."""
    found = judge(cell(), place(), "smoke", measured(value))
    assert found.verdict == verdict
    assert found.measured == pytest.approx(value, nan_ok=True)
    assert found.difference == pytest.approx(value - 35.78, abs=1e-12, nan_ok=True)
    assert found.reason == ""


@pytest.mark.parametrize(
    ("value", "verdict"),
    [
        (0.9520, "match"),
        (0.9526, "match"),
        (0.9514, "match"),
        (0.9526001, "better than printed"),
        (0.9513999, "differs"),
    ],
)
def test_ssim_is_compared_in_the_matlab_convention(value, verdict):
    """Tolerance 0.0006; the zero-padded value is reported beside it and never compared."""
    results = pd.concat(
        [
            measured(value, metric="ssim_matlab"),
            measured(0.97, metric="ssim_zero_padded"),
            measured(30.0),
        ]
    )
    found = judge(cell("0.9520", "SSIM"), place("SSIM"), "smoke", results)
    assert found.verdict == verdict
    assert found.scores == {"ssim_matlab": value, "ssim_zero_padded": 0.97, "psnr": 30.0}


@pytest.mark.parametrize(
    ("count", "printed", "verdict"),
    [
        (11_869_775, "11.87", "match"),
        (25_818_459, "25.82", "match"),
        (25_818_459, "25.85", "differs"),
        (11_865_000, "11.87", "match"),
        (11_864_999, "11.87", "differs"),
        (11_875_000, "11.87", "match"),
        (11_875_001, "11.87", "differs"),
        (668_227, "0.7", "match"),
    ],
)
def test_parameters_match_to_every_printed_digit(count, printed, verdict):
    """Half a unit of the last printed digit, edges included; counted in millions."""
    results = measured(count, metric="params", task=pd.NA, dataset=pd.NA, level="x2")
    where = Answer(model="input", level="x2", metric="params")
    found = judge(cell(printed, "params", unit="M"), where, "smoke", results)
    assert found.verdict == verdict
    assert found.measured == count / 1e6
    assert found.difference == pytest.approx(count / 1e6 - float(printed), abs=1e-12)


@pytest.mark.parametrize(("count", "verdict"), [(6, "match"), (7, "differs"), (5, "differs")])
def test_stages_match_exactly(count, verdict):
    results = measured(count, metric="stages", task=pd.NA, dataset=pd.NA)
    found = judge(cell("6", "stages"), Answer("input", metric="stages"), "smoke", results)
    assert found.verdict == verdict


def test_a_stand_in_set_gives_no_difference():
    """Even where the numbers are equal, and for a system that needs no training."""
    where = place(datasets=("embedded_rgb",), stand_in=True)
    found = judge(cell(), where, "smoke", measured(35.78, dataset="embedded_rgb"))
    assert found.verdict == "scaled down"
    assert found.difference is None
    assert found.measured == 35.78
    assert found.reason == f"{STAMP} embedded_rgb stands in for Kodak."


def test_a_degradation_that_stands_in_for_real_pairs_is_synthetic_data():
    """The paper has real pairs of blur and weather; synthetic ones say nothing about them."""
    where = place(datasets=("embedded_rgb",), stand_in=True, model="semanir-u")
    results = measured(30.0, dataset="embedded_rgb", model="semanir-u")
    found = judge(cell(task="deblur", dataset="GoPro"), where, "smoke", results)
    assert found.verdict == "synthetic data"
    assert found.difference is None
    assert found.reason == (
        f"{STAMP} embedded_rgb stands in for GoPro. "
        "Synthetic degradation instead of real pairs, not comparable."
    )


def test_an_average_is_the_mean_of_its_sets_seed_by_seed():
    """28 and 30 dB are 29; over the seeds 29 and 31 are 30 with the spread of those two."""
    where = place(datasets=("gopro_test", "hide"))
    results = pd.concat(
        [measured(28.0, 30.0, dataset="gopro_test"), measured(30.0, 32.0, dataset="hide")]
    )
    found = judge(cell("30.00", dataset="Average"), where, "paper", results)
    assert (found.verdict, found.measured) == ("match", 30.0)
    assert found.spread == pytest.approx(2**0.5)
    assert (found.facts["seeds"], found.facts["dataset"]) == (2, "gopro_test, hide")


def test_half_an_average_is_no_data():
    where = place(datasets=("gopro_test", "hide"))
    found = judge(cell(), where, "paper", measured(28.0, dataset="gopro_test"))
    assert (found.verdict, found.reason) == ("no data", "no record of input on hide was given")


def test_a_network_trained_at_a_small_scale_is_never_a_match():
    """On the printed set itself the difference is shown, and the scale's stamp with it."""
    where = place(model="semanir-u")
    found = judge(cell(), where, "smoke", measured(35.78, model="semanir-u"))
    assert (found.verdict, found.reason) == ("scaled down", STAMP)
    assert found.difference == 0
    at_full_size = judge(cell(), where, "paper", measured(35.78, model="semanir-u"))
    assert at_full_size.verdict == "match"


def test_what_is_not_measured_keeps_its_reason():
    where = Answer(verdict="quoted", reason="its licence forbids it")
    found = judge(cell(), where, "smoke", measured(35.78))
    assert (found.verdict, found.reason) == ("quoted", "its licence forbids it")
    assert found.measured is found.difference is found.spread is None


@pytest.mark.parametrize(
    "other",
    [{"model": "dncnn"}, {"task": "sr-x2"}, {"dataset": "set5"}, {"level": "x2"}, {"metric": "x"}],
    ids=str,
)
def test_a_measurement_of_something_else_is_no_data(other):
    found = judge(cell(), place(), "smoke", measured(35.78, **other))
    assert (found.verdict, found.reason) == ("no data", "no record of input on kodak was given")


def test_mean_and_spread_over_seeds():
    """Sample standard deviation, counted in seeds; none for a single seed."""
    found = judge(cell(), place(), "smoke", measured(35.76, 35.79, 35.82))
    assert found.verdict == "match"
    assert found.measured == pytest.approx(35.79)
    assert found.spread == pytest.approx(0.03)
    assert found.facts["seeds"] == 3
    alone = judge(cell(), place(), "smoke", measured(35.79))
    assert alone.spread is None
    assert alone.facts["seeds"] == 1


def test_coverage_line():
    """Printed numbers only: dashes are no cells to measure."""
    names = ["match", "match", "differs", "better than printed", "scaled down"]
    names += ["scaled down", "quoted", "quoted", "quoted", "no data"]
    verdicts = [Verdict(cell(), name) for name in names]
    verdicts += [Verdict(cell("", kind="dash"), "quoted")] * 5
    assert coverage(verdicts) == (
        "6 of 10 cells measured, 2 match "
        "(3 quoted, 2 scaled down, 1 differs, 1 better than printed, 1 no data)"
    )
    assert coverage(verdicts[:2]) == "2 of 2 cells measured, 2 match"


def test_judging_a_table_keeps_printed_order(everything):
    results = collect(everything)
    verdicts = judge_table(cells("table11"), "smoke", results)
    assert [verdict.cell for verdict in verdicts] == list(cells("table11"))
    assert [verdict.verdict for verdict in verdicts] == ["match"] * 10
    assert [verdict.measured for verdict in verdicts] == [6, 8, 4, 4, 1, 6, 8, 6, 6, 6]


def test_a_table_without_records_is_no_data():
    """Every planned cell says so; nothing fails."""
    verdicts = judge_table(cells("table10"), "smoke", collect([]))
    expected = Counter(answer(c, "smoke").verdict or "no data" for c in cells("table10"))
    assert (
        Counter(verdict.verdict for verdict in verdicts)
        == expected
        == {
            "quoted": 78,
            "no data": 142,
        }
    )
