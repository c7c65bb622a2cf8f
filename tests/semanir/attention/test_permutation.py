"""Sec. 3.2 of the paper: f(Tx) = Tf(x) for every permutation T of the tokens of a window."""

import pytest
import torch

from semanir.attention import attend, build_dictionary

B, H, N, D, K = 1, 2, 16, 4, 5


@pytest.mark.parametrize(("biased", "commutes"), [(False, True), (True, False)])
def test_permutations_commute_only_without_a_position_bias(biased, commutes):
    tokens, q, k, v = (torch.randn(shape) for shape in [(B, N, H * D), *[(B, H, N, D)] * 3])
    table = torch.randn(H, 7 * 7) if biased else torch.zeros(H, 7 * 7)
    order = torch.randperm(N)

    def run(order):
        dictionary = build_dictionary(tokens[:, order], k=K)
        parts = (q[:, :, order], k[:, :, order], v[:, :, order])
        return attend(*parts, dictionary, table, window=(4, 4), backend="reference")

    difference = (run(order) - run(torch.arange(N))[:, :, order]).abs().max().item()
    assert (difference < 1e-6) is commutes
