"""Windows, and a stage against plain loops of Alg. 1.

# S images, C channels, H x W feature map, B windows, N tokens, D head width
"""

from itertools import product
from math import erf, exp, log2, sqrt

import numpy as np
import pytest
import torch
from tiny_networks import images, randomise, seeded

from semanir.network.config import LayerConfig
from semanir.network.layers import Stage
from semanir.network.windows import pad_reflect


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (2, 3), (3, 2), (5, 8), (9, 16), (17, 4)])
@pytest.mark.parametrize("multiple", [(1, 1), (4, 4), (8, 16), (7, 32)])
def test_pad_reflect_is_numpys_reflection(size, multiple):
    """Also where the padding is larger than the image, which torch's own reflection refuses."""
    x = images(2, 3, *size)
    widths = [(0, -length % m) for length, m in zip(size, multiple, strict=True)]
    expected = np.pad(x.numpy(), [(0, 0), (0, 0), *widths], mode="reflect")
    np.testing.assert_array_equal(pad_reflect(x, multiple).numpy(), expected)


def plain_and_shifted(dim=6, heads=2, layers=1, window=8, **switches):
    """An unshifted and a shifted stage of the same weights."""
    config = LayerConfig(window=window, **switches)
    stages = [Stage(dim, heads, layers, config, shifted=s).double() for s in (False, True)]
    stages[1].load_state_dict(randomise(stages[0], 0.3).state_dict())
    return stages


@pytest.mark.parametrize("size", [(8, 8), (9, 13), (16, 24)], ids=str)
def test_the_dense_twin_has_every_key(size):
    """It equals the stage whose dictionary holds all tokens, the query's own included."""
    x = images(2, 6, *size)
    twins = ({"keys": "all"}, {"include_self": True})
    stages = (plain_and_shifted(layers=2, **switches) for switches in twins)
    for dense, full in zip(*stages, strict=True):
        full.load_state_dict(dense.state_dict())
        with torch.no_grad():
            assert (dense(x, 9) - full(x, 64)).abs().max() < 1e-10
            assert (dense(x, 9) - full(x, 9)).abs().max() > 1e-3
            assert torch.equal(dense(x, 9), dense(x, 1))
    dense(x, 9).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in dense.parameters())


def norm_by_hand(x, module):
    weight, bias = (p.detach().numpy() for p in (module.weight, module.bias))
    return (x - x.mean()) / sqrt(x.var() + 1e-5) * weight + bias


def linear_by_hand(x, module):
    out = module.weight.detach().numpy() @ x
    return out if module.bias is None else out + module.bias.detach().numpy()


def bias_by_hand(module, query, key, window):
    """16 * sigmoid(MLP(sign(t) log2(1 + |8t|) / 3)), t the offset as a part of the window."""
    t = [(i - j) / max(n - 1, 1) for i, j, n in zip(query, key, window, strict=True)]
    coordinates = np.array([np.sign(v) * log2(1 + abs(8 * v)) / 3 for v in t])
    hidden = np.maximum(linear_by_hand(coordinates, module.mlp[0]), 0)
    return 16 / (1 + np.exp(-linear_by_hand(hidden, module.mlp[2])))  # [heads]


def product_by_hand(attention, q, k, head):
    """Scaled dot product, or cosine times a scale of at most 100."""
    if attention.logit_scale is None:
        return q[head] @ k[head] / sqrt(len(q[head]))
    cosine = q[head] @ k[head] / sqrt(q[head] @ q[head]) / sqrt(k[head] @ k[head])
    return cosine * min(exp(attention.logit_scale[head].item()), 100)


def compared_by_hand(similarity, token):
    if similarity == "layernorm":
        return (token - token.mean()) / sqrt(token.var() + 1e-5)
    return token / sqrt(token @ token) if similarity == "cosine" else token


