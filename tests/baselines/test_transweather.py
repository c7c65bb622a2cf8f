"""TransWeather: its attention by hand, what is never used, and weights as they were released.

# H heads, N tokens, C channels, R side of the squares of tokens that become one key
"""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from small_networks import shrink

from baselines import adapt, weights
from baselines.checkpoint import load_weights
from baselines.transweather import TransWeather, _Attention, _Encoder, _LearntQueries, _Mlp
from semanir.errors import InputError
from semanir.inference.restore import restore
from semanir.measure import counts as measure
from semanir.plan.cells import cells
from semanir.plan.plan import Plan

# the decoder's attention has 8 heads, whatever the widths
SMALL = {"dims": (8, 16, 24, 32)}
UNUSED = ("Tenc.mini_patch_embed4.", "convtail.conv_output.")


def small(seed=0):
    torch.manual_seed(seed)
    return TransWeather(**SMALL).eval()


# --- parameters, sizes, values -------------------------------------------------------------------


def test_parameters_are_counted_as_released():
    """38.05 M with the layers that nothing passes: 64 x 512 x 9 + 3 x 512 and 8 x 3 x 9 + 3."""
    sizes = {name: value.numel() for name, value in TransWeather().named_parameters()}
    unused = sum(size for name, size in sizes.items() if name.startswith(UNUSED))
    assert sum(sizes.values()) == 38_052_078
    assert unused == (64 * 512 * 9 + 3 * 512) + (8 * 3 * 9 + 3)
    assert round((sum(sizes.values()) - unused) / 1e6, 2) == 37.76


def test_all_but_two_layers_are_used():
    network = small()
    network(torch.rand(1, 3, 80, 64)).square().sum().backward()
    idle = {name for name, value in network.named_parameters() if value.grad is None}
    assert idle == {name for name, _ in network.named_parameters() if name.startswith(UNUSED)}


def test_images_of_the_test_sets_keep_their_size_at_full_width():
    """720 x 480 of rain with fog and of raindrops, sides up to 1024 of snow; the smallest."""
    network = TransWeather().eval().to("meta")
    for size in ((480, 720), (1024, 688), (48, 48)):
        assert network(torch.empty(1, 3, *size, device="meta")).shape == (1, 3, *size)


@pytest.mark.parametrize("size", [(48, 48), (64, 80), (112, 96), (80, 144), (176, 48)])
def test_levels_of_odd_sides_are_cropped_where_they_meet(size):
    """In a batch as alone."""
    network, x = small().double(), torch.rand(2, 3, *size, dtype=torch.float64)
    with torch.inference_mode():
        out = network(x)
        alone = torch.cat([network(image) for image in x.split(1)])
    assert out.shape == x.shape
    torch.testing.assert_close(out, alone)


def test_an_odd_image_is_padded_and_cropped_back():
    network = adapt.adapted("transweather").eval()
    x = torch.rand(1, 3, 51, 37)
    with torch.inference_mode():
        out = network(x)
        inner = np.pad(x.numpy(), ((0, 0), (0, 0), (0, 13), (0, 11)), mode="reflect")
        expected = network.network(torch.from_numpy(inner))[..., :51, :37]
    assert out.shape == x.shape and torch.isfinite(out).all()
    torch.testing.assert_close(out, expected)


@pytest.mark.parametrize("size", [(32, 480), (480, 32), (50, 64), (64, 200)])
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


# --- attention -----------------------------------------------------------------------------------


def normalised(x, norm):
    """Layer normalisation of [N,C], written out."""
    centred = x - x.mean(-1, keepdims=True)
    scale = np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
    return centred / scale * array(norm.weight) + array(norm.bias)


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
        for y in range(0, x.shape[0] - r + 1, r)
        for z in range(0, x.shape[1] - r + 1, r)
    ]
    return normalised(np.stack(squares), attention.norm)


def attended_by_hand(attention, x, queries):
    """Head by head, query by query; queries: [N,C]."""
    keys, values = np.split(linear(attention.kv, keys_by_hand(attention, x)), 2, axis=1)
    width = x.shape[-1] // attention.heads
    out = np.empty_like(queries)
    for head in range(attention.heads):
        part = slice(head * width, (head + 1) * width)
        for i, query in enumerate(queries):
            score = np.exp(keys[:, part] @ query[part] / np.sqrt(width))
            out[i, part] = score @ values[:, part] / score.sum()
    return linear(attention.proj, out).reshape(x.shape)


