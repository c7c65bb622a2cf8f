"""The key-semantic dictionary: exactly k keys, the lowest index wins ties, no N x N matrix.

# B windows, N tokens, C channels, K keys per query
"""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from semanir.attention import NonFiniteTokensError, build_dictionary, dictionary
from semanir.measure.timing import peak_bytes

TYPES = [torch.float32, torch.float64, torch.bfloat16]


def whole_tokens(b, n, c, seed=0, values=2):
    """Small whole numbers: dot products are exact in every type, and many tie."""
    source = torch.Generator().manual_seed(seed)
    return torch.randint(-values, values + 1, (b, n, c), generator=source).double()


def sorted_keys(tokens, k, include_self=False, allowed=None):
    """The specification: per query, the first k keys by (-similarity, index), then ascending."""
    x = tokens.double().numpy()
    b, n, _ = x.shape
    expected = [[] for _ in range(b)]
    for window, i in np.ndindex(b, n):
        keys = [j for j in range(n) if include_self or j != i]
        keys = np.array([j for j in keys if allowed is None or allowed[window, i, j]], int)
        order = np.argsort(-(x[window, keys] @ x[window, i]), kind="stable")
        expected[window].append(sorted(keys[order[:k]].tolist()))
    return expected


def same(labels):
    """Which keys each query may select, [B,N,N]: those of its label."""
    return labels[:, :, None] == labels[:, None]


def check(built, expected, n):
    """Indices, counts, padding, type and order against rows of keys."""
    longest = max(len(row) for rows in expected for row in rows)
    padded = [[row + [n] * (longest - len(row)) for row in rows] for rows in expected]
    assert built.indices.dtype == built.counts.dtype == torch.int32
    assert list(built.indices.shape) == [len(expected), n, longest]
    assert built.indices.tolist() == padded
    assert built.counts.tolist() == [[len(row) for row in rows] for rows in expected]


SIZES = [(63, 17), (64, 16), (33, 1), (21, 20), (21, 21), (21, 500), (2, 1), (1, 1), (1, 4)]
others_or_self = pytest.mark.parametrize("include_self", [False, True], ids=["others", "self"])
every_type = pytest.mark.parametrize("dtype", TYPES, ids=str)


@every_type
@others_or_self
@pytest.mark.parametrize(("n", "k"), SIZES)
def test_keeps_exactly_the_k_most_similar(n, k, include_self, dtype):
    tokens = whole_tokens(2, n, 5)
    built = build_dictionary(tokens.to(dtype), k, include_self=include_self)
    check(built, sorted_keys(tokens, k, include_self), n)


def test_rounding_of_the_type_and_autocast_change_nothing():
    """256 + 1 rounds to 256 in bfloat16, yet the larger dot product must win."""
    tokens = torch.tensor([[[16.0, 1.0], [16.0, 0.0], [16.0, 1.0]]], dtype=torch.bfloat16)
    assert build_dictionary(tokens, 1).indices[0, 0].tolist() == [2]
    tokens = torch.randn(1, 50, 24)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        built = build_dictionary(tokens, 7)
    assert torch.equal(built.indices, build_dictionary(tokens, 7).indices)


@pytest.mark.parametrize("k", [1, 5, 23, 24])
@pytest.mark.parametrize("regions", [1, 2])
def test_the_query_is_ranked_and_dropped(k, regions):
    tokens, labels = whole_tokens(1, 23, 6), torch.arange(23)[None] % regions
    built = build_dictionary(tokens, k, ranks_self=True, valid=labels)
    ranked = sorted_keys(tokens, k, True, same(labels))
    check(built, [[[j for j in row if j != i] for i, row in enumerate(ranked[0])]], 23)
    assert built.checked


def regions(h, w, shift_y, shift_x):
    """Labels [1,N] of the last window of a rolled map: four regions."""
    y, x = torch.arange(h) >= h - shift_y, torch.arange(w) >= w - shift_x
    return (2 * y.int()[:, None] + x.int()).view(1, -1)


@others_or_self
@pytest.mark.parametrize("k", [5, 9, 40])
def test_only_allowed_keys_are_selected(k, include_self):
    source = torch.Generator().manual_seed(1)
    tokens, labels = whole_tokens(2, 48, 4), regions(6, 8, 1, 2).repeat(2, 1)
    keys = torch.rand(2, 48, generator=source) < 0.3
    both = torch.rand(2, 48, 48, generator=source) < 0.2
    both[1, 4] = False
    none = torch.zeros(2, 48, dtype=torch.bool)
    for valid, allowed in (
        (none, none[:, None].expand(2, 48, 48)),
        (labels, same(labels)),
        (keys, keys[:, None].expand(2, 48, 48)),
        (both, both),
    ):
        built = build_dictionary(tokens.float(), k, include_self=include_self, valid=valid)
        check(built, sorted_keys(tokens, k, include_self, allowed), 48)


@settings(max_examples=80)
@given(st.data())
def test_any_small_window(data):
    n, c, k = (data.draw(st.integers(1, high)) for high in (20, 4, 25))
    tokens = whole_tokens(1, n, c, seed=data.draw(st.integers(0, 99)), values=1)
    include_self = data.draw(st.booleans())
    labels = torch.tensor([data.draw(st.lists(st.integers(0, 2), min_size=n, max_size=n))])
    built = build_dictionary(tokens.float(), k, include_self=include_self, valid=labels)
    check(built, sorted_keys(tokens, k, include_self, same(labels)), n)


