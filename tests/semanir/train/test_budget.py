"""Iterations that fit into minutes."""

import json
from types import SimpleNamespace

import pytest
import torch
from made_sets import ponds
from trainings import OPTIONS, small_training

from semanir.errors import InputError
from semanir.train import budget
from semanir.train.recipe import Recipe


def fitted(folder, minutes, name="one"):
    """Iterations of a training whose fingerprint is a name and they."""

    def make(recipe):
        return SimpleNamespace(recipe=recipe, fingerprint=f"{name} {recipe.iterations}")

    return budget.fit_to_minutes(Recipe(**OPTIONS), minutes, folder, make).recipe


@pytest.fixture
def takes(monkeypatch):
    """To say how many seconds an iteration takes."""
    return lambda seconds: monkeypatch.setattr(budget, "seconds_per_iteration", lambda _: seconds)


def test_iterations_are_minutes_over_seconds(tmp_path, takes):
    """Nine minutes at a second an iteration: 95 % of 540, ten validations, a save a minute."""
    takes(1.0)
    found, recipe = fitted(tmp_path, 9), Recipe(**OPTIONS)
    assert (found.iterations, found.validate_every, found.save_every) == (513, 51, 57)
    assert found.lr == recipe.lr and found.milestones == recipe.milestones


def test_iterations_are_kept_for_the_same_training_on_as_many_threads(tmp_path, takes):
    takes(1.0)
    assert fitted(tmp_path, 9).iterations == 513
    takes(5.0)
    assert fitted(tmp_path, 9).iterations == 513
    assert fitted(tmp_path, 9, "other").iterations == 103
    assert fitted(tmp_path, 18, "other").iterations == 205
    takes(1.0)
    assert fitted(tmp_path, 18, "other").iterations == 205
    torch.set_num_threads(2)
    assert fitted(tmp_path, 18, "other").iterations == 1026


def test_a_state_has_the_iterations_that_it_was_begun_with(tmp_path, takes):
    """Whatever else has changed: a resume refuses states of other trainings itself."""
    takes(1.0)
    fitted(tmp_path, 9)
    (tmp_path / "state.pt").touch()
    takes(5.0)
    torch.set_num_threads(2)
    assert fitted(tmp_path, 9, "other").iterations == 513
    with pytest.raises(InputError, match="for 9 minutes, not 10"):
        fitted(tmp_path, 10)
    (tmp_path / "budget.json").write_text(json.dumps({"minutes": 9}))
    with pytest.raises(InputError, match=r"budget\.json"):
        fitted(tmp_path, 9)


def test_the_time_of_an_iteration_leaves_the_first_two_out(tmp_path, monkeypatch):
    """By a clock that each iteration moves: 100 s twice, then 2, 4, 6 ... s."""
    training = small_training(ponds(tmp_path / "set"), tmp_path)
    seconds, now = iter([100.0, 100.0, *range(2, 99, 2)]), [0.0]

    def iterate(training, *batch):
        now[0] += next(seconds)

    clock = SimpleNamespace(perf_counter=lambda: now[0])
    monkeypatch.setattr(budget, "iterate", iterate)
    monkeypatch.setattr(budget, "time", clock)
    assert budget.seconds_per_iteration(training, 5.0) == (2 + 4 + 6) / 3
    seconds = iter([100.0, 100.0, *range(2, 99, 2)])
    assert budget.seconds_per_iteration(training, 19.0) == (2 + 4 + 6 + 8) / 4
