"""The compiled selection of keys, and that in torch, against a stable sort.

The compiled products are tested through the dictionaries of test_dictionary.py.
"""

import numpy as np
import pytest
import torch

from semanir.attention.cpu.build import kernels
from semanir.attention.select import select, select_plainly

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
