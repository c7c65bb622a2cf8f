"""Tiny networks with random weights, and random images.

# S images, C channels, H x W feature map
"""

import pytest
import torch

from semanir.network import build

TINY = {"semanir-s-tiny": {"upscale": 2}, "semanir-u-tiny": {}}
both_tiny = pytest.mark.parametrize("name", TINY)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def randomise(network, scale=0.2, seed=0):
    """Give every parameter, also those that start at zero or one, a random value."""
    source = seeded(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(scale * torch.randn(parameter.shape, generator=source))
    return network


def tiny(name, *, double=True, seed=0, **switches):
    """A random network in evaluation mode; in float64 rounding changes no selection of keys."""
    network = randomise(build(name, **TINY[name] | switches), seed=seed)
    return (network.double() if double else network).eval()


def images(*shape, seed=1, dtype=torch.float64):
    """[S,C,H,W] on [0,1]."""
    return torch.rand(shape, generator=seeded(seed), dtype=torch.float64).to(dtype)
