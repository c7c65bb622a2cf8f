"""The key-semantic dictionary: exactly k keys, the lowest index wins ties, no N x N matrix.

# B windows, N tokens, C channels, K keys per query
"""

import weakref

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from semanir.attention import NonFiniteTokensError, build_dictionary, dictionary
from semanir.attention.twins import first_twins

TYPES = [torch.float32, torch.float64, torch.bfloat16]


def whole_tokens(b, n, c, seed=0, values=2):
    """Small whole numbers: dot products are exact in every type, and many tie."""
    source = torch.Generator().manual_seed(seed)
    return torch.randint(-values, values + 1, (b, n, c), generator=source).double()


def sorted_keys(tokens, k, include_self=False, allowed=None):
    """The specification: per query, the first k keys by (-similarity, index), then ascending."""
    x = tokens.double().numpy()
    b, n, _ = x.shape
    expected = []
    for window in range(b):
        similarity = x[window] @ x[window].T
        rows = []
        for i in range(n):
            keys = [j for j in range(n) if include_self or j != i]
            keys = [j for j in keys if allowed is None or allowed[window, i, j]]
            rows.append(sorted(sorted(keys, key=lambda j, i=i: (-similarity[i, j], j))[:k]))
        expected.append(rows)
    return expected


def check(built, expected, n):
    """Indices, counts, padding, type and order against rows of keys."""
    longest = max(len(row) for rows in expected for row in rows)
    padded = [[row + [n] * (longest - len(row)) for row in rows] for rows in expected]
    assert built.indices.dtype == built.counts.dtype == torch.int32
    assert list(built.indices.shape) == [len(expected), n, longest]
    assert built.indices.tolist() == padded
    assert built.counts.tolist() == [[len(row) for row in rows] for rows in expected]


@pytest.mark.parametrize("dtype", TYPES, ids=lambda dtype: str(dtype).removeprefix("torch."))
@pytest.mark.parametrize("include_self", [False, True], ids=["others", "self"])
@pytest.mark.parametrize(
    ("n", "k"),
    [(63, 17), (64, 16), (33, 1), (21, 20), (21, 21), (21, 500), (2, 1), (1, 1), (1, 4)],
    ids=lambda value: str(value),
)
def test_keeps_exactly_the_k_most_similar(n, k, include_self, dtype):
    tokens = whole_tokens(2, n, 5)
    built = build_dictionary(tokens.to(dtype), k, include_self=include_self)
    check(built, sorted_keys(tokens, k, include_self), n)


def test_flat_tokens_take_the_lowest_indices_without_self():
    built = build_dictionary(torch.full((1, 9, 7), 0.1), 3)
    assert built.indices[0, 0].tolist() == [1, 2, 3]
    assert built.indices[0, 2].tolist() == [0, 1, 3]
    assert built.indices[0, 8].tolist() == [0, 1, 2]


def test_zero_and_negative_zero_tie():
    tokens = torch.zeros(1, 6, 2)
    tokens[0, ::2] = -0.0
    assert build_dictionary(tokens, 2).indices[0, 5].tolist() == [0, 1]


def test_half_precision_makes_no_ties_of_its_own():
    """256 + 1 rounds to 256 in bfloat16, yet the larger dot product must win."""
    tokens = torch.tensor([[[16.0, 1.0], [16.0, 0.0], [16.0, 1.0]]], dtype=torch.bfloat16)
    assert build_dictionary(tokens, 1).indices[0, 0].tolist() == [2]


