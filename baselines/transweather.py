"""TransWeather (Valanarasu et al., CVPR 2022): one network for snow, rain with fog and raindrops.

A pyramid of attention to fewer keys than queries, with smaller patches beside those of each level,
and a decoder whose queries are learnt instead of taken from the image.
Written from the paper; names of parameters are those of the released weights.
"""

from collections import OrderedDict
from itertools import pairwise

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from semanir.errors import InputError

SMALLEST = 48  # below it there are fewer of the smallest patches than become one key
QUERIES = 48  # of the decoder, whatever the image


class TransWeather(nn.Module):
    """dims, heads, reductions: of the levels at 1/4, 1/8, 1/16 and 1/32 of the image's sides.

    Tenc.mini_patch_embed4 and convtail.conv_output are never used; they are part of the released
    weights, and of the number of parameters that others print.
    """

    def __init__(
        self,
        dims: tuple[int, ...] = (64, 128, 320, 512),
        heads: tuple[int, ...] = (1, 2, 4, 4),
        reductions: tuple[int, ...] = (4, 2, 2, 1),
    ) -> None:
        super().__init__()
        self.Tenc = _Encoder(dims, heads, reductions)
        self.Tdec = _Decoder(dims[3])
        self.convtail = _Tail(dims)
        self.clean = _named(nn.Conv2d(8, 3, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        """[B,3,H,W] on [0,1] -> same shape, on (-1,1) although trained towards [0,1].

        Raises InputError for sides that are no multiples of 16 or below 48.
        """
        height, width = x.shape[-2:]
        if height % 16 or width % 16 or min(height, width) < SMALLEST:
            raise InputError(
                f"TransWeather needs sides that are multiples of 16 and at least {SMALLEST}, "
                f"got {height} x {width}; pad the image"
            )
        levels = self.Tenc(rearrange(2 * x - 1, "b c h w -> b h w c"))
        restored = self.convtail(levels, self.Tdec(levels[3]))
        return torch.tanh(self.clean(restored))


def _named(conv: nn.Module) -> nn.Sequential:
    return nn.Sequential(OrderedDict(conv2d=conv))


class _Encoder(nn.ModuleDict):
    def __init__(
        self, dims: tuple[int, ...], heads: tuple[int, ...], reductions: tuple[int, ...]
    ) -> None:
        super().__init__()
        self["patch_embed1"] = _Embed(3, dims[0], side=7, stride=4)
        self["mini_patch_embed4"] = _Embed(dims[0], dims[3])
        for i, dim in enumerate(dims):
            blocks = (_Block(_Attention(dim, heads[i], reductions[i]), 2) for _ in range(2))
            self[f"block{i + 1}"] = nn.Sequential(*blocks)
            self[f"norm{i + 1}"] = nn.LayerNorm(dim, 1e-6)
        for i, (dim, below) in enumerate(pairwise(dims)):
            self[f"patch_embed{i + 2}"] = _Embed(dim, below)
            self[f"mini_patch_embed{i + 1}"] = _Embed(dim, below)
            # as released, the third has the heads of the second level
            attention = _Attention(below, heads[min(i, 1)], reductions[i])
            self[f"patch_block{i + 1}"] = nn.Sequential(_Block(attention, 2))
            self[f"pnorm{i + 1}"] = nn.LayerNorm(below, 1e-6)

    def forward(self, x: Tensor) -> list[Tensor]:
        """[B,H,W,3] -> [B,h,w,C] of every level; odd sides are halved upwards."""
        levels: list[Tensor] = []
        small = None
        for i in range(1, 5):
            x = self[f"patch_embed{i}"](x)
            x = x if small is None else x + small
            if i < 4:
                small = self[f"patch_block{i}"](self[f"mini_patch_embed{i}"](x))
                small = self[f"pnorm{i}"](small)
            x = self[f"norm{i}"](self[f"block{i}"](x))
            levels.append(x)
        return levels


class _Decoder(nn.ModuleDict):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self["patch_embed1"] = _Embed(dim, dim)
        self["block1"] = nn.Sequential(*(_Block(_LearntQueries(dim, 8), 4) for _ in range(3)))
        self["norm1"] = nn.LayerNorm(dim, 1e-6)

    def forward(self, x: Tensor) -> Tensor:
        """[B,h,w,C] -> [B,h/2,w/2,C], halved upwards."""
        return self["norm1"](self["block1"](self["patch_embed1"](x)))


class _Embed(nn.Module):
    """Patches that overlap, one token each: [B,H,W,C] -> [B,H/stride,W/stride,D]."""

    def __init__(self, dim: int, out: int, side: int = 3, stride: int = 2) -> None:
        super().__init__()
        self.proj = nn.Conv2d(dim, out, side, stride, padding=side // 2)
        self.norm = nn.LayerNorm(out)

    def forward(self, x: Tensor) -> Tensor:
        x = self.proj(rearrange(x, "b h w c -> b c h w"))
        return self.norm(rearrange(x, "b c h w -> b h w c"))


class _Block(nn.Module):
    def __init__(self, attention: "_Attention", expansion: int) -> None:
        super().__init__()
        dim = attention.q.in_features
        self.norm1, self.norm2 = nn.LayerNorm(dim, 1e-6), nn.LayerNorm(dim, 1e-6)
        self.attn = attention
        self.mlp = _Mlp(dim, expansion * dim)

    def forward(self, x: Tensor) -> Tensor:
        """[B,H,W,C] -> [B,H,W,C]."""
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class _Attention(nn.Module):
    """All tokens attend to all keys, one of `reduction` x `reduction` tokens each."""

    def __init__(self, dim: int, heads: int, reduction: int = 1) -> None:
        super().__init__()
        self.heads, self.reduction = heads, reduction
        self.q = nn.Linear(dim, dim)
        self.kv = nn.Linear(dim, 2 * dim)
        self.proj = nn.Linear(dim, dim)
        if reduction > 1:
            self.sr = nn.Conv2d(dim, dim, reduction, reduction)
            self.norm = nn.LayerNorm(dim)

    def forward(self, x: Tensor) -> Tensor:
        """[B,H,W,C] -> [B,H,W,C]; tokens beyond the last whole square are in no key."""
        q = rearrange(self.queries(x), "b n (h d) -> b h n d", h=self.heads)
        height = x.shape[1]
        if self.reduction > 1:
            x = self.sr(rearrange(x, "b h w c -> b c h w"))
            x = self.norm(rearrange(x, "b c h w -> b h w c"))
        k, v = rearrange(self.kv(x), "b y x (t h d) -> t b h (y x) d", t=2, h=self.heads)
        out = F.scaled_dot_product_attention(q, k, v)
        return self.proj(rearrange(out, "b h (y x) d -> b y x (h d)", y=height))

    def queries(self, x: Tensor) -> Tensor:
        """[B,H,W,C] -> [B,H*W,C]."""
        return self.q(x.flatten(1, 2))


class _LearntQueries(_Attention):
    """The queries are learnt, so many for any image: the nearest one is taken for each token."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__(dim, heads)
        self.task_query = nn.Parameter(torch.randn(1, QUERIES, dim))

    def queries(self, x: Tensor) -> Tensor:
        tokens = x.shape[1] * x.shape[2]
        # in float32, as torch interpolates: exact fractions round otherwise for 11 x 15 tokens
        positions = torch.arange(tokens, device=x.device, dtype=torch.float32)
        nearest = (positions * (QUERIES / tokens)).long().clamp(max=QUERIES - 1)
        return self.q(self.task_query)[:, nearest].expand(x.shape[0], -1, -1)


class _Mlp(nn.Module):
    """As layers.Mlp, with a look at the neighbours in between."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        around = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden)
        self.fc1 = nn.Linear(dim, hidden)
        self.dwconv = nn.Sequential(OrderedDict(dwconv=around))
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        x = self.dwconv(rearrange(self.fc1(x), "b h w c -> b c h w"))
        return self.fc2(F.gelu(rearrange(x, "b c h w -> b h w c")))


class _Tail(nn.Module):
    """From the decoder and the levels of the encoder to 8 channels at the image's size."""

    def __init__(self, dims: tuple[int, ...]) -> None:
        super().__init__()
        self.convd32x = _double(dims[3], dims[3])
        self.convd16x, self.dense_4 = _double(dims[3], dims[2]), _residual(dims[2])
        self.convd8x, self.dense_3 = _double(dims[2], dims[1]), _residual(dims[1])
        self.convd4x, self.dense_2 = _double(dims[1], dims[0]), _residual(dims[0])
        self.convd2x, self.dense_1 = _double(dims[0], 16), _residual(16)
        self.convd1x = _double(16, 8)
        self.conv_output = _named(nn.Conv2d(8, 3, 3, padding=1))

    def forward(self, levels: list[Tensor], decoded: Tensor) -> Tensor:
        """[B,h,w,C] of every level, and [B,h,w,C] at half the last one's sides -> [B,8,H,W]."""
        quarter, eighth, sixteenth, last = (rearrange(x, "b h w c -> b c h w") for x in levels)
        x = self.convd32x(rearrange(decoded, "b h w c -> b c h w"))
        x = self.convd16x(_cropped(x, last) + last)
        x = self.convd8x(self.dense_4(_cropped(x, sixteenth)) + sixteenth)
        x = self.convd4x(self.dense_3(x) + eighth)
        x = self.convd2x(self.dense_2(x) + quarter)
        return self.convd1x(self.dense_1(x))


def _cropped(x: Tensor, like: Tensor) -> Tensor:
    """Without the last row or column where the other's sides are odd."""
    return x[..., : like.shape[-2], : like.shape[-1]]


def _double(dim: int, out: int) -> nn.Sequential:
    return _named(nn.ConvTranspose2d(dim, out, 4, 2, padding=1))


def _residual(dim: int) -> nn.Sequential:
    return nn.Sequential(_Residual(dim))


class _Residual(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = (_named(nn.Conv2d(dim, dim, 3, padding=1)) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        return x + 0.1 * self.conv2(F.relu(self.conv1(x)))
