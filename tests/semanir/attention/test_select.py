"""The compiled selection of keys, and that in torch, against a stable sort.

The compiled products are tested through the dictionaries of test_dictionary.py.
"""

import numpy as np
import pytest
import torch

from semanir.attention.cpu.build import kernels
from semanir.attention.select import select, select_plainly

KINDS = {
    "normal": lambda x, source: x,
    "ties": lambda x, source: x.round(),
    "signed zeros": lambda x, source: np.where(x > 0, 0.0, -0.0),
    "hidden": lambda x, source: np.where(source.random(x.shape) < 0.7, -np.inf, x),
    "all hidden": lambda x, source: x * 0 - np.inf,
    "tiny and huge": lambda x, source: x * np.float32(10) ** source.integers(-44, 38, x.shape),
    "neighbours": lambda x, source: np.float32(1 + 2**-23) + x.round() * np.float32(2**-23),
}


@pytest.mark.skipif(kernels() is None, reason="no C++ compiler or no ninja")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(2, 5, 63), (1, 3, 1), (2, 17, 16), (1, 33, 17), (3, 9, 1000)])
def test_selects_what_a_stable_sort_selects(kind, size):
    n, source = size[-1], np.random.default_rng(size[-1])
    values = KINDS[kind](source.standard_normal(size).astype(np.float32), source)
    similarity = torch.from_numpy(values.astype(np.float32))
    order = np.argsort(-similarity.numpy(), axis=-1, kind="stable")
    for k in sorted({1, n // 3 + 1, n - 1 or 1, n}):
        best = order[..., :k]
        real = np.take_along_axis(similarity.numpy(), best, -1) > -np.inf
        for indices, counts in (select(similarity, k), select_plainly(similarity, k)):
            np.testing.assert_array_equal(counts, real.sum(-1))
            np.testing.assert_array_equal(indices, np.sort(np.where(real, best, n), axis=-1))
