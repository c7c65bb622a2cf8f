"""CAT-A (Chen et al., Cross Aggregation Transformer, NeurIPS 2022): axial rectangle windows.

Half of the heads attend within vertical strips, as high as the image, half within horizontal ones.
Written from the paper; names of parameters are those of the released weights.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from einops.layers.torch import Rearrange
from torch import Tensor, nn

from baselines.layers import DynamicPositionBias, GroupNetwork, Mlp


class CAT(GroupNetwork):
    """Residual groups of blocks with axial windows; `widths`: the short side of a group's strips.

    upscale 1 (JPEG artifacts) to 4; both sides of the input multiples of the widest strip. CAT-A
    has widths 2, 2, 2, 4, 4, 4, CAT-A-2 has 4 throughout.
    """

    def __init__(
        self,
        channels: int = 3,
        dim: int = 180,
        heads: int = 6,
        depth: int = 6,
        widths: tuple[int, ...] = (2, 2, 2, 4, 4, 4),
        upscale: int = 4,
        img_range: float = 1.0,
    ) -> None:
        groups = [_Group(dim, heads, depth, width) for width in widths]
        super().__init__(channels, dim, groups, upscale, img_range)
        self.before_RG = nn.Sequential(Rearrange("b c h w -> b h w c"), nn.LayerNorm(dim))

    def embed(self, shallow: Tensor) -> Tensor:
        return self.before_RG(shallow)

    def is_table(self, name: str) -> bool:
        return name.endswith((".attn_mask_0", ".attn_mask_1"))

    def disagrees(self, tables: Mapping[str, Tensor]) -> Iterator[str]:
        """Released files have masks [strips,N,N] of blocks that shift, for a patch."""
        modules = dict(self.named_modules())
        for name in filter(self.is_table, tables):
            block, _, branch = name.rpartition(".attn_mask_")
            strips = getattr(modules.get(block), "attns", None)
            if strips is None or not strips[int(branch)].allows(tables[name]):
                yield f"{name} is of other strips"


class _Group(nn.Module):
    def __init__(self, dim: int, heads: int, depth: int, width: int) -> None:
        super().__init__()
        shifts = [width // 2 if index % 2 else 0 for index in range(depth)]
        self.blocks = nn.ModuleList(_Block(dim, heads, width, shift) for shift in shifts)
        self.conv = nn.Conv2d(dim, dim, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        deep = x
        for block in self.blocks:
            deep = block(deep)
        deep = self.conv(rearrange(deep, "b h w c -> b c h w"))
        return x + rearrange(deep, "b c h w -> b h w c")


class _Block(nn.Module):
    def __init__(self, dim: int, heads: int, width: int, shift: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.attns = nn.ModuleList(
            _AxialAttention(dim // 2, heads // 2, width, shift, vertical)
            for vertical in (True, False)
        )
        self.get_v = nn.Conv2d(dim, dim, 3, padding=1, groups=dim)
        self.proj = nn.Linear(dim, dim)
        self.mlp = Mlp(dim, 4 * dim)

    def forward(self, x: Tensor) -> Tensor:
        qkv = self.qkv(self.norm1(x)).unflatten(-1, (3, -1))
        halves = qkv.chunk(2, -1)
        attended = torch.cat(
            [attend(half) for attend, half in zip(self.attns, halves, strict=True)], -1
        )
        local = self.get_v(rearrange(qkv[..., 2, :], "b h w c -> b c h w"))
        x = x + self.proj(attended + rearrange(local, "b c h w -> b h w c"))
        return x + self.mlp(self.norm2(x))


class _AxialAttention(nn.Module):
    def __init__(self, dim: int, heads: int, width: int, shift: int, vertical: bool) -> None:
        super().__init__()
        self.heads, self.width, self.shift, self.vertical = heads, width, shift, vertical
        self.pos = DynamicPositionBias(dim // 4, heads)

    def forward(self, qkv: Tensor) -> Tensor:
        """[B,H,W,3,C] -> [B,H,W,C]."""
        if not self.vertical:
            qkv = qkv.transpose(1, 2)
        size: dict[str, Any] = {"w": self.width, "n": self.heads}
        qkv = torch.roll(qkv, -self.shift, 2)
        q, k, v = rearrange(qkv, "b h (s w) t (n d) -> t s b n (h w) d", **size)
        height = qkv.shape[1]
        sides = (height, self.width) if self.vertical else (self.width, height)
        bias = self.pos(*sides)
        if not self.vertical:  # tokens are counted along the strip here
            order = torch.arange(height * self.width, device=bias.device)
            order = order.view(self.width, height).T.flatten()
            bias = bias[:, order][:, :, order]
        if not self.shift:
            out = _attend(q, k, v, bias)
        else:
            mask = self._mask(height, bias.device)
            out = torch.cat(
                (
                    _attend(q[:-1], k[:-1], v[:-1], bias),
                    _attend(q[-1:], k[-1:], v[-1:], bias + mask),
                )
            )
        out = rearrange(out, "s b n (h w) d -> b h (s w) (n d)", w=self.width)
        out = torch.roll(out, self.shift, 2)
        return out if self.vertical else out.transpose(1, 2)

    def _mask(self, length: int, device: torch.device) -> Tensor:
        """[N,N] of the last strip, which holds both ends of the image; tokens along the strip."""
        column = torch.arange(length * self.width, device=device) % self.width
        wrapped = column >= self.width - self.shift
        return (wrapped[:, None] != wrapped) * -100.0

    def allows(self, mask: Tensor) -> bool:
        """Whether a released mask [strips,N,N] is what this branch does."""
        tokens = mask.shape[-1]
        if not self.shift or tokens % self.width or mask[:-1].any():
            return False
        own = self._mask(tokens // self.width, mask.device)
        if not self.vertical:  # tokens are counted across the strip there
            order = torch.arange(tokens).view(-1, self.width).T.flatten()
            own = own[order][:, order]
        return torch.equal(own, mask[-1])


def _attend(q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> Tensor:
    strips = q.shape[0]
    q, k, v = (x.flatten(0, 1) for x in (q, k, v))
    out = F.scaled_dot_product_attention(q, k, v, attn_mask=bias.to(q.dtype))
    return out.unflatten(0, (strips, -1))
