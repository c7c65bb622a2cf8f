"""What inference keeps: bias tables and packed weights, never those of parameters of before."""

import copy
import pickle

import pytest
import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

import semanir
from semanir.network.kept import Kept, Linear
from semanir.network.layers import PositionBias


def change_in_place(module):
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.mul_(1.5)


def load_others(module):
    module.load_state_dict({name: value + 0.1 for name, value in module.state_dict().items()})


def change_data(module):
    """As averages of weights are often written; leaves the version of a parameter as it was."""
    for parameter in module.parameters():
        parameter.data.mul_(1.5)


def step(module, **options):
    module.zero_grad()
    with torch.enable_grad():
        inputs = (3, 5) if isinstance(module, PositionBias) else torch.ones(2, 6)
        module(inputs).sum().backward()
    torch.optim.AdamW(module.parameters(), lr=0.1, **options).step()


def fused_step(module):
    """Leaves the version of a parameter as it was."""
    step(module, fused=True)


def flip(module):
    """The same numbers in another order."""
    for parameter in module.parameters():
        parameter.data = parameter.data.flip(0)


CHANGES = [change_in_place, change_data, load_others, step, fused_step, flip]
CHANGES += [lambda m: m.double(), lambda m: m.to("cpu")]
NAMES = ["in place", "data", "loaded", "step", "fused step", "flipped", "double", "moved"]


@pytest.mark.parametrize("change", CHANGES, ids=NAMES)
def test_values_follow_their_parameters(change):
    torch.manual_seed(0)
    bias, linear = PositionBias(2), Linear(6, 4)
    x = torch.randn(7, 6)
    with torch.no_grad():
        assert bias((3, 5)) is bias((3, 5))  # kept
        linear(x)
    for module in (bias, linear):
        change(module)
    with torch.no_grad():
        assert torch.equal(bias((3, 5)), bias._table((3, 5)))
        x = x.to(linear.weight.dtype)
        expected = F.linear(x, linear.weight, linear.bias)
        torch.testing.assert_close(linear(x), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("rows", [1, 3, 64, 1000])
@pytest.mark.parametrize("sizes", [(1, 1), (30, 17), (180, 540)], ids=str)
def test_packed_weights_make_the_same_sums(rows, sizes):
    linear, x = Linear(*sizes), torch.randn(2, rows, sizes[0])
    with torch.inference_mode():
        got = linear(x)
        mixed = linear(x.mT.contiguous().mT)  # another layout in memory
    exact = F.linear(x.double(), linear.weight.double(), linear.bias.double())
    for made in (got, mixed):
        torch.testing.assert_close(made.double(), exact.detach(), rtol=0, atol=2e-6)


def test_gradients_copies_and_counters_take_the_usual_way():
    linear, x = Linear(6, 4), torch.randn(3, 6)
    with torch.inference_mode():
        linear(x)
    linear(x).sum().backward()
    assert torch.equal(linear.bias.grad, torch.full((4,), 3.0))
    for twin in (copy.deepcopy(linear), pickle.loads(pickle.dumps(linear))):
        assert isinstance(twin._kept, Kept) and twin._kept is not linear._kept
        with torch.no_grad():
            assert torch.equal(twin(x), linear(x))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        linear(x)
    assert counter.get_total_flops() == 2 * 3 * 6 * 4


def test_a_network_infers_what_it_computes_with_gradients():
    torch.manual_seed(1)
    network = semanir.build("semanir-s-tiny", upscale=2).eval()
    change_in_place(network)
    x = torch.rand(1, 3, 20, 24)
    expected = network(x).detach()
    with torch.inference_mode():
        for _ in range(2):
            assert (network(x) - expected).abs().max() < 1e-5
