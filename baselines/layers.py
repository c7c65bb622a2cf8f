"""Layers that several of the re-implemented transformers share; names as in released weights."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from semanir.attention.constant import constant

MEAN = (0.4488, 0.4371, 0.4040)  # of the RGB photographs of DIV2K


class Mlp(nn.Module):
    """Two linear layers with GELU between them."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class DynamicPositionBias(nn.Module):
    """A small network from the offset of two tokens to a bias per head (CrossFormer, ICLR 2022)."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        width = dim // 4
        self.pos_proj = nn.Linear(2, width)
        self.pos1 = nn.Sequential(nn.LayerNorm(width), nn.ReLU(), nn.Linear(width, width))
        self.pos2 = nn.Sequential(nn.LayerNorm(width), nn.ReLU(), nn.Linear(width, width))
        self.pos3 = nn.Sequential(nn.LayerNorm(width), nn.ReLU(), nn.Linear(width, heads))

    def forward(self, height: int, width: int) -> Tensor:
        """Bias [heads,N,N] of a window of N = height * width tokens, counted row by row."""
        device = self.pos_proj.weight.device
        y, x = (torch.arange(1 - size, size, device=device) for size in (height, width))
        offsets = torch.stack(torch.meshgrid(y, x, indexing="ij"), -1).to(self.pos_proj.weight)
        table = self.pos3(self.pos2(self.pos1(self.pos_proj(offsets.flatten(0, 1)))))
        return table.T[:, offset_index(height, width, device)]


def offset_index(height: int, width: int, device: torch.device) -> Tensor:
    """[N,N]: the number of the offset (query minus key), rows first, from the most negative one."""
    token = torch.arange(height * width, device=device)
    y, x = token // width, token % width
    rows = y[:, None] - y + height - 1
    return rows * (2 * width - 1) + x[:, None] - x + width - 1


def upsampler(scale: int, features: int) -> nn.Sequential:
    """Convolutions and pixel shuffles, by 2 again and again or by 3 once."""
    steps = [3] if scale == 3 else [2] * int(math.log2(scale))
    layers: list[nn.Module] = []
    for step in steps:
        layers += [nn.Conv2d(features, step**2 * features, 3, padding=1), nn.PixelShuffle(step)]
    return nn.Sequential(*layers)


class GroupNetwork(nn.Module, ABC):
    """The body of CAT and ART: a convolution, groups of blocks, a long residual, an upsampler.

    upscale 1 adds the output to the input instead. Subclasses say how features become tokens.
    """

    def __init__(
        self, channels: int, dim: int, groups: Iterable[nn.Module], upscale: int, img_range: float
    ) -> None:
        super().__init__()
        self.upscale, self.img_range = upscale, img_range
        self.conv_first = nn.Conv2d(channels, dim, 3, padding=1)
        self.layers = nn.ModuleList(groups)
        self.norm = nn.LayerNorm(dim)
        self.conv_after_body = nn.Conv2d(dim, dim, 3, padding=1)
        if upscale > 1:
            before = nn.Conv2d(dim, 64, 3, padding=1)
            self.conv_before_upsample = nn.Sequential(before, nn.LeakyReLU())
            self.upsample = upsampler(upscale, 64)
        self.conv_last = nn.Conv2d(64 if upscale > 1 else dim, channels, 3, padding=1)

    @abstractmethod
    def embed(self, shallow: Tensor) -> Tensor:
        """Features [B,C,H,W] -> normalised tokens [B,H,W,C]."""

    def forward(self, x: Tensor) -> Tensor:
        """[B,C,H,W] on [0,1] -> [B,C,s*H,s*W]."""
        mean = _mean(x.shape[1], x.device, x.dtype)
        x = (x - mean) * self.img_range
        shallow = self.conv_first(x)
        deep = self.embed(shallow)
        for group in self.layers:
            deep = group(deep)
        deep = shallow + self.conv_after_body(rearrange(self.norm(deep), "b h w c -> b c h w"))
        if self.upscale > 1:
            out = self.conv_last(self.upsample(self.conv_before_upsample(deep)))
        else:
            out = x + self.conv_last(deep)
        return out / self.img_range + mean


@constant
def _mean(channels: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """[1,C,1,1]; grey photographs keep theirs."""
    values = MEAN if channels == 3 else (0.0,)
    return torch.tensor(values, device=device, dtype=dtype).view(1, -1, 1, 1)
