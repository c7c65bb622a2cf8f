"""The k largest similarities of each query: compiled on CPUs, by Triton on GPUs, else plain torch.

# B windows, R queries, N keys, C channels
"""

from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import register_flop_formula

from semanir.attention.cpu.build import kernels
from semanir.attention.operators import cpu_operator


def select(similarity: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """similarity [B,R,N] -> the keys of each row [B,R,k] int32 and their number [B,R] int32.

    The k largest that are above -inf, in ascending order of index, filled up with N; among equals
    the lowest index comes first. Contains no NaN.
    """
    on_cpu = similarity.device.type == "cpu" and similarity.dtype == torch.float32
    if on_cpu and kernels() is not None:
        indices, counts = select_op(similarity, k)
        return indices, counts
    if similarity.is_cuda and find_spec("triton") is not None:
        from semanir.attention.gpu.select import select as select_on_gpu
        from semanir.attention.gpu.select import supported

        if supported(similarity):
            return select_on_gpu(similarity, k)
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


@cpu_operator("semanir::select_keys")
def select_op(similarity: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """similarity [B,R,N] -> the k largest of each row above -inf [B,R,k] int32, their number [B,R].

    In ascending order of index, filled up with N; lowest index first among equals.
    """
    b, r, _ = similarity.shape
    indices = similarity.new_empty(b, r, k, dtype=torch.int32)
    counts = similarity.new_empty(b, r, dtype=torch.int32)
    module: Any = kernels()
    module.select_keys(similarity.contiguous(), k, indices, counts)
    return indices, counts


@torch.library.impl("semanir::select_keys", "meta")
def _(similarity, k):  # type: ignore[no-untyped-def]
    b, r, _ = similarity.shape
    return (
        similarity.new_empty(b, r, k, dtype=torch.int32),
        similarity.new_empty(b, r, dtype=torch.int32),
    )


def compiled_products(tokens: Tensor) -> bool:
    """Whether `most_similar_op` takes these tokens, and beats the products of torch."""
    if tokens.device.type != "cpu" or tokens.dtype != torch.float32:
        return False
    module: Any = kernels()
    return module is not None and module.instruction_set != "DEFAULT"


@cpu_operator("semanir::most_similar")
def most_similar_op(
    tokens: Tensor, k: int, include_self: bool, labels: Tensor | None
) -> tuple[Tensor, Tensor]:
    """tokens [B,N,C] -> what `select_op` makes of all their dot products, which nothing holds.

    Identical tokens get identical products. labels [B,N] int64: queries select keys of their own.
    """
    b, n, _ = tokens.shape
    indices = tokens.new_empty(b, n, k, dtype=torch.int32)
    counts = tokens.new_empty(b, n, dtype=torch.int32)
    labels = None if labels is None else labels.contiguous()
    module: Any = kernels()
    module.most_similar(tokens.contiguous(), k, include_self, labels, indices, counts)
    return indices, counts


@torch.library.impl("semanir::most_similar", "meta")
def _(tokens, k, include_self, labels):  # type: ignore[no-untyped-def]
    b, n, _ = tokens.shape
    return (
        tokens.new_empty(b, n, k, dtype=torch.int32),
        tokens.new_empty(b, n, dtype=torch.int32),
    )


@register_flop_formula(torch.ops.semanir.most_similar)
def most_similar_flops(tokens: tuple[int, ...], *rest: Any, **named: Any) -> int:
    """A multiply and an add for each query, key and channel."""
    b, n, c = tokens
    return 2 * b * n * n * c


def fvcore_most_similar(inputs: list[Any], outputs: list[Any]) -> int:
    """fvcore's count, which takes a multiply and an add as one."""
    b, n, c = inputs[0].type().sizes()
    return int(b * n * n * c)
