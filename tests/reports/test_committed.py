"""Results that are committed with the project: shown as those that were run."""

import pandas as pd
import pytest
from made_records import count_record, eval_record, runtime_record

from reports import accepted_pages as committed
from reports.claims import claims
from reports.collect import read_records, read_results
from reports.gate import gate
from reports.gate.accepted import ACCEPTED, read_accepted
from reports.gate.accepted import committed as listed
from reports.tables import tables
from semanir.errors import InputError

TASK = "denoise_gray-sigma25"


@pytest.fixture
def accepted(tmp_path, monkeypatch):
    """accepted/smoke-my-machine.csv.gz, and the results that it was made of."""
    monkeypatch.setattr("reports.gate.accepted.ACCEPTED", tmp_path / "accepted")
    records = [count_record(tmp_path, "semanir-s"), count_record(tmp_path, "semanir-b")]
    records.append(runtime_record(tmp_path))
    for model, gain in (("semanir-u-window32", 0.2), ("semanir-u-window8", 0.0)):
        for seed in range(3):
            values = [("set12", "sigma25", 30 + n + gain, 0.9, 0.91) for n in range(6)]
            records.append(eval_record(tmp_path, TASK, model, values, seed=seed))
    results = read_records(records)
    results.to_csv(tmp_path / "results.csv", index=False)
    argv = ["accept", "--scale", "smoke", "--results", str(tmp_path / "results.csv")]
    gate.main([*argv, "--machine", "my-machine"])
    return tmp_path / "accepted" / "smoke-my-machine.csv.gz", results


@pytest.fixture
def few_tables(monkeypatch):
    """Table 7 and the table with a section of its own, for what all of them share."""
    monkeypatch.setattr(committed, "default_tables", lambda: ["table03", "table07"])


def test_results_survive_the_way_through_the_file(accepted):
    """All of them; and the same results are the same file, whenever they were accepted."""
    path, results = accepted
    pd.testing.assert_frame_equal(read_results(path), results, check_dtype=False)
    before = path.read_bytes()
    argv = ["accept", "--scale", "smoke", "--results", str(path.parent.parent / "results.csv")]
    gate.main([*argv, "--machine", "my-machine"])
    assert path.read_bytes() == before


def test_the_gate_takes_it_as_a_reference(accepted, tmp_path, capsys):
    path, results = accepted
    argv = ["check", "--reference", str(path), "--candidate"]
    with pytest.raises(SystemExit) as ended:
        gate.main([*argv, str(tmp_path / "results.csv")])
    assert ended.value.code == 0
    worse = results.assign(value=results["value"] - 0.1 * (results["metric"] == "psnr"))
    worse.to_csv(tmp_path / "worse.csv", index=False)
    with pytest.raises(SystemExit) as ended:
        gate.main([*argv, str(tmp_path / "worse.csv")])
    assert ended.value.code == 1 and "worse" in capsys.readouterr().out


def test_pages_are_those_of_the_results(accepted, few_tables, tmp_path, capsys):
    """The same verdicts as from the records, every page with its source, none of dead links."""
    path, results = accepted
    out = tmp_path / "reports/smoke-my-machine"
    committed.main([str(path), "--out", str(out)])
    assert "smoke-my-machine" in capsys.readouterr().out
    for name in ("index", "claims", "ablations", "table03", "table07"):
        page = (out / f"{name}.html").read_text()
        assert "Measured on A Processor &lt;at&gt; 2 GHz &amp; more, AVX2, 2026-01-02" in page
    tables.render("table07", "smoke", results, tmp_path)
    assert (tmp_path / "table07.csv").read_text() == (out / "table07.csv").read_text()
    verdicts = {claim.id: claim.verdict for claim in claims.render("smoke", results, tmp_path)}
    found = pd.read_csv(out / "claims.csv", dtype=str).set_index("id")["verdict"].to_dict()
    assert found == verdicts
    assert verdicts["larger-window-better-gray"] == "holds"
    assert verdicts["parameters-of-semanir"] == "does not hold"
    index = (out / "index.html").read_text()
    assert 'href="../index.html"' in index
    assert "visual.html" not in index and "figure04.html" not in index


def test_only_files_with_a_machine_are_listed(accepted, tmp_path):
    (one,) = listed(accepted[0].parent)
    assert (one.name, one.scale) == ("smoke-my-machine", "smoke")
    assert "commit 0123456789ab" in one.source
    gate.main(["accept", "--scale", "smoke", "--results", str(tmp_path / "results.csv")])
    assert len(listed(accepted[0].parent)) == 1
    with pytest.raises(InputError, match="is no <scale>-<machine>"):
        committed.render(tmp_path / "accepted/smoke.csv", tmp_path / "out")


@pytest.mark.parametrize("kept", [40, 400])
def test_a_torn_file_is_named(accepted, kept):
    path, _ = accepted
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(InputError, match=r"broken results .*smoke-my-machine\.csv\.gz"):
        listed(path.parent)


def test_a_machine_that_would_be_no_file_name_is_refused(accepted, tmp_path, capsys):
    argv = ["accept", "--scale", "smoke", "--results", str(tmp_path / "results.csv")]
    with pytest.raises(SystemExit) as ended:
        gate.main([*argv, "--machine", "../My Box"])
    assert ended.value.code == 2
    assert "--machine ../My Box: lower-case letters" in capsys.readouterr().err


def test_results_of_another_scale_are_refused(accepted):
    path, _ = accepted
    path.rename(path.with_name("mini-my-machine.csv.gz"))
    with pytest.raises(InputError, match="holds results of the smoke scale, mini is asked for"):
        listed(path.parent)


def test_what_is_committed_can_be_read():
    """By image where a set was restored, with the machine and the commit of every line."""
    for one in listed(ACCEPTED):
        told, lines = read_accepted(one.path)
        assert told["scale"] == one.scale and lines["value"].notna().all()
        results = read_results(one.path)
        assert results[["commit", "machine", "created", "torch"]].notna().all().all()
