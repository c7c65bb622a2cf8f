"""What Figure 4 is made of: attention weights of a query, and the in-degree of the dictionary."""

import numpy as np
import pytest
import torch

import semanir
from semanir.attention import AllKeys, build_dictionary
from semanir.errors import InputError
from semanir.evaluate import activation


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
