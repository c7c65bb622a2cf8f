"""A finished run as an RO-Crate, read back."""

import json

import pytest
from made_records import count_record, eval_record, train_record
from restoring import fails, semanir

from reports.collect import write_results
from reports.crate import write_crate
from semanir.errors import InputError
from semanir.plan.progress import announce
from semanir.plan.runs import Run

rocrate = pytest.importorskip("rocrate.rocrate", reason="the extra `crate` is not installed")
RUN = Run("smoke", "sr-x2", "semanir-s", 0)
DATA = {"data/sets/embedded_rgb/index.json": "ab12"}


@pytest.fixture
def results(tmp_path):
    """results/smoke of one training, its evaluation and a count."""
    scores = [("embedded_rgb", "x2", 30.0, 0.9, 0.9)]
    records = [
        eval_record(tmp_path, RUN.task, RUN.model, scores),
        train_record(tmp_path, RUN.model, [(80, 30.0)]),
        count_record(tmp_path, "semanir-s"),
    ]
    for path in records[:2]:
        record = json.loads(path.read_text())
        record["provenance"]["data"] = DATA
        path.write_text(json.dumps(record))
    (tmp_path / RUN.weights).write_bytes(b"tensors")
    write_results(records, tmp_path / "results/smoke/results.csv")
    return tmp_path / "results/smoke"


def test_every_file_and_how_it_was_made_comes_back(results, tmp_path, capsys):
    semanir("report", "crate", results, "--out", tmp_path / "run.crate.zip")
    assert "5 files" in capsys.readouterr().out
    crate = rocrate.ROCrate(tmp_path / "run.crate.zip")
    files = {entity.id: entity for entity in crate.data_entities}
    assert set(files) >= {RUN.record, RUN.train_record, RUN.weights, "results/smoke/results.csv"}
    assert set(files) >= {"Snakefile", "constraints.txt"}
    assert "smoke scale" in crate.name and crate.license
    actions = {one.id: one for one in crate.contextual_entities if one.type == "CreateAction"}
    train, scored = (actions[f"#{kind}-smoke-sr-x2-semanir-s-0"] for kind in ("train", "eval"))
    assert ids(train["result"]) == {RUN.train_record, RUN.weights}
    assert ids(scored["object"]) == {RUN.weights, "#data/sets/embedded_rgb/index.json"}
    assert ids(scored["result"]) == {RUN.record}
    assert train["instrument"]["softwareVersion"] == "commit 0123456789ab, source abcdefabcdef"
    assert train["endTime"] == "2026-01-02T03:04:05+00:00"
    assert "A Processor" in train["description"] and "torch 2.13.0" in train["description"]
    assert len(actions) == 3


def ids(entities):
    return {one.id for one in (entities if isinstance(entities, list) else [entities])}


def test_a_folder_holds_the_same_bytes(results, tmp_path):
    write_crate(results, tmp_path / "crate")
    record = tmp_path / "crate" / RUN.record
    assert record.read_bytes() == (tmp_path / RUN.record).read_bytes()
    said = json.loads((tmp_path / "crate/ro-crate-metadata.json").read_text())
    assert {"./", RUN.record, RUN.weights} <= {entity["@id"] for entity in said["@graph"]}


def test_what_has_not_finished_is_refused(results, tmp_path, capsys):
    announce((tmp_path / RUN.train_record).parent, 80, 4, 10, "cpu")
    said = fails(capsys, "report", "crate", results, "--out", tmp_path / "a.zip")
    assert "has not finished; snakemake all goes on" in said
    assert not (tmp_path / "a.zip").exists()
    (results / "results.csv").unlink()
    with pytest.raises(InputError, match=r"no .*results\.csv; snakemake all"):
        write_crate(results, tmp_path / "a.zip")


def test_a_dot_is_the_scale_that_it_is(results, tmp_path, monkeypatch):
    monkeypatch.chdir(results)
    semanir("report", "crate", ".", "--out", tmp_path / "a.zip")
    crate = rocrate.ROCrate(tmp_path / "a.zip")
    assert crate.name == "SemanIR, reproduced: the smoke scale"
    assert RUN.record in {entity.id for entity in crate.data_entities}


def test_a_broken_record_is_named(results, tmp_path, capsys):
    (results / "odd.json").write_text('{"schema": 1, "kind": "eval", "identity": {}}')
    said = fails(capsys, "report", "crate", results, "--out", tmp_path / "a.zip")
    assert "odd.json: no field 'provenance'" in said and not (tmp_path / "a.zip").exists()


def test_nothing_is_overwritten(results, tmp_path):
    (tmp_path / "a.zip").write_text("mine")
    with pytest.raises(InputError, match="is there already"):
        write_crate(results, tmp_path / "a.zip")