WIDTHS = [(17, 30), (33, 33), (63, 180), (65, 16), (77, 183), (100, 31), (130, 60), (257, 9)]


@pytest.mark.parametrize("chunk", [1, 2**22], ids=["row-by-row", "whole"])
@every_type
@pytest.mark.parametrize(("n", "c"), [*WIDTHS, (300, 5)])
def test_identical_keys_tie_whatever_the_matrix_product_rounds(n, c, dtype, chunk, monkeypatch):
    monkeypatch.setattr(dictionary, "CHUNK", chunk)
    source = torch.Generator().manual_seed(n * 1000 + c)
    tokens = torch.randn(1, n, c, generator=source, dtype=torch.float64).to(dtype)
    tokens = tokens[:, torch.randint(0, max(1, n // 3), (n,), generator=source)]
    selected = build_dictionary(tokens, n // 2, include_self=True).mask[0]
    for i in range(n):
        equal = (tokens[0] == tokens[0, i]).all(-1).nonzero()[:, 0]
        chosen = selected[:, equal].int()
        assert (chosen.diff(dim=-1) <= 0).all(), f"token {i} lost to a later one that equals it"


@pytest.mark.parametrize("chunk", [1, 63, 64 * 5, 63 * 63, 2 * 63 * 63])
def test_chunks_change_nothing(chunk, monkeypatch):
    tokens, labels = whole_tokens(3, 63, 4).float(), regions(7, 9, 3, 4).repeat(3, 1)
    whole = build_dictionary(tokens.double(), 17, valid=labels)  # in torch, whatever the CPU
    monkeypatch.setattr(dictionary, "CHUNK", chunk)
    built = build_dictionary(tokens.double(), 17, valid=labels)
    assert torch.equal(built.indices, whole.indices) and torch.equal(built.counts, whole.counts)


def test_never_holds_all_similarities():
    n = 8192
    tokens, labels = whole_tokens(1, n, 8).float(), torch.arange(n).view(1, n) % 2
    for valid in (labels, labels == 0):  # compiled, and in torch
        peak = peak_bytes(lambda valid=valid: build_dictionary(tokens, 512, valid=valid))
        print(f"peak {peak / 2**20:.0f} MiB, N x N {4 * n * n / 2**20:.0f} MiB")
        assert peak < 4 * n * n / 3


def test_derived_forms_agree_with_the_indices():
    tokens, labels = whole_tokens(2, 20, 3).requires_grad_(), regions(4, 5, 1, 1).repeat(2, 1)
    built = build_dictionary(tokens * 2, 6, valid=labels)
    mask = np.zeros((2, 20, 20), dtype=bool)
    for window, i in np.ndindex(2, 20):
        mask[window, i, built.indices[window, i, : built.counts[window, i]]] = True
    assert (built.mask.numpy() == mask).all()
    assert built.in_degree().tolist() == mask.sum(1).tolist()
    some = built.counts > 0
    assert some.tolist() == (~built.empty).tolist()
    assert (built.additive[some] == 0).equal(built.mask[some])
    assert (built.additive[~some] == 0).all() and not built.additive.requires_grad


LONG, BOOL = torch.long, torch.bool
GOOD = torch.randn(1, 4, 2)


@pytest.mark.parametrize(
    ("tokens", "k", "valid", "message"),
    [
        *((GOOD, k, None, f"got {k!r}; pass e.g. k=64") for k in (0, -3, 2.0, True, "4", None)),
        *((x, 2, None, r"\[B,N,C\], got \[") for x in (GOOD[0], GOOD[None], GOOD[:, :0])),
        (torch.ones(1, 4, 2, dtype=LONG), 2, None, "got torch.int64"),
        (GOOD, 2, torch.zeros(1, 4), "got torch.float32"),
        (GOOD, 2, torch.zeros(4, dtype=LONG), r"\[1, 4\], got \[4\]"),
        (GOOD, 2, torch.zeros(1, 4, 4, dtype=LONG), r"\[1, 4\], got \[1, 4, 4\]"),
        (GOOD, 2, torch.zeros(1, 3, dtype=BOOL), r"\[1, 4, 4\], got \[1, 3\]"),
        (GOOD, 2, torch.zeros(1, 4, dtype=BOOL, device="meta"), "on meta but tokens on cpu"),
    ],
)
def test_refuses_what_does_not_fit(tokens, k, valid, message):
    with pytest.raises(ValueError, match=message):
        build_dictionary(tokens, k, valid=valid)


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf, 1e20], ids=str)
@pytest.mark.parametrize("n", [1, 6])
def test_refuses_tokens_that_cannot_be_compared(value, n):
    tokens = torch.randn(2, n, 3)
    tokens[1, n - 1, 2] = value
    with pytest.raises(NonFiniteTokensError, match=rf"tokens\[1, {n - 1}\] has norm .*1 such"):
        build_dictionary(tokens, 2)
