"""The index: coverage and gains."""

import math
import re

import pytest
from made_records import STAMP, count_record, eval_record
from pages import assert_self_contained

from reports import index
from reports.collect import collect
from reports.layouts import default_tables, layouts
from reports.verdicts import coverage, judge_table
from semanir.plan import cells


def test_gains_by_hand(tmp_path):
    """Blind and single-level networks alike are compared with the input of the blind task."""
    gray, rgb = "embedded_gray", "embedded_rgb"
    blind, single = "denoise_gray-blind", "denoise_gray-sigma50"
    paths = [
        eval_record(
            tmp_path, blind, "input", [(gray, "sigma15", 24, 0, 0), (gray, "sigma50", 14, 0, 0)]
        ),
        eval_record(
            tmp_path, blind, "semanir-u", [(gray, "sigma15", 30, 0, 0), (gray, "sigma50", 23, 0, 0)]
        ),
        eval_record(tmp_path, single, "semanir-u", [(gray, "sigma50", 24, 0, 0)]),
        eval_record(tmp_path, single, "semanir-u", [(gray, "sigma50", 25, 0, 0)], seed=1),
        eval_record(tmp_path, "sr-x2", "input", [(rgb, "x2", 28.5, 0, 0)]),
        eval_record(tmp_path, "sr-x2", "semanir-s", [(rgb, "x2", 28.25, 0, 0)]),
        eval_record(tmp_path, "sr-x4", "semanir-s", [(rgb, "x4", 25, 0, 0)]),
        count_record(tmp_path, "semanir-s"),
    ]
    found = index.gains(collect(paths))
    columns = ["task", "model", "dataset", "level", "value", "input", "gain"]
    rows = {row[:4]: row[4:] for row in found[columns].itertuples(index=False, name=None)}
    assert rows == {
        (blind, "semanir-u", gray, "sigma15"): (30, 24, 6),
        (blind, "semanir-u", gray, "sigma50"): (23, 14, 9),
        (single, "semanir-u", gray, "sigma50"): (24.5, 14, 10.5),
        ("sr-x2", "semanir-s", rgb, "x2"): (28.25, 28.5, -0.25),
        ("sr-x4", "semanir-s", rgb, "x4"): (
            25,
            pytest.approx(math.nan, nan_ok=True),
            pytest.approx(math.nan, nan_ok=True),
        ),
    }
    assert len(found) == 5


def test_the_index_shows_coverage_and_gains(results_csv, tmp_path):
    """One row a table with the counts of its own page, one a trained run, all in one page."""
    out = tmp_path / "index.html"
    index.main(["--scale", "smoke", "--results", str(results_csv), "--out", str(out)])
    text = out.read_text(encoding="utf-8")
    page = assert_self_contained(text)
    links = [to for to in page.attributes("a", "href") if to.endswith(".html")]
    assert links == [*(f"{table}.html" for table in default_tables()), "figure04.html"]
    assert " ".join(STAMP.split()) in " ".join(" ".join(page.text).split())

    first, second = text.split("<h2>")[1:3]
    counted = {
        name: [int(n) for n in re.findall(r"<td>(\d+)</td>", row)]
        for name, row in re.findall(r'<a href="(\w+)\.html">(.*?)</tr>', first, re.DOTALL)
    }
    # printed numbers, measured, match, differ, scaled down, synthetic data
    assert counted["table11"] == [10, 10, 10, 0, 0, 0]
    assert counted["table07"] == [219, 38, 2, 0, 36, 0]
    assert counted["table10"] == [208, 44, 3, 1, 40, 0]
    assert counted["table08"] == [21, 3, 0, 0, 0, 3]
    expected = ("01", "02", "04", "07", "08", "09", "10", "11", "12")
    assert list(counted) == [f"table{number}" for number in expected]
    for numbers, shown, *verdicts in counted.values():
        assert shown == sum(verdicts) <= numbers
    gains = re.findall(r"<td>([\d.]+)</td><td>([\d.]+)</td><td>([+-][\d.]+)</td>", second)
    assert set(gains) == {("20.50", "26.50", "+6.00")}
    # denoising, super-resolution with the on-demand x3; JPEG of both kinds; weather; two single
    assert len(gains) == 2 * (3 + 3) + 2 * 3 + 2 * (4 + 4) + 3 + 2


def test_summary_agrees_with_the_rendered_table(everything):
    """The index reads results.csv, the table its records; both give the same verdicts."""
    results = collect(everything)
    for table in layouts():
        line = coverage(judge_table(cells(table), "smoke", results))
        counted = index.summary(table, "smoke", results)
        told = "{measured} of {numbers} cells measured, {match} match".format(**counted)
        assert line.startswith(told)
