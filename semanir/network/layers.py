"""The key-semantic transformer stage (paper Sec. 3, Alg. 1) and its layers.

# B windows (batch x windows of an image), H heads, N tokens, D head width, C = H * D channels
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from semanir.attention import AllKeys, Dictionary, Keys, attend, build_dictionary
from semanir.attention.constant import constant
from semanir.attention.heads import split_heads
from semanir.network.cache import ParameterCache, may_cache
from semanir.network.config import LayerConfig
from semanir.network.linear import Linear
from semanir.network.windows import pad_reflect, partition, region_labels, unpartition


class PositionBias(nn.Module):
    """Relative position bias from a small network over log-spaced offsets (fit; form: sister).

    Its parameters do not depend on the window. Without gradients a table is made once and cached
    until the parameters change.
    """

    def __init__(self, heads: int) -> None:
        super().__init__()
        first, second = Linear(2, 512), Linear(512, heads, bias=False)
        self.mlp = nn.Sequential(first, nn.ReLU(inplace=True), second)
        self._cache = ParameterCache()

    def forward(self, window: tuple[int, int]) -> Tensor:
        """A window (h, w) -> its table [heads, (2h-1)*(2w-1)]."""
        if not may_cache(next(self.mlp.parameters())):
            return self._table(window)
        return self._cache.get(window, self.mlp.parameters(), lambda: self._table(window))

    def _table(self, window: tuple[int, int]) -> Tensor:
        weight = next(self.mlp.parameters())
        offsets = _log_offsets(window, weight.device, weight.dtype)  # [(2h-1)*(2w-1), 2]
        first, relu, second = self.mlp
        return 16 * torch.sigmoid(second(first(offsets), before=relu)).t()


@constant
def _log_offsets(window: tuple[int, int], device: torch.device, dtype: torch.dtype) -> Tensor:
    h, w = window
    # on the CPU first, as some devices have no float64
    y = torch.arange(1 - h, h, dtype=torch.float64, device="cpu") / max(h - 1, 1)
    x = torch.arange(1 - w, w, dtype=torch.float64, device="cpu") / max(w - 1, 1)
    t = torch.stack(torch.meshgrid(y, x, indexing="ij"), dim=-1).reshape(-1, 2)
    return (t.sign() * torch.log2(1 + 8 * t.abs()) / 3).to(device, dtype)


class KeySemanticAttention(nn.Module):
    """Attention over the keys that the stage's dictionary lists (paper Sec. 3.2)."""

    def __init__(self, dim: int, heads: int, config: LayerConfig) -> None:
        super().__init__()
        self.heads = heads
        self.backend = config.backend
        self.qkv = Linear(dim, 3 * dim)
        self.proj = Linear(dim, dim)
        self.bias = PositionBias(heads)
        cosine = config.attention == "cosine"
        self.logit_scale = nn.Parameter(torch.full((heads, 1, 1), 10.0).log()) if cosine else None

    def forward(
        self,
        x: Tensor,
        dictionary: Keys,
        window: tuple[int, int],
        before: nn.LayerNorm | None = None,
        residual: Tensor | None = None,
    ) -> Tensor:
        """Attention of before(x) plus residual: tokens x [B,N,C] of windows (h, w), h * w = N."""
        b, n, c = x.shape
        q, k, v = split_heads(self.qkv(x, before=before), self.heads)  # [B,H,N,D]
        if self.logit_scale is not None:
            # attend() divides by sqrt(D), so the cosine's own scale is multiplied by it here
            scale = self.logit_scale.clamp(max=4.6052).exp() * q.shape[-1] ** 0.5
            q, k = F.normalize(q, dim=-1) * scale, F.normalize(k, dim=-1)
            q, k = q.to(v.dtype), k.to(v.dtype)  # autocast leaves some of it in float32
        out = attend(q, k, v, dictionary, self.bias(window), window, backend=self.backend)
        mixed: Tensor = self.proj(out.transpose(1, 2).reshape(b, n, c), residual=residual)
        return mixed


