"""Flash attention over the tiles of keys that a block of queries needs; bits hide the other keys.

Tested and tuned on an H100 (sm_90). For sm_80 it is compiled and run by Triton's interpreter only;
no such GPU has run it.

Forward: a program has up to 64 queries of a head and walks their tiles of 32 keys with an online
softmax.
Backward: the same walk gives dq, that of the transposed bits (keys, tiles of 32 queries) dk and dv,
and one over the pairs of tokens with equal offset the gradient of the bias table. Nothing is added
atomically, so that results repeat bit by bit.

# B windows, H heads, N = h * w tokens, D head width, T = (2h-1)*(2w-1) table entries
"""

# mypy: disable-error-code="import-not-found, import-untyped, no-untyped-def"
# ruff: noqa: N803 (constants of a kernel are in capitals)

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

from semanir.attention.dictionary import Dictionary
from semanir.attention.gpu.blocks import COLUMNS, ROWS, Bits, Blocks, blocks_of
from semanir.errors import InputError

TYPES = (torch.float32, torch.float16, torch.bfloat16)
WIDTHS = (32, 64)  # of the kernels; narrower heads are padded, so that loads are 128 bits wide
LOG2E = 1.4426950408889634  # scores are in base 2, for exp2
LN2 = tl.constexpr(0.6931471805599453)
PRECISION = "tf32x3"  # of float32 products on tensor cores: three of TF32, near float32
PROGRAMS = 8192  # that the table's gradient is spread over, where there are windows enough
STAGES = 1  # of the walks; loads ahead of their use cost registers and gain nothing (H100)
SIZES = ("windows", "heads", "n", "h", "w", "entries", "most", "shares")  # one binary serves all


# --- kernels: q, k, v, out, its grad and theirs [B,H,N,D]; lse, delta [B,H,N] float32 -------------


@triton.jit
def codes(token, w):
    """Position codes, as in bias.py."""
    return token // w * (2 * w - 1) + token % w


@triton.jit
def read_rows(x, rows, n, D: tl.constexpr):
    """Rows [R] of x [N,D] as [R,D], zeros beyond the last."""
    place = x + rows[:, None] * D + tl.arange(0, D)[None, :]
    return tl.load(place, mask=rows[:, None] < n, other=0.0)


@triton.jit
def write_rows(x, rows, values, n, D: tl.constexpr):
    place = x + rows[:, None] * D + tl.arange(0, D)[None, :]
    tl.store(place, values.to(x.dtype.element_ty), mask=rows[:, None] < n)


@triton.jit
def read_bits(words, tile, rows, n, COLUMNS: tl.constexpr):
    """words [W,N] of a window -> [R,COLUMNS], True where a row has a column of the tile."""
    word = tl.load(words + tile.to(tl.int64) * n + rows, mask=rows < n, other=0)
    return ((word[:, None] >> tl.arange(0, COLUMNS)[None, :]) & 1) != 0


@triton.jit
def masked_scores(a, b, seen, table, entry, scale, PRECISION: tl.constexpr):
    """Scores [R,C] in base 2 of rows a [R,D] and columns b [C,D], -inf where not seen."""
    scores = tl.dot(a, tl.trans(b), input_precision=PRECISION) * scale
    if table is not None:
        scores += tl.load(table + entry, mask=seen, other=0.0)
    return tl.where(seen, scores, float("-inf"))


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


# --- their launch --------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Inputs:
    """What the kernels of one call read."""

    q: Tensor  # [B,H,N,D] contiguous, D one of WIDTHS
    k: Tensor
    v: Tensor
    table: Tensor | None  # [H,T] float32, times LOG2E
    blocks: Blocks
    window: tuple[int, int]
    scale: float  # of the scores, times LOG2E

    def sizes(self) -> tuple[float, int, int, int, int]:
        """scale, heads, n, w, entries: of every kernel."""
        _, heads, n, _ = self.q.shape
        h, w = self.window
        return self.scale, heads, n, w, (2 * h - 1) * (2 * w - 1)


Grads = tuple[Tensor, Tensor, Tensor]  # of q, k, v
Forward = Callable[[Inputs], tuple[Tensor, Tensor]]
Backward = Callable[[Inputs, Tensor, Tensor, Tensor], Grads]


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
    """Rows of a program, at most a block's: as many as spill nothing (tests/semanir/attention/test_triton.py).

    hopper: products of 64 rows and more are the hardware's own there, and take fewer registers.
    """
    single = dtype == torch.float32
    if kernel is not _backward_kv:
        return ROWS * WIDTHS[0] // d if single else ROWS
    if hopper and not (single and d > WIDTHS[0]):
        return ROWS
    return 16 if single else ROWS // 2


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
    found = F.pad(low, (0, 0, 0, 1)) + F.pad(high, (0, 0, 1, 0))  # [H,2h-1,2s,strip]
    start = strips * strip - w
    return found.flatten(-2)[..., start : start + 2 * w - 1].flatten(1)


# --- what both Triton back ends share ------------------------------------------------------------


def attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    dictionary: Dictionary,
    bias_table: Tensor | None,
    window: tuple[int, int] | None,
    run_forward: Forward,
    run_backward: Backward,
) -> Tensor:
    """`attend` with the kernels of a back end.

    Raises InputError for other types and widths, and for devices without Triton.
    """
    *_, n, d = q.shape
    if q.dtype not in TYPES or d > WIDTHS[-1]:
        raise InputError(
            f"the Triton back ends take float32, float16 and bfloat16 with heads up to "
            f"{WIDTHS[-1]} wide, got {q.dtype}, {d} wide; pass backend='mask'"
        )
    if not (q.is_cuda or triton.knobs.runtime.interpret):
        raise InputError(
            f"the Triton back ends run on NVIDIA GPUs, got tensors on {q.device}; move them with "
            f".cuda() or pass backend='auto'"
        )
    if bias_table is None or window is None:
        bias_table, window = None, window or (n, 1)
    blocks = blocks_of(dictionary)
    out: Tensor = _Attention.apply(q, k, v, bias_table, blocks, window, run_forward, run_backward)
    return out


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(ctx, q, k, v, table, blocks, window, run_forward, run_backward):
        d = q.shape[-1]
        scaled = None if table is None else (table.float() * LOG2E).contiguous()
        ctx.rest = blocks, window, LOG2E * d**-0.5
        inputs = Inputs(*(_padded(x) for x in (q, k, v)), scaled, *ctx.rest)
        with torch.cuda.device_of(q):
            out, lse = run_forward(inputs)
        ctx.save_for_backward(inputs.q, inputs.k, inputs.v, scaled, out, lse)
        ctx.run_backward = run_backward
        return out[..., :d]

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        *tensors, out, lse = ctx.saved_tensors
        inputs = Inputs(*tensors, *ctx.rest)
        d, grad = grad.shape[-1], _padded(grad)
        with torch.cuda.device_of(grad):
            delta = (grad.float() * out.float()).sum(-1)
            grads = [x[..., :d] for x in ctx.run_backward(inputs, grad, lse, delta)]
            table = None
            if ctx.needs_input_grad[3]:
                table = backward_table(inputs, grad, lse, delta).to(grad.dtype)
        return *grads, table, None, None, None, None


def _padded(x: Tensor) -> Tensor:
    """[...,D] -> contiguous, as wide as a kernel."""
    d = x.shape[-1]
    width = next(width for width in WIDTHS if d <= width)
    return F.pad(x, (0, width - d)).contiguous()