def randomised(module, seed):
    """Every parameter random, in float64: biases and scales as they come would hide an error."""
    torch.manual_seed(seed)
    for parameter in module.double().parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return module


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_attention_to_reduced_keys_is_that_by_hand(data):
    """Any sides that hold a key; tokens beyond the last whole square are in none."""
    reduction, heads = (data.draw(st.sampled_from(choice)) for choice in ((1, 2, 4), (1, 2, 3)))
    size = [data.draw(st.integers(reduction, 9)) for _ in range(2)]
    attention = randomised(_Attention(6, heads, reduction), data.draw(st.integers(0, 99)))
    x = torch.randn(2, *size, 6, dtype=torch.float64)
    with torch.inference_mode():
        out = attention(x)
    for image, found in zip(x.numpy(), out.numpy(), strict=True):
        queries = linear(attention.q, image.reshape(-1, 6))
        np.testing.assert_allclose(found, attended_by_hand(attention, image, queries), atol=1e-10)


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_learnt_queries_attend_as_by_hand(data):
    """As released: the 48 queries are brought to the number of tokens by interpolation."""
    size = [data.draw(st.integers(1, 12)) for _ in range(2)]
    attention = randomised(_LearntQueries(6, 2), data.draw(st.integers(0, 99)))
    x = torch.randn(2, *size, 6, dtype=torch.float64)
    learnt = linear(attention.q, array(attention.task_query)[0])
    queries = F.interpolate(torch.from_numpy(learnt)[None, None], (size[0] * size[1], 6))
    with torch.inference_mode():
        out = attention(x)
    for image, found in zip(x.numpy(), out.numpy(), strict=True):
        expected = attended_by_hand(attention, image, queries[0, 0].numpy())
        np.testing.assert_allclose(found, expected, atol=1e-10)


def test_tokens_take_the_query_that_interpolation_takes():
    """For any number of tokens up to an image of 1024 x 1024; at 165 the rounding counts."""
    attention = _LearntQueries(1, 1)
    with torch.inference_mode():
        attention.q.weight.fill_(1)
        attention.q.bias.zero_()
        attention.task_query.copy_(torch.arange(48.0).view(1, 48, 1))
        for tokens in range(1, 257):
            taken = attention.queries(torch.empty(1, tokens, 1, 1))
            expected = F.interpolate(torch.arange(48.0).view(1, 1, 48, 1), (tokens, 1))
            assert torch.equal(taken, expected[0]), tokens
        exact = torch.arange(165) * 48 // 165
        taken = attention.queries(torch.empty(1, 165, 1, 1)).flatten().long()
        assert not torch.equal(taken, exact)


def test_feed_forward_looks_at_the_neighbours():
    """A depthwise 3 x 3 between the layers, zero beyond the edge; GELU by the error function."""
    mlp = randomised(_Mlp(2, 3), 0)
    x = torch.randn(1, 4, 5, 2, dtype=torch.float64)
    hidden = np.pad(linear(mlp.fc1, x[0].numpy()), ((1, 1), (1, 1), (0, 0)))
    kernel, bias = array(mlp.dwconv.dwconv.weight)[:, 0], array(mlp.dwconv.dwconv.bias)
    around = np.stack(
        [
            [
                (hidden[y : y + 3, z : z + 3] * kernel.transpose(1, 2, 0)).sum((0, 1))
                for z in range(5)
            ]
            for y in range(4)
        ]
    )
    around = torch.from_numpy(around + bias)
    active = around * 0.5 * (1 + torch.erf(around / 2**0.5))
    np.testing.assert_allclose(array(mlp(x))[0], linear(mlp.fc2, active.numpy()), atol=1e-12)


@pytest.mark.parametrize("level", [1, 2, 3])
def test_smaller_patches_of_a_level_reach_the_next_one_alone(level):
    """They branch off before its blocks: the level itself does not depend on them."""
    torch.manual_seed(0)
    encoder = _Encoder((4, 8, 12, 16), (1, 2, 4, 4), (4, 2, 2, 1)).eval()
    x = torch.rand(1, 64, 96, 3)
    with torch.inference_mode():
        before = encoder(x)
        encoder[f"pnorm{level}"].bias += 1.0
        after = encoder(x)
    same = [torch.equal(a, b) for a, b in zip(before, after, strict=True)]
    assert same == [i <= level for i in range(1, 5)]


# --- released weights ----------------------------------------------------------------------------