def test_autocast_changes_nothing():
    tokens = torch.randn(1, 50, 24, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        built = build_dictionary(tokens, 7)
    assert torch.equal(built.indices, build_dictionary(tokens, 7).indices)


# --- which keys a query may select ---------------------------------------------------------------


def regions(h, w, shift_y, shift_x):
    """Labels [1,N] of the last window of a rolled map: four regions."""
    y, x = torch.arange(h) >= h - shift_y, torch.arange(w) >= w - shift_x
    return (2 * y.int()[:, None] + x.int()).view(1, -1)


@pytest.mark.parametrize(
    ("shift", "k"), [((3, 4), 5), ((3, 4), 40), ((1, 2), 9)], ids=["even", "k-over-N", "uneven"]
)
def test_labels_keep_regions_apart(shift, k):
    labels = regions(6, 8, *shift).repeat(2, 1)
    tokens = whole_tokens(2, 48, 4)
    allowed = labels[:, :, None] == labels[:, None]
    built = build_dictionary(tokens.float(), k, valid=labels)
    check(built, sorted_keys(tokens, k, allowed=allowed), 48)
    assert not (built.mask & ~allowed).any()


def test_short_regions_are_padded_with_n():
    labels = regions(4, 4, 1, 1)  # regions of 9, 3, 3 and 1 tokens
    built = build_dictionary(whole_tokens(1, 16, 3).float(), 6, valid=labels)
    assert built.indices.shape[-1] == 6
    assert sorted(built.counts[0].tolist()) == [0] + [2] * 6 + [6] * 9
    assert built.indices[0, 15].tolist() == [16] * 6
    assert built.indices[0, 3].tolist() == [7, 11, 16, 16, 16, 16]
    assert (built.indices.diff(dim=-1) >= 0).all()


@pytest.mark.parametrize("include_self", [False, True], ids=["others", "self"])
def test_bool_keys_and_bool_pairs(include_self):
    source = torch.Generator().manual_seed(1)
    tokens = whole_tokens(2, 31, 4)
    keys = torch.rand(2, 31, generator=source) < 0.3
    pairs = torch.rand(2, 31, 31, generator=source) < 0.2
    pairs[1, 4] = False
    for valid, allowed in ((keys, keys[:, None].expand(2, 31, 31)), (pairs, pairs)):
        built = build_dictionary(tokens.float(), 8, include_self=include_self, valid=valid)
        check(built, sorted_keys(tokens, 8, include_self, allowed), 31)


def test_no_key_at_all():
    built = build_dictionary(whole_tokens(2, 5, 3), 2, valid=torch.zeros(2, 5, dtype=torch.bool))
    assert list(built.indices.shape) == [2, 5, 0]
    assert not built.mask.any()
    assert built.empty.all()


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_any_small_window(data):
    n, c, k = (data.draw(st.integers(1, high)) for high in (20, 4, 25))
    tokens = whole_tokens(1, n, c, seed=data.draw(st.integers(0, 99)), values=1)
    include_self = data.draw(st.booleans())
    labels = torch.tensor([data.draw(st.lists(st.integers(0, 2), min_size=n, max_size=n))])
    built = build_dictionary(tokens.float(), k, include_self=include_self, valid=labels)
    allowed = labels[:, :, None] == labels[:, None]
    check(built, sorted_keys(tokens, k, include_self, allowed), n)


# --- ties of rounded dot products ----------------------------------------------------------------


def repeated_tokens(b, n, c, dtype):
    source = torch.Generator().manual_seed(n * 1000 + c)
    tokens = torch.randn(b, n, c, generator=source, dtype=torch.float64).to(dtype)
    return tokens[:, torch.randint(0, max(1, n // 3), (n,), generator=source)]


@pytest.mark.parametrize("chunk", [1, 2**22], ids=["row-by-row", "whole"])
@pytest.mark.parametrize("dtype", TYPES, ids=lambda dtype: str(dtype).removeprefix("torch."))
@pytest.mark.parametrize(
    ("n", "c"),
    [(17, 30), (33, 33), (63, 180), (65, 16), (77, 183), (100, 31), (130, 60), (257, 9), (300, 5)],
    ids=lambda value: str(value),
)
def test_identical_keys_tie_whatever_the_matrix_product_rounds(n, c, dtype, chunk, monkeypatch):
    monkeypatch.setattr(dictionary, "CHUNK", chunk)
    tokens = repeated_tokens(1, n, c, dtype)
    built = build_dictionary(tokens, n // 2, include_self=True)
    selected = built.mask[0]
    for i in range(n):
        twins = (tokens[0] == tokens[0, i]).all(-1).nonzero()[:, 0]
        chosen = selected[:, twins].int()
        assert (chosen.diff(dim=-1) <= 0).all(), f"a twin of token {i} was preferred to a lower one"


@pytest.mark.parametrize("dtype", TYPES[:2], ids=["float32", "float64"])
def test_first_twins(dtype):
    tokens = repeated_tokens(3, 40, 6, dtype)
    twins = first_twins(tokens)
    for window, rows in zip(tokens.numpy(), twins.tolist(), strict=True):
        first = [int(np.flatnonzero((window == token).all(-1))[0]) for token in window]
        assert rows == first
    assert first_twins(torch.arange(12, dtype=dtype).view(1, 6, 2)) is None


def test_chunks_change_nothing(monkeypatch):
    tokens, labels = whole_tokens(3, 63, 4).float(), regions(7, 9, 3, 4).repeat(3, 1)
    whole = build_dictionary(tokens, 17, valid=labels)
    for chunk in (1, 63, 64 * 5, 63 * 63, 2 * 63 * 63):
        monkeypatch.setattr(dictionary, "CHUNK", chunk)
        built = build_dictionary(tokens, 17, valid=labels)
        assert torch.equal(built.indices, whole.indices), f"CHUNK {chunk}"
        assert torch.equal(built.counts, whole.counts), f"CHUNK {chunk}"


# --- memory and gradient -------------------------------------------------------------------------


class LiveBytes(TorchDispatchMode):
    """Tracks the bytes of all storages that live operations have returned."""

    live = peak = 0

    def __init__(self):
        super().__init__()
        self.seen = weakref.WeakSet()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for x in out if isinstance(out, (tuple, list)) else [out]:
            if isinstance(x, torch.Tensor) and x.untyped_storage() not in self.seen:
                storage = x.untyped_storage()
                self.seen.add(storage)
                self.live += storage.nbytes()
                self.peak = max(self.peak, self.live)
                weakref.finalize(storage, self.forget, storage.nbytes())
        return out

    def forget(self, size):
        self.live -= size


def test_never_holds_all_pairs():
    n = 8192
    labels = torch.arange(n).view(1, n) % 2
    tokens = whole_tokens(1, n, 8).float()  # ties and regions: all branches
    with LiveBytes() as memory:
        built = build_dictionary(tokens, 512, valid=labels)
    print(f"peak {memory.peak / 2**20:.0f} MiB, all pairs {4 * n * n / 2**20:.0f} MiB")
    assert list(built.indices.shape) == [1, n, 512]
    assert memory.peak < 4 * n * n / 3


def test_no_gradient_leaves():
    tokens = torch.randn(1, 12, 4, requires_grad=True)
    built = build_dictionary(tokens * 2, 3)
    assert not built.indices.requires_grad and not built.additive.requires_grad


# --- derived forms -------------------------------------------------------------------------------


def test_derived_forms_agree_with_the_indices():
    tokens, labels = whole_tokens(2, 20, 3), regions(4, 5, 1, 1).repeat(2, 1)
    built = build_dictionary(tokens, 6, valid=labels)
    mask = np.zeros((2, 20, 20), dtype=bool)
    for window in range(2):
        for i in range(20):
            mask[window, i, built.indices[window, i, : built.counts[window, i]]] = True

    assert (built.mask.numpy() == mask).all()
    assert built.in_degree().tolist() == mask.sum(1).tolist()
    assert built.mask is built.mask and built.additive is built.additive
    some = built.counts > 0
    assert some.tolist() == (~built.empty).tolist()
    assert (built.additive[some] == 0).equal(built.mask[some])
    assert (built.additive[~some] == 0).all()


# --- refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [0, -3, 2.0, True, "4", None], ids=repr)
def test_refuses_k(k):
    with pytest.raises(ValueError, match=f"k must be .* got {k!r}; pass e.g. k=64"):
        build_dictionary(torch.randn(1, 4, 2), k)


@pytest.mark.parametrize("shape", [(4, 2), (1, 0, 2), (0, 4, 2), (1, 4, 0), (1, 2, 4, 2)], ids=str)
def test_refuses_shape(shape):
    with pytest.raises(ValueError, match=r"expected non-empty tokens \[B,N,C\], got \["):
        build_dictionary(torch.randn(shape), 2)


def test_refuses_whole_number_tokens():
    with pytest.raises(ValueError, match=r"expected floating tokens, got torch.int64"):
        build_dictionary(torch.ones(1, 4, 2, dtype=torch.long), 2)


@pytest.mark.parametrize(
    ("valid", "message"),
    [
        (torch.zeros(1, 4), "integer labels or bool, got torch.float32"),
        (torch.zeros(4, dtype=torch.long), r"shape \[1, 4\], got \[4\]"),
        (torch.zeros(2, 4, dtype=torch.long), r"shape \[1, 4\], got \[2, 4\]"),
        (torch.zeros(1, 4, 4, dtype=torch.long), r"shape \[1, 4\], got \[1, 4, 4\]"),
        (torch.zeros(1, 3, dtype=torch.bool), r"\[1, 4\] or \[1, 4, 4\], got \[1, 3\]"),
        (torch.zeros(1, 4, dtype=torch.bool, device="meta"), "valid is on meta but tokens on cpu"),
    ],
    ids=["float", "1-d", "batch", "label-pairs", "keys", "device"],
)
def test_refuses_valid(valid, message):
    with pytest.raises(ValueError, match=message):
        build_dictionary(torch.randn(1, 4, 2), 2, valid=valid)


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf, 1e20], ids=str)
@pytest.mark.parametrize("n", [1, 6])
def test_refuses_tokens_that_cannot_be_compared(value, n):
    tokens = torch.randn(2, n, 3)
    tokens[1, n - 1, 2] = value
    with pytest.raises(NonFiniteTokensError, match=rf"tokens\[1, {n - 1}\] has norm .*1 such"):
        build_dictionary(tokens, 2)
