"""Identical tokens of a window, found exactly.

A matrix product rounds columns at the edge of its tiles in another order than the others, so the
same key in two places can get two similarities that differ in the last bit, and "the lowest index
wins ties" would fail on flat regions. Seen with MKL in about a third of shapes in AVX2 code, and in
AVX-512 code where a product has a single row. The remedy: each key takes the value of its first
duplicate. The compiled products (kernels/product.h) round all columns alike and need no remedy.

# B windows, N tokens, C channels
"""

import torch
from torch import Tensor

from semanir.attention.constant import constant


def first_duplicates(tokens: Tensor) -> Tensor | None:
    """tokens [B,N,C] float32 or float64 -> [B,N] int64, the first token identical to each.

    None where no two tokens of a window are identical.
    """
    n = tokens.shape[1]
    keys, order = _hashes(tokens).sort(dim=-1, stable=True)
    leads = torch.ones_like(keys, dtype=torch.bool)
    leads[:, 1:] = keys[:, 1:] != keys[:, :-1]
    if leads.all():
        return None

    # the sort is stable: the first of each run of equal hashes has the lowest token index
    ranks = torch.arange(n, device=tokens.device)
    lead = torch.where(leads, ranks, 0).cummax(-1).values
    firsts = torch.empty_like(order).scatter_(-1, order, order.gather(-1, lead))

    # a hash may collide: such a token keeps its own value
    same = (tokens == tokens.gather(1, firsts[..., None].expand_as(tokens))).all(-1)
    return torch.where(same, firsts, ranks)


def _hashes(tokens: Tensor) -> Tensor:
    """[B,N] int64; sums of integers are exact in any order, so identical tokens hash alike."""
    weights = _weights(tokens.shape[-1], tokens.device)
    integer = torch.int64 if tokens.dtype == torch.float64 else torch.int32
    bits = (tokens + 0.0).view(integer).long()  # + 0.0 turns -0.0, which equals 0.0, into 0.0
    return (bits * weights).sum(-1)


@constant
def _weights(channels: int, device: torch.device) -> Tensor:
    """[C] odd random integers."""
    source = torch.Generator().manual_seed(0)
    limits = -(2**63), 2**63 - 1
    odd = torch.randint(*limits, (channels,), generator=source, device="cpu") | 1
    return odd.to(device)
