"""Optimizers without torch's decorators: the same weights to the bit, and light to import."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from semanir.train.optimizers import OPTIMIZERS

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


@pytest.mark.parametrize("name", OPTIMIZERS)
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
from semanir.train.optimizers import OPTIMIZERS

network = build("semanir-u-tiny", channels=1)
optimizer = OPTIMIZERS["adamw"](network.parameters(), lr=0.1, fused=True)
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
