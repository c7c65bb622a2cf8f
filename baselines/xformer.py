"""Xformer (Zhang et al., ICLR 2024): a spatial and a channel-wise U-shaped branch, side by side.

Written from the paper; names of parameters are those of the released weights. Both branches end in
the same blocks at the lowest level, as released.
"""

from collections import OrderedDict
from collections.abc import Iterator, Mapping

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from baselines.layers import Mlp, offset_index

EXPANSION = 2.66


class Xformer(nn.Module):
    """Image sides must be multiples of 8.

    bias_free: layer normalisation without bias. latent_shift: windows of the lowest level shift in
    every other block; they do not in the code that the networks for colour were made with, where a
    patch of the training is one window there.
    """

    def __init__(
        self,
        channels: int = 3,
        dim: int = 48,
        channel_blocks: tuple[int, ...] = (2, 4, 4),
        spatial_blocks: tuple[int, ...] = (2, 4, 4, 6),
        refinement: int = 4,
        heads: tuple[int, ...] = (1, 2, 4, 8),
        window: int = 16,
        bias_free: bool = False,
        latent_shift: bool = True,
    ) -> None:
        super().__init__()
        dims = [dim * 2**level for level in range(4)]

        def channelwise(level: int) -> nn.Sequential:
            blocks = range(channel_blocks[level])
            return nn.Sequential(*(_Channel(dims[level], heads[level], bias_free) for _ in blocks))

        def spatial(level: int) -> nn.Sequential:
            blocks = range(spatial_blocks[level])
            moves = level < 3 or latent_shift
            shifts = [window // 2 if moves and index % 2 else 0 for index in blocks]
            return nn.Sequential(*(_Spatial(dims[level], heads[level], window, s) for s in shifts))

        joined = (dims[1], dims[2], dims[1], dims[0])
        self.Convs = nn.ModuleList(nn.Conv2d(d, d, 3, padding=1) for d in joined)
        self.DWconvs = nn.ModuleList(nn.Conv2d(d, d, 3, padding=1, groups=d) for d in joined)
        self.patch_embed = _named(proj=nn.Conv2d(channels, dim, 3, padding=1, bias=False))

        self.encoder_level1, self.encoder1 = channelwise(0), spatial(0)
        self.down1_2, self.d1_2 = _down(dims[0]), _down(dims[0])
        self.encoder_level2, self.encoder2 = channelwise(1), spatial(1)
        self.down2_3, self.d2_3 = _down(dims[1]), _down(dims[1])
        self.encoder_level3, self.encoder3 = channelwise(2), spatial(2)
        self.down3_4, self.d3_4 = _down(dims[2]), _down(dims[2])
        self.s_latent = spatial(3)
        self.up4_3, self.u4_3 = _up(dims[3]), _up(dims[3])
        self.reduce_chan_level3, self.reduce3 = _halve(dims[3]), _halve(dims[3])
        self.decoder_level3, self.decoder3 = channelwise(2), spatial(2)
        self.up3_2, self.u3_2 = _up(dims[2]), _up(dims[2])
        self.reduce_chan_level2, self.reduce2 = _halve(dims[2]), _halve(dims[2])
        self.decoder_level2, self.decoder2 = channelwise(1), spatial(1)
        self.up2_1, self.u2_1 = _up(dims[1]), _up(dims[1])
        self.reduce_chan_level1, self.reduce1 = _halve(dims[1]), _halve(dims[1])
        self.decoder_level1, self.decoder1 = channelwise(0), spatial(0)
        last = (_Channel(dims[1], heads[0], bias_free) for _ in range(refinement))
        self.refinement = nn.Sequential(*last)
        self.output = nn.Conv2d(dims[1], channels, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """[B,C,H,W] on [0,1] -> same shape. c: channel-wise branch, s: spatial branch."""
        embedded = self.patch_embed(x)
        c1, s1 = self.encoder_level1(embedded), self.encoder1(embedded)
        c, s = self._exchange(0, self.down1_2(c1), self.d1_2(s1))
        c2, s2 = self.encoder_level2(c), self.encoder2(s)
        c, s = self._exchange(1, self.down2_3(c2), self.d2_3(s2))
        c3, s3 = self.encoder_level3(c), self.encoder3(s)
        c, s = self.s_latent(self.down3_4(c3)), self.s_latent(self.d3_4(s3))

        c = self.decoder_level3(self.reduce_chan_level3(torch.cat((self.up4_3(c), c3), 1)))
        s = self.decoder3(self.reduce3(torch.cat((self.u4_3(s), s3), 1)))
        c = self.reduce_chan_level2(torch.cat((self.up3_2(c), c2), 1))
        c, s = self._exchange(2, c, self.reduce2(torch.cat((self.u3_2(s), s2), 1)))
        c, s = self.decoder_level2(c), self.decoder2(s)
        c = self.reduce_chan_level1(torch.cat((self.up2_1(c), c1), 1))
        c, s = self._exchange(3, c, self.reduce1(torch.cat((self.u2_1(s), s1), 1)))
        c, s = self.decoder_level1(c), self.decoder1(s)
        return x + self.output(self.refinement(torch.cat((c, s), 1)))

    def is_table(self, name: str) -> bool:
        return name.endswith(".attn_mask")

    def disagrees(self, tables: Mapping[str, Tensor]) -> Iterator[str]:
        """Files for colour have masks of the blocks that shift, those for grey have none."""
        masked = {name.removesuffix(".attn_mask") for name in tables if self.is_table(name)}
        for name, block in self.named_modules():
            if masked and isinstance(block, _Spatial) and (name in masked) != bool(block.shift):
                yield f"{name} {'shifts' if name in masked else 'does not shift'}"

    def _exchange(self, place: int, c: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
        return c + self.DWconvs[place](s), s + self.Convs[place](c)


def _named(**modules: nn.Module) -> nn.Sequential:
    return nn.Sequential(OrderedDict(modules))


def _down(dim: int) -> nn.Sequential:
    conv = nn.Conv2d(dim, dim // 2, 3, padding=1, bias=False)
    return _named(body=nn.Sequential(conv, nn.PixelUnshuffle(2)))


def _up(dim: int) -> nn.Sequential:
    conv = nn.Conv2d(dim, dim * 2, 3, padding=1, bias=False)
    return _named(body=nn.Sequential(conv, nn.PixelShuffle(2)))


def _halve(dim: int) -> nn.Conv2d:
    return nn.Conv2d(dim, dim // 2, 1, bias=False)


class _Spatial(nn.Module):
    """Attention within windows, shifted in every other block."""

    def __init__(self, dim: int, heads: int, window: int, shift: int) -> None:
        super().__init__()
        self.window, self.shift = window, shift
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attn = _WindowAttention(dim, heads, window)
        self.mlp = Mlp(dim, int(dim * EXPANSION))

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        tokens = rearrange(x, "b c h w -> b h w c")
        right, below = -width % self.window, -height % self.window
        windows = F.pad(self.norm1(tokens), (0, 0, 0, right, 0, below))
        padded = windows.shape[1:3]
        shift = self.shift if min(padded) > self.window else 0
        windows = torch.roll(windows, (-shift, -shift), (1, 2))
        split = "b (y i) (x j) c -> (b y x) (i j) c"
        size = {"i": self.window, "j": self.window}
        labels = _regions(padded, self.window, shift, x.device)
        regions = rearrange(labels, split, **size)[..., 0] if shift else None
        out = self.attn(rearrange(windows, split, **size), regions)
        y, columns = padded[0] // self.window, padded[1] // self.window
        out = rearrange(out, "(b y x) (i j) c -> b (y i) (x j) c", y=y, x=columns, **size)
        out = torch.roll(out, (shift, shift), (1, 2))[:, :height, :width]
        tokens = tokens + out
        tokens = tokens + self.mlp(self.norm2(tokens))
        return rearrange(tokens, "b h w c -> b c h w")


def _regions(size: torch.Size, window: int, shift: int, device: torch.device) -> Tensor:
    """[1,H,W,1]: equal where tokens of a shifted window were neighbours before the shift."""
    parts = []
    for side in size:
        index = torch.arange(side, device=device)
        parts.append((index >= side - window).int() + (index >= side - shift).int())
    return (3 * parts[0][:, None] + parts[1])[None, :, :, None]


class _WindowAttention(nn.Module):
    relative_position_index: Tensor

    def __init__(self, dim: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads = heads
        table = torch.zeros((2 * window - 1) ** 2, heads)
        self.relative_position_bias_table = nn.Parameter(table)
        index = offset_index(window, window, torch.device("cpu"))
        self.register_buffer("relative_position_index", index, persistent=False)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor, regions: Tensor | None) -> Tensor:
        """[B,N,C] -> [B,N,C]; regions: [windows of an image,N] labels, None without shift."""
        q, k, v = rearrange(self.qkv(x), "b n (t h d) -> t b h n d", t=3, h=self.heads)
        bias = self.relative_position_bias_table[self.relative_position_index]
        bias = rearrange(bias, "n m h -> 1 h n m")
        if regions is not None:
            mask = (regions[:, :, None] != regions[:, None]) * -100.0
            bias = (bias + mask[:, None]).repeat(x.shape[0] // mask.shape[0], 1, 1, 1)
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=bias.to(q.dtype))
        return self.proj(rearrange(out, "b h n d -> b n (h d)"))


class _Channel(nn.Module):
    """Attention among channels and a gated feed-forward network, both as in Restormer."""

    def __init__(self, dim: int, heads: int, bias_free: bool) -> None:
        super().__init__()
        self.norm1, self.norm2 = _Norm(dim, bias_free), _Norm(dim, bias_free)
        self.attn = _ChannelAttention(dim, heads)
        self.ffn = _GatedFeedForward(dim, int(dim * EXPANSION))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.ffn(self.norm2(x))


class _Norm(nn.Module):
    """Layer normalisation over the channels of [B,C,H,W]; without bias the mean stays."""

    def __init__(self, dim: int, bias_free: bool) -> None:
        super().__init__()
        self.body = _Scale(dim, bias_free)

    def forward(self, x: Tensor) -> Tensor:
        variance = x.var(1, keepdim=True, unbiased=False)
        weight = self.body.weight[:, None, None]
        if self.body.bias is None:
            return x / torch.sqrt(variance + 1e-5) * weight
        centred = x - x.mean(1, keepdim=True)
        return centred / torch.sqrt(variance + 1e-5) * weight + self.body.bias[:, None, None]


class _Scale(nn.Module):
    def __init__(self, dim: int, bias_free: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))
        self.bias = None if bias_free else nn.Parameter(torch.zeros(dim))


class _ChannelAttention(nn.Module):
    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.qkv = nn.Conv2d(dim, 3 * dim, 1, bias=False)
        self.qkv_dwconv = nn.Conv2d(3 * dim, 3 * dim, 3, padding=1, groups=3 * dim, bias=False)
        self.project_out = nn.Conv2d(dim, dim, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        qkv = self.qkv_dwconv(self.qkv(x))
        q, k, v = rearrange(qkv, "b (t n c) h w -> t b n c (h w)", t=3, n=self.heads)
        weights = F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).mT * self.temperature
        out = weights.softmax(-1) @ v
        out = rearrange(out, "b n c (h w) -> b (n c) h w", h=x.shape[-2])
        return self.project_out(out)


class _GatedFeedForward(nn.Module):
    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.project_in = nn.Conv2d(dim, 2 * hidden, 1, bias=False)
        self.dwconv = nn.Conv2d(2 * hidden, 2 * hidden, 3, padding=1, groups=2 * hidden, bias=False)
        self.project_out = nn.Conv2d(hidden, dim, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gate, value = self.dwconv(self.project_in(x)).chunk(2, 1)
        return self.project_out(F.gelu(gate) * value)