# names and shapes read off the repository: one of every kind of layer, and those with odd widths
RELEASED = {
    "Tenc.patch_embed1.proj.weight": (64, 3, 7, 7),
    "Tenc.patch_embed1.norm.bias": (64,),
    "Tenc.patch_embed3.proj.weight": (320, 128, 3, 3),
    "Tenc.mini_patch_embed2.proj.weight": (320, 128, 3, 3),
    "Tenc.mini_patch_embed4.proj.weight": (512, 64, 3, 3),
    "Tenc.mini_patch_embed4.norm.weight": (512,),
    "Tenc.block1.0.norm1.weight": (64,),
    "Tenc.block1.1.attn.q.weight": (64, 64),
    "Tenc.block1.1.attn.kv.bias": (128,),
    "Tenc.block1.1.attn.sr.weight": (64, 64, 4, 4),
    "Tenc.block1.1.attn.norm.weight": (64,),
    "Tenc.block2.0.attn.sr.weight": (128, 128, 2, 2),
    "Tenc.block3.1.mlp.fc1.weight": (640, 320),
    "Tenc.block3.1.mlp.dwconv.dwconv.weight": (640, 1, 3, 3),
    "Tenc.block4.1.attn.proj.weight": (512, 512),
    "Tenc.block4.1.mlp.fc2.weight": (512, 1024),
    "Tenc.norm3.weight": (320,),
    "Tenc.patch_block1.0.attn.sr.weight": (128, 128, 4, 4),
    "Tenc.patch_block2.0.attn.sr.weight": (320, 320, 2, 2),
    "Tenc.patch_block3.0.attn.sr.weight": (512, 512, 2, 2),
    "Tenc.patch_block3.0.mlp.fc1.weight": (1024, 512),
    "Tenc.pnorm2.bias": (320,),
    "Tdec.patch_embed1.proj.weight": (512, 512, 3, 3),
    "Tdec.block1.2.attn.task_query": (1, 48, 512),
    "Tdec.block1.2.attn.kv.weight": (1024, 512),
    "Tdec.block1.2.mlp.fc1.weight": (2048, 512),
    "Tdec.norm1.weight": (512,),
    "convtail.convd32x.conv2d.weight": (512, 512, 4, 4),
    "convtail.convd16x.conv2d.weight": (512, 320, 4, 4),
    "convtail.dense_4.0.conv1.conv2d.weight": (320, 320, 3, 3),
    "convtail.convd8x.conv2d.weight": (320, 128, 4, 4),
    "convtail.dense_1.0.conv2.conv2d.bias": (16,),
    "convtail.convd1x.conv2d.weight": (16, 8, 4, 4),
    "convtail.conv_output.conv2d.weight": (3, 8, 3, 3),
    "clean.conv2d.weight": (3, 8, 3, 3),
    "clean.conv2d.bias": (3,),
}
ABSENT = ("Tenc.block4.0.attn.sr.weight", "Tdec.block1.0.attn.sr.weight", "Tdec.block2.0")


@pytest.fixture(scope="module")
def state():
    """Random values under the names of the released file, which data-parallel training saved."""
    torch.manual_seed(3)
    shapes = {name: tuple(value.shape) for name, value in TransWeather().state_dict().items()}
    assert len(shapes) == 347
    assert {name: shapes[name] for name in RELEASED} == RELEASED
    assert not [name for name in shapes if name.startswith(ABSENT)]
    return {
        f"module.{name}": torch.rand(shape) * 0.05 for name, shape in (shapes | RELEASED).items()
    }


def test_released_weights_restore_a_photograph(state, tmp_path, monkeypatch):
    """Put into a folder by hand; the run that answers for Table 8 is one for all weathers."""
    monkeypatch.chdir(tmp_path)
    torch.save(state, tmp_path / "best")
    with pytest.raises(InputError, match=r"may fetch best\. It is in .*/TransWeather "):
        weights.get("transweather", "weather-blind")
    monkeypatch.setenv("SEMANIR_WEIGHTS_DIR", str(tmp_path))
    weights.get("transweather", "weather-blind")
    (cell, *_) = [c for c in cells("table08") if c.method == "TransWeather"]
    task = Plan("mini").answer(cell).task
    network, facts = adapt.load("transweather", task)
    image = np.random.default_rng(0).random((50, 66, 3), dtype=np.float32)
    restored = restore(network, image)
    assert restored.shape == image.shape and 0 <= restored.min() <= restored.max() <= 1
    assert facts["parameters"] == 38_052_078
    assert facts["weights"]["file"] == "best" and facts["weights"]["licence"] == "MIT"
    for name, value in network.network.named_parameters():
        assert torch.equal(value, state[f"module.{name}"]), name


@pytest.mark.parametrize(
    "name", ["Tdec.block1.1.attn.task_query", "Tenc.mini_patch_embed4.proj.weight"]
)
def test_weights_without_a_layer_are_refused_by_name(name, tmp_path):
    """Also without one that is never used: it is another file then."""
    state = {f"module.{n}": value for n, value in small().state_dict().items() if n != name}
    torch.save(state, tmp_path / "best")
    with pytest.raises(InputError, match=f"is not of this network: lacks {name}$"):
        load_weights(small(1), tmp_path / "best")


def test_weights_of_the_variant_without_decoder_are_refused(tmp_path):
    """The authors' network for one kind of weather has another tail, and no decoder."""
    state = small().state_dict()
    state = {n.replace("convtail", "convproj"): v for n, v in state.items() if n[:4] != "Tdec"}
    torch.save(state, tmp_path / "best")
    with pytest.raises(InputError, match=r"lacks Tdec\.block1\.0\.attn\.kv\.bias"):
        load_weights(small(1), tmp_path / "best")


# --- multiply-adds -------------------------------------------------------------------------------


def test_multiply_adds_at_full_size():
    assert measure.count("transweather", (3, 256, 256))["multiply_adds"] == 4_684_378_112


def test_multiply_adds_are_those_of_fvcore(monkeypatch):
    """Of a narrow one, on sides whose levels are cropped."""
    shrink(monkeypatch, "transweather")
    found = measure.count("transweather", (3, 112, 176), fvcore=True)
    assert found["multiply_adds"] == found["multiply_adds_fvcore"]
