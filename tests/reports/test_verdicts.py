"""Verdicts of printed cells, and the registry that says how they are shown."""

import math
import re
from collections import Counter
from dataclasses import replace

import pandas as pd
import pytest
from checkout import REPOSITORY
from made_records import STAMP, cell, count_record
from printed import find

from baselines.registry import COMMERCIAL
from reports import legend
from reports.collect import COLUMNS, collect, means, read_records
from reports.tables import verdicts as judging
from reports.tables.provenance import provenance
from reports.tables.text import as_row
from reports.tables.verdicts import by_place, judge_table
from semanir.plan.answers import Answer
from semanir.plan.cells import cells
from semanir.plan.plan import Plan


def place(metric="PSNR", **fields):
    standard = {"model": "input", "task": "demosaick", "datasets": ("kodak",), "metric": metric}
    return Answer(**standard | fields)


def judge(results, printed=None, where=None, scale="smoke"):
    return judging.judge(printed or cell(), where or place(), scale, by_place(results))


def measured(*values, metric="psnr", **fields):
    """Results with one line a seed."""
    standard = dict.fromkeys(COLUMNS, "") | {
        **{"scale": "smoke", "model": "input", "task": "demosaick", "dataset": "kodak"},
        **{"level": "", "metric": metric, "images": 18},
    }
    rows = [standard | {"seed": n, "value": v} | fields for n, v in enumerate(values)]
    return pd.DataFrame(rows, columns=COLUMNS)


PSNR = {35.78: "match", 35.80: "match", 35.76: "match", 35.78 + 0.0200001: "better than printed"}
PSNR |= {math.inf: "better than printed", 35.78 - 0.0200001: "differs", math.nan: "differs"}


@pytest.mark.parametrize("value", PSNR)
def test_psnr_matches_within_two_hundredths_of_a_decibel(value):
    """The edge belongs to the tolerance; what is beyond it upwards is suspicious too."""
    one = judge(measured(value))
    assert (one.verdict, one.reason) == (PSNR[value], "")
    assert one.measured == pytest.approx(value, nan_ok=True)
    assert one.difference == pytest.approx(value - 35.78, abs=1e-12, nan_ok=True)


SSIM = {0.9526: "match", 0.9514: "match", 0.9526001: "better than printed", 0.9513999: "differs"}


@pytest.mark.parametrize("value", SSIM)
def test_ssim_is_compared_in_the_matlab_convention(value):
    """Tolerance 0.0006; the zero-padded value is reported beside it and never compared."""
    scores = {"ssim_matlab": value, "ssim_zero_padded": 0.97, "psnr": 30.0}
    results = pd.concat([measured(score, metric=name) for name, score in scores.items()])
    one = judge(results, cell("0.9520", "SSIM"), place("SSIM"))
    assert (one.verdict, one.scores) == (SSIM[value], scores)


# printed, and counts that match it or not
COUNTS = [
    ("25.82", "params", [25_818_459], []),
    ("25.85", "params", [], [25_818_459]),
    ("11.87", "params", [11_865_000, 11_875_000], [11_864_999, 11_875_001]),
    ("0.7", "params", [668_227], []),
    ("6", "stages", [6], [5, 7]),
]


@pytest.mark.parametrize(("printed", "metric", "match", "differs"), COUNTS)
def test_counts_match_to_every_printed_digit(printed, metric, match, differs):
    """Half a unit of the last printed digit, edges included; parameters in millions."""
    for count in match + differs:
        results = measured(count, metric=metric, task=pd.NA, dataset=pd.NA, level="x2")
        where = Answer(model="input", level="x2", metric=metric)
        one = judge(results, cell(printed, metric), where)
        value = count / (1e6 if metric == "params" else 1)
        verdict = "match" if count in match else "differs"
        assert (one.verdict, one.measured) == (verdict, value)
        assert one.difference == pytest.approx(value - float(printed), abs=1e-12)


def test_a_network_for_all_levels_is_held_against_its_own_row():
    """Table 7 prints 0.56 M for both of DnCNN's; the blind one has three layers more."""
    counts = {"denoise_gray": 555_137, "denoise_gray-blind": 665_921, "denoise_color": 668_227}
    results = pd.concat(
        measured(n, metric="params", model="dncnn", task=pd.NA, dataset=pd.NA, level=level)
        for level, n in counts.items()
    )
    rows = [find("table07", row=row, metric="params") for row in ("†DnCNN", "DnCNN")]
    found = [(one.measured, one.verdict) for one in judge_table(rows, "smoke", results)]
    assert found == [(0.665921, "differs"), (0.555137, "match")]


@pytest.mark.parametrize(
    ("method", "metric", "verdict", "difference", "speaks"),
    [
        ("SemanIR-S", "params", "differs", -0.1, True),
        ("SemanIR-S", "FLOPs", "differs", 0.1, False),
        ("HAT", "FLOPs", "differs", 0.1, True),
        ("HAT", "params", "differs", -0.1, False),
        ("SemanIR-S", "params", "match", -0.001, False),
        ("SemanIR-S", "stages", "differs", -1.0, False),
        ("SemanIR-S", "PSNR", "differs", -1.0, False),
    ],
)
def test_counts_that_differ_say_for_whom(method, metric, verdict, difference, speaks):
    """SemanIR's own smaller than printed, or another's larger."""
    one = judging.JudgedCell(cell("1.00", metric, method=method), verdict, difference=difference)
    assert judging.in_our_favour(one) == speaks


