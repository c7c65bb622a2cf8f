"""ART (Zhang et al., Attention Retractable Transformer, ICLR 2023): dense and sparse attention.

Blocks attend in turn within windows and among every so many tokens of the whole image.
Written from the paper; names of parameters are those of the released weights.
"""

from collections import OrderedDict
from collections.abc import Sequence

import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from baselines.layers import DynamicPositionBias, GroupNetwork, Mlp


class ART(GroupNetwork):
    """Residual groups of blocks that alternate dense windows with sparse attention.

    intervals: between the tokens that attend to each other, one for each group. upscale 1
    (denoising, JPEG artifacts) to 4; any image size.
    """

    def __init__(
        self,
        channels: int = 3,
        dim: int = 180,
        heads: int = 6,
        depth: int = 6,
        window: int = 8,
        intervals: Sequence[int] = (4, 4, 4, 4, 4, 4),
        upscale: int = 4,
        img_range: float = 1.0,
    ) -> None:
        groups = [_Group(dim, heads, depth, window, interval) for interval in intervals]
        super().__init__(channels, dim, groups, upscale, img_range)
        self.patch_embed = nn.Sequential(OrderedDict(norm=nn.LayerNorm(dim)))

    def embed(self, shallow: Tensor) -> Tensor:
        return self.patch_embed(rearrange(shallow, "b c h w -> b h w c"))


class _Group(nn.Module):
    def __init__(self, dim: int, heads: int, depth: int, window: int, interval: int) -> None:
        super().__init__()
        blocks = [_Block(dim, heads, window, interval, bool(i % 2)) for i in range(depth)]
        self.residual_group = nn.Sequential(OrderedDict(blocks=nn.Sequential(*blocks)))
        self.conv = nn.Conv2d(dim, dim, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        deep = self.conv(rearrange(self.residual_group(x), "b h w c -> b c h w"))
        return x + rearrange(deep, "b c h w -> b h w c")


class _Block(nn.Module):
    def __init__(self, dim: int, heads: int, window: int, interval: int, sparse: bool) -> None:
        super().__init__()
        self.window, self.interval, self.sparse = window, interval, sparse
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attn = _Attention(dim, heads)
        self.mlp = Mlp(dim, 4 * dim)

    def forward(self, x: Tensor) -> Tensor:
        """[B,H,W,C] -> [B,H,W,C]."""
        x = x + self._attend(self.norm1(x))
        return x + self.mlp(self.norm2(x))

    def _attend(self, x: Tensor) -> Tensor:
        height, width = x.shape[1:3]
        # an image no larger than a window is one window, whatever the block's turn
        sparse = self.sparse and min(height, width) > self.window
        unit = self.interval if sparse else min(self.window, height, width)
        right, below = -width % unit, -height % unit
        inside = None
        if right or below:
            x = F.pad(x, (0, 0, 0, right, 0, below))
            inside = x.new_ones(1, height, width, 1)
            inside = F.pad(inside, (0, 0, 0, right, 0, below))
        grouped = "b (i j) (y x) c" if sparse else "b (y x) (i j) c"
        split, merge = f"b (y i) (x j) c -> {grouped}", f"{grouped} -> b (y i) (x j) c"
        groups = rearrange(x, split, i=unit, j=unit)
        hidden = None if inside is None else rearrange(inside, split, i=unit, j=unit)[..., 0] == 0
        padded = x.shape[1] // unit, x.shape[2] // unit
        sides = padded if sparse else (unit, unit)
        out = self.attn(groups, sides, hidden)
        out = rearrange(out, merge, i=unit, j=unit, y=padded[0], x=padded[1])
        return out[:, :height, :width]


class _Attention(nn.Module):
    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.pos = DynamicPositionBias(dim // 4, heads)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor, sides: tuple[int, int], hidden: Tensor | None) -> Tensor:
        """[B,G,N,C] -> [B,G,N,C]; hidden: [1,G,N] True where a key is padding."""
        q, k, v = rearrange(self.qkv(x), "b g n (t h d) -> t (b g) h n d", t=3, h=self.heads)
        bias = self.pos(*sides)[None].to(q.dtype)
        if hidden is not None:
            bias = bias.masked_fill(hidden[0, :, None, None], -1e6).repeat(x.shape[0], 1, 1, 1)
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        return self.proj(rearrange(out, "(b g) h n d -> b g n (h d)", b=x.shape[0]))
