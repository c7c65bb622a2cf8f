"""FFDNet (Zhang, Zuo and Zhang, TIP 2018): denoising at half resolution, conditioned on sigma."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class FFDNet(nn.Module):
    """Convolutions on the 2x2 phases of the image and a map of the noise level.

    Grey: depth 15, width 64; colour: depth 12, width 96. Both sides must be even.
    """

    def __init__(self, channels: int = 1, depth: int = 15, width: int = 64) -> None:
        super().__init__()
        widths = [4 * channels + 1, *[width] * (depth - 1), 4 * channels]
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(widths):
            layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU()]
        self.layers = nn.Sequential(*layers[:-1])

    def forward(self, x: Tensor, sigma: float = 25.0) -> Tensor:
        """Noisy [B,C,H,W] on [0,1] and the noise's deviation on 0..255 -> restored, same shape."""
        # MATLAB counts the four phases down the columns, torch along the rows
        phases = F.pixel_unshuffle(x.mT, 2).mT
        level = torch.full_like(phases[:, :1], sigma / 255)
        restored = self.layers(torch.cat((phases, level), 1))
        return F.pixel_shuffle(restored.mT, 2).mT
