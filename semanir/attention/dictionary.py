"""The key-semantic dictionary: the k most similar tokens of each (paper Sec. 3.1, Alg. 1 line 1).

# B windows, N tokens, C channels, K keys per query
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from semanir.attention.constant import outside_inference
from semanir.attention.duplicates import first_duplicates
from semanir.attention.select import compiled_products, most_similar_op, select
from semanir.errors import InputError

# Similarities held at a time, 16 MiB in float32: all of four windows of 1024 tokens, or 512 rows of
# one window of 8192. Four times as many on a GPU, which smaller products do not fill.
CHUNK = 2**22


class NonFiniteTokensError(InputError):
    """A token is NaN or infinite, or so large that its dot products overflow."""


@dataclass(frozen=True, eq=False)
class Dictionary:
    """The keys that each query attends to: built once per stage, shared by its layers and heads.

    indices: [B,N,K] int32, ascending. K is the largest number of keys that any query has; where a
    query has fewer, the rest of its row is N, one past the last token.
    counts: [B,N] int32, the keys that each query really has.
    """

    indices: Tensor
    counts: Tensor

    @cached_property
    def checked(self) -> bool:
        """True where rows are as stated above; else InputError that names the first wrong entry.

        Those of `build_dictionary` are right by construction and are not looked at.
        """
        _check_entries(self.indices, self.counts)
        return True

    @cached_property
    @outside_inference
    def mask(self) -> Tensor:
        """[B,N,N] bool, True where the query (row) has the key (column)."""
        b, n, _ = self.indices.shape
        padded = torch.zeros(b, n, n + 1, dtype=torch.bool, device=self.indices.device)
        return padded.scatter_(-1, self.indices.long(), 1)[..., :n].contiguous()

    @cached_property
    @outside_inference
    def additive(self) -> Tensor:
        """[B,N,N] float32 to add to scores: 0 at the query's keys, -inf elsewhere.

        The row of a query without keys is all 0, so that its softmax stays finite.
        """
        hidden = self.mask.logical_not().logical_and_(~self.empty[..., None])
        zeros = torch.zeros(hidden.shape, dtype=torch.float32, device=hidden.device)
        return zeros.masked_fill_(hidden, -torch.inf)

    @cached_property
    @outside_inference
    def empty(self) -> Tensor:
        """[B,N] bool, True where the query has no key at all."""
        return self.counts == 0

    def in_degree(self) -> Tensor:
        """[B,N] int64, by how many queries each token was selected (a diagnostic)."""
        b, n, _ = self.indices.shape
        selected = self.indices.flatten(1).long()  # [B,N*K]
        degree = torch.zeros(b, n + 1, dtype=torch.long, device=selected.device)
        return degree.scatter_add_(-1, selected, torch.ones_like(selected))[:, :n]


@outside_inference
@torch.no_grad()
def build_dictionary(
    tokens: Tensor,
    k: int,
    *,
    include_self: bool = False,
    ranks_self: bool = False,
    valid: Tensor | None = None,
) -> Dictionary:
    """Select for each token of a window the `k` tokens with the largest dot products (paper Eq. 2).

    tokens: [B,N,C], any floating type; half precision is compared in float32, so that rounding
        makes no ties of its own (ours).
    k: at least 1; clamped to the tokens available. Exactly k are kept: among equally similar keys
        the lowest index wins (ours; Eq. 2 as printed would keep all of them).
    include_self: let a query select itself (paper Eq. 2: i != j).
    ranks_self: Eq. 2 to the letter: Sim(i,)_k is the k-th largest of all tokens, the query's own
        among them, and i != j comes on top: a query that is among its own k keeps k - 1 others.
    valid: which keys a query may select: integer labels [B,N] (those of its own label), bool [B,N]
        (those that are True, for every query), or bool [B,N,N] (query, key).

    No gradient flows (paper Alg. 1: only indices leave), and no N x N matrix is ever held.
    Raises NonFiniteTokensError, or InputError (a ValueError) on a wrong k, shape, type or device.
    """
    _check(tokens, k, valid)
    if ranks_self:
        return _without_self(build_dictionary(tokens, k, include_self=True, valid=valid))
    if not tokens.is_meta:
        _check_finite(tokens)
    b, n, _ = tokens.shape
    k = min(k, n if include_self else n - 1)
    if k == 0:
        empty = torch.zeros(b, n, dtype=torch.int32, device=tokens.device)
        return _known_good(empty[..., None][..., :0], empty)
    if tokens.is_meta:  # shapes only, for those who count multiply-adds
        return _known_good(*most_similar_op(tokens, k, include_self, None))

    # the compiled selection, which keeps the products of a few queries in the cache
    tokens = tokens if tokens.dtype == torch.float64 else tokens.float()
    if compiled_products(tokens) and (valid is None or valid.dtype != torch.bool):
        labels = None if valid is None else valid.long()
        indices, counts = most_similar_op(tokens, k, include_self, labels)
        return _trimmed(indices, counts, valid)

    indices = torch.full((b, n, k), n, dtype=torch.int32, device=tokens.device)
    counts = torch.zeros(b, n, dtype=torch.int32, device=tokens.device)
    chunk = CHUNK * (4 if tokens.is_cuda else 1)
    height = max(1, min(n, chunk // n))
    depth = max(1, chunk // (height * n))
    for windows in _blocks(b, depth):
        group = tokens[windows]
        firsts = first_duplicates(group)
        for rows in _blocks(n, height):
            similarity = _similarity(group, rows, firsts)  # [b,rows,N]
            if not include_self:
                similarity.diagonal(rows.start, 1, 2).fill_(-torch.inf)
            if valid is not None:
                similarity.masked_fill_(~_allowed(valid[windows], rows), -torch.inf)

            indices[windows, rows], counts[windows, rows] = select(similarity, k)

    return _trimmed(indices, counts, valid)


def _without_self(dictionary: Dictionary) -> Dictionary:
    n = dictionary.counts.shape[1]
    own = torch.arange(n, dtype=torch.int32, device=dictionary.counts.device)[:, None]
    selected = dictionary.indices == own
    # n, which fills up rows, is the largest: sorted, it comes last
    indices = dictionary.indices.masked_fill(selected, n).sort(-1).values
    counts = dictionary.counts - selected.sum(-1, dtype=torch.int32)
    if not counts.is_meta:
        indices = indices[..., : int(counts.max())].contiguous()
    return _known_good(indices, counts)


def _trimmed(indices: Tensor, counts: Tensor, valid: Tensor | None) -> Dictionary:
    if valid is not None:
        indices = indices[..., : int(counts.max())].contiguous()
    return _known_good(indices, counts)


def _known_good(indices: Tensor, counts: Tensor) -> Dictionary:
    dictionary = Dictionary(indices, counts)
    vars(dictionary)["checked"] = True
    return dictionary


def _blocks(size: int, step: int) -> list[slice]:
    return [slice(start, min(start + step, size)) for start in range(0, size, step)]


def _similarity(tokens: Tensor, rows: slice, firsts: Tensor | None) -> Tensor:
    """Dot products [b,rows,N] of some queries with all keys; equal where keys are identical."""
    with torch.autocast(tokens.device.type, enabled=False):
        similarity = tokens[:, rows] @ tokens.transpose(1, 2)
    if firsts is None:
        return similarity
    return similarity.gather(-1, firsts[:, None].expand_as(similarity))


def _allowed(valid: Tensor, rows: slice) -> Tensor:
    """Which keys (last axis) the queries `rows` may select, broadcastable to [b,rows,N]."""
    if valid.ndim == 3:
        return valid[:, rows]
    if valid.dtype == torch.bool:
        return valid[:, None]
    return valid[:, rows, None] == valid[:, None]


def _check(tokens: Tensor, k: int, valid: Tensor | None) -> None:
    if not isinstance(k, int) or isinstance(k, bool) or k < 1:
        raise InputError(f"k must be a whole number of at least 1, got {k!r}; pass e.g. k=64")
    if tokens.ndim != 3 or tokens.numel() == 0:
        raise InputError(
            f"expected non-empty tokens [B,N,C], got {list(tokens.shape)}; flatten each window's "
            f"pixels to N tokens"
        )
    if not tokens.is_floating_point():
        raise InputError(f"expected floating tokens, got {tokens.dtype}; convert with .float()")
    if valid is None:
        return
    b, n, _ = tokens.shape
    if valid.is_floating_point() or valid.is_complex():
        raise InputError(f"valid must be integer labels or bool, got {valid.dtype}; compare first")
    shapes = [[b, n], [b, n, n]] if valid.dtype == torch.bool else [[b, n]]
    if list(valid.shape) not in shapes:
        expected = " or ".join(map(str, shapes))
        raise InputError(
            f"expected {valid.dtype} valid of shape {expected}, got {list(valid.shape)}; "
            f"expand it over the windows"
        )
    if valid.device != tokens.device:
        raise InputError(f"valid is on {valid.device} but tokens on {tokens.device}; move one")


def _check_entries(indices: Tensor, counts: Tensor) -> None:
    if indices.ndim != 3 or counts.shape != indices.shape[:2]:
        raise InputError(
            f"a dictionary has indices [B,N,K] and counts [B,N], got {list(indices.shape)} and "
            f"{list(counts.shape)}; make it with build_dictionary"
        )
    for name, x in (("indices", indices), ("counts", counts)):
        if x.dtype != torch.int32 or not x.is_contiguous() or x.device != indices.device:
            raise InputError(
                f"{name} of a dictionary must be contiguous int32 on one device, got {x.dtype} "
                f"with strides {x.stride()} on {x.device}; convert with .int().contiguous()"
            )
    _, n, k = indices.shape
    real = torch.arange(k, device=indices.device) < counts[..., None]
    wrong = {
        f"not in 0..{n - 1}": real & ((indices < 0) | (indices >= n)),
        "not above the one before (duplicated or unsorted)": real
        & (indices.diff(dim=-1, prepend=torch.full_like(indices[..., :1], -1)) <= 0),
        f"not {n}, which fills up rows of fewer than {k} keys": ~real & (indices != n),
    }
    for what, places in wrong.items():
        if places.any():
            b, i, slot = places.nonzero()[0].tolist()
            raise InputError(f"indices[{b}, {i}, {slot}] is {int(indices[b, i, slot])}: {what}")
    if ((counts < 0) | (counts > k)).any():
        raise InputError(f"counts of a dictionary must be 0..{k}, got up to {int(counts.max())}")


def _check_finite(tokens: Tensor) -> None:
    # |a.b| <= max(|a|^2, |b|^2): bounded norms keep every dot product finite
    exact = torch.float64 if tokens.dtype == torch.float64 else torch.float32
    norms = torch.linalg.vector_norm(tokens, dim=-1, dtype=exact)  # [B,N]
    bad = ~(norms < (torch.finfo(exact).max / 2) ** 0.5)
    if bad.any():
        window, token = bad.nonzero()[0].tolist()
        raise NonFiniteTokensError(
            f"tokens[{window}, {token}] has norm {float(norms[window, token]):g} ({int(bad.sum())} "
            f"such tokens): not finite, or its dot products overflow; check the input and the "
            f"weights, or lower the learning rate"
        )
