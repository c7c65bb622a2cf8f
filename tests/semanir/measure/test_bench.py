"""The benchmark: dense peers compute one function, shares follow from times, tokens of a stage."""

import pytest
import torch
from torch.nn.attention.flex_attention import flex_attention

from semanir.cli.bench import text
from semanir.measure import bench
from semanir.measure.bench import Layer, StageLayer, compare
from semanir.measure.peers import PEERS, dense, flex
from semanir.network import layers


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setitem(bench.TOKENS, "cpu", 64)
    monkeypatch.setitem(bench.PEAK_SIDE, "cpu", 32)
    monkeypatch.setitem(bench.BACKENDS, "cpu", ("mask", "gather"))


def test_dense_peers_are_attention_over_all_keys():
    layer = Layer(12, 11, tokens=24)  # all keys but the query itself
    given = layer.table, layer.bias, layer.window
    expected = dense("dense", layer.qkv, *given)
    q, k, v = layer.qkv.double()
    scores = q @ k.mT / q.shape[-1] ** 0.5
    exact = (scores + layer.bias).softmax(-1) @ v
    torch.testing.assert_close(expected.double(), exact, rtol=0, atol=1e-5)
    plain = dense("dense without bias", layer.qkv, *given)
    torch.testing.assert_close(plain.double(), scores.softmax(-1) @ v, rtol=0, atol=1e-5)
    half = dense("dense bf16", layer.qkv, *given)
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.double(), exact, rtol=0, atol=0.1)


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
def test_flex_attention_adds_the_same_bias():
    layer = Layer(12, 4, tokens=24)
    with torch.no_grad():
        got = flex(layer.qkv, layer.table, layer.window, flex_attention)
    torch.testing.assert_close(got, layer.run("dense"), rtol=0, atol=1e-5)


def test_times_and_shares_of_all_back_ends_and_peers(small):
    layer = Layer(16, 4)
    row = compare(layer, 0, "cpu")
    names = {"mask", "gather", *PEERS["cpu"]}
    for what in ("forward", "forward_backward"):
        times, shares = row[what], row["share"][what]
        assert names == set(times) == set(shares)
        # operations of 4 keys against those of all 16, in the same unit
        ratio = shares["mask"] * times["mask"] / (shares["dense"] * times["dense"])
        assert ratio == pytest.approx(4 / 16)
    assert (row["B"], row["heads"], row["width"]) == (4, 6, 30)


def test_tokens_of_a_stage_are_those_that_the_network_attends_with(small, monkeypatch):
    calls = []
    attend = layers.attend

    def recorded(*given, **options):
        calls.append(attend(*given, **options))
        return calls[-1]

    monkeypatch.setattr(layers, "attend", recorded)
    layer = StageLayer(16, 5)
    assert layer.qkv.shape == (3, 4, 3, 16, 16)
    # the first layer of the third stage, four layers each
    with torch.no_grad():
        torch.testing.assert_close(layer.run("reference").float(), calls[8], rtol=0, atol=1e-4)
    assert (layer.dictionary.counts == 5).all()


def test_shown_as_text(small):
    row = compare(Layer(16, 4), 0, "cpu")
    row["forward"] |= {"mask": 2.0, "dense": 3.0}
    row["share"]["forward"]["mask"] = 0.25
    measured = {"layers": [row], "stage_layers": [row], "threads": 2, "instructions": "AVX2"}
    measured |= {"device": "cpu", "tokens": 64, "backends": ("mask", "gather")}
    measured |= {"dictionary": {"build_dictionary": 1, "product_and_topk": 2}, "errors": {}}
    measured |= {"stage": {"sparse": 1, "dense": 2}, "switch": [{}], "memory": {"peak": {}}}
    shown = text(measured)
    assert "2 threads, AVX2" in shown and shown.count("2.0 (1.50x; 25%)") == 2
