"""The gate as a command: accepting, checking, files that are wrong, files in git."""

import math

import numpy as np
import pandas as pd
import pytest
from gate_cases import BETTER, BLIND, WORSE

from baselines.registry import released_systems
from reports import collect
from reports.collect import COLUMNS, METRICS
from reports.gate import accepted, compare
from reports.tables.layouts import default_tables
from semanir.errors import InputError
from semanir.plan.plan import Plan
from semanir.plan.runs import Run

pytest_plugins = "gate_cases"


def test_accepted_results_pass(results, command, tmp_path):
    path = results()
    cells = len(pd.read_csv(path).drop_duplicates(["task", "model", "dataset", "level", "metric"]))
    code, out, _ = command("accept", "--scale", "smoke", "--results", path)
    assert (code, out) == (0, [f"smoke: {cells} cells accepted, all new"])
    code, out, _ = command("check", "--accepted", "smoke", "--candidate", path)
    assert code == 0
    assert out[-1] == f"gate passed: {cells} cells: {cells} passed"
    assert len(out) == 1 + cells + 1  # a heading, a line per cell, the counts
    (collect.ACCEPTED / "smoke.csv").rename(tmp_path / "mine.csv")
    assert command("check", "--accepted", tmp_path / "mine.csv", "--candidate", path)[0] == 0


def test_the_accepted_file_is_sorted_and_says_where_it_is_from(results, command):
    path, file = results((26.00004, 27.5, math.inf, 24.0)), collect.ACCEPTED / "smoke.csv"
    command("accept", "--results", path)
    text = file.read_text()
    head, lines = accepted.read_accepted(file)
    ssim = "ssim 0.002 trained, 0.0001 untrained; count 0 trained, 0 untrained"
    assert head == {
        **{"scale": "smoke", "machine": "A Processor <at> 2 GHz & more, AVX2", "torch": "2.13.0"},
        **{"commit": "0123456789ab", "date": "2026-01-02"},
        "tolerances": f"psnr 0.05 trained, 0.001 untrained; {ssim}",
    }
    heading, *body = [line for line in text.splitlines() if not line.startswith("#")]
    assert heading == "task,model,dataset,level,seed,metric,image,accepted"
    assert body == sorted(body)
    assert {
        "denoise_gray-blind,semanir-u,set_a,sigma50,0,psnr,0.png,26.0000",
        "denoise_gray-blind,semanir-u,set_a,sigma50,0,psnr,2.png,inf",
        "denoise_gray-blind,input,set_a,sigma50,0,ssim_zero_padded,3.png,0.72000",
        ",semanir-s,,x2,,params,,11869775",
    } <= set(body)
    command("accept", "--results", path)
    assert file.read_text() == text
    assert list(lines.columns) == [*compare.KEY, "value"]


def test_differences_come_first_and_the_last_line_counts(results, command):
    """In checking, and in accepting anew; the counts of semanir-s are missing there."""
    command("accept", "--results", results())
    code, out, _ = command("check", "--candidate", results(WORSE))
    assert code == 1
    cell = f"{BLIND} semanir-u set_a sigma50 psnr 4 27.1875"
    expected = f"{cell} 27.0875 -0.1000 -0.1173 .. -0.0827 worse (tolerance 0.05)"
    assert " ".join(out[1].split()) == expected
    assert out[-1] == "gate FAILED: 13 cells: 1 worse, 12 passed"
    code, out, _ = command("check", "--candidate", results(BETTER))
    assert code == 0 and "better" in out[1]
    assert out[-1] == "gate passed: 13 cells: 1 better, 12 passed"

    code, out, _ = command("accept", "--results", results(BETTER, counts=False))
    assert code == 0 and out[-1] == "smoke: 8 of 13 cells differ"
    (new,) = [line for line in out if "missing" not in line][1:-1]
    assert " ".join(new.split()).startswith(f"{cell} 27.2875 +0.1000")
    assert sum("missing" in line for line in out) == 7
    assert command("check", "--accepted", "smoke", "--candidate", results())[0] == 1


