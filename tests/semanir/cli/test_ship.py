"""Weights that are shipped with their scores and trainings."""

from pathlib import Path

import pytest

from semanir.cli import ship
from semanir.errors import InputError
from semanir.inference import checkpoint, shipped
from semanir.inference.shipped import facts
from semanir.network import build
from semanir.plan.record import write_record
from semanir.plan.runs import Run

TASK = "denoise_gray-blind"
TRAINING = {"task": TASK, "datasets": ["bsd400_gray_180"], "levels": [0, 55], "iterations": 4750}
TRAINING |= {"batch": 4, "patch": 64, "lr": 1e-3, "loss": "l1", "fingerprint": "f00"}


@pytest.fixture
def evaluated(tmp_path, monkeypatch):
    """A training of 90 seconds and its evaluation, in an empty project."""
    monkeypatch.chdir(tmp_path)
    run = Run("release", TASK, "semanir-u", 0)
    network = build("semanir-u-tiny", channels=1)
    first = {**TRAINING, "task": "denoise_gray-sigma25", "fingerprint": "e00", "minutes": 50}
    (tmp_path / run.weights).parent.mkdir(parents=True)
    checkpoint.save(tmp_path / run.weights, network, task=TASK, trainings=[first, TRAINING])
    write_record(tmp_path / run.train_record, "train", run.identity, "train", seconds_this_time=90)
    for one, means in (
        (run, {"sigma15": 32.5004, "sigma25": 30.25}),
        (run.of_input, {"sigma15": 24.7, "sigma25": 20.3}),
    ):
        rows = [
            {"dataset": "set12", "level": level, "image": str(up), "psnr": psnr + up}
            for level, psnr in means.items()
            for up in (1, -1)
        ]
        write_record(tmp_path / one.record, "eval", one.identity, "evaluate", scores=rows)
    return tmp_path / run.record


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
    write_record(Path(again.record), "eval", again.identity, "evaluate", scores=[row])
    after = facts(ship.ship(Path(again.record)))
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
