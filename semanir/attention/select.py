"""The k largest similarities of each query: the compiled selection on CPUs, plain torch elsewhere.

# B windows, R queries, N keys
"""

from typing import Any

import torch
from torch import Tensor

from semanir.attention.build import kernels


def select(similarity: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """similarity [B,R,N] -> the keys of each row [B,R,k] int32 and their number [B,R] int32.

    The k largest that are above -inf, in ascending order of index, filled up with N; among equals
    the lowest index comes first. Contains no NaN.
    """
    on_cpu = similarity.device.type == "cpu" and similarity.dtype == torch.float32
    if on_cpu and kernels() is not None:
        indices, counts = select_op(similarity, k)
        return indices, counts
    return select_plainly(similarity, k)


def select_plainly(similarity: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """As `select`, in torch."""
    b, r, n = similarity.shape
    selected = _largest(similarity, k)
    counts = selected.sum(-1, dtype=torch.int32)
    indices = torch.full((b, r, k), n, dtype=torch.int32, device=similarity.device)
    slots = torch.arange(k, device=similarity.device)
    # nonzero lists the keys of a row in ascending order
    indices.masked_scatter_(slots < counts[..., None], selected.nonzero()[:, 2].int())
    return indices, counts


def _largest(similarity: Tensor, k: int) -> Tensor:
    """True at the k largest entries of each row, lowest index first among equals; never at -inf."""
    kth = similarity.topk(k, sorted=False).values.amin(-1, keepdim=True)
    kth.clamp_(min=torch.finfo(kth.dtype).min)
    selected = similarity >= kth
    if (selected.sum(-1, dtype=torch.int32) > k).any():
        greater = similarity > kth
        equal = similarity == kth
        room = k - greater.sum(-1, keepdim=True, dtype=torch.int32)
        selected = greater | (equal & (equal.cumsum(-1, dtype=torch.int32) <= room))
    return selected


@torch.library.custom_op("semanir::select_keys", mutates_args=(), device_types="cpu")
def select_op(similarity: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """similarity [B,R,N] -> the k largest of each row above -inf [B,R,k] int32, their number [B,R].

    In ascending order of index, filled up with N; lowest index first among equals.
    """
    b, r, _ = similarity.shape
    indices = torch.empty(b, r, k, dtype=torch.int32)
    counts = torch.empty(b, r, dtype=torch.int32)
    module: Any = kernels()
    module.select_keys(similarity.contiguous(), k, indices, counts)
    return indices, counts


@select_op.register_fake
def _(similarity, k):  # type: ignore[no-untyped-def]
    b, r, _ = similarity.shape
    return (
        similarity.new_empty(b, r, k, dtype=torch.int32),
        similarity.new_empty(b, r, dtype=torch.int32),
    )
