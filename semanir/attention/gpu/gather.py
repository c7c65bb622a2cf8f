"""A program per query reads the rows of its keys; the plain reference of flash.py.

The faster of the two where a query has few of its window's keys. Tested and tuned on an H100
(sm_90); for sm_80 compiled and run by Triton's interpreter only.

dk and dv are summed by key: each program walks a piece of a key's queries, at most 128, and a
second kernel adds the pieces in order. All arithmetic is in float32.

# B windows, H heads, N = h * w tokens, K keys per query, D head width, P pieces
"""

# mypy: disable-error-code="import-not-found, import-untyped, no-untyped-def"
# ruff: noqa: N803 (constants of a kernel are in capitals)

import torch
import triton
import triton.language as tl
from torch import Tensor

from semanir.attention.dictionary import Dictionary
from semanir.attention.gpu.blocks import PIECE
from semanir.attention.gpu.common import LN2, SIZES, Inputs, codes
from semanir.attention.gpu.launch import Grads, attention

SLOTS = 32  # keys or queries read at a time
WARPS = 1


@triton.jit
def read_row(x, D: tl.constexpr):
    return tl.load(x + tl.arange(0, D)).to(tl.float32)


@triton.jit
def read_some(x, rows, real, D: tl.constexpr):
    """Rows [S] of x as [S,D] float32, zeros where not real."""
    place = x + rows[:, None] * D + tl.arange(0, D)[None, :]
    return tl.load(place, mask=real[:, None], other=0.0).to(tl.float32)


@triton.jit
def masked_scores(row, others, real, table, entry, scale):
    """Scores [S] in base 2 of a row [D] and others [S,D], -inf where not real."""
    scores = tl.sum(others * row[None, :], 1) * scale
    if table is not None:
        scores += tl.load(table + entry, mask=real, other=0.0)
    return tl.where(real, scores, float("-inf"))


