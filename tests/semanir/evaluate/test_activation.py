"""What Figure 4 is made of: attention weights of a query, and the in-degree of the dictionary."""

import numpy as np
import pytest
import torch

import semanir
from data_prep.tasks import get_task
from semanir.attention import AllKeys, build_dictionary
from semanir.errors import InputError
from semanir.evaluate import activation
from semanir.inference import checkpoint
from semanir.network.windows import region_labels


@pytest.mark.parametrize("keys", ["dictionary", "all"])
def test_attention_weights_are_those_of_the_layer(keys):
    """Weights times values, heads merged and projected, is what the layer returns."""
    layer = semanir.build("semanir-u-tiny", window=8).down["0"].layers[0].attention
    x = torch.randn(2, 64, 16)
    chosen = build_dictionary(x, 9) if keys == "dictionary" else AllKeys()
    with torch.no_grad():
        got = activation.weights(layer, x, chosen, (8, 8))
        v = layer.qkv(x).view(2, 64, 3, layer.heads, -1).permute(2, 0, 3, 1, 4)[2]
        merged = (got @ v).transpose(1, 2).reshape(2, 64, 16)
        assert (layer.proj(merged) - layer(x, chosen, (8, 8))).abs().max() < 1e-5


def test_inspection_of_a_network():
    network = semanir.build("semanir-u-tiny").eval()
    image = np.random.default_rng(0).random((40, 45, 3), dtype=np.float32)
    image[4 + 8 : 4 + 12, 6 + 20 : 6 + 24] = [[[0.0], [1.0], [0.0], [1.0]]]  # the liveliest block
    found = activation.inspect(network, image)
    assert found["query"] == [8, 20]
    assert set(found["maps"]) == {"8", "16", "64", "256", "all"}
    for name, shown in found["maps"].items():
        assert np.shape(shown) == (32, 32) and np.sum(shown) == pytest.approx(1, abs=1e-3)
        least, most = (900, 1024) if name == "all" else (0, 16 * int(name))
        assert least < np.count_nonzero(shown) <= most
    for row in found["stages"]:
        assert sum(row["histogram"]) % row["N"] == 0 and row["most"] < row["N"]
    assert {row["stage"] for row in found["stages"]} == {"down.0", "up.1", "final"}
    with pytest.raises(InputError, match="32 x 32 or more"):
        activation.inspect(network, image[:31])
    with pytest.raises(InputError, match="keys='all'"):
        activation.inspect(semanir.build("semanir-u-tiny", keys="all"), image)


@pytest.mark.parametrize("switch", ["include_self", "ranks_self", "shifted"])
def test_in_degrees_are_those_of_the_dictionary_that_the_stage_uses(switch, monkeypatch):
    """Shifted windows with their labels and the network's flags; other similarities likewise."""
    torch.manual_seed(0)
    flags = {switch: True} if switch != "shifted" else {}
    network = semanir.build("semanir-s-tiny", upscale=2, similarity="cosine", **flags).eval()
    stage, used = network.stages[1], []
    layer = stage.layers[0]
    layer.register_forward_pre_hook(lambda module, inputs: used.append(inputs[:2]))
    x = torch.rand(1, 3, 24, 16)
    with torch.no_grad():
        expected = network(x)
        rows = {(row["stage"], row["similarity"]): row for row in activation.in_degrees(network, x)}
        assert torch.equal(network(x), expected) and stage.similarity == "cosine"
    tokens, own = used[0]
    labels = region_labels((24, 16), (8, 8), (4, 4), x.device)
    other = build_dictionary(tokens, 32, valid=labels, **flags)
    for similarity, dictionary in (("cosine", own), ("dot", other)):
        degree = dictionary.in_degree().flatten()
        row = rows["stages.1", similarity]
        assert row["most"] == degree.max() and row["k"] == dictionary.indices.shape[-1]
        assert row["never"] == float((degree == 0).float().mean())
        counted, _ = np.histogram(degree, (*activation.BINS, 10**9))
        assert row["histogram"] == counted.tolist()
    assert len(rows) == 2 * 3


def test_the_switches_of_a_model_are_those_of_what_is_looked_at(tmp_path, monkeypatch):
    checkpoint.save(tmp_path / "w.safetensors", semanir.build("semanir-u-tiny"))
    image = np.zeros((32, 32, 3), np.float32)
    monkeypatch.setattr(activation, "load_index", lambda folder: [{"file": "a.npy"}])
    monkeypatch.setattr(activation, "read_degraded", lambda path: image)
    task = get_task("denoise_color-blind")
    found = activation.activation_of_set(tmp_path / "w.safetensors", task, "set", "sigma15", k=8)
    assert {row["k"] for row in found["stages"]} == {8} and found["image"] == "a"
