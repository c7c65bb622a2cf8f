"""Optimizers without torch's decorators: the same weights to the bit, and light to import."""

import subprocess
import sys

import pytest
import torch
from made_sets import ponds
from torch import nn
from trainings import small_training, train_until

from semanir.network import build
from semanir.train.loop import train
from semanir.train.optimizers import OPTIMIZERS, matrices_of_layers
from semanir.train.state import resume, save_state

TORCH = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}


def steps(optimizer_class, count, state=None):
    """Weights and state after some steps from a seeded start, or from a saved state."""
    torch.manual_seed(0)
    network = nn.Linear(7, 5)
    options = {"lr": 0.1, "betas": (0.8, 0.99), "weight_decay": 0.05, "fused": True}
    optimizer = optimizer_class(network.parameters(), **options)
    if state is not None:
        network.load_state_dict(state[0])
        optimizer.load_state_dict(state[1])
    x = torch.rand(3, 7)
    for step in range(count):
        optimizer.param_groups[0]["lr"] = 0.1 / (step + 1)
        optimizer.zero_grad(set_to_none=True)
        network(x).square().sum().backward()
        optimizer.step()
    return network.state_dict(), optimizer.state_dict()


@pytest.mark.parametrize("name", TORCH)
def test_weights_and_state_are_torchs_own(name):
    """After steps, and after going on from what the other one saved."""
    ours, theirs = steps(OPTIMIZERS[name], 4), steps(TORCH[name], 4)
    again = steps(OPTIMIZERS[name], 2, theirs), steps(TORCH[name], 2, ours)
    for one, other in ((ours, theirs), again):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


STEP = """
import sys
import torch
from semanir.network import build, flops
from semanir.train.optimizers import make_optimizer
from semanir.train.recipe import Recipe

network = build("semanir-u-tiny", channels=1)
recipe = Recipe(("x",), 1, 1, 8, 0.1, (8,), optimizer="muon")
optimizer = make_optimizer(network, recipe)
network(torch.rand(1, 1, 16, 16)).sum().backward()
optimizer.step()
optimizer.zero_grad()
optimizer.load_state_dict(optimizer.state_dict())
with torch.inference_mode():
    network.eval()(torch.rand(1, 1, 16, 16))
assert flops.multiply_adds(network, (1, 1, 32, 32)) > 0
assert flops.multiply_adds(build("semanir-s-tiny", upscale=4), (1, 3, 16, 16)) > 0
print([name for name in ("torch._dynamo", "sympy") if name in sys.modules])
"""


def test_steps_and_counts_import_no_compiler():
    """Forward, backward, step and multiply-adds, with the attention kernels where there are any."""
    run = subprocess.run([sys.executable, "-c", STEP], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_muon_is_for_the_matrices_of_layers():
    """Four in each of 2 layers of 4 stages, without the two of each bias network."""
    network = build("semanir-u-tiny", dims=(16, 24, 32), heads=(1, 2, 2))
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    chosen = [names[id(matrix)] for matrix in matrices_of_layers(network)]
    parts = ("qkv", "proj", "ffn.0", "ffn.2")
    assert all(name.removesuffix(".weight").endswith(parts) for name in chosen)
    assert len(chosen) == len(set(chosen)) == 4 * sum(".norm1.weight" in n for n in names.values())


def test_a_step_of_muon_is_nearly_orthogonal(tmp_path):
    """Its large singular values are near 1, times rate and 0.2 sqrt(larger side), however the

    gradient's differ; the smallest, which are noise, are left behind.
    """
    options = {"optimizer": "muon", "warmup": 0.0, "weight_decay": 0.0}
    training = small_training(ponds(tmp_path / "set"), tmp_path, **options)
    torch.nn.init.normal_(training.network.conv_last.weight, std=0.1)  # else no gradient passes it
    before = [matrix.detach().clone() for matrix in matrices_of_layers(training.network)]
    train_until(training, 1)
    for old, new in zip(before, matrices_of_layers(training.network), strict=True):
        size = training.recipe.lr * 0.2 * max(new.shape) ** 0.5
        values = torch.linalg.svdvals((old - new.detach()).double() / size)
        of_gradient = torch.linalg.svdvals(new.grad.double())
        assert values[0] < 1.3 and values[3] > 0.6
        assert of_gradient[3] < 0.6 * of_gradient[0]


def test_resumed_training_by_muon_is_bitwise_the_uninterrupted_one(tmp_path):
    data = ponds(tmp_path / "set")
    whole, first, second = (
        small_training(data, tmp_path / name, optimizer="muon") for name in ("a", "b", "b")
    )
    train(whole)
    train_until(first, 7)
    save_state(first)
    resume(second)
    train(second)
    torch.testing.assert_close(
        second.network.state_dict(), whole.network.state_dict(), rtol=0, atol=0
    )
