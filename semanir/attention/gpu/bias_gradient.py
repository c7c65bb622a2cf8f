"""Gradient of the relative position bias: a walk over queries and keys with equal offset.

Nothing is added atomically, so that results repeat bit by bit.

Tested and tuned on an H100 (sm_90). For sm_80 it is compiled and run by Triton's interpreter only;
no such GPU has run it.

# B windows, H heads, N = h * w tokens, D head width, T = (2h-1)*(2w-1) table entries
"""

# mypy: disable-error-code="import-not-found, import-untyped, no-untyped-def"
# ruff: noqa: N803 (constants of a kernel are in capitals)

import torch
import torch.nn.functional as F
import triton
import triton.language as tl
from torch import Tensor

from semanir.attention.gpu.blocks import COLUMNS
from semanir.attention.gpu.common import (
    PRECISION,
    SIZES,
    WIDTHS,
    Inputs,
    codes,
    masked_scores,
    read_rows,
)

PROGRAMS = 8192  # that the gradient is spread over, where there are windows enough


@triton.jit(do_not_specialize=SIZES)
def _backward_table(
    q, k, v, table, words, grad, lse, delta, parts, scale, windows, heads, h, w, entries, shares,
    D: tl.constexpr, STRIP: tl.constexpr, COLUMNS: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """parts [shares,H,2h-1,2s-1,STRIP,STRIP]: gradients of the scores, summed over equal places.

    A row of the window has s strips of STRIP tokens. A program has all strips of queries and keys
    that lie dy rows and `apart` strips from each other, in its share of the windows.
    """
    n, strips = h * w, tl.cdiv(w, STRIP)
    apart = tl.program_id(0) % (2 * strips - 1) - (strips - 1)
    rest = tl.program_id(0) // (2 * strips - 1)
    dy, rest = rest % (2 * h - 1) - (h - 1), rest // (2 * h - 1)
    head, share = rest % heads, rest // heads
    all_tiles = tl.cdiv(n, COLUMNS)
    table += head * entries
    inside = tl.arange(0, STRIP)
    found = tl.zeros([STRIP, STRIP], tl.float32)

    for turn in range(tl.cdiv(windows - share, shares)):
        window = (share + turn * shares).to(tl.int64)
        first = (window * heads + head) * n
        for y in range(tl.maximum(dy, 0), tl.minimum(h, h + dy)):
            for strip in range(tl.maximum(apart, 0), tl.minimum(strips, strips + apart)):
                x_rows = strip * STRIP + inside
                x_columns = (strip - apart) * STRIP + inside
                rows, columns = y * w + x_rows, (y - dy) * w + x_columns
                q_rows = read_rows(q + first * D, rows, n, D)
                grad_rows = read_rows(grad + first * D, rows, n, D)
                k_columns = read_rows(k + first * D, columns, n, D)
                v_columns = read_rows(v + first * D, columns, n, D)
                row_lse = tl.load(lse + first + rows, mask=rows < n, other=float("inf"))
                row_delta = tl.load(delta + first + rows, mask=rows < n, other=0.0)

                word = (window * all_tiles + columns // COLUMNS)[None, :] * n + rows[:, None]
                real = (x_rows < w)[:, None] & (x_columns < w)[None, :]
                word = tl.load(words + word, mask=real, other=0)
                seen = ((word >> (columns % COLUMNS)[None, :]) & 1) != 0
                entry = (codes(rows, w) + codes(n - 1, w))[:, None] - codes(columns, w)[None, :]
                scores = masked_scores(q_rows, k_columns, seen, table, entry, scale, PRECISION)

                weights = tl.exp2(scores - row_lse[:, None])
                d_weights = tl.dot(grad_rows, tl.trans(v_columns), input_precision=PRECISION)
                found += weights * (d_weights - row_delta[:, None])

    place = inside[:, None] * STRIP + inside[None, :]
    tl.store(parts + tl.program_id(0).to(tl.int64) * STRIP * STRIP + place, found)


def strip_of(dtype: torch.dtype, d: int, w: int) -> int:
    """Tokens of a strip: 32, or 16 where a row of the window has no more or 32 would spill."""
    return 16 if w <= 16 or (dtype == torch.float32 and d > WIDTHS[0]) else 32


def table_launch(dtype: torch.dtype, strip: int) -> tuple[int, int]:
    """(warps, stages), the fastest on an H100 of those that spill nothing.

    (2, 1) was timed there; results were compared with float64 there under (4, 2).
    """
    if dtype == torch.float32 and strip == 32:
        return 2, 1
    return strip // 8, 2


def backward_table(x: Inputs, grad: Tensor, lse: Tensor, delta: Tensor) -> Tensor:
    """Gradient [H,T] float32 of the bias table; holds shares * H * (2h-1) * (2w) * 32 sums."""
    b, heads, _, d = x.q.shape
    h, w = x.window
    strip = strip_of(x.q.dtype, d, w)
    strips = triton.cdiv(w, strip)
    places = heads * (2 * h - 1) * (2 * strips - 1)
    shares = max(1, min(b, PROGRAMS // places))
    parts = lse.new_empty(shares, heads, 2 * h - 1, 2 * strips - 1, strip, strip)
    scale, _, _, _, entries = x.sizes()
    warps, stages = table_launch(x.q.dtype, strip)
    _backward_table[(shares * places,)](
        x.q, x.k, x.v, x.table, x.blocks.by_query.words, grad, lse, delta, parts, scale,
        b, heads, h, w, entries, shares,
        D=d, STRIP=strip, COLUMNS=COLUMNS, PRECISION=PRECISION,
        num_warps=warps, num_stages=stages,
    )  # fmt: skip

    # a place (query x, key y of their strips) belongs to dx = apart * strip + x - y: flipped and
    # read in rows one shorter than they are, the places of a diagonal lie in one column
    sums = parts.sum(0).flip(-1)
    flat = F.pad(sums, (0, strip)).flatten(-2)[..., :-strip]
    columns = flat.view(*flat.shape[:-1], strip, 2 * strip - 1).sum(-2)  # [H,2h-1,2s-1,2*strip-1]
    low, high = F.pad(columns, (0, 1)).split(strip, -1)
    offsets = F.pad(low, (0, 0, 0, 1)) + F.pad(high, (0, 0, 1, 0))  # [H,2h-1,2s,strip]
    start = strips * strip - w
    return offsets.flatten(-2)[..., start : start + 2 * w - 1].flatten(1)
