"""Records that do not say what they should are named, each fault for itself."""

import json
import re
import shutil
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from restoring import fails, save, semanir, shown_by, trained

from data_prep.degrade import degrade_set
from data_prep.prepare import prepare
from data_prep.tasks import get_task
from semanir.cli.evaluate import restorer_of
from semanir.evaluate.evaluation import protocols_of
from semanir.files import sha256
from semanir.inference import checkpoint
from semanir.measure.verify import verify
from semanir.plan.plan import Plan
from semanir.plan.record import write_record
from semanir.plan.runs import Run
from semanir.train.recipe import make_recipe

RUN = Run("smoke", "denoise_gray-sigma50", "semanir-u", 0)
SET = "data/degraded/denoise_gray/embedded_gray/sigma50/index.json"


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project with the sets, weights and records of one training and its evaluation."""
    root = tmp_path_factory.mktemp("project")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        prepare("embedded_gray", Path("data/sets/embedded_gray"))
        degrade_set("denoise_gray", "sigma50", Path("data/sets/embedded_gray"), Path(SET).parent)
        network = trained("semanir-u-tiny", channels=1)
        Path(RUN.weights).parent.mkdir(parents=True)
        save(Path(RUN.weights), network, task=RUN.task)
        recipe = json.loads(
            json.dumps(asdict(make_recipe(Plan("smoke").recipe(RUN.task, RUN.model))))
        )
        body = {
            **{"recipe": recipe, "protocols": protocols_of(get_task(RUN.task), ["sigma50"])},
            **{"weights_sha256": sha256(RUN.weights), "tensors_sha256": checkpoint.digest(network)},
        }
        write_record(Path(RUN.train_record), "train", RUN.identity, "train", **body)
        semanir("evaluate", "--task", RUN.task, "--model", RUN.model)
    return root


@pytest.fixture
def results(project, tmp_path, monkeypatch):
    """A copy to plant faults in, and the working folder."""
    root = shutil.copytree(project, tmp_path / "project")
    monkeypatch.chdir(root)
    torch.set_num_threads(1)
    return root / "results"


def changed(path, change):
    record = json.loads(path.read_text())
    change(record)
    path.write_text(json.dumps(record))


def restorer(run):
    return restorer_of(Plan(run.scale), run, get_task(run.task), 1)


def test_what_was_just_made_agrees_and_scores_alike(results):
    found = verify(results, 3, restorer)
    assert (found.records, found.scored, found.faults, found.skipped) == (2, 3, [], [])
    record = json.loads(Path(RUN.record).read_text())
    assert len(record["scores"]) == 4
    assert record["provenance"]["data"][SET] == sha256(SET)


def lower(record):
    for line in record["scores"]:
        line["psnr"] -= 0.02


EVAL, TRAIN = RUN.record, RUN.train_record
FAULTS = {
    "code": (EVAL, lambda r: r["provenance"].update(source="0ld"), "other code: source 0ld of com"),
    "protocol": (
        EVAL,
        lambda r: r["protocols"]["sigma50"].update(version=9),
        "denoise_gray v9 at sigma50, here denoise_gray v1",
    ),
    "seed": (EVAL, lambda r: r["identity"].update(seed=7), "lies elsewhere than .*seed7.json"),
    "plan": (
        EVAL,
        lambda r: r["identity"].update(model="semanir-u-dense"),
        "is no run of the smoke",
    ),
    "score": (EVAL, lower, r"sigma50 scores \d\d\.\d{4} dB, \d\d\.\d{4} on record"),
    "image": (EVAL, lambda r: r["scores"].pop(), "3 scores of embedded_gray sigma50, of 4 images"),
    "set": (
        EVAL,
        lambda r: [line.update(dataset="set12") for line in r["scores"]],
        "set12 sigma50, which the smoke scale does not plan",
    ),
    "file": (EVAL, lambda r: r.update(weights_sha256="0"), "is another file than it says"),
    "tensors": (TRAIN, lambda r: r.update(tensors_sha256="0"), "holds other tensors than it says"),
    "recipe": (TRAIN, lambda r: r["recipe"].update(lr=1.0), "another recipe than the scale's: lr"),
    "data": (EVAL, lambda r: r["provenance"]["data"].update({SET: "0"}), "other photographs: .*"),
    "fields": (EVAL, lambda r: r.pop("identity"), "broken record: KeyError 'identity'"),
    "schema": (TRAIN, lambda r: r.update(schema=2), "has record schema 2"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_named(results, fault):
    name, change, wanted = FAULTS[fault]
    changed(results.parent / name, change)
    found = verify(results, 4 if fault == "score" else 0, restorer)
    assert any(re.search(wanted, text) for _, text in found.faults), found.faults
    assert {path.name for path, _ in found.faults} == {Path(name).name}


def test_what_is_not_there_is_skipped_by_name(results):
    Path(RUN.weights).unlink()
    Path(SET).unlink()
    found = verify(results, 4, restorer)
    assert found.faults == [] and found.scored == 0
    said = {text for _, text in found.skipped}
    assert {f"{RUN.weights} is not here", f"{SET} is not here"} <= said
    assert f"not scored again: {SET} is not here" in said


def test_the_command_ends_with_1_where_something_disagrees(results, capsys):
    semanir("report", "verify", "results", "--sample", "1")
    shown = capsys.readouterr().out
    assert "2 records, 1 images scored again" in shown and "Nothing disagrees" in shown
    changed(Path(RUN.record), lambda r: r["scores"].pop())
    assert (
        f"{RUN.record}: 3 scores of" in shown_by(capsys, "report", "verify", "results", code=1).out
    )
    assert "no elsewhere; name a folder" in fails(capsys, "report", "verify", "elsewhere")
    Path("empty").mkdir()
    assert "no records below empty" in fails(capsys, "report", "verify", "empty")
