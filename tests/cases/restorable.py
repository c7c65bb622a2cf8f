"""Networks and photographs with outputs that are rarely clipped."""

import numpy as np
import torch

from semanir.network import build


def make(name, *, weight=0.1, **options):
    """A float64 network with random weights whose output strays little from its input.

    In float64 no two dot products come so close that rounding changes a selection.
    """
    network = build(name, **options).double().eval()
    source = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            values = torch.randn(parameter.shape, generator=source, dtype=torch.float64)
            fan_in = parameter[0].numel() if parameter.ndim > 1 else 25
            parameter.copy_(values / fan_in**0.5)
        network.conv_last.weight.mul_(weight)
        network.conv_last.bias.zero_()
    return network


def photograph(height, width, channels=3, seed=1):
    """Random pixels in the middle of the range: float32 [H,W] or [H,W,3]."""
    pixels = np.random.default_rng(seed).uniform(0.3, 0.7, (height, width, channels))
    return (pixels[..., 0] if channels == 1 else pixels).astype(np.float32)
