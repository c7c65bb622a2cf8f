"""Flash attention over the tiles of keys that a block of queries needs; bits hide the other keys.

Tested and tuned on an H100 (sm_90). For sm_80 it is compiled and run by Triton's interpreter only;
no such GPU has run it.

Forward: a program has up to 64 queries of a head and walks their tiles of 32 keys with an online
softmax.
Backward: the same walk gives dq, that of the transposed bits (keys, tiles of 32 queries) dk and dv;
bias_gradient.py the gradient of the bias table. Nothing is added atomically, so that results repeat
bit by bit.

# B windows, H heads, N = h * w tokens, D head width, T = (2h-1)*(2w-1) table entries
"""

# mypy: disable-error-code="import-not-found, import-untyped, no-untyped-def"
# ruff: noqa: N803 (constants of a kernel are in capitals)

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from semanir.attention.dictionary import Dictionary
from semanir.attention.gpu.blocks import COLUMNS, ROWS, Bits
from semanir.attention.gpu.common import (
    LN2,
    PRECISION,
    SIZES,
    WIDTHS,
    Inputs,
    codes,
    masked_scores,
    read_bits,
    read_rows,
    write_rows,
)
from semanir.attention.gpu.launch import Grads, attention

STAGES = 1  # of the walks; loads ahead of their use cost registers and gain nothing (H100)


# --- kernels: q, k, v, out, its grad and theirs [B,H,N,D]; lse, delta [B,H,N] float32 -------------


