"""Weights that are shipped with their scores and trainings."""

import json
from pathlib import Path

import pytest

from semanir.cli import ship
from semanir.errors import InputError
from semanir.files import sha256
from semanir.inference import checkpoint, shipped
from semanir.inference.shipped import facts
from semanir.network import build
from semanir.plan.record import read_record, write_record
from semanir.plan.runs import Run

TASK = "denoise_gray-blind"
TRAINING = {"task": TASK, "datasets": ["bsd400_gray_180"], "levels": [0, 55], "iterations": 4750}
TRAINING |= {"batch": 4, "patch": 64, "lr": 1e-3, "loss": "l1", "fingerprint": "f00"}


@pytest.fixture
def evaluated(tmp_path, monkeypatch):
    """A training whose last fifth took 24 seconds, and its evaluation, in an empty project."""
    monkeypatch.chdir(tmp_path)
    run = Run("release", TASK, "semanir-u", 0)
    network = build("semanir-u-tiny", channels=1)
    first = {**TRAINING, "task": "denoise_gray-sigma25", "fingerprint": "e00", "minutes": 50}
    (tmp_path / run.weights).parent.mkdir(parents=True)
    checkpoint.save(tmp_path / run.weights, network, task=TASK, trainings=[first, TRAINING])
    body = {"recipe": {"iterations": 4750}, "iterations_this_time": 950}
    body |= {"seconds_this_time": 24}
    write_record(tmp_path / run.train_record, "train", run.identity, "train", **body)
    weights = {"weights_sha256": sha256(run.weights)}
    for one, means, more in (
        (run, {"sigma15": 32.5004, "sigma25": 30.25}, weights),
        (run.of_input, {"sigma15": 24.7, "sigma25": 20.3}, {}),
    ):
        rows = [
            {"dataset": "set12", "level": level, "image": str(up), "psnr": psnr + up}
            for level, psnr in means.items()
            for up in (1, -1)
        ]
        body = more | {"scores": rows}
        write_record(tmp_path / one.record, "eval", one.identity, "evaluate", **body)
    return tmp_path / run.record


def change(record, **fields):
    """Fields of a record; without those that are None."""
    kept = {name: field for name, field in (read_record(record) | fields).items() if field}
    record.write_text(json.dumps(kept))


def test_what_is_shipped_says_how_it_was_trained_and_how_good_it_is(evaluated, capsys):
    ship.main([str(evaluated)])
    path = evaluated.parents[5] / f"semanir/weights/{TASK}.safetensors"
    assert capsys.readouterr().out.strip() == f"semanir/weights/{TASK}.safetensors"
    about = facts(path)
    place = {"dataset": "set12", "images": 2}
    assert about["scores"] == [
        {**place, "level": "sigma15", "psnr": 32.5004, "input": 24.7},
        {**place, "level": "sigma25", "psnr": 30.25, "input": 20.3},
    ]
    assert [one["minutes"] for one in about["trainings"]] == [50, 2]
    assert about["trainings"][1] == {**TRAINING, "minutes": 2}
    trained = checkpoint.load(Run("release", TASK, "semanir-u", 0).weights)
    assert checkpoint.digest(checkpoint.load(path)) == checkpoint.digest(trained)


def test_scores_of_shipped_weights_are_renewed(evaluated, monkeypatch):
    """With those of the self-ensemble, where the evaluation has them; the trainings stay."""
    monkeypatch.setattr(shipped, "WEIGHTS", evaluated.parents[5] / "semanir/weights")
    before = facts(ship.ship(evaluated))
    assert all("self_ensemble" not in one for one in before["scores"])
    again = Run("release", TASK, "semanir-released", 0)
    row = {"dataset": "set12", "level": "sigma25", "psnr": 30.5, "psnr_self_ensemble": 30.5625}
    body = {"scores": [row], "weights_sha256": sha256(again.weights)}
    body |= {"tensors_sha256": checkpoint.digest(checkpoint.load(again.weights))}
    write_record(Path(again.record), "eval", again.identity, "evaluate", **body)
    after = facts(ship.ship(Path(again.record)))
    assert facts(ship.ship(Path(again.record))) == after  # though the file is another one now
    (score,) = after["scores"]
    assert (score["psnr"], score["self_ensemble"], score["input"]) == (30.5, 30.5625, 20.3)
    assert after["trainings"] == before["trainings"] and before["trainings"][1]["minutes"] == 2


def test_minutes_of_a_training_before_are_those_of_the_shipped_network(evaluated, monkeypatch):
    """A training may start from weights as they were trained, before these were shipped."""
    weights = Run("release", TASK, "semanir-u", 0).weights
    network, (first, last) = (
        checkpoint.load(weights),
        facts(evaluated.parents[5] / weights)["trainings"],
    )
    timed = first.pop("minutes")
    checkpoint.save(weights, network, task=TASK, trainings=[first, last])
    change(evaluated, weights_sha256=sha256(weights))
    with pytest.raises(InputError, match=r"denoise_gray-sigma25 .*e00.*first"):
        ship.ship(evaluated)
    monkeypatch.setattr(shipped, "WEIGHTS", evaluated.parents[5] / "shipped")
    checkpoint.save(
        shipped.WEIGHTS / "other.safetensors", network, trainings=[first | {"minutes": timed}]
    )
    assert [one["minutes"] for one in facts(ship.ship(evaluated))["trainings"]] == [50, 2]


def test_networks_of_others_are_not_shipped(tmp_path):
    run = Run("release", TASK, "input", 0)
    write_record(tmp_path / "r.json", "eval", run.identity, "evaluate", scores=[])
    with pytest.raises(InputError, match="input, which is not trained here"):
        ship.ship(tmp_path / "r.json")


@pytest.mark.parametrize(
    ("identity", "words"),
    [
        ({"scale": "smoke"}, "of the smoke scale"),
        ({"model": "semanir-u-at-k8"}, "weights of semanir-u"),
        ({}, "scores other weights"),
    ],
)
def test_scores_of_other_weights_are_not_shipped(evaluated, identity, words):
    run = Run("release", TASK, "semanir-u", 0)
    change(evaluated, identity=run.identity | identity, weights_sha256="0")
    with pytest.raises(InputError, match=words):
        ship.ship(evaluated)
    assert not Path(f"semanir/weights/{TASK}.safetensors").exists()


def test_a_record_that_lacks_something_is_named(evaluated):
    run = Run("release", TASK, "semanir-u", 0)
    for name, field in (
        (run.of_input.record, "scores"),
        (run.train_record, "recipe"),
        (run.record, "scores"),
        (run.record, "identity"),
    ):
        record = Path(name)
        whole = record.read_text()
        change(record, **{field: None})
        with pytest.raises(InputError, match=f"{record}.*{field}"):
            ship.ship(evaluated)
        record.write_text(whole)
    rows = read_record(Path(run.of_input.record))["scores"]
    change(Path(run.of_input.record), scores=rows[:2])
    with pytest.raises(InputError, match=f"{run.of_input.record}.*set12 sigma25"):
        ship.ship(evaluated)
