"""Results that are committed with the project: shown as those that were run."""

import pandas as pd
import pytest
from made_records import count_record, eval_record

from data_prep.errors import InputError
from reports import claims, committed, gate
from reports.collect import COLUMNS, read_records

TASK = "denoise_gray-sigma25"


@pytest.fixture
def accepted(tmp_path, monkeypatch):
    """accepted/smoke-my-machine.csv, and the results that it was made of."""
    monkeypatch.setattr(gate, "ACCEPTED", tmp_path / "accepted")
    records = [count_record(tmp_path, "semanir-s"), count_record(tmp_path, "semanir-b")]
    for model, gain in (("semanir-u-window32", 0.2), ("semanir-u-window8", 0.0)):
        for seed in range(3):
            values = [("set12", "sigma25", 30 + n + gain, 0.9, 0.91) for n in range(6)]
            records.append(eval_record(tmp_path, TASK, model, values, seed=seed))
    results = read_records(records)
    results.to_csv(tmp_path / "results.csv", index=False)
    argv = ["accept", "--scale", "smoke", "--results", str(tmp_path / "results.csv")]
    gate.main([*argv, "--machine", "my-machine"])
    return tmp_path / "accepted" / "smoke-my-machine.csv", results


def test_scores_survive_the_way_through_the_file(accepted):
    """By image and seed, to the decimals of the file; counts whole."""
    path, results = accepted
    scale, found = committed.results_of(path)
    assert scale == "smoke" and list(found.columns) == COLUMNS
    key = ["task", "model", "dataset", "level", "seed", "metric", "image"]
    both = [frame.sort_values(key, ignore_index=True) for frame in (results, found)]
    pd.testing.assert_frame_equal(both[0][key], both[1][key], check_dtype=False)
    assert (both[0]["value"] - both[1]["value"]).abs().max() < 1e-4
    assert both[0]["images"].fillna(0).tolist() == both[1]["images"].fillna(0).tolist()


def test_claims_have_the_same_verdicts(accepted, tmp_path):
    path, results = accepted
    scale, found = committed.results_of(path)
    verdicts = [
        [(claim.id, claim.verdict) for claim in claims.render(scale, frame, tmp_path)]
        for frame in (results, found)
    ]
    assert verdicts[0] == verdicts[1]
    assert ("larger-window-better-gray", "holds") in verdicts[1]
    assert ("parameters-of-semanir", "does not hold") in verdicts[1]


def test_pages_name_their_source_and_lead_back(accepted, tmp_path, capsys):
    path, _ = accepted
    committed.main([str(path), "--out", str(tmp_path / "reports/smoke-my-machine")])
    for name in ("claims", "ablations"):
        page = (tmp_path / f"reports/smoke-my-machine/{name}.html").read_text()
        assert "Measured on A Processor &lt;at&gt; 2 GHz &amp; more, AVX2, 2026-01-02" in page
        assert 'href="../index.html"' in page
    assert "smoke-my-machine: " in capsys.readouterr().out


def test_only_files_with_a_machine_are_listed(accepted, tmp_path):
    (one,) = committed.committed(accepted[0].parent)
    assert (one.name, one.scale) == ("smoke-my-machine", "smoke")
    assert "commit 0123456789ab" in one.source
    gate.main(["accept", "--scale", "smoke", "--results", str(tmp_path / "results.csv")])
    assert len(committed.committed(accepted[0].parent)) == 1
    text = accepted[0].read_text().replace("# scale: smoke\n", "")
    accepted[0].write_text(text)
    with pytest.raises(InputError, match="does not say which scale"):
        committed.committed(accepted[0].parent)


def test_what_is_committed_can_be_read():
    for one in committed.committed():
        scale, found = committed.results_of(committed.ACCEPTED / f"{one.name}.csv")
        assert scale == one.scale and found["value"].notna().all()
