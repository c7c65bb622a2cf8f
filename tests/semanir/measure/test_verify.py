"""Records that do not say what they should are named, each fault for itself."""

import json
import math
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


def first(**values):
    return lambda record: record["scores"][0].update(values)


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
    "nan": (EVAL, first(psnr=math.nan), r"\S+ of embedded_gray sigma50: nan is no psnr"),
    "negative": (EVAL, first(psnr=-3.0), "-3.0 is no psnr"),
    "ssim": (EVAL, first(ssim_matlab=1.5), "1.5 is no ssim_matlab"),
    "text": (EVAL, first(psnr="high"), "broken record: TypeError"),
    "no score": (EVAL, lambda r: r["scores"][0].pop("psnr"), "broken record: KeyError 'psnr'"),
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


def test_pictures_are_held_against_their_protocol(results):
    body = {"dataset": "embedded_gray", "level": "sigma50", "images": 4, "shown": []}
    wanted = "scored by denoise_gray v2 at sigma50, here denoise_gray v1"
    for version, faults in ((1, []), (2, [(results.parent / RUN.visual, wanted)])):
        protocol = {"name": "denoise_gray", "version": version}
        write_record(Path(RUN.visual), "visual", RUN.identity, "visual", protocol=protocol, **body)
        assert verify(results).faults == faults


def test_weights_of_two_records_are_compared_without_the_file(results):
    Path(RUN.weights).unlink()
    assert verify(results).faults == []
    changed(Path(TRAIN), lambda r: r.update(weights_sha256="0"))
    ((path, fault),) = verify(results).faults
    assert path.name == "seed0.json" and fault == f"scored with other weights than {TRAIN} tells of"


def test_what_cannot_be_read_hides_no_other_record(results):
    """A folder whose name is that of a record is none; a picture that no set has ends nothing."""
    (results / "smoke/folder.json").mkdir()
    changed(Path(EVAL), lambda r: r["scores"].pop())
    faults = verify(results).faults
    assert [text for _, text in faults] == ["3 scores of embedded_gray sigma50, of 4 images"]
    changed(Path(EVAL), lambda r: r["scores"][0].update(image="elsewhere.png"))
    ((path, fault),) = [f for f in verify(results, 4, restorer).faults if "again" in f[1]]
    assert path.name == "seed0.json" and "elsewhere.png" in fault


def test_levels_that_are_left_out_are_said(results):
    changed(Path(EVAL), lambda r: r["scores"].clear())
    found = verify(results)
    assert found.faults == []
    assert [text for _, text in found.skipped] == ["has no scores of embedded_gray sigma50"]


def test_records_elsewhere_are_not_scored_by_the_weights_that_are_here(results, tmp_path):
    """They look alike, and their weights differ."""
    other = shutil.copytree(results.parent, tmp_path / "other") / "results"
    shutil.rmtree(results / "smoke")
    found = verify(other, 4, restorer)
    assert (found.records, found.scored, found.faults) == (2, 0, [])
    assert ["run this command where that one lies" in text for _, text in found.skipped] == [True]


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
