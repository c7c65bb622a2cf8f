"""Made-up scores and spreads of the gate's cells; `command` runs `semanir gate`.

A test module says `pytest_plugins = "gate_cases"` and takes the fixtures. (PYTEST_DONT_REWRITE:
nothing is asserted here.)
"""

import pandas as pd
import pytest
from made_records import count_record, eval_record

from reports.collect import METRICS, write_results
from reports.gate import compare
from reports.gate.spreads import COLUMNS as SPREAD_COLUMNS
from reports.gate.spreads import Spreads
from semanir import cli

BLIND = "denoise_gray-blind"
SD = 0.005  # of a network trained anew, in every cell of these tests
CELL = "semanir-u on denoise_gray-blind, set_a sigma50: psnr"
WORSE = (25.9, 27.4, 31.15, 23.9)  # by 0.1 dB than what `results` writes
BETTER = (26.1, 27.6, 31.35, 24.1)


def spreads_of(sd=SD, degrees=6, redrawn=False, seed_sd=0.1):
    """Spreads of the cells that tests have."""
    rows = [
        [task, "semanir-u", dataset, level, metric, sd * unit, degrees, seed_sd * unit, 7]
        for task, dataset, level in (
            *((BLIND, "set_a", level) for level in ("sigma15", "sigma50")),
            ("denoise_gray-sigma50", "embedded_gray", "sigma50"),
        )
        for metric in METRICS
        for unit in [1.0 if metric.startswith("psnr") else 0.02]
    ]
    return Spreads(pd.DataFrame(rows, columns=SPREAD_COLUMNS), redrawn)


@pytest.fixture
def nothing_accepted(tmp_path, monkeypatch):
    """An empty folder of accepted files, known spreads, and no CI around the test."""
    monkeypatch.setattr("reports.collect.ACCEPTED", tmp_path / "accepted")
    (tmp_path / "accepted").mkdir()
    read = "reports.gate.check.read_spreads"
    monkeypatch.setattr(read, lambda scale, redrawn: spreads_of(redrawn=redrawn))
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def command(capsys, nothing_accepted):
    """Run `semanir gate`; (exit code, lines of output, error)."""

    def run(*arguments):
        code = 0
        try:
            cli.main(["gate", *map(str, arguments)])
        except SystemExit as stopped:
            code = stopped.code
        out, error = capsys.readouterr()
        return code, out.splitlines(), error

    return run


@pytest.fixture
def results(tmp_path):
    """Write a results.csv of a network and its input, dB by image; returns its path."""

    def write(restored=(26.0, 27.5, 31.25, 24.0), counts=True):
        records = [count_record(tmp_path, "semanir-s")] if counts else []
        for model, dbs in (("semanir-u", restored), ("input", (14.5, 15.0, 14.75, 14.25))):
            scores = [("set_a", "sigma50", psnr, 0.7, 0.72) for psnr in dbs]
            records.append(eval_record(tmp_path, BLIND, model, scores))
        write_results(records, tmp_path / "results.csv")
        return tmp_path / "results.csv"

    return write


def lines_of(values, *, model="semanir-u", metric="psnr", seed="0", task=BLIND, level="sigma50"):
    """Lines of one cell; values by image, or in order."""
    if not isinstance(values, dict):
        values = {f"image{number}": value for number, value in enumerate(values)}
    place = {"task": task, "model": model, "dataset": "set_a", "level": level}
    place |= {"seed": seed, "metric": metric}
    return pd.DataFrame([place | {"image": name, "value": v} for name, v in values.items()])


def compared(accepted, candidate, spreads=None, **cell):
    """The compared cell, given its values or its lines."""
    both = (accepted, candidate)
    sides = [x if isinstance(x, pd.DataFrame) else lines_of(x, **cell) for x in both]
    (line,) = compare.compare(*sides, spreads or spreads_of())
    return line


def verdicts(accepted, candidate, spreads=None):
    """Model (metric, if it is not PSNR) -> verdict and reason, of lines of several cells."""
    return {
        line.model if line.metric == "psnr" else line.metric: (line.verdict, line.reason)
        for line in compare.compare(accepted, candidate, spreads)
    }
