"""The compiled selection of keys against a stable sort, plain torch and exact products."""

import numpy as np
import pytest
import torch

from semanir.attention.cpu.build import kernels
from semanir.attention.select import most_similar_op, select, select_plainly

needs_kernels = pytest.mark.skipif(kernels() is None, reason="no C++ compiler or no ninja")


def rows(kind, b, r, n):
    source = np.random.default_rng(n)
    values = source.standard_normal((b, r, n)).astype(np.float32)
    if kind == "ties":
        values = values.round()
    if kind == "signed zeros":
        values = np.where(values > 0, np.float32(0), np.float32(-0.0))
    if kind == "hidden":
        values[source.random(values.shape) < 0.7] = -np.inf
    if kind == "all hidden":
        values[:] = -np.inf
    if kind == "tiny and huge":
        values *= np.float32(10) ** source.integers(-44, 38, values.shape).astype(np.float32)
    if kind == "neighbours":  # adjacent floats
        values = np.nextafter(np.float32(1), np.float32(2)) + values.round() * np.float32(2**-23)
    return torch.from_numpy(values.astype(np.float32))


KINDS = ["ties", "signed zeros", "hidden", "all hidden", "tiny and huge", "neighbours", "normal"]


@needs_kernels
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(2, 5, 63), (1, 3, 1), (2, 17, 16), (1, 33, 17), (3, 9, 1000)])
def test_selects_what_a_stable_sort_selects(kind, size):
    similarity, n = rows(kind, *size), size[-1]
    order = np.argsort(-similarity.numpy(), axis=-1, kind="stable")
    for k in sorted({1, n // 3 + 1, n - 1 or 1, n}):
        best = order[..., :k]
        real = np.take_along_axis(similarity.numpy(), best, -1) > -np.inf
        for indices, counts in (select(similarity, k), select_plainly(similarity, k)):
            np.testing.assert_array_equal(counts, real.sum(-1))
            np.testing.assert_array_equal(indices, np.sort(np.where(real, best, n), axis=-1))


@needs_kernels
@pytest.mark.parametrize("name", ["plain", "labels", "self"])
@pytest.mark.parametrize("size", [(2, 1, 3), (1, 13, 1), (3, 65, 7), (2, 257, 30)])
def test_the_compiled_selection_is_that_of_exact_products(name, size):
    """Whole numbers, whose products every order of summation gets right; ties among them."""
    tokens = torch.randint(-3, 4, size).float()
    b, n, _ = size
    labels = torch.randint(0, 3, (b, n)) if name == "labels" else None
    similarity = tokens @ tokens.mT
    if name != "self":
        similarity.diagonal(0, 1, 2).fill_(-torch.inf)
    if labels is not None:
        similarity[labels[:, :, None] != labels[:, None]] = -torch.inf
    for k in sorted({1, n // 2 + 1, n}):
        got = most_similar_op(tokens, k, name == "self", labels)
        assert all(map(torch.equal, got, select_plainly(similarity, k)))


@needs_kernels
def test_identical_tokens_are_selected_by_index():
    """Two tokens in many places of a window: every query takes the lowest of its favourites."""
    two = torch.randn(2, 180)
    indices, _ = most_similar_op(two[torch.arange(300) % 2][None], 9, True, None)
    for token, favourite in enumerate((two @ two.T).argmax(1).tolist()):
        assert indices[0, token].tolist() == list(range(favourite, favourite + 18, 2))