HEAD = "task,model,dataset,level,seed,metric,image,accepted\n"
GOOD = "denoise_gray-blind,semanir-u,set_a,sigma50,0,psnr,0.png,30\n"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("smok", None, "did you mean smoke"),
        ("mini", None, "nothing is accepted at the mini scale; run snakemake"),
        ("other.csv", None, "other.csv; give a file, or a scale: smoke, mini"),
        ("smoke.csv", "", "broken accepted results"),
        ("smoke.csv", HEAD, "no lines"),
        ("smoke.csv", "task,model,accepted\nx,y,3\n", "no column dataset"),
        *(
            ("smoke.csv", HEAD + GOOD.replace("30", value), "needs an accepted value")
            for value in ("", "nan", "much")
        ),
        ("smoke.csv", HEAD + GOOD + GOOD, "twice, such as denoise_gray-blind, semanir-u, set_a"),
        ("smoke.csv", "# scale: mini\n" + HEAD + GOOD, "smoke scale, mini"),
    ],
)
def test_bad_accepted_results_are_refused(results, command, tmp_path, name, text, message):
    """In one line, and no report of an earlier run is left to be taken for this one."""
    path = tmp_path / name if name.endswith(".csv") else name
    if text is not None:
        path.write_text(text)
    (old := tmp_path / "old.xml").write_text("passed")
    asked = ("--accepted", path, "--candidate", results(), "--junit", old)
    code, out, error = command("check", *asked)
    assert (code, out) == (2, [])
    assert message in error and error.count("\n") == 1
    assert not old.exists()


def test_what_is_not_accepted(results, command, tmp_path):
    code, _, error = command("accept", "--results", results((math.nan, 27.5, 31.25, 24.0)))
    assert code == 2
    assert "1 values that are no number, such as denoise_gray-blind, semanir-u, set_a" in error
    code, _, error = command("accept", "--scale", "mini", "--results", results())
    assert code == 2 and "smoke scale, mini" in error
    assert not [*collect.ACCEPTED.iterdir()]
    command("accept", "--results", results())
    code, _, error = command("check", "--candidate", tmp_path / "none.csv")
    assert code == 2 and "none.csv" in error


def test_a_broken_candidate_is_named_and_not_to_be_deleted(results, tmp_path):
    """It may be of another machine, and all there is of it."""
    path = results()
    line_twice = path.read_text() + path.read_text().splitlines()[-1] + "\n"
    short = ",".join(COLUMNS) + "\n" + "x," * (len(COLUMNS) - 1) + "x\n"
    for text in ("", "a,b\n1,2\n", short, line_twice):
        path.write_text(text)
        with pytest.raises(InputError, match=r"results\.csv") as refused:
            accepted.read_candidate(path, "smoke")
        assert "delete" not in str(refused.value)
    assert "semanir report results" in str(refused.value)


@pytest.mark.parametrize("path", sorted(collect.ACCEPTED.glob("*.csv*")), ids=lambda p: p.name)
def test_accepted_results_in_git_are_well_formed(path):
    head, lines = accepted.read_accepted(path)
    scale, _, machine = path.name.partition(".")[0].partition("-")
    assert head["scale"] == scale
    assert all(head[name] for name in ("machine", "torch", "commit", "date", "tolerances"))
    assert np.isfinite(lines["value"]).all()
    plan = Plan(scale, asked=tuple(released_systems()), noncommercial=True)
    planned = {*plan.records(default_tables()), *plan.ablation_records()}
    planned |= set(plan.released_records())
    scored = lines[lines["metric"].isin(METRICS)]
    for task, model, seed in set(zip(scored["task"], scored["model"], scored["seed"], strict=True)):
        assert Run(scale, task, model, int(seed)).record in planned
    kinds = {compare.kind_of(metric) for metric in lines["metric"]}
    assert kinds == set(compare.KINDS)
    if not machine:  # those of a machine may be of some tasks
        assert {"input", "semanir-u", "semanir-s", "semanir-b"} <= set(scored["model"])
