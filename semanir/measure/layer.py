"""The attention of one layer, as it is timed and its memory measured.

# B windows, H heads, N = h * w tokens, K keys per query, D head width
"""

from math import isqrt

import torch
from torch import Tensor

from semanir.attention.bias import dense_bias
from semanir.attention.dictionary import build_dictionary
from semanir.attention.dispatch import attend
from semanir.measure.peers import dense, dense_with_gradients

TOKENS = {"cpu": 4096, "cuda": 65536}  # of one 64x64 feature map; of one that fills a GPU
HEADS, WIDTH, CHANNELS = 6, 30, 180  # of SemanIR-S
BACKENDS = {  # by device; the first is what is measured against the others
    "cpu": ("fused", "mask", "gather"),
    "cuda": ("triton", "triton-gather", "mask", "gather"),
}
DENSE = ("dense", "flex")  # how names of PEERS start


class Layer:
    """Random q, k, v, a bias table and a dictionary: the attention of one layer."""

    def __init__(self, n: int, k: int, device: str = "cpu", tokens: int | None = None) -> None:
        side = max(d for d in range(1, isqrt(n) + 1) if n % d == 0)
        self.window = (side, n // side)
        source = torch.Generator().manual_seed(n)
        b = max(1, (tokens or TOKENS[device]) // n)
        self.tokens = torch.randn(b, n, CHANNELS, generator=source).to(device)
        # as the projection of a layer makes them
        qkv = torch.randn(b, n, 3, HEADS, WIDTH, generator=source).to(device)
        self.qkv = qkv.permute(2, 0, 3, 1, 4)
        entries = (2 * self.window[0] - 1) * (2 * self.window[1] - 1)
        self.table = torch.randn(HEADS, entries, generator=source).to(device)
        self.bias = dense_bias(self.table, self.window)
        self.k = k
        self.dictionary = build_dictionary(self.tokens, k)

    def run(self, backend: str) -> Tensor:
        """Attention by one back end, or by a name of PEERS over every key: [B,H,N,D]."""
        q, k, v = self.qkv
        if backend.startswith(DENSE):  # the bias is looked up once, as at inference
            return dense(backend, self.qkv, self.table, self.bias, self.window)
        return attend(q, k, v, self.dictionary, self.table, self.window, backend=backend)

    def train(self, backend: str) -> None:
        """Forward and all gradients, the bias table's too."""
        qkv = self.qkv.detach().requires_grad_()
        table = self.table.detach().requires_grad_()
        q, k, v = qkv
        if backend.startswith(DENSE):
            return dense_with_gradients(backend, qkv, table, self.qkv[0], self.window)
        out = attend(q, k, v, self.dictionary, table, self.window, backend=backend)
        torch.autograd.grad(out, [qkv, table], self.qkv[0])

    def pairs(self, backend: str) -> int:
        """Queries times their keys, of all windows and heads."""
        _, b, h, n, _ = self.qkv.shape
        return h * (b * n * n if backend.startswith(DENSE) else int(self.dictionary.counts.sum()))