def stage_by_hand(stage, x, k):
    """Alg. 1 for one image [C,H,W] in loops over single tokens: no rolling and no labels.

    Windows of a shifted stage are those of the plane moved by half a window, cut at the border.
    """
    c, height, width = x.shape
    window = min(stage.window, height), min(stage.window, width)
    x = np.pad(x, [(0, 0), (0, -height % window[0]), (0, -width % window[1])], mode="reflect")
    sides = x.shape[1:]
    shift = [w // 2 * (stage.shifted and n > w) for w, n in zip(window, sides, strict=True)]
    tokens = {(i, j): x[:, i, j] for i in range(sides[0]) for j in range(sides[1])}
    groups: dict = {}
    for i, j in tokens:
        group = (i - shift[0]) // window[0], (j - shift[1]) // window[1]
        groups.setdefault(group, []).append((i, j))

    # line 1: the dictionary, from the raw stage input, without the token itself
    compared = {at: compared_by_hand(stage.similarity, value) for at, value in tokens.items()}
    listed = {}
    for members in groups.values():
        for query in members:
            others = [key for key in members if key != query or stage.include_self]
            others.sort(key=lambda key, query=query: -float(compared[query] @ compared[key]))
            listed[query] = others[:k]

    for layer in stage.layers:
        attention = layer.attention
        heads = attention.heads
        qkv = {}
        for at, value in tokens.items():
            normed = value if layer.post_norm else norm_by_hand(value, layer.norm1)
            qkv[at] = linear_by_hand(normed, attention.qkv).reshape(3, heads, -1)
        updated = {}
        for query, value in tokens.items():
            gathered = np.zeros((heads, c // heads))
            biases = [bias_by_hand(attention.bias, query, key, window) for key in listed[query]]
            for h in range(heads):
                scores = []
                for key, bias in zip(listed[query], biases, strict=True):
                    score = product_by_hand(attention, qkv[query][0], qkv[key][1], h)
                    scores.append(score + bias[h])
                weights = [exp(score - max(scores)) for score in scores]
                for key, weight in zip(listed[query], weights, strict=True):
                    gathered[h] += weight / sum(weights) * qkv[key][2, h]
            branch = linear_by_hand(gathered.flatten(), attention.proj)
            value = value + (norm_by_hand(branch, layer.norm1) if layer.post_norm else branch)
            hidden = value if layer.post_norm else norm_by_hand(value, layer.norm2)
            hidden = linear_by_hand(hidden, layer.ffn[0])
            hidden = np.array([v * 0.5 * (1 + erf(v / sqrt(2))) for v in hidden])  # GELU
            branch = linear_by_hand(hidden, layer.ffn[2])
            value = value + (norm_by_hand(branch, layer.norm2) if layer.post_norm else branch)
            updated[query] = value
        tokens = updated

    # line 7: convolution and residual on the pixels that are not padding
    kernel, bias = (p.detach().numpy() for p in (stage.conv.weight, stage.conv.bias))
    out = x[:, :height, :width] + bias[:, None, None]
    for i, j, di, dj in product(range(height), range(width), (-1, 0, 1), (-1, 0, 1)):
        if 0 <= i + di < height and 0 <= j + dj < width:
            out[:, i, j] += kernel[:, :, di + 1, dj + 1] @ tokens[i + di, j + dj]
    return out


STAGES = [
    # height x width, window, k, switches
    ((6, 9), 3, 4, {}),  # shift 1 leaves a corner window of one pixel, which has no key
    ((7, 6), 4, 5, {"include_self": True}),
    ((4, 4), 4, 3, {}),
    ((3, 7), 4, 99, {}),
    ((5, 6), 4, 6, {"norm": "post"}),
    ((5, 6), 4, 6, {"attention": "cosine"}),
    ((5, 6), 4, 6, {"similarity": "cosine"}),
    ((5, 6), 4, 6, {"similarity": "layernorm"}),
]


@pytest.mark.parametrize(("size", "window", "k", "switches"), STAGES, ids=str)
@pytest.mark.parametrize("shifted", [False, True], ids=["plain", "shifted"])
def test_stage_equals_plain_loops(shifted, size, window, k, switches):
    x = torch.randn(1, 6, *size, generator=seeded(3), dtype=torch.float64)
    expected = None
    for backend in ("mask", "gather", "reference"):
        stage = plain_and_shifted(layers=2, window=window, backend=backend, **switches)[shifted]
        if "attention" in switches:
            for layer, scale in zip(stage.layers, (3.0, 9.0), strict=True):  # 9 is clamped
                layer.attention.logit_scale.data[:] = torch.tensor([1.0, scale]).view(2, 1, 1)
        if expected is None:
            expected = stage_by_hand(stage, x[0].numpy(), k)
        with torch.no_grad():
            quick = stage(x, k)
        for out in (quick, stage(x, k)):  # with gradients it may take another path
            difference = np.abs(out.detach()[0].numpy() - expected).max()
            print(f"{backend}: {difference:.1e} of values up to {np.abs(expected).max():.1f}")
            # the clamp of 4.6052 is not quite a scale of 100
            assert difference < (1e-4 if "attention" in switches else 1e-9), backend
    assert np.abs(expected - x[0].numpy()).max() > 0.1  # the stage did something
