"""The gate that guards PSNR."""

import math
from itertools import pairwise

import pandas as pd
import pytest

from reports import gate
from reports.layouts import layouts
from semanir.plan import Run, records

HEADER = "task,model,dataset,level,accepted,tolerance,min_gain\n"
BLIND = "denoise_gray-blind,semanir-u,embedded_gray,sigma50"
RUN = "semanir-u on denoise_gray-blind, embedded_gray sigma50"


@pytest.fixture
def check(results_csv, tmp_path, monkeypatch, capsys):
    """Run the gate as a command against one accepted file; (exit code, lines)."""
    monkeypatch.setattr(gate, "ACCEPTED", tmp_path / "accepted")
    (tmp_path / "accepted").mkdir()

    def run(*lines, results=results_csv):
        accepted = "# machine and date\n" + HEADER + "".join(f"{line}\n" for line in lines)
        (tmp_path / "accepted/smoke.csv").write_text(accepted)
        with pytest.raises(SystemExit) as stopped:
            gate.main(["--scale", "smoke", "--results", str(results)])
        return stopped.value.code, capsys.readouterr().out.splitlines()

    return run


@pytest.mark.parametrize("accepted", ["26.5", "26.6", "26.4", "26.5999", "26.4001"])
def test_the_gate_passes_within_the_tolerance(check, accepted):
    """The accepted value may be off by the tolerance either way."""
    assert check(f"{BLIND},{accepted},0.1001,6.0") == (0, ["gate: 1 runs, 0 failures"])


def test_the_gate_fails_on_a_drop(check):
    code, lines = check(f"{BLIND},26.75,0.1,6", "sr-x2,semanir-s,embedded_rgb,x2,26.5,0.1,0.1")
    assert code == 1
    assert lines == [
        f"FAIL: {RUN}: 26.500 dB, accepted 26.750 (-0.250), below the tolerance of 0.1 dB",
        "gate: 2 runs, 1 failures",
    ]


def test_the_gate_only_remarks_an_improvement(check):
    code, lines = check(f"{BLIND},26,0.1,6")
    assert code == 0
    assert lines == [
        f"note: {RUN}: 26.500 dB, accepted 26.000 (+0.500), above the tolerance of 0.1 dB: "
        "accept it anew?",
        "gate: 1 runs, 0 failures",
    ]


def test_the_gate_fails_on_a_run_that_is_missing(check):
    code, lines = check(f"{BLIND},26.5,0.1,6", "sr-x8,semanir-s,embedded_rgb,x8,26.5,0.1,0.1")
    assert code == 1
    assert lines[0] == "FAIL: semanir-s on sr-x8, embedded_rgb x8: not measured"


def test_the_gate_fails_on_too_small_a_gain(check):
    """The run gains exactly 6 dB over its input."""
    assert check(f"{BLIND},26.5,0.1,6")[0] == 0
    code, lines = check(f"{BLIND},26.5,0.1,6.001")
    assert code == 1
    assert lines[0] == f"FAIL: {RUN}: gains 6.000 dB over its input, must be 6.001"


def test_the_gate_fails_on_a_value_that_is_no_number(check, results_csv, tmp_path):
    """NaN is no pass, whether measured, accepted, or for want of an input."""
    results = pd.read_csv(results_csv)
    mine = (results["model"] == "semanir-u") & (results["task"] == "denoise_gray-blind")
    broken = results.assign(value=results["value"].mask(mine))
    broken.to_csv(tmp_path / "broken.csv", index=False)
    code, lines = check(f"{BLIND},26.5,0.1,6", results=tmp_path / "broken.csv")
    assert code == 1
    assert [line[:5] for line in lines] == ["FAIL:", "FAIL:", "gate:"]

    results[results["model"] != "input"].to_csv(tmp_path / "without.csv", index=False)
    code, lines = check(f"{BLIND},26.5,0.1,6", results=tmp_path / "without.csv")
    assert (code, len(lines)) == (1, 2)
    assert "gains nan dB" in lines[0]

    assert check(f"{BLIND},,0.1,6")[0] == 1
    assert check(f"{BLIND},26.5,,6")[0] == 1
    assert check(f"{BLIND},26.5,0.1,")[0] == 1


def test_the_gate_names_a_scale_without_accepted_results(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(gate, "ACCEPTED", tmp_path)
    (tmp_path / "other.csv").write_text(HEADER)
    with pytest.raises(SystemExit) as stopped:
        gate.main(["--scale", "smoke", "--results", "results.csv"])
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert "no accepted results" in error and "there are: other" in error
    assert "Traceback" not in error


def test_accepted_results_in_git_are_well_formed():
    """Known runs, finite numbers, positive tolerances, the promised least gains, no run twice."""
    files = sorted(gate.ACCEPTED.glob("*.csv"))
    for path in files:
        accepted = gate.read_accepted(path)
        assert list(accepted.columns[:7]) == HEADER.strip().split(",")
        assert len(accepted) > 0
        assert not accepted.duplicated(gate.KEY).any()
        numbers = accepted[["accepted", "tolerance", "min_gain"]]
        assert numbers.map(math.isfinite).all().all()
        assert (accepted["tolerance"] > 0).all()
        planned = set(records(path.stem, layouts()))
        for line in accepted.itertuples():
            assert Run(path.stem, line.task, line.model, 0).record in planned
    assert all(one != other for one, other in pairwise(files))
