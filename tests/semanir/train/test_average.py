"""The moving average of the weights."""

import pytest
import torch
from made_sets import ponds
from trainings import small_training, train_until

from semanir.inference.checkpoint import load
from semanir.train.loop import train, validate
from semanir.train.state import resume, save_state
from semanir.train.training import train_network


def test_the_average_by_hand(tmp_path):
    """mean_n = mean_(n-1) + max(1 - decay, 9 / (10 + n)) (w_n - mean_(n-1)), in float64."""
    data = ponds(tmp_path / "set")
    training = small_training(data, tmp_path, average=0.4)
    weight = training.network.conv_first.weight
    train_until(training, 1)
    mean = weight.detach().double().clone()
    for step in range(1, 9):
        train_until(training, step + 1)
        mean += max(0.6, 9 / (10 + step)) * (weight.detach().double() - mean)
    averaged = training.trained.conv_first.weight.double()
    torch.testing.assert_close(averaged, mean, rtol=0, atol=1e-7)
    assert (averaged - weight).abs().max() > 1e-5


@pytest.mark.parametrize("stop", [1, 6])
def test_a_resumed_average_is_bitwise_the_uninterrupted_one(tmp_path, stop):
    data = ponds(tmp_path / "set")
    whole, first = (small_training(data, tmp_path / name, average=0.9) for name in ("a", "b"))
    train(whole)
    train_until(first, stop)
    save_state(first)
    second = small_training(data, tmp_path / "b", average=0.9)
    resume(second)
    train(second)
    assert second.average.n_averaged == whole.average.n_averaged == 12
    states = [one.average.state_dict() for one in (second, whole)]
    torch.testing.assert_close(*states, rtol=0, atol=0)


def test_the_average_is_what_is_kept_and_scored(tmp_path):
    training = small_training(ponds(tmp_path / "set"), tmp_path, average=0.9)
    facts = train_network(training, tmp_path / "w.safetensors", task="denoise_gray-sigma50")
    kept = load(tmp_path / "w.safetensors").state_dict()
    torch.testing.assert_close(kept, training.average.module.state_dict(), rtol=0, atol=0)
    assert facts["holdout_psnr"] == validate(training)
    training.average = None  # then the last weights are scored
    assert facts["holdout_psnr"] != validate(training)
