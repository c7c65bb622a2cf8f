"""Iterations that fit into minutes."""

import json
from types import SimpleNamespace

import pytest
from made_sets import ponds
from trainings import OPTIONS, small_training

from semanir.errors import InputError
from semanir.train import budget
from semanir.train.recipe import Recipe


def test_iterations_are_minutes_over_seconds_and_kept_for_a_resume(tmp_path, monkeypatch):
    """Nine minutes at a second an iteration: 95 % of 540, ten validations, a save a minute."""
    monkeypatch.setattr(budget, "seconds_per_iteration", lambda training: 1.0)
    recipe = Recipe(**OPTIONS)
    fitted = budget.fit_to_minutes(recipe, 9, tmp_path, lambda _: None)
    assert (fitted.iterations, fitted.validate_every, fitted.save_every) == (513, 51, 57)
    assert fitted.lr == recipe.lr and fitted.milestones == recipe.milestones
    monkeypatch.setattr(budget, "seconds_per_iteration", lambda training: 5.0)
    assert budget.fit_to_minutes(recipe, 9, tmp_path, lambda _: None) == fitted
    with pytest.raises(InputError, match="for 9 minutes, not 10"):
        budget.fit_to_minutes(recipe, 10, tmp_path, lambda _: None)
    (tmp_path / "budget.json").write_text(json.dumps({"minutes": 9}))
    with pytest.raises(InputError, match=r"budget\.json"):
        budget.fit_to_minutes(recipe, 9, tmp_path, lambda _: None)


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
