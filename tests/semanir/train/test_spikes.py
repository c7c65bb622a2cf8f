"""Spikes: which iterations are some, and what the recipe does about them."""

import json
import math

import pytest
import torch
from trainings import log_lines, small_training, train_until

from semanir.errors import InputError
from semanir.train.loop import TrainingStoppedError, train
from semanir.train.recipe import Recipe
from semanir.train.spikes import IN_A_ROW, LEAST, WINDOW, Spikes
from semanir.train.state import resume, save_state

BAD = 6  # the iteration, from 0, that a spike is planted in


def planted(data, folder, bad=(BAD,), factor=math.nan, **options):
    """A training whose loss is `factor` times too large in some iterations."""
    training = small_training(data, folder, average=0.9, **options)
    loss = training.loss
    training.loss = lambda *images: loss(*images) * (factor if training.step in bad else 1)
    return training


def recipe(**options):
    required = {
        "datasets": ("set",),
        "iterations": 9,
        "batch": 1,
        "patch": 8,
        "lr": 1,
        "topk": (1,),
    }
    return Recipe(**required | options)


def assert_same(one, other):
    """Weights, average, optimizer and step, to the bit."""
    parts = [
        (t.network.state_dict(), t.average.state_dict(), t.optimizer.state_dict(), t.step)
        for t in (one, other)
    ]
    torch.testing.assert_close(*parts, rtol=0, atol=0)


def spikes_logged(folder):
    lines = [line for line in log_lines(folder) if "spike" in line]
    json.dumps(lines, allow_nan=False)  # JSON that others read
    return lines


def test_limits_by_hand():
    """Three times the median of the last hundred, once there are twenty."""
    one, found = recipe(spike_factor=3), Spikes()
    for norm in range(LEAST):
        assert found.limits(one) == (math.inf, 1e4)
        assert not found.is_one(one, 1.0, float(norm))
    assert found.limits(one) == (3, 3 * 9.5)
    assert found.is_one(one, 3.01, 1.0) and found.is_one(one, 1.0, 28.6)
    assert found.in_a_row == 2 and found.limits(one) == (3, 3 * 9.5)
    for _ in range(WINDOW):
        assert not found.is_one(one, 2.0, 4.0)
    assert found.limits(one) == (6, 12) and found.in_a_row == 0
    assert found.limits(recipe(spike_factor=3, stop_norm=5)) == (6, 5)


def test_without_a_factor_limits_are_those_of_the_recipe():
    found = Spikes()
    assert not any(found.is_one(recipe(stop_norm=5), 1e9, 5) for _ in range(2 * LEAST))
    assert found == Spikes()  # a state on disk stays small
    for loss, norm in ((1, 5.1), (math.inf, 1), (math.nan, 1), (1, math.nan)):
        assert found.is_one(recipe(stop_norm=5), loss, norm)


def test_a_stop_norm_of_0_is_no_limit():
    one, found = recipe(stop_norm=0, spike_factor=3), Spikes()
    assert not any(found.is_one(one, 1.0, 1e9) for _ in range(LEAST))
    assert found.limits(one) == (3, 3e9)
    assert Spikes().limits(recipe(stop_norm=0)) == (math.inf, math.inf)


@pytest.mark.parametrize("value", [1, 0.5, -3, math.nan])
def test_a_factor_that_every_iteration_exceeds_is_refused(value):
    with pytest.raises(
        InputError, match=f"spike_factor must be above 1, or 0 for none, got {value}"
    ):
        recipe(spike_factor=value)


def test_a_skipped_spike_is_an_iteration_without_a_step(data, tmp_path):
    training = planted(data, tmp_path / "1", on_spike="skip")
    train(training)
    values = {"spike_loss": "nan", "spike_norm": "nan"}
    assert spikes_logged(tmp_path / "1") == [{"step": BAD + 1, "spike": "skip", **values}]
    by_hand = small_training(data, tmp_path / "2", average=0.9)
    train_until(by_hand, BAD)
    by_hand.step += 1
    train(by_hand)
    assert_same(training, by_hand)
    others = [line for line in log_lines(tmp_path / "1") if "spike" not in line]
    assert others == log_lines(tmp_path / "2") and training.step == training.recipe.iterations


def test_a_restored_training_goes_on_from_the_last_save_after_the_spike(data, tmp_path):
    """Saves at 4 and 8, the spike in iteration 7: weights of 4, data and rate of 8."""
    training = planted(data, tmp_path / "1", on_spike="restore")
    train(training)
    (line,) = spikes_logged(tmp_path / "1")
    assert (line["step"], line["spike"], line["back_to"]) == (7, "restore", 4)
    by_hand = small_training(data, tmp_path / "2", average=0.9)
    train_until(by_hand, 4)
    by_hand.step = 7
    train(by_hand)
    assert_same(training, by_hand)


def test_without_a_save_it_goes_back_to_the_start(data, tmp_path):
    training = planted(data, tmp_path / "1", bad=(2,), on_spike="restore")
    train_until(training, 3)
    before = small_training(data, tmp_path / "2", average=0.9)
    assert spikes_logged(tmp_path / "1")[0]["back_to"] == 0
    torch.testing.assert_close(
        training.network.state_dict(), before.network.state_dict(), rtol=0, atol=0
    )


@pytest.mark.parametrize(("action", "stop"), [("skip", 7), ("restore", 5), ("restore", 7)])
def test_a_resume_around_spikes_is_bitwise(data, tmp_path, action, stop):
    """Saved at any moment, it goes back to what an undisturbed training goes back to."""
    options = {"bad": (BAD, 7), "on_spike": action, "spike_factor": 50}
    undisturbed = planted(data, tmp_path / "1", **options)
    train(undisturbed)
    first = planted(data, tmp_path / "2", **options)
    train_until(first, stop)
    save_state(first)
    second = planted(data, tmp_path / "2", **options)
    resume(second)
    train(second)
    assert_same(second, undisturbed)
    assert second.spikes == undisturbed.spikes and len(second.spikes.norms) > 4
    assert log_lines(tmp_path / "2") == log_lines(tmp_path / "1")
    assert len(spikes_logged(tmp_path / "1")) == 2


def test_a_loss_far_above_its_median_is_a_spike(data, tmp_path):
    """A hundred times the usual one, finite and below `stop_norm`; less is none."""
    common = {"iterations": 24, "bad": (22,), "factor": 100.0, "on_spike": "skip"}
    for factor, expected in ((20, [23]), (0, [])):
        folder = tmp_path / str(factor)
        train(planted(data, folder, spike_factor=factor, **common))
        assert [line["step"] for line in spikes_logged(folder)] == expected
    with pytest.raises(TrainingStoppedError, match=r"iteration 23: loss \d+\S* \(limit \S+\)"):
        train(planted(data, tmp_path / "stop", spike_factor=20, **common | {"on_spike": "stop"}))


@pytest.mark.parametrize("action", ["skip", "restore"])
def test_spikes_without_end_stop_the_training(data, tmp_path, action):
    training = planted(data, tmp_path, bad=range(1, 99), on_spike=action)
    with pytest.raises(TrainingStoppedError, match=f"spike {IN_A_ROW} in a row: loss nan"):
        train(training)
    assert len(spikes_logged(tmp_path)) == IN_A_ROW - 1
    assert training.step == IN_A_ROW