@pytest.mark.parametrize(
    ("fields", "model", "verdict", "more"),
    [
        ({}, "input", "scaled down", ""),
        ({"task": "deblur", "dataset": "GoPro"}, "semanir-u", "synthetic data", " Synthetic .*"),
    ],
)
def test_a_stand_in_set_gives_no_difference(fields, model, verdict, more):
    """Even where the numbers are equal; synthetic pairs say nothing about real ones."""
    where = place(datasets=("embedded_rgb",), stand_in=True, model=model)
    one = judge(measured(35.78, dataset="embedded_rgb", model=model), cell(**fields), where)
    reason = f"{STAMP} embedded_rgb stands in for {one.cell.dataset}."
    assert one.verdict == verdict and re.fullmatch(re.escape(reason) + more, one.reason)
    assert (one.difference, one.measured) == (None, 35.78)


def test_an_average_is_the_mean_of_its_sets_seed_by_seed():
    """28 and 30 dB are 29; over the seeds 29 and 31 are 30 with the spread of those two."""
    where = place(datasets=("gopro_test", "hide"))
    gopro = measured(28.0, 30.0, dataset="gopro_test", images=1111)
    both = pd.concat([gopro, measured(30.0, 32.0, dataset="hide", images=2025)])
    printed = find("table02", method="MPRNet", dataset="Average", metric="PSNR")
    one = judge(both, replace(printed, value="30.00"), where, "paper")
    assert (one.verdict, one.measured) == ("match", 30.0)
    assert one.spread == pytest.approx(2**0.5)
    assert (one.facts["seeds"], one.facts["dataset"]) == (2, "gopro_test, hide")
    assert as_row(one)["images"] == "3136"  # of one seed
    assert "\non: gopro_test, hide, 3136 images\n" in provenance(one, None)
    half = judge(gopro, cell(), where, "paper")
    assert half.verdict == "not run" and "input on hide" in half.reason
    alone = judge(measured(35.79))
    assert (alone.verdict, alone.spread, alone.facts["seeds"]) == ("match", None, 1)


def test_a_network_trained_at_a_small_scale_is_never_a_match():
    """On the printed set itself the difference is shown, and the scale's stamp with it."""
    results, where = measured(35.78, model="semanir-u"), place(model="semanir-u")
    one = judge(results, where=where)
    assert (one.verdict, one.reason, one.difference) == ("scaled down", STAMP, 0)
    assert judge(results, where=where, scale="paper").verdict == "match"


def test_what_is_not_measured_keeps_its_reason():
    one = judge(measured(35.78), where=Answer(verdict="quoted", reason="its licence forbids it"))
    assert (one.verdict, one.reason) == ("quoted", "its licence forbids it")
    assert one.measured is one.difference is one.spread is None


@pytest.mark.parametrize(
    "other",
    [{"model": "dncnn"}, {"task": "sr-x2"}, {"dataset": "set5"}, {"level": "x2"}, {"metric": "x"}],
    ids=str,
)
def test_a_measurement_of_something_else_is_no_data(other):
    one = judge(measured(35.78, **other))
    assert (one.verdict, one.measured) == ("not run", None) and "input on kodak" in one.reason


def test_judging_a_table_keeps_printed_order(everything):
    judged = judge_table(cells("table11"), "smoke", collect(everything))
    assert [one.cell for one in judged] == list(cells("table11"))
    assert [one.verdict for one in judged] == ["match"] * 10
    assert [one.measured for one in judged] == [6, 8, 4, 4, 1, 6, 8, 6, 6, 6]


def test_a_table_without_records_is_no_data():
    judged = judge_table(cells("table10"), "smoke", collect([]))
    expected = Counter(Plan("smoke").answer(c).verdict or "not run" for c in cells("table10"))
    assert Counter(one.verdict for one in judged) == expected == {"quoted": 78, "not run": 142}


def test_every_verdict_is_told_from_the_others_without_its_colour():
    symbols = [verdict.symbol for verdict in legend.VERDICTS]
    assert len(set(symbols)) == len(symbols)
    assert all(v.background or v.swatch for v in legend.VERDICTS)
    assert legend.markdown() in (REPOSITORY / "docs/reports.md").read_text(encoding="utf-8")


def test_counts_under_a_licence_are_shown_where_they_were_made(tmp_path, monkeypatch):
    """Whoever made the record had accepted it; without one the reason is the licence."""
    monkeypatch.delenv(COMMERCIAL, raising=False)
    cell = find("table03", method="Restormer", metric="FLOPs")
    (without,) = judge_table([cell], "smoke", means(read_records([])))
    assert without.verdict == "quoted" and "accept_noncommercial" in without.reason
    results = means(read_records([count_record(tmp_path, "restormer")]))
    (shown,) = judge_table([cell], "smoke", results)
    assert (shown.verdict, shown.measured) == ("differs", pytest.approx(215.32))