class Layer(nn.Module):
    """Attention and feed-forward, each with its residual (pre- or post-norm)."""

    def __init__(self, dim: int, heads: int, config: LayerConfig) -> None:
        super().__init__()
        hidden = config.ffn_ratio * dim
        self.post_norm = config.norm == "post"
        self.norm1 = nn.LayerNorm(dim)
        self.attention = KeySemanticAttention(dim, heads, config)
        self.norm2 = nn.LayerNorm(dim)
        self.ffn = nn.Sequential(Linear(dim, hidden), nn.GELU(), Linear(hidden, dim))

    @torch.no_grad()
    def begin_as_identity(self) -> None:
        """Set the last matrices to zero, so that the layer gives back its tokens until trained."""
        for last in (self.attention.proj, self.ffn[2]):
            for parameter in last.parameters():
                nn.init.zeros_(parameter)

    def forward(self, x: Tensor, dictionary: Keys, window: tuple[int, int]) -> Tensor:
        """Tokens x [B,N,C] of windows (h, w), h * w = N -> [B,N,C]."""
        if self.post_norm:
            x = x + self.norm1(self.attention(x, dictionary, window))
            return x + self.norm2(self._feed_forward(x))
        if self.attention.qkv.compiles(x):
            x = self.attention(x, dictionary, window, before=self.norm1, residual=x)
        else:  # whoever hooks into the attention sees normalised tokens
            x = self.attention(self.norm1(x), dictionary, window, residual=x)
        return self._feed_forward(x, before=self.norm2, residual=x)

    def _feed_forward(
        self, x: Tensor, before: nn.LayerNorm | None = None, residual: Tensor | None = None
    ) -> Tensor:
        first, gelu, second = self.ffn
        out: Tensor = second(first(x, before=before), before=gelu, residual=residual)
        return out


class Stage(nn.Module):
    """Paper Alg. 1: one dictionary of the stage input for all layers, then conv + residual.

    `shifted` stages roll the feature map by half a window; keys from wrapped regions are never
    selected. The shift alternates from stage to stage and never inside one, so the dictionary stays
    valid for the whole stage (ours).
    """

    def __init__(
        self, dim: int, heads: int, layers: int, config: LayerConfig, *, shifted: bool
    ) -> None:
        super().__init__()
        self.window = config.window
        self.shifted = shifted
        self.keys = config.keys
        self.per_layer = config.dictionary == "layer"
        self.similarity = config.similarity
        self.include_self = config.include_self
        self.ranks_self = config.ranks_self
        self.layers = nn.ModuleList(Layer(dim, heads, config) for _ in range(layers))
        self.conv = nn.Conv2d(dim, dim, 3, padding=1)

    def forward(self, x: Tensor, k: int) -> Tensor:
        """x [batch, C, height, width] of any size; k keys per query; returns the same shape."""
        height, width = x.shape[-2:]
        window = min(self.window, height), min(self.window, width)
        padded = pad_reflect(x, window)
        size = padded.shape[-2], padded.shape[-1]
        shift = (
            window[0] // 2 if self.shifted and size[0] > window[0] else 0,
            window[1] // 2 if self.shifted and size[1] > window[1] else 0,
        )

        # regular windows of a rolled map, and labels of the tokens that may see each other
        tokens = partition(padded, window, shift)  # [B,N,C]
        valid = None
        if any(shift):
            labels = region_labels(size, window, shift, x.device)
            valid = labels.repeat(x.shape[0], 1)  # [B,N]

        dictionary = AllKeys(valid) if self.keys == "all" else self._dictionary(tokens, k, valid)
        for number, layer in enumerate(self.layers):
            if number and self.per_layer and self.keys != "all":
                dictionary = self._dictionary(tokens, k, valid)
            tokens = layer(tokens, dictionary, window)

        out = unpartition(tokens, window, size, shift)
        return x + self.conv(out[..., :height, :width])

    def _dictionary(self, tokens: Tensor, k: int, valid: Tensor | None) -> Dictionary:
        return build_dictionary(
            self._similarity_space(tokens),
            k,
            include_self=self.include_self,
            ranks_self=self.ranks_self,
            valid=valid,
        )

    def _similarity_space(self, tokens: Tensor) -> Tensor:
        if self.similarity == "cosine":
            return F.normalize(tokens, dim=-1)
        if self.similarity == "layernorm":
            return F.layer_norm(tokens, tokens.shape[-1:])
        return tokens


def channel_norm(norm: nn.LayerNorm, x: Tensor) -> Tensor:
    """LayerNorm over the channels of a feature map [S,C,H,W]."""
    return norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def initialise(network: nn.Module) -> None:
    """Truncated normal of 0.02 for linear layers (sister); convolutions keep torch's default.

    Queries start as a rotation of the tokens, and keys as queries (ours): scores are dot products
    of tokens, each of which attends to similar ones from the first iteration. Values start at
    1 / sqrt(width). At 0.02 all scores are nearly equal; narrow networks then train for long, or
    for good, without using their attention.
    """
    for module in network.modules():
        if isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    for module in network.modules():
        if isinstance(module, KeySemanticAttention):
            weight, width = module.qkv.weight, module.qkv.in_features
            nn.init.trunc_normal_(weight, std=width**-0.5)
            queries = nn.init.orthogonal_(torch.empty(width, width))
            with torch.no_grad():
                weight[: 2 * width] = torch.cat([queries, queries])


def zero(conv: nn.Conv2d) -> None:
    """Start an output convolution at zero: the network begins as its skip connection (ours)."""
    for parameter in conv.parameters():
        nn.init.zeros_(parameter)
