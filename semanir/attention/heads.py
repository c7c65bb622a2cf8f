"""Queries, keys and values of the heads, from the projection that makes all three.

# B windows, H heads, N tokens, D head width, C = H * D channels
"""

from typing import Any

import torch
from torch import Tensor

from semanir.attention.constant import is_traced


def split_heads(qkv: Tensor, heads: int) -> tuple[Tensor, Tensor, Tensor]:
    """qkv [B,N,3*C] -> q, k, v, views [B,H,N,D].

    Gradients that a back end has written side by side, as qkv is, are taken without a copy.
    """
    if is_traced() or not (torch.is_grad_enabled() and qkv.requires_grad):
        q, k, v = _split(qkv, heads)
        return q, k, v
    parts: tuple[Tensor, Tensor, Tensor] = _SplitHeads.apply(qkv, heads)
    return parts


def _split(qkv: Tensor, heads: int) -> tuple[Tensor, ...]:
    b, n, _ = qkv.shape
    return qkv.view(b, n, 3, heads, -1).permute(2, 0, 3, 1, 4).unbind()


class _SplitHeads(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, qkv: Tensor, heads: int) -> tuple[Tensor, ...]:
        return _split(qkv, heads)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        b, h, n, d = grads[0].shape
        if not torch.is_grad_enabled() and _side_by_side(grads):
            width = 3 * h * d
            return grads[0].as_strided((b, n, width), (n * width, width, 1)), None
        return torch.stack([grad.transpose(1, 2) for grad in grads], 2).reshape(b, n, -1), None


def _side_by_side(parts: tuple[Tensor, ...]) -> bool:
    """Whether three tensors [B,H,N,D] lie in memory as `_split` leaves them."""
    _, h, n, d = parts[0].shape
    strides, first = (3 * n * h * d, d, 3 * h * d, 1), parts[0].data_ptr()
    size = parts[0].element_size()
    return all(
        part.stride() == strides and part.data_ptr() == first + number * h * d * size
        for number, part in enumerate(parts)
    )
