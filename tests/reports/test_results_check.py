"""A results.csv against the records beside it, from made-up ones."""

from pathlib import Path

import pytest
from made_records import eval_record

from reports.collect import write_results
from reports.results_check import disagreements, results_below

FILE = Path("results/smoke/results.csv")


@pytest.fixture
def made(tmp_path, monkeypatch):
    """Two records of a photograph each and their results.csv, in the working directory."""
    monkeypatch.chdir(tmp_path)
    records = [
        eval_record(Path(), task, "semanir-u", [("set12", "sigma25", 30.0625, 0.9, 0.9)])
        for task in ("denoise_gray-sigma25", "denoise_gray-blind")
    ]
    write_results(records, FILE)
    return records


def test_what_was_collected_agrees_also_beside_other_records(made):
    assert results_below(Path("results")) == results_below(Path("results/smoke")) == [FILE]
    assert disagreements(FILE) == []
    made[0].unlink()
    assert disagreements(FILE) == []


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (",30.0625,", ",30.0626,", ["psnr 0.png: 30.0626, the record 30.0625"]),
        (
            ",psnr,",
            ",psnr_y,",
            [
                "psnr 0.png: nothing, the record has 30.0625",
                "psnr_y 0.png: 30.0625, which the record does not have",
            ],
        ),
    ],
)
def test_a_line_that_its_record_does_not_have_is_named(made, before, after, said):
    text = FILE.read_text()
    assert before in text
    FILE.write_text(text.replace(before, after, 1))
    place = f"{made[1]}, semanir-u denoise_gray-blind set12 sigma25 "
    assert disagreements(FILE) == [place + line for line in said]


def test_a_broken_file_is_one_line(made):
    FILE.write_text("value\n1\n")
    (line,) = disagreements(FILE)
    assert str(FILE) in line
