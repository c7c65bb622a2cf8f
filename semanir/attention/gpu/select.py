"""The k largest similarities of each query on a GPU, by bisection of their bits; nothing is sorted.

A program has one row in registers and finds the k-th largest similarity in 32 halvings of the range
of float32, then writes the keys above it in order. No atomics, nothing for the CPU to wait for.

# B windows, R queries, N keys
"""

# mypy: disable-error-code="import-not-found, import-untyped, no-untyped-def"
# ruff: noqa: N803 (constants of a kernel are in capitals)

import torch
import triton
import triton.language as tl
from torch import Tensor

LARGEST = 16384  # keys of a row that a program holds


@triton.jit(do_not_specialize=("k_most", "n"))
def _select(similarity, indices, counts, k_most, n, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    columns = tl.arange(0, BLOCK)
    x = tl.load(similarity + row * n + columns, mask=columns < n, other=float("-inf"))

    # float32 as whole numbers in the same order: negative ones with all bits turned, others with
    # their sign alone; -0.0 equals 0.0
    bits = tl.where(x == 0, 0.0, x).to(tl.int32, bitcast=True)
    bits = tl.where(bits < 0, ~bits, bits ^ -2147483648).to(tl.uint32, bitcast=True)
    kth = tl.full([], 0, tl.uint32)
    bit = tl.full([], 2147483648, tl.uint32)
    for _ in range(32):
        kth = tl.where(tl.sum((bits >= (kth | bit)).to(tl.int32), 0) >= k_most, kth | bit, kth)
        bit = bit >> 1

    above = bits > kth
    room = k_most - tl.sum(above.to(tl.int32), 0)
    equal = ((bits == kth) & (x > float("-inf"))).to(tl.int32)
    selected = above | ((equal != 0) & (tl.cumsum(equal, 0) <= room))
    place = tl.cumsum(selected.to(tl.int32), 0) - 1
    tl.store(indices + row * k_most + place, columns, mask=selected)
    tl.store(counts + row, tl.sum(selected.to(tl.int32), 0))


def supported(similarity: Tensor) -> bool:
    """Whether `select` takes rows of this type and length."""
    return similarity.dtype == torch.float32 and similarity.shape[-1] <= LARGEST


def select(similarity: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """As `select` of select.py: similarity [B,R,N] float32, N up to LARGEST, k up to N."""
    b, r, n = similarity.shape
    indices = torch.full((b, r, k), n, dtype=torch.int32, device=similarity.device)
    counts = torch.empty(b, r, dtype=torch.int32, device=similarity.device)
    with torch.cuda.device_of(similarity):
        _select[(b * r,)](
            similarity.contiguous(), indices, counts, k, n,
            BLOCK=triton.next_power_of_2(n), num_warps=warps_of(n),
        )  # fmt: skip
    return indices, counts


def warps_of(n: int) -> int:
    """One for each 2048 keys, 64 of a thread, as measured on an H100."""
    return min(8, triton.next_power_of_2(triton.cdiv(n, 2048)))
