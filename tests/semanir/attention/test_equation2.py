"""Eq. 2 of the paper to the letter: a query is ranked among its keys, then drops out."""

import pytest
import torch

import semanir
from semanir.attention import build_dictionary
from semanir.errors import InputError

N, C, K = 23, 6, 5


def literal(tokens, k, labels):
    """The keys of each query by plain loops in float64."""
    rows = []
    for query in range(N):
        similar = (tokens @ tokens[query]).tolist()
        allowed = [key for key in range(N) if labels[key] == labels[query]]
        ranked = sorted(allowed, key=lambda key: (-similar[key], key))[:k]
        rows.append(sorted(key for key in ranked if key != query))
    return rows


@pytest.mark.parametrize("k", [1, K, N, N + 1])
@pytest.mark.parametrize("regions", [1, 2])
def test_the_query_is_ranked_and_dropped(k, regions):
    tokens = torch.randn(1, N, C, dtype=torch.float64)
    labels = torch.arange(N)[None] % regions
    built = build_dictionary(tokens, k, ranks_self=True, valid=labels)
    rows = literal(tokens[0], k, labels[0])
    assert built.checked
    assert built.counts[0].tolist() == [len(row) for row in rows]
    for found, row in zip(built.indices[0].tolist(), rows, strict=True):
        assert found[: len(row)] == row
    assert {len(row) for row in rows} <= {min(k, N), min(k, N) - 1, 10, 11}


def test_the_default_keeps_k_others():
    tokens = torch.randn(2, N, C)
    assert (build_dictionary(tokens, K).counts == K).all()
    counts = build_dictionary(tokens, K, ranks_self=True).counts
    assert set(counts.unique().tolist()) == {K - 1, K}


def test_a_network_has_the_switch():
    """Same parameters, other keys; with include_self it contradicts itself."""
    torch.manual_seed(0)
    network = semanir.build("semanir-u-tiny", channels=1)
    other = semanir.build("semanir-u-tiny", channels=1, ranks_self=True)
    other.load_state_dict(network.state_dict())
    for one in (network, other):
        torch.nn.init.normal_(one.conv_last.weight, generator=torch.Generator().manual_seed(1))
    x = torch.rand(1, 1, 24, 24)
    with torch.no_grad():
        assert not torch.equal(network(x), other(x))
    with pytest.raises(InputError, match="ranks_self"):
        semanir.build("semanir-u-tiny", channels=1, ranks_self=True, include_self=True)
