"""What sparsity gains: time and memory of the back ends beside dense window attention.

Everything that is compared runs interleaved in one process; times are medians of wall-clock
milliseconds, and only their ratios mean anything on another machine. With device="cuda" it waits
for the GPU around every function and compares the Triton back ends.

# B windows, H heads, N = h * w tokens, K keys per query, D head width
"""

from collections.abc import Callable
from functools import partial
from math import isqrt
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from semanir.attention.bias import dense_bias
from semanir.attention.dictionary import Dictionary, build_dictionary
from semanir.attention.dispatch import attend
from semanir.measure.timing import interleaved, peak_bytes, peak_bytes_cuda

TOKENS = {"cpu": 4096, "cuda": 65536}  # of one 64x64 feature map; of one that fills a GPU
HEADS, WIDTH, CHANNELS = 6, 30, 180  # of SemanIR-S
CASES = [(256, 64), (1024, 64), (1024, 256), (1024, 512)]
LAYERS = 6  # of a stage
SHARES = {"cpu": (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9), "cuda": (1 / 64, 1 / 32, 1 / 16, 1 / 8)}
SHARES["cuda"] += (0.25, 0.5, 0.75)
BACKENDS = {  # by device; the first is what is measured against the others
    "cpu": ("fused", "mask", "gather"),
    "cuda": ("triton", "triton-gather", "mask", "gather"),
}


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
        """Attention by one back end, "dense" for every key through SDPA: [B,H,N,D]."""
        q, k, v = self.qkv
        if backend == "dense":  # the bias is looked up once, as at inference
            return F.scaled_dot_product_attention(q, k, v, attn_mask=self.bias[None])
        return attend(q, k, v, self.dictionary, self.table, self.window, backend=backend)

    def train(self, backend: str) -> None:
        """Forward and all gradients, the bias table's too."""
        qkv = self.qkv.detach().requires_grad_()
        table = self.table.detach().requires_grad_()
        q, k, v = qkv
        if backend == "dense":
            bias = dense_bias(table, self.window)[None]
            out = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        else:
            out = attend(q, k, v, self.dictionary, table, self.window, backend=backend)
        torch.autograd.grad(out, [qkv, table], self.qkv[0])


def bench(seconds: float = 4, device: str = "cpu") -> dict[str, Any]:
    """All comparisons; times under the names of the back ends, "dense" the peer of each."""
    backends = (*BACKENDS[device], "dense")
    layers = []
    for n, k in CASES:
        layer = Layer(n, k, device)
        with torch.no_grad():
            forward = interleaved({b: partial(layer.run, b) for b in backends}, seconds)
        both = interleaved({b: partial(layer.train, b) for b in backends}, seconds)
        layers.append({"N": n, "K": k, "forward": forward, "forward_backward": both})
    return {
        "threads": torch.get_num_threads(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
        "tokens": TOKENS[device],
        "backends": BACKENDS[device],
        "layers": layers,
        "dictionary": _dictionary(seconds, device),
        "stage": _stage(seconds, device),
        "switch": _switch(seconds, device),
        "memory": _memory(device),
        "errors": _errors(device),
    }


@torch.no_grad()
def _dictionary(seconds: float, device: str) -> dict[str, Any]:
    layer = Layer(1024, 256, device)

    def with_topk(in_order: bool) -> Tensor:
        similarity = layer.tokens @ layer.tokens.mT
        similarity.diagonal(0, 1, 2).fill_(-torch.inf)
        return similarity.topk(256, sorted=in_order).indices

    functions: dict[str, Callable[[], Any]] = {
        "build_dictionary": partial(build_dictionary, layer.tokens, 256),
        "product_and_topk": partial(with_topk, True),
        "product_and_unsorted_topk": partial(with_topk, False),
    }
    return {"N": 1024, "K": 256, **interleaved(functions, seconds)}


@torch.no_grad()
def _stage(seconds: float, device: str) -> dict[str, Any]:
    layer = Layer(1024, 256, device)

    def sparse() -> None:
        layer.dictionary = build_dictionary(layer.tokens, 256)
        for _ in range(LAYERS):
            layer.run(BACKENDS[device][0])

    def dense() -> None:
        for _ in range(LAYERS):
            layer.run("dense")

    pair: dict[str, Callable[[], Any]] = {"sparse": sparse, "dense": dense}
    return {"N": 1024, "K": 256, "layers": LAYERS, **interleaved(pair, seconds)}


@torch.no_grad()
def _switch(seconds: float, device: str) -> list[dict[str, Any]]:
    """All but gather against mask at growing K: where `backend="auto"` should change over."""
    rows = []
    for share in SHARES[device]:
        layer = Layer(1024, int(share * 1024), device)
        some = {b: partial(layer.run, b) for b in BACKENDS[device][:-1]}
        rows.append({"N": 1024, "K": layer.k, **interleaved(some, seconds / 4)})
    return rows


@torch.no_grad()
def _memory(device: str) -> dict[str, Any]:
    layer = Layer(4096, 128, device)
    measure = peak_bytes_cuda if device == "cuda" else peak_bytes
    peaks = {}
    for name in (*BACKENDS[device], "dense"):
        # what a stage keeps for its layers counts as well
        layer.dictionary = Dictionary(layer.dictionary.indices, layer.dictionary.counts)
        peaks[name] = measure(partial(layer.run, name))
    return {"N": 4096, "K": 128, "batch": 1, "peak": peaks}


def _errors(device: str) -> dict[str, float]:
    """Largest difference of the first back end from float64, relative to the largest value."""
    layer = Layer(1024, 256, device, tokens=1024)
    results = {}
    for backend, dtype in ((BACKENDS[device][0], torch.float32), ("reference", torch.float64)):
        qkv = layer.qkv.to(dtype).detach().requires_grad_()
        table = layer.table.to(dtype).detach().requires_grad_()
        q, k, v = qkv
        out = attend(q, k, v, layer.dictionary, table, layer.window, backend=backend)
        grads = torch.autograd.grad(out, [qkv, table], layer.qkv[0].to(dtype))
        results[backend] = [out.detach(), *grads[0], grads[1]]
    pairs = zip(("out", "q", "k", "v", "bias"), *results.values(), strict=True)
    return {
        name: float((got.double() - exact).abs().max() / exact.abs().max())
        for name, got, exact in pairs
    }
