"""TransWeather: its attention by hand, what is never used, and weights as they were released.

# H heads, N tokens, C channels, R side of the squares of tokens that become one key
"""

from itertools import product

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import erf
from tiny_networks import randomise

from baselines import adapt
from baselines.transweather import TransWeather, _Attention, _Encoder, _LearntQueries, _Mlp
from baselines.weights_download import download_weights
from semanir.errors import InputError
from semanir.inference.restore import restore
from semanir.measure import counts as measure

# the decoder's attention has 8 heads, whatever the widths
SMALL = {"dims": (8, 16, 24, 32)}
UNUSED = ("Tenc.mini_patch_embed4.", "convtail.conv_output.")


def small(seed=0):
    torch.manual_seed(seed)
    return TransWeather(**SMALL).eval()


def test_parameters_are_counted_as_released():
    """38.05 M with the layers that nothing passes: 64 x 512 x 9 + 3 x 512 and 8 x 3 x 9 + 3."""
    sizes = {name: value.numel() for name, value in TransWeather().named_parameters()}
    unused = {name: size for name, size in sizes.items() if name.startswith(UNUSED)}
    assert sum(sizes.values()) == 38_052_078
    assert sum(unused.values()) == (64 * 512 * 9 + 3 * 512) + (8 * 3 * 9 + 3)
    network = small()
    network(torch.rand(1, 3, 80, 64)).square().sum().backward()
    assert {name for name, value in network.named_parameters() if value.grad is None} == {*unused}
    counted = measure.count("transweather", (3, 256, 256))
    assert counted["multiply_adds"] == 4_684_378_112


@pytest.mark.parametrize("size", [(48, 48), (112, 96), (80, 144)])
def test_levels_of_odd_sides_are_cropped_where_they_meet(size):
    network, x = small().double(), torch.rand(2, 3, *size, dtype=torch.float64)
    with torch.inference_mode():
        out = network(x)
        alone = torch.cat([network(image) for image in x.split(1)])
    assert out.shape == x.shape
    torch.testing.assert_close(out, alone)


@pytest.mark.parametrize("size", [(32, 480), (480, 32), (50, 64)])
def test_sides_that_do_not_fit_are_refused(size):
    with pytest.raises(InputError, match=rf"at least 48, got {size[0]} x {size[1]}; pad"):
        small()(torch.rand(1, 3, *size))


def test_images_come_in_on_minus_one_to_one_and_leave_as_they_are():
    """The test code of the authors normalises the input by (x - 0.5) / 0.5 and no output."""
    network, seen = small(), []
    network.Tenc["patch_embed1"].proj.register_forward_pre_hook(lambda _, x: seen.append(x[0]))
    x = torch.rand(1, 3, 48, 64)
    with torch.inference_mode():
        network.clean.conv2d.weight.zero_()
        network.clean.conv2d.bias.copy_(torch.tensor([-0.5, 0.25, 2.0]))
        out = network(x)
    torch.testing.assert_close(seen[0], (x - 0.5) / 0.5)
    expected = torch.tensor(np.tanh([-0.5, 0.25, 2.0]), dtype=torch.float32)
    torch.testing.assert_close(out, expected.view(1, 3, 1, 1).expand_as(out))


def array(tensor):
    return tensor.detach().numpy()


def linear(layer, x):
    return x @ array(layer.weight).T + array(layer.bias)


def keys_by_hand(attention, x):
    """[h,w,C] -> [N,C]: every whole R x R square of tokens, in reading order, as one token."""
    r = attention.reduction
    if r == 1:
        return x.reshape(-1, x.shape[-1])
    kernel, bias = array(attention.sr.weight), array(attention.sr.bias)
    squares = [
        np.einsum("ocij,ijc->o", kernel, x[y : y + r, z : z + r]) + bias
        for y, z in product(*(range(0, side - r + 1, r) for side in x.shape[:2]))
    ]
    return array(
        F.layer_norm(
            torch.from_numpy(np.stack(squares)), [x.shape[-1]], *attention.norm.parameters()
        )
    )


def attended_by_hand(attention, x, queries):
    """Head by head; queries: [N,C]."""
    keys, values = np.split(linear(attention.kv, keys_by_hand(attention, x)), 2, axis=1)
    out, width = [], x.shape[-1] // attention.heads
    for part in (np.s_[:, i : i + width] for i in range(0, x.shape[-1], width)):
        score = np.exp(queries[part] @ keys[part].T / np.sqrt(width))
        out.append(score @ values[part] / score.sum(1, keepdims=True))
    return linear(attention.proj, np.concatenate(out, 1)).reshape(x.shape)


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_attention_is_that_by_hand(data):
    """Any sides that hold a key; 48 learnt queries are brought to the tokens by interpolation."""
    learnt = data.draw(st.booleans())
    reduction = 1 if learnt else data.draw(st.sampled_from((1, 2, 4)))
    heads = data.draw(st.sampled_from((1, 2, 3)))
    size = [data.draw(st.integers(reduction, 12)) for _ in range(2)]
    attention = _LearntQueries(6, heads) if learnt else _Attention(6, heads, reduction)
    randomise(attention.double(), 0.5, data.draw(st.integers(0, 99)))
    x = torch.randn(2, *size, 6, dtype=torch.float64)
    with torch.inference_mode():
        out = attention(x)
    for image, result in zip(x.numpy(), out.numpy(), strict=True):
        queries = linear(attention.q, image.reshape(-1, 6))
        if learnt:
            every = torch.from_numpy(linear(attention.q, array(attention.task_query)))
            queries = F.interpolate(every[None], (size[0] * size[1], 6))[0, 0].numpy()
        np.testing.assert_allclose(result, attended_by_hand(attention, image, queries), atol=1e-10)


