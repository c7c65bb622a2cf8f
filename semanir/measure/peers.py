"""Dense window attention as fast as torch has it, and the peak of the machine.

Those for GPUs alone (FlexAttention, bfloat16) are held against the others on a CPU, where
FlexAttention is not compiled. On a GPU none of this file was run yet.

# B windows, H heads, N = h * w tokens, D head width
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from semanir.attention.bias import dense_bias, position_codes

# by device; the first is the one that ratios are printed against
PEERS = {
    "cpu": ("dense", "dense without bias"),
    "cuda": ("dense", "dense without bias", "dense bf16", "flex"),
}
# sides of square products: large enough for a machine's peak, small enough to be repeated
PEAK_SIDE = {"cpu": 1024, "cuda": 8192}


def dense(name: str, qkv: Tensor, table: Tensor, bias: Tensor, window: tuple[int, int]) -> Tensor:
    """Attention over every key: qkv [3,B,H,N,D], table [H,T], bias [H,N,N] of it -> [B,H,N,D].

    name: of PEERS; SDPA with and without the bias, SDPA in bfloat16, FlexAttention compiled, which
    looks the biases up in the table.
    """
    q, k, v = qkv
    if name == "dense":
        return F.scaled_dot_product_attention(q, k, v, attn_mask=bias[None])
    if name == "dense without bias":
        return F.scaled_dot_product_attention(q, k, v)
    if name == "dense bf16":
        q, k, v, bias = (x.bfloat16() for x in (q, k, v, bias))
        return F.scaled_dot_product_attention(q, k, v, attn_mask=bias[None])
    if name == "flex":
        return flex(qkv, table, window, _compiled_flex())
    raise KeyError(name)


def flex(
    qkv: Tensor, table: Tensor, window: tuple[int, int], attention: Callable[..., Any]
) -> Tensor:
    """By `flex_attention`, compiled or not; the bias is added to each score."""
    code = position_codes(window, table.device)
    last = code[-1]

    def with_bias(score: Tensor, b: Tensor, h: Tensor, i: Tensor, j: Tensor) -> Tensor:
        return score + table[h, code[i] - code[j] + last]

    out: Tensor = attention(*(x.contiguous() for x in qkv), score_mod=with_bias)
    return out


@cache
def _compiled_flex() -> Callable[..., Any]:
    from torch.nn.attention.flex_attention import flex_attention  # imports torch's compiler

    compiled: Callable[..., Any] = torch.compile(flex_attention)
    return compiled


def dense_with_gradients(
    name: str, qkv: Tensor, table: Tensor, grad: Tensor, window: tuple[int, int]
) -> None:
    """Forward and all gradients, the bias table's too where there is one."""
    out = dense(name, qkv, table, dense_bias(table, window), window)
    inputs = [qkv] if name == "dense without bias" else [qkv, table]
    torch.autograd.grad(out, inputs, grad.to(out.dtype))


def peak_product(side: int, device: str) -> tuple[Callable[[], Tensor], float]:
    """A product of two float32 matrices of that side, and its operations.

    PEAK_SIDE has the sides that reach the peak of a device. As torch has it by default: no TF32.
    """
    a, b = (torch.randn(side, side, device=device) for _ in range(2))
    out = torch.empty(side, side, device=device)
    return lambda: torch.mm(a, b, out=out), 2.0 * side**3
