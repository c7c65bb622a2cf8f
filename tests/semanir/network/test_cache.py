"""What inference caches: bias tables and packed weights, never those of earlier parameters."""

import copy
import pickle

import pytest
import torch
import torch.nn.functional as F

from semanir.network.cache import PackedLinear, ParameterCache
from semanir.network.layers import PositionBias


@torch.no_grad()
def scale(module):
    for parameter in module.parameters():
        parameter.mul_(1.5)


def flip(module):
    """The same numbers in another order."""
    for parameter in module.parameters():
        parameter.data = parameter.data.flip(0)


@pytest.mark.parametrize("change", [scale, flip, torch.nn.Module.double])
def test_values_follow_their_parameters(change):
    bias, linear, x = PositionBias(2), PackedLinear(6, 4), torch.randn(7, 6)
    with torch.no_grad():
        assert bias((3, 5)) is bias((3, 5))
        linear(x)
        for module in (bias, linear):
            change(module)
        assert torch.equal(bias((3, 5)), bias._table((3, 5)))
        x = x.to(linear.weight.dtype)
        expected = F.linear(x, linear.weight, linear.bias)
        torch.testing.assert_close(linear(x), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("rows", [1, 3, 64, 1000])
@pytest.mark.parametrize("sizes", [(1, 1), (30, 17), (180, 540)], ids=str)
def test_packed_weights_make_the_same_sums(rows, sizes):
    linear, x = PackedLinear(*sizes), torch.randn(2, rows, sizes[0])
    exact = F.linear(x.double(), linear.weight.double(), linear.bias.double()).detach()
    with torch.inference_mode():
        outputs = linear(x), linear(x.mT.contiguous().mT)  # another layout in memory
    for out in outputs:
        torch.testing.assert_close(out.double(), exact, rtol=0, atol=2e-6)


def test_copies_have_a_cache_of_their_own():
    linear, x = PackedLinear(6, 4), torch.randn(3, 6)
    with torch.inference_mode():
        linear(x)
        for copied in (copy.deepcopy(linear), pickle.loads(pickle.dumps(linear))):
            assert isinstance(copied._cache, ParameterCache) and copied._cache is not linear._cache
            assert torch.equal(copied(x), linear(x))