@triton.jit(do_not_specialize=SIZES)
def _forward(
    q, k, v, table, indices, counts, out, lse, scale, heads, n, w, entries, most,
    D: tl.constexpr, SLOTS: tl.constexpr,
):  # fmt: skip
    """out, and lse: log2 of the sums of 2^score, +inf without keys."""
    query, head = tl.program_id(0).to(tl.int64), tl.program_id(1)
    first = (query // n * heads + head) * n
    row = query % n
    if table is not None:
        table += head * entries + codes(row, w) + codes(n - 1, w)
    count = tl.load(counts + query)

    q_row = read_row(q + (first + row) * D, D)
    largest, total = float("-inf"), 0.0
    mean = tl.zeros([D], tl.float32)
    for start in range(0, count, SLOTS):
        slots = start + tl.arange(0, SLOTS)
        real = slots < count
        keys = tl.load(indices + query * most + slots, mask=real, other=0)
        k_rows = read_some(k + first * D, keys, real, D)
        v_rows = read_some(v + first * D, keys, real, D)
        scores = masked_scores(q_row, k_rows, real, table, -codes(keys, w), scale)

        larger = tl.maximum(largest, tl.max(scores, 0))
        weights = tl.exp2(scores - larger)
        fade = tl.exp2(largest - larger)
        total = total * fade + tl.sum(weights, 0)
        mean = mean * fade + tl.sum(weights[:, None] * v_rows, 0)
        largest = larger

    total = tl.where(count > 0, total, 1.0)
    mean = mean / total
    tl.store(out + (first + row) * D + tl.arange(0, D), mean.to(out.dtype.element_ty))
    tl.store(lse + first + row, tl.where(count > 0, largest + tl.log2(total), float("inf")))


@triton.jit(do_not_specialize=SIZES)
def _backward_q(
    q, k, v, table, indices, counts, grad, lse, delta, dq, scale, heads, n, w, entries, most,
    D: tl.constexpr, SLOTS: tl.constexpr,
):  # fmt: skip
    query, head = tl.program_id(0).to(tl.int64), tl.program_id(1)
    first = (query // n * heads + head) * n
    row = query % n
    if table is not None:
        table += head * entries + codes(row, w) + codes(n - 1, w)
    count = tl.load(counts + query)

    q_row = read_row(q + (first + row) * D, D)
    grad_row = read_row(grad + (first + row) * D, D)
    row_lse, row_delta = tl.load(lse + first + row), tl.load(delta + first + row)
    found = tl.zeros([D], tl.float32)
    for start in range(0, count, SLOTS):
        slots = start + tl.arange(0, SLOTS)
        real = slots < count
        keys = tl.load(indices + query * most + slots, mask=real, other=0)
        k_rows = read_some(k + first * D, keys, real, D)
        v_rows = read_some(v + first * D, keys, real, D)
        scores = masked_scores(q_row, k_rows, real, table, -codes(keys, w), scale)

        weights = tl.exp2(scores - row_lse)
        d_scores = weights * (tl.sum(v_rows * grad_row[None, :], 1) - row_delta)
        found += tl.sum(d_scores[:, None] * k_rows, 0)

    found = found * (scale * LN2)
    tl.store(dq + (first + row) * D + tl.arange(0, D), found.to(dq.dtype.element_ty))


@triton.jit(do_not_specialize=SIZES)
def _backward_kv(
    q, k, v, table, queries, starts, keys, begins, grad, lse, delta, parts,
    scale, heads, n, w, entries, D: tl.constexpr, SLOTS: tl.constexpr, PIECE: tl.constexpr,
):  # fmt: skip
    """parts [2,P,H,D] float32: the sums of dk and dv over a piece of a key's queries."""
    piece, head = tl.program_id(0).to(tl.int64), tl.program_id(1)
    key = tl.load(keys + piece)
    first = (key // n * heads + head) * n
    row = key % n
    if table is not None:
        table += head * entries + codes(n - 1, w) - codes(row, w)
    begin = tl.load(begins + piece)
    count = tl.minimum(tl.load(starts + key + 1) - begin, PIECE).to(tl.int32)

    k_row = read_row(k + (first + row) * D, D)
    v_row = read_row(v + (first + row) * D, D)
    found_k = tl.zeros([D], tl.float32)
    found_v = tl.zeros([D], tl.float32)
    for start in range(0, count, SLOTS):
        slots = start + tl.arange(0, SLOTS)
        real = slots < count
        rows = tl.load(queries + begin + slots, mask=real, other=0)
        q_rows = read_some(q + first * D, rows, real, D)
        grad_rows = read_some(grad + first * D, rows, real, D)
        rows_lse = tl.load(lse + first + rows, mask=real, other=0.0)
        rows_delta = tl.load(delta + first + rows, mask=real, other=0.0)
        scores = masked_scores(k_row, q_rows, real, table, codes(rows, w), scale)

        weights = tl.exp2(scores - rows_lse)
        d_scores = weights * (tl.sum(grad_rows * v_row[None, :], 1) - rows_delta)
        found_v += tl.sum(weights[:, None] * grad_rows, 0)
        found_k += tl.sum(d_scores[:, None] * q_rows, 0)

    width = tl.arange(0, D)
    pieces = tl.num_programs(0).to(tl.int64)
    tl.store(parts + (piece * heads + head) * D + width, found_k * (scale * LN2))
    tl.store(parts + ((pieces + piece) * heads + head) * D + width, found_v)


@triton.jit(do_not_specialize=SIZES)
def _add_pieces(parts, firsts, dk, dv, heads, n, pieces, D: tl.constexpr):
    key, head = tl.program_id(0).to(tl.int64), tl.program_id(1)
    width = tl.arange(0, D)
    found_k = tl.zeros([D], tl.float32)
    found_v = tl.zeros([D], tl.float32)
    for piece in range(tl.load(firsts + key), tl.load(firsts + key + 1)):
        found_k += tl.load(parts + (piece * heads + head) * D + width)
        found_v += tl.load(parts + ((pieces + piece) * heads + head) * D + width)
    place = ((key // n * heads + head) * n + key % n) * D + width
    tl.store(dk + place, found_k.to(dk.dtype.element_ty))
    tl.store(dv + place, found_v.to(dv.dtype.element_ty))


def attend(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    dictionary: Dictionary,
    bias_table: Tensor | None,
    window: tuple[int, int] | None,
) -> Tensor:
    """q, k, v [B,H,N,D] float32, float16 or bfloat16 on a GPU, D up to 64 -> [B,H,N,D].

    A query without keys gives zeros.
    """
    return attention(q, k, v, dictionary, bias_table, window, forward, backward)


def forward(x: Inputs) -> tuple[Tensor, Tensor]:
    """out [B,H,N,D] and log2 of the sums of 2^score [B,H,N] float32, +inf without keys."""
    b, heads, n, d = x.q.shape
    indices, counts = x.blocks.indices, x.blocks.counts
    out = torch.empty_like(x.q)
    lse = torch.empty(b, heads, n, dtype=torch.float32, device=x.q.device)
    _forward[(b * n, heads)](
        x.q, x.k, x.v, x.table, indices, counts, out, lse, *x.sizes(), indices.shape[-1],
        D=d, SLOTS=SLOTS, num_warps=WARPS,
    )  # fmt: skip
    return out, lse


def backward(x: Inputs, grad: Tensor, lse: Tensor, delta: Tensor) -> Grads:
    """grad [B,H,N,D] of out, delta [B,H,N] float32 its product with out -> gradients [B,H,N,D].

    Holds two float32 rows for each piece and head.
    """
    b, heads, n, d = x.q.shape
    indices, counts, pieces = x.blocks.indices, x.blocks.counts, x.blocks.pieces
    dq, dk, dv = (torch.empty_like(x.q) for _ in range(3))
    _backward_q[(b * n, heads)](
        x.q, x.k, x.v, x.table, indices, counts, grad, lse, delta, dq, *x.sizes(),
        indices.shape[-1], D=d, SLOTS=SLOTS, num_warps=WARPS,
    )  # fmt: skip

    number = len(pieces.keys)
    parts = lse.new_empty(2, number, heads, d)
    if number:
        _backward_kv[(number, heads)](
            x.q, x.k, x.v, x.table, pieces.queries, pieces.starts, pieces.keys, pieces.begins,
            grad, lse, delta, parts, *x.sizes(), D=d, SLOTS=SLOTS, PIECE=PIECE, num_warps=WARPS,
        )  # fmt: skip
    _add_pieces[(b * n, heads)](
        parts, pieces.firsts, dk, dv, heads, n, number, D=d, num_warps=WARPS
    )
    return dq, dk, dv