@triton.jit(do_not_specialize=SIZES)
def _forward(
    q, k, v, table, words, tiles, counts, out, lse, scale, heads, n, w, entries,
    D: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr, COLUMNS: tl.constexpr,
    PRECISION: tl.constexpr,
):  # fmt: skip
    """out, and lse: log2 of the sums of 2^score, +inf without keys."""
    blocks, all_tiles = tl.cdiv(n, ROWS), tl.cdiv(n, COLUMNS)
    place, block = tl.program_id(0) // blocks, tl.program_id(0) % blocks
    window, first = (place // heads).to(tl.int64), place.to(tl.int64) * n
    words += window * all_tiles * n
    if table is not None:
        table += place % heads * entries
    walk = window * tl.cdiv(n, BLOCK) + block * ROWS // BLOCK

    rows = block * ROWS + tl.arange(0, ROWS)
    row_codes = codes(rows, w) + codes(n - 1, w)
    q_rows = read_rows(q + first * D, rows, n, D)
    largest = tl.full([ROWS], float("-inf"), tl.float32)
    total = tl.zeros([ROWS], tl.float32)
    mean = tl.zeros([ROWS, D], tl.float32)

    for step in range(tl.load(counts + walk)):
        tile = tl.load(tiles + walk * all_tiles + step)
        columns = tile * COLUMNS + tl.arange(0, COLUMNS)
        k_columns = read_rows(k + first * D, columns, n, D)
        v_columns = read_rows(v + first * D, columns, n, D)
        seen = read_bits(words, tile, rows, n, COLUMNS)
        entry = row_codes[:, None] - codes(columns, w)[None, :]
        scores = masked_scores(q_rows, k_columns, seen, table, entry, scale, PRECISION)

        # a row may have no key in this tile, nor in those before: -inf minus -inf is NaN
        larger = tl.maximum(largest, tl.max(scores, 1))
        shift = tl.where(larger == float("-inf"), 0.0, larger)
        weights = tl.exp2(scores - shift[:, None])
        fade = tl.exp2(largest - shift)
        total = total * fade + tl.sum(weights, 1)
        weights = weights.to(v_columns.dtype)
        mean = tl.dot(weights, v_columns, mean * fade[:, None], input_precision=PRECISION)
        largest = larger

    empty = total == 0
    total = tl.where(empty, 1.0, total)
    write_rows(out + first * D, rows, mean / total[:, None], n, D)
    sums = tl.where(empty, float("inf"), largest + tl.log2(total))
    tl.store(lse + first + rows, sums, mask=rows < n)


@triton.jit(do_not_specialize=SIZES)
def _backward_q(
    q, k, v, table, words, tiles, counts, grad, lse, delta, dq, scale, heads, n, w, entries,
    D: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr, COLUMNS: tl.constexpr,
    PRECISION: tl.constexpr,
):  # fmt: skip
    """dq: rows are queries, columns are keys."""
    blocks, all_tiles = tl.cdiv(n, ROWS), tl.cdiv(n, COLUMNS)
    place, block = tl.program_id(0) // blocks, tl.program_id(0) % blocks
    window, first = (place // heads).to(tl.int64), place.to(tl.int64) * n
    words += window * all_tiles * n
    if table is not None:
        table += place % heads * entries
    walk = window * tl.cdiv(n, BLOCK) + block * ROWS // BLOCK

    rows = block * ROWS + tl.arange(0, ROWS)
    row_codes = codes(rows, w) + codes(n - 1, w)
    q_rows = read_rows(q + first * D, rows, n, D)
    grad_rows = read_rows(grad + first * D, rows, n, D)
    row_lse = tl.load(lse + first + rows, mask=rows < n, other=float("inf"))
    row_delta = tl.load(delta + first + rows, mask=rows < n, other=0.0)
    found = tl.zeros([ROWS, D], tl.float32)

    for step in range(tl.load(counts + walk)):
        tile = tl.load(tiles + walk * all_tiles + step)
        columns = tile * COLUMNS + tl.arange(0, COLUMNS)
        k_columns = read_rows(k + first * D, columns, n, D)
        v_columns = read_rows(v + first * D, columns, n, D)
        seen = read_bits(words, tile, rows, n, COLUMNS)
        entry = row_codes[:, None] - codes(columns, w)[None, :]
        scores = masked_scores(q_rows, k_columns, seen, table, entry, scale, PRECISION)

        weights = tl.exp2(scores - row_lse[:, None])
        d_weights = tl.dot(grad_rows, tl.trans(v_columns), input_precision=PRECISION)
        d_scores = weights * (d_weights - row_delta[:, None])
        found = tl.dot(d_scores.to(k_columns.dtype), k_columns, found, input_precision=PRECISION)

    write_rows(dq + first * D, rows, found * (scale * LN2), n, D)


@triton.jit(do_not_specialize=SIZES)
def _backward_kv(
    q, k, v, table, words, tiles, counts, grad, lse, delta, dk, dv, scale, heads, n, w, entries,
    D: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr, COLUMNS: tl.constexpr,
    PRECISION: tl.constexpr,
):  # fmt: skip
    """dk and dv: rows are keys, columns are queries."""
    blocks, all_tiles = tl.cdiv(n, ROWS), tl.cdiv(n, COLUMNS)
    place, block = tl.program_id(0) // blocks, tl.program_id(0) % blocks
    window, first = (place // heads).to(tl.int64), place.to(tl.int64) * n
    words += window * all_tiles * n
    if table is not None:
        table += place % heads * entries
    walk = window * tl.cdiv(n, BLOCK) + block * ROWS // BLOCK

    rows = block * ROWS + tl.arange(0, ROWS)
    row_codes = codes(rows, w) - codes(n - 1, w)
    k_rows = read_rows(k + first * D, rows, n, D)
    v_rows = read_rows(v + first * D, rows, n, D)
    found_k = tl.zeros([ROWS, D], tl.float32)
    found_v = tl.zeros([ROWS, D], tl.float32)

    for step in range(tl.load(counts + walk)):
        tile = tl.load(tiles + walk * all_tiles + step)
        columns = tile * COLUMNS + tl.arange(0, COLUMNS)
        q_columns = read_rows(q + first * D, columns, n, D)
        grad_columns = read_rows(grad + first * D, columns, n, D)
        column_lse = tl.load(lse + first + columns, mask=columns < n, other=float("inf"))
        column_delta = tl.load(delta + first + columns, mask=columns < n, other=0.0)
        seen = read_bits(words, tile, rows, n, COLUMNS)
        entry = codes(columns, w)[None, :] - row_codes[:, None]
        scores = masked_scores(k_rows, q_columns, seen, table, entry, scale, PRECISION)

        weights = tl.exp2(scores - column_lse[None, :])
        d_weights = tl.dot(v_rows, tl.trans(grad_columns), input_precision=PRECISION)
        d_scores = weights * (d_weights - column_delta[None, :])
        weights, d_scores = weights.to(grad_columns.dtype), d_scores.to(q_columns.dtype)
        found_v = tl.dot(weights, grad_columns, found_v, input_precision=PRECISION)
        found_k = tl.dot(d_scores, q_columns, found_k, input_precision=PRECISION)

    write_rows(dk + first * D, rows, found_k * (scale * LN2), n, D)
    write_rows(dv + first * D, rows, found_v, n, D)


# --- their launch --------------------------------------------------------------------------------


def attend(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    dictionary: Dictionary,
    bias_table: Tensor | None,
    window: tuple[int, int] | None,
) -> Tensor:
    """q, k, v [B,H,N,D] float32, float16 or bfloat16 on a GPU, D up to 64 -> [B,H,N,D].

    A query without keys gives zeros. Products are in the type of q, sums in float32.
    """
    return attention(q, k, v, dictionary, bias_table, window, forward, backward)


def forward(x: Inputs) -> tuple[Tensor, Tensor]:
    """out [B,H,N,D] and log2 of the sums of 2^score [B,H,N] float32, +inf without keys."""
    bits = x.blocks.by_query
    out = torch.empty_like(x.q)
    lse = torch.empty(x.q.shape[:3], dtype=torch.float32, device=x.q.device)
    _walk(_forward, x, bits, out, lse)
    return out, lse


def backward(x: Inputs, grad: Tensor, lse: Tensor, delta: Tensor) -> Grads:
    """grad [B,H,N,D] of out, delta [B,H,N] float32 its product with out -> gradients [B,H,N,D]."""
    dq, dk, dv = (torch.empty_like(x.q) for _ in range(3))
    _walk(_backward_q, x, x.blocks.by_query, grad, lse, delta, dq)
    _walk(_backward_kv, x, x.blocks.by_key, grad, lse, delta, dk, dv)
    return dq, dk, dv


def _walk(kernel: Any, x: Inputs, bits: Bits, *rest: Tensor) -> None:
    b, heads, n, d = x.q.shape
    hopper = x.q.is_cuda and torch.cuda.get_device_capability(x.q.device) >= (9, 0)
    rows = rows_of(kernel, x.q.dtype, d, hopper)
    kernel[(b * heads * triton.cdiv(n, rows),)](
        x.q, x.k, x.v, x.table, bits.words, bits.tiles, bits.counts, *rest, *x.sizes(),
        D=d, ROWS=rows, BLOCK=ROWS, COLUMNS=COLUMNS, PRECISION=PRECISION, num_warps=4,
        num_stages=STAGES,
    )  # fmt: skip


def rows_of(kernel: Any, dtype: torch.dtype, d: int, hopper: bool) -> int:
    """Rows of a program, at most a block's: as many as spill nothing (test_triton.py).

    hopper: products of 64 rows and more are the hardware's own there, and take fewer registers.
    """
    single = dtype == torch.float32
    if kernel is not _backward_kv:
        return ROWS * WIDTHS[0] // d if single else ROWS
    if hopper and not (single and d > WIDTHS[0]):
        return ROWS
    return 16 if single else ROWS // 2
