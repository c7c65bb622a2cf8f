"""What the Triton attention kernels share: their inputs, constants and parts.

Tested and tuned on an H100 (sm_90). For sm_80 it is compiled and run by Triton's interpreter only;
no such GPU has run it.

# B windows, H heads, N = h * w tokens, D head width, T = (2h-1)*(2w-1) table entries
"""

# mypy: disable-error-code="import-not-found, import-untyped, no-untyped-def"
# ruff: noqa: N803 (constants of a kernel are in capitals)

from dataclasses import dataclass

import triton
import triton.language as tl
from torch import Tensor

from semanir.attention.gpu.blocks import Blocks

WIDTHS = (32, 64)  # of the kernels; narrower heads are padded, so that loads are 128 bits wide
LOG2E = 1.4426950408889634  # scores are in base 2, for exp2
LN2 = tl.constexpr(0.6931471805599453)
PRECISION = "tf32x3"  # of float32 products on tensor cores: three of TF32, near float32
SIZES = ("windows", "heads", "n", "h", "w", "entries", "most", "shares")  # one binary serves all


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


# --- parts of kernels ----------------------------------------------------------------------------


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
