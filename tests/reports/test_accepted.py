"""Accepted results of a named machine: shown as those that were run, and taken by the gate."""

import pandas as pd
import pytest
from made_records import count_record, denoised, runtime_record

from reports import evidence
from reports.collect import read_records, read_results
from reports.gate.accepted import accept, read_accepted
from reports.gate.check import check
from reports.tables import tables
from semanir.errors import InputError


@pytest.fixture
def accepted(tmp_path, monkeypatch):
    """accepted/smoke-my-machine.csv.gz, and the results that it was made of."""
    monkeypatch.setattr("reports.collect.ACCEPTED", tmp_path / "accepted")
    records = [count_record(tmp_path, "semanir-s"), count_record(tmp_path, "semanir-b")]
    records.append(runtime_record(tmp_path))
    records += denoised(tmp_path, {"semanir-u-window32": 0.2, "semanir-u-window8": 0.0})
    results = read_records(records)
    results.to_csv(tmp_path / "results.csv", index=False)
    accept("smoke", tmp_path / "results.csv", "my-machine")
    return tmp_path / "accepted" / "smoke-my-machine.csv.gz", results


def test_results_survive_the_way_through_the_file(accepted, tmp_path):
    path, results = accepted
    pd.testing.assert_frame_equal(read_results(path), results, check_dtype=False)
    before = path.read_bytes()
    accept("smoke", tmp_path / "results.csv", "my-machine")
    assert path.read_bytes() == before


def test_the_gate_takes_it_as_accepted_results(accepted, tmp_path, capsys):
    path, results = accepted
    assert check(str(path), tmp_path / "results.csv")
    worse = results.assign(value=results["value"] - 0.1 * (results["metric"] == "psnr"))
    worse.to_csv(tmp_path / "worse.csv", index=False)
    assert not check(str(path), tmp_path / "worse.csv")
    assert "worse" in capsys.readouterr().out


def test_only_files_with_a_machine_are_evidence(accepted, tmp_path):
    accept("smoke", tmp_path / "results.csv")
    (one,) = evidence.accepted()
    assert (one.scale, one.machine) == ("smoke", "my-machine")
    assert one.source.startswith("Measured on A Processor <at> 2 GHz & more, AVX2, 2026-01-02")
    assert "commit 0123456789ab" in one.source
    pd.testing.assert_frame_equal(one.by_image, accepted[1], check_dtype=False)


def test_a_page_shows_them_beside_this_machine_alone(accepted, tmp_path):
    """Two tables and a switch; where there is nothing else, one."""
    empty = evidence.Evidence("smoke", accepted[1][:0])
    tables.render("table11", [empty, *evidence.accepted()], tmp_path)
    page = (tmp_path / "table11.html").read_text()
    best, _, here = page.partition('<div class="evidence" id="here">')
    # the structure of SemanIR-S and -B, two numbers each
    assert "4 of 10 numbers measured" in best and "0 of 10 numbers measured" in here
    assert page.count('type="radio" name="evidence"') == 2
    assert best.count("made: with the project, my-machine") == 4
    tables.render("table11", [empty], tmp_path)
    page = (tmp_path / "table11.html").read_text()
    assert 'name="evidence"' not in page and page.count('<table class="printed"') == 1


@pytest.mark.parametrize("size", [40, 400])
def test_a_torn_file_is_named(accepted, size):
    path, _ = accepted
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(InputError, match=r"smoke-my-machine\.csv\.gz"):
        evidence.accepted()


def test_a_name_that_does_not_fit_is_refused(accepted, tmp_path):
    with pytest.raises(InputError, match=r"\.\./My Box"):
        accept("smoke", tmp_path / "results.csv", "../My Box")
    path, _ = accepted
    other = path.rename(path.with_name("mini-my-machine.csv.gz"))
    for read in (evidence.accepted, lambda: read_accepted(other)):
        with pytest.raises(InputError, match="smoke scale, mini"):
            read()
