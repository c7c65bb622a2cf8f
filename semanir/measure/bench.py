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
from torch import Tensor

from semanir.attention.bias import dense_bias
from semanir.attention.dictionary import Dictionary, build_dictionary
from semanir.attention.dispatch import attend
from semanir.measure.layer import BACKENDS, TOKENS, Layer
from semanir.measure.peers import PEAK_SIDE, PEERS, peak_product
from semanir.measure.stage_tokens import stage_layer
from semanir.measure.timing import interleaved, peak_bytes, peak_bytes_cuda, where

CASES = [(256, 64), (1024, 64), (1024, 256), (1024, 512)]
STAGE_CASES = [(256, 64), (1024, 256)]  # on tokens of a stage
LAYERS = 6  # of a stage
SHARES = {"cpu": (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9), "cuda": (1 / 64, 1 / 32, 1 / 16, 1 / 8)}
SHARES["cuda"] += (0.25, 0.5, 0.75)
PRODUCTS = {"forward": 2, "forward_backward": 7}  # of scores or of sums, each a multiply and an add


class StageLayer(Layer):
    """The same of a released network's layer on a photograph."""

    def __init__(self, n: int, k: int, device: str = "cpu") -> None:
        found = stage_layer(n, k, device, TOKENS[device])
        self.tokens, self.dictionary, self.qkv, self.table = found
        self.window, self.k = (isqrt(n), isqrt(n)), k
        self.bias = dense_bias(self.table, self.window)


def bench(seconds: float = 4, device: str = "cpu") -> dict[str, Any]:
    """All comparisons; times under the names of the back ends and of the dense PEERS.

    "layers" are on random tokens, "stage_layers" on those of a released network's stage. "share" is
    the part of the machine's peak that each reaches with the operations that it is for: the peak is
    that of a large product, run in turns with them.
    """
    return {
        **where(device),
        "tokens": TOKENS[device],
        "backends": BACKENDS[device],
        "layers": [compare(Layer(n, k, device), seconds, device) for n, k in CASES],
        "stage_layers": [
            compare(StageLayer(n, k, device), seconds, device) for n, k in STAGE_CASES
        ],
        "dictionary": _dictionary(seconds, device),
        "stage": _stage(seconds, device),
        "switch": _switch(seconds, device),
        "memory": _memory(device),
        "errors": _errors(device),
    }


def compare(layer: Layer, seconds: float, device: str) -> dict[str, Any]:
    """Times and shares of the peak of all back ends and dense peers, forward and with backward."""
    names = (*BACKENDS[device], *PEERS[device])
    product, operations = peak_product(PEAK_SIDE[device], device)
    _, b, h, n, d = layer.qkv.shape
    row: dict[str, Any] = {"N": n, "K": layer.k, "B": b, "heads": h, "width": d, "share": {}}
    for what, run in (("forward", layer.run), ("forward_backward", layer.train)):
        with torch.set_grad_enabled(what != "forward"):
            functions: dict[str, Callable[[], Any]] = {name: partial(run, name) for name in names}
            times = interleaved({**functions, "product": product}, seconds)
        peak = operations / times.pop("product")
        each = 2 * PRODUCTS[what] * d
        row["share"][what] = {name: each * layer.pairs(name) / times[name] / peak for name in names}
        row[what] = times
    return row


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