def test_tokens_take_the_query_that_interpolation_takes():
    """For any number of tokens up to an image of 1024 x 1024; at 165 the rounding counts."""
    attention, numbers = _LearntQueries(1, 1), torch.arange(48.0)
    attention.q = torch.nn.Identity()
    attention.task_query.data = numbers.view(1, 48, 1)
    for tokens in range(1, 257):
        queries = attention.queries(torch.empty(1, tokens, 1, 1))
        expected = F.interpolate(numbers.view(1, 1, 48, 1), (tokens, 1))
        assert torch.equal(queries, expected[0]), tokens


def test_feed_forward_looks_at_the_neighbours():
    """A depthwise 3 x 3 between the layers, zero beyond the edge; GELU by the error function."""
    mlp = randomise(_Mlp(2, 3).double(), 0.5)
    x = torch.randn(1, 4, 5, 2, dtype=torch.float64)
    hidden = np.pad(linear(mlp.fc1, x[0].numpy()), ((1, 1), (1, 1), (0, 0)))
    kernel, bias = array(mlp.dwconv.dwconv.weight)[:, 0], array(mlp.dwconv.dwconv.bias)
    places = np.ndindex(3, 3)
    around = bias + sum(hidden[y : y + 4, z : z + 5] * kernel[:, y, z] for y, z in places)
    active = around * 0.5 * (1 + erf(around / 2**0.5))
    np.testing.assert_allclose(array(mlp(x))[0], linear(mlp.fc2, active), atol=1e-12)


@pytest.mark.parametrize("level", [1, 2, 3])
def test_smaller_patches_of_a_level_reach_the_next_one_alone(level):
    """They branch off before its blocks: the level itself does not depend on them."""
    encoder = _Encoder((4, 8, 12, 16), (1, 2, 4, 4), (4, 2, 2, 1)).eval()
    x = torch.rand(1, 64, 96, 3)
    with torch.inference_mode():
        before = encoder(x)
        encoder[f"pnorm{level}"].bias += 1.0
        after = encoder(x)
    same = [torch.equal(a, b) for a, b in zip(before, after, strict=True)]
    assert same == [i <= level for i in range(1, 5)]


# names and shapes read off the repository: one of every kind of layer, and those with odd widths
RELEASED = """\
Tenc.patch_embed1.proj.weight 64x3x7x7 Tenc.patch_embed3.proj.weight 320x128x3x3
Tenc.mini_patch_embed2.proj.weight 320x128x3x3 Tenc.mini_patch_embed4.proj.weight 512x64x3x3
Tenc.block1.1.attn.q.weight 64x64 Tenc.block1.1.attn.kv.bias 128
Tenc.block1.1.attn.sr.weight 64x64x4x4 Tenc.block2.0.attn.sr.weight 128x128x2x2
Tenc.block3.1.mlp.dwconv.dwconv.weight 640x1x3x3 Tenc.block4.1.mlp.fc2.weight 512x1024
Tenc.patch_block1.0.attn.sr.weight 128x128x4x4 Tenc.patch_block3.0.attn.sr.weight 512x512x2x2
Tenc.patch_block3.0.mlp.fc1.weight 1024x512 Tdec.patch_embed1.proj.weight 512x512x3x3
Tdec.block1.2.attn.task_query 1x48x512 Tdec.block1.2.attn.kv.weight 1024x512
Tdec.block1.2.mlp.fc1.weight 2048x512 convtail.convd32x.conv2d.weight 512x512x4x4
convtail.dense_4.0.conv1.conv2d.weight 320x320x3x3 convtail.dense_1.0.conv2.conv2d.bias 16
convtail.convd1x.conv2d.weight 16x8x4x4 convtail.conv_output.conv2d.weight 3x8x3x3
clean.conv2d.weight 3x8x3x3
"""
ABSENT = ("Tenc.block4.0.attn.sr.weight", "Tdec.block1.0.attn.sr.weight", "Tdec.block2.0")


@pytest.fixture(scope="module")
def state():
    """Random values under the names of the released file, which data-parallel training saved."""
    shapes = {name: value.shape for name, value in TransWeather().state_dict().items()}
    words = RELEASED.split()
    released = dict(zip(words[::2], words[1::2], strict=True))
    assert {name: "x".join(map(str, shapes[name])) for name in released} == released
    assert len(shapes) == 347 and not [name for name in shapes if name.startswith(ABSENT)]
    return {f"module.{name}": torch.rand(shape) * 0.05 for name, shape in shapes.items()}


def test_released_weights_restore_a_photograph(state, tmp_path, monkeypatch):
    """Put into a folder by hand, as `weights_for` of Table 8's run for all weathers names it."""
    monkeypatch.chdir(tmp_path)
    torch.save(state, tmp_path / "best")
    with pytest.raises(InputError, match=r"may fetch best\. It is in .*/TransWeather "):
        download_weights("transweather", "weather-blind")
    monkeypatch.setenv("SEMANIR_WEIGHTS_DIR", str(tmp_path))
    download_weights("transweather", "weather-blind")
    network, facts = adapt.load("transweather", "weather-blind")
    restored = restore(network, np.random.default_rng(0).random((50, 66, 3), dtype=np.float32))
    assert restored.shape == (50, 66, 3) and 0 <= restored.min() <= restored.max() <= 1
    assert facts["parameters"] == 38_052_078
    assert facts["weights"]["file"] == "best" and facts["weights"]["licence"] == "MIT"
    for name, value in network.network.named_parameters():
        assert torch.equal(value, state[f"module.{name}"]), name
