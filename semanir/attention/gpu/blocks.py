"""The dictionary as the Triton kernels read it: bits, lists of non-empty tiles, and by key.

Made with torch once per stage, when a kernel first asks, and shared by the stage's layers and
heads. Nothing of size N x N is held but bits.

# B windows, N tokens, K keys per query, W = ceil(N/32) words, R = ceil(N/64) blocks of rows
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from semanir.attention.constant import outside_inference
from semanir.attention.dictionary import Dictionary

ROWS = 64  # queries of a block, or keys in the transposed bits
COLUMNS = 32  # keys of a tile (queries in the transposed bits): the bits of one word
PIECE = 128  # a key's queries that one program walks; a hub key has several pieces
CHUNK = 2**22  # entries of the dictionary scattered at a time


@dataclass(frozen=True, eq=False)
class Bits:
    """Which columns each row has, as bits, and which tiles of columns each block of rows needs.

    words: [B,W,N] int32; bit c % 32 of words[b, c // 32, r] is set where row r has column c.
    tiles: [B,R,W] int32, for each block of rows first the tiles that are not empty, ascending.
    counts: [B,R] int32, how many these are.
    """

    words: Tensor
    tiles: Tensor
    counts: Tensor


@dataclass(frozen=True, eq=False)
class Pieces:
    """The dictionary by key: the queries of each key, cut into pieces of at most PIECE queries.

    Key j of window b is number b * N + j.
    queries: int32, of all keys in order, ascending within a key.
    starts: [B*N+1] int64, where the queries of each key start.
    keys: int64, the number of the key of each piece; begins: int64, where its queries start.
    firsts: [B*N+1] int64, the first piece of each key.
    """

    queries: Tensor
    starts: Tensor
    keys: Tensor
    begins: Tensor
    firsts: Tensor


@dataclass(frozen=True, eq=False)
class Blocks:
    """What the Triton kernels of one stage share; `blocks_of` gives a dictionary's."""

    indices: Tensor  # [B,N,K] int32
    counts: Tensor  # [B,N] int32

    @cached_property
    @outside_inference
    def by_query(self) -> Bits:
        """Rows are queries, columns their keys."""
        return self._bits(False)

    @cached_property
    @outside_inference
    def by_key(self) -> Bits:
        """Rows are keys, columns the queries that have them."""
        return self._bits(True)

    @cached_property
    @outside_inference
    def pieces(self) -> Pieces:
        """The transposed dictionary, for the backward pass: which queries have a key, in pieces."""
        b, n, k = self.indices.shape
        device = self.indices.device
        real = (self.indices < n).flatten()
        row = torch.arange(b * n, device=device).repeat_interleave(k)[real]
        key = row // n * n + self.indices.flatten()[real]
        # a stable sort leaves the queries of a key in ascending order
        key, order = key.sort(stable=True)
        starts = torch.searchsorted(key, torch.arange(b * n + 1, device=device))

        number = (starts.diff() + PIECE - 1) // PIECE  # [B*N] pieces of each key
        firsts = F.pad(number.cumsum(0), (1, 0))
        keys = torch.arange(b * n, device=device).repeat_interleave(number)
        rank = torch.arange(len(keys), device=device) - firsts[keys]
        return Pieces((row % n)[order].int(), starts, keys, starts[keys] + rank * PIECE, firsts)

    def _bits(self, transposed: bool) -> Bits:
        b, n, _ = self.indices.shape
        words = torch.zeros(b, -(-n // COLUMNS), n, dtype=torch.int32, device=self.indices.device)
        for row, key in self._entries():
            window, query = row // n, row % n
            r, c = (key, query) if transposed else (query, key)
            place = (window * words.shape[1] + c // COLUMNS) * n + r
            bit = torch.ones_like(c, dtype=torch.int32) << (c % COLUMNS).int()
            words.view(-1).scatter_add_(0, place, bit)  # each bit comes once: the sum is the union

        used = F.pad(words != 0, (0, -n % ROWS)).view(*words.shape[:2], -1, ROWS).any(-1)
        used = used.transpose(1, 2).contiguous()  # [B,R,W], and so what is made of it
        # a stable sort leaves the tiles that are used in ascending order
        tiles = used.logical_not().byte().argsort(dim=-1, stable=True).int()
        return Bits(words, tiles, used.sum(-1, dtype=torch.int32))

    def _entries(self) -> Iterator[tuple[Tensor, Tensor]]:
        """(b * N + query [E], its key [E]), int64, for a part of the dictionary at a time."""
        b, n, k = self.indices.shape
        flat = self.indices.view(b * n, k)
        step = max(1, CHUNK // max(1, k))
        for start in range(0, b * n, step):
            part = flat[start : start + step]
            row, slot = (part < n).nonzero(as_tuple=True)
            yield row + start, part[row, slot].long()


def blocks_of(dictionary: Dictionary) -> Blocks:
    """Cached in the dictionary itself, as its other derived tensors are."""
    blocks: Blocks = vars(dictionary).setdefault(
        "triton_blocks", Blocks(dictionary.indices, dictionary.counts)
    )
    return blocks
