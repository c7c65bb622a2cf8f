"""Accepted results of a named machine: shown as those that were run, and taken by the gate."""

import pandas as pd
import pytest
from made_records import count_record, denoised, runtime_record

from reports.claims import claims
from reports.collect import accepted_results, read_records, read_results
from reports.gate.accepted import accept, read_accepted
from reports.gate.check import check
from reports.pages import accepted as pages
from reports.tables import layouts, tables
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


def test_pages_are_those_of_the_results(accepted, tmp_path, monkeypatch):
    monkeypatch.setattr(layouts, "default_tables", lambda: ["table03", "table07"])
    path, results = accepted
    out = tmp_path / "reports/smoke-my-machine"
    pages.render(path, out)
    for name in ("index", "claims", "ablations", "table03", "table07"):
        page = (out / f"{name}.html").read_text()
        assert "Measured on A Processor &lt;at&gt; 2 GHz &amp; more, AVX2, 2026-01-02" in page
    tables.render("table07", "smoke", results, tmp_path)
    assert (tmp_path / "table07.csv").read_text() == (out / "table07.csv").read_text()
    verdicts = {claim.id: claim.verdict for claim in claims.render("smoke", results, tmp_path)}
    ledger = pd.read_csv(out / "claims.csv", dtype=str).set_index("id")
    assert ledger["verdict"].to_dict() == verdicts
    assert verdicts["larger-window-better-gray"] == "holds, scaled down"
    assert verdicts["parameters-of-semanir"] == "does not hold"
    index = (out / "index.html").read_text()
    assert 'href="../index.html"' in index
    assert "visual.html" not in index and "figure04.html" not in index


def test_only_files_with_a_machine_are_listed(accepted, tmp_path):
    accept("smoke", tmp_path / "results.csv")
    (one,) = accepted_results()
    assert (one.name, one.scale) == ("smoke-my-machine", "smoke")
    assert "commit 0123456789ab" in one.source
    with pytest.raises(InputError, match=r"smoke\.csv is no <scale>-<machine>"):
        pages.render(tmp_path / "accepted/smoke.csv", tmp_path / "out")


@pytest.mark.parametrize("size", [40, 400])
def test_a_torn_file_is_named(accepted, size):
    path, _ = accepted
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(InputError, match=r"smoke-my-machine\.csv\.gz"):
        accepted_results()


def test_a_name_that_does_not_fit_is_refused(accepted, tmp_path):
    with pytest.raises(InputError, match=r"\.\./My Box"):
        accept("smoke", tmp_path / "results.csv", "../My Box")
    path, _ = accepted
    other = path.rename(path.with_name("mini-my-machine.csv.gz"))
    for read in (accepted_results, lambda: read_accepted(other)):
        with pytest.raises(InputError, match="smoke scale, mini"):
            read()
