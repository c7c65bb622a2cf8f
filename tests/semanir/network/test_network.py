"""The networks: parameter counts, any input size, and a stage against plain loops of Alg. 1.

# S images, C channels, H x W feature map, B windows, N tokens, D head width
"""

from math import erf, exp, log2, sqrt

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import semanir.network.layers as layers_module
from semanir.errors import InputError
from semanir.names import UnknownNameError
from semanir.network import build
from semanir.network.config import LayerConfig, configure, from_dict, to_dict
from semanir.network.layers import Stage
from semanir.network.windows import pad_reflect, partition, region_labels, unpartition

TINY = [("semanir-s-tiny", {"upscale": 2}), ("semanir-u-tiny", {})]
TINY_IDS = [name for name, _ in TINY]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def randomise(network, scale=0.2, seed=0):
    """Give every parameter (also those that start at zero or one) a random value."""
    source = seeded(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(scale * torch.randn(parameter.shape, generator=source))
    return network


def tiny(name, *, double=True, seed=0, **options):
    network = randomise(build(name, **options), seed=seed)
    return (network.double() if double else network).eval()


def images(*shape, seed=1, dtype=torch.float64):
    return torch.rand(shape, generator=seeded(seed), dtype=torch.float64).to(dtype)


# --- parameters ------------------------------------------------------------------------------


def size(module):
    return sum(parameter.numel() for parameter in module.parameters())


def parameters(name, **options):
    with torch.device("meta"):
        return size(build(name, **options))


COUNTS = [
    ("semanir-s", {"upscale": 2}, 11_869_775),
    ("semanir-s", {"upscale": 3}, 12_054_415),
    ("semanir-s", {"upscale": 4}, 12_017_487),
    ("semanir-b", {"upscale": 2}, 19_895_399),
    ("semanir-b", {"upscale": 3}, 20_080_039),
    ("semanir-b", {"upscale": 4}, 20_043_111),
    ("semanir-u", {}, 25_818_459),
    ("semanir-u", {"channels": 1}, 25_816_297),
    ("semanir-u", {"layout": "U1"}, 25_851_891),
    ("semanir-u", {"layout": "U1", "channels": 1}, 25_850_161),
]
COUNT_IDS = ["-".join([name, *map(str, options.values())]) for name, options, _ in COUNTS]


@pytest.mark.parametrize(("name", "options", "expected"), COUNTS, ids=COUNT_IDS)
def test_parameter_counts_are_the_printed_ones(name, options, expected):
    assert parameters(name, **options) == expected


def layer_formula(dim, heads, ratio=2):
    return 8 * dim + 4 * dim**2 + 2 * ratio * dim**2 + (ratio + 1) * dim + 1536 + 512 * heads


def conv_formula(into, out, kernel):
    return into * out * kernel**2 + out


def stage_formula(dim, heads, layers=6):
    return layers * layer_formula(dim, heads) + conv_formula(dim, dim, 3)


def columnar_formula(stages, layers, upscale, position=4608):
    """Parameters counted on paper; `position`: those of one layer's position bias."""
    per_layer = 720 + 97_740 + 32_580 + 130_140 + position
    upsampler = {2: [256], 3: [576], 4: [256, 256]}[upscale]
    return (
        conv_formula(3, 180, 3)
        + stages * (layers * per_layer + conv_formula(180, 180, 3))
        + 2 * 360
        + conv_formula(180, 180, 3)
        + conv_formula(180, 64, 3)
        + sum(conv_formula(64, out, 3) for out in upsampler)
        + conv_formula(64, 3, 3)
    )


@pytest.mark.parametrize("upscale", [2, 3, 4])
@pytest.mark.parametrize(("name", "depth"), [("semanir-s", 6), ("semanir-b", 8)])
def test_columnar_counts_follow_the_formula(name, depth, upscale):
    assert parameters(name, upscale=upscale) == columnar_formula(depth, depth, upscale)


@pytest.mark.parametrize(("upscale", "swinir"), [(2, 11_752_487), (4, 11_900_199)])
def test_formula_with_bias_tables_gives_swinir(upscale, swinir):
    """Control: with a 15x15 table per head instead of the small network it must be SwinIR."""
    assert columnar_formula(6, 6, upscale, position=15 * 15 * 6) == swinir


def test_parts_of_a_columnar_layer():
    with torch.device("meta"):
        network = build("semanir-s", upscale=2)
    layer = network.stages[0].layers[0]
    assert size(layer.norm1) + size(layer.norm2) == 720
    assert size(layer.attention.qkv) == 97_740
    assert size(layer.attention.proj) == 32_580
    assert size(layer.ffn) == 130_140
    assert size(layer.attention.bias) == 4_608
    assert {size(layer) for stage in network.stages for layer in stage.layers} == {265_788}
    assert {size(stage.conv) for stage in network.stages} == {291_780}


def parts(module_dict):
    return {level: size(module) for level, module in module_dict.items()}


def test_parts_of_the_default_u_shape():
    with torch.device("meta"):
        network = build("semanir-u")
    at = {"0": 109_240, "1": 391_664, "2": 1_503_712, "3": 5_916_608, "4": 5_916_608}
    assert size(network.conv_first) == 1_120
    assert parts(network.down) == {level: at[level] for level in "0123"}
    assert parts(network.downsample) == {"0": 12_880, "1": 51_360, "2": 205_120, "3": 409_920}
    assert parts(network.up) == {level: at[level] for level in "4321"}
    assert parts(network.upsample) == {"4": 410_880, "3": 205_440, "2": 51_520, "1": 12_960}
    assert parts(network.fuse) == {"3": 1_843_520, "2": 460_960, "1": 115_280}
    assert size(network.final) == 385_520
    assert size(network.conv_last) == 2_163
    assert network.norm_first is None and network.norm_last is None and network.conv_body is None

    dims, heads = (40, 80, 160, 320, 320), (2, 4, 8, 16, 16)
    assert [stage_formula(*sizes) for sizes in zip(dims, heads, strict=True)] == list(at.values())
    assert stage_formula(80, 2) == 385_520


def test_parts_of_the_alternative_u_shape():
    with torch.device("meta"):
        network = build("semanir-u", layout="U1")
    at = {"0": 156_048, "1": 565_536, "2": 2_172_480, "3": 8_538_240}
    assert size(network.conv_first) == 1_344
    assert size(network.norm_first) == size(network.norm_last) == 96
    assert parts(network.down) == at
    assert parts(network.up) == at
    assert parts(network.downsample) == {"0": 73_824, "1": 295_104, "2": 1_180_032}
    assert parts(network.upsample) == {"3": 295_104, "2": 73_824, "1": 18_480}
    assert parts(network.fuse) == {"2": 663_744, "1": 165_984, "0": 41_520}
    assert size(network.final) == 156_048
    assert size(network.conv_body) == 20_784
    assert size(network.conv_last) == 1_299

    dims, heads = (48, 96, 192, 384), (4, 8, 16, 32)
    assert [stage_formula(*sizes) for sizes in zip(dims, heads, strict=True)] == list(at.values())


def test_cosine_attention_adds_one_scale_per_head():
    assert parameters("semanir-s", upscale=2, attention="cosine") == 11_869_775 + 36 * 6
    assert parameters("semanir-b", upscale=2, attention="cosine") == 19_895_399 + 64 * 6
    heads = 6 * (2 + 4 + 8 + 16 + 16 + 16 + 8 + 4 + 2)  # down 0-3, up 4-1 and the final stage
    assert parameters("semanir-u", attention="cosine") == 25_818_459 + heads


@pytest.mark.parametrize(
    "switch",
    [
        {"norm": "post"},
        {"window": 8},
        {"k": 64},
        {"similarity": "cosine"},
        {"similarity": "layernorm"},
        {"include_self": True},
        {"backend": "gather"},
    ],
    ids=lambda switch: "-".join(f"{key}={value}" for key, value in switch.items()),
)
def test_these_switches_add_no_parameters(switch):
    assert parameters("semanir-s", upscale=2, **switch) == 11_869_775
    assert parameters("semanir-u", **switch) == 25_818_459


def test_stages_layers_and_shifts_of_the_presets():
    """6 x 6, 8 x 8 and 9 x 6; the shift alternates in the order of execution."""
    with torch.device("meta"):
        small, base, u = (
            build("semanir-s", upscale=2),
            build("semanir-b", upscale=2),
            build("semanir-u"),
        )
    ordered = [*u.down.values(), *u.up.values(), u.final]
    for stages, depth in ((small.stages, 6), (base.stages, 8), (ordered, 6)):
        assert [len(stage.layers) for stage in stages] == [depth] * len(stages)
        assert [stage.shifted for stage in stages] == [i % 2 == 1 for i in range(len(stages))]
    assert (len(small.stages), len(base.stages), len(ordered)) == (6, 8, 9)


# --- sizes -----------------------------------------------------------------------------------

SIZES = [(1, 1), (1, 9), (3, 5), (7, 8), (8, 8), (9, 8), (13, 21), (16, 24), (17, 2)]


@pytest.mark.parametrize("height_width", SIZES, ids=lambda hw: "x".join(map(str, hw)))
@pytest.mark.parametrize(("name", "options"), TINY, ids=TINY_IDS)
def test_any_input_size(name, options, height_width):
    network = tiny(name, double=False, layers=1, k=9, **options)
    scale = options.get("upscale", 1)
    with torch.no_grad():
        out = network(images(2, 3, *height_width, dtype=torch.float32))
    assert list(out.shape) == [2, 3, *(scale * length for length in height_width)]
    assert out.isfinite().all()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("upscale", [2, 3, 4])
def test_output_size_of_every_enlargement(upscale, channels):
    network = tiny("semanir-s-tiny", upscale=upscale, channels=channels)
    with torch.no_grad():
        out = network(images(1, channels, 9, 7))
    assert list(out.shape) == [1, channels, 9 * upscale, 7 * upscale]


@pytest.mark.parametrize("layout", ["U1", "U2"])
@pytest.mark.parametrize("channels", [1, 3])
def test_output_size_of_both_layouts(channels, layout):
    network = tiny("semanir-u-tiny", channels=channels, layout=layout)
    with torch.no_grad():
        assert list(network(images(1, channels, 11, 18)).shape) == [1, channels, 11, 18]


@pytest.mark.parametrize(("name", "options"), TINY, ids=TINY_IDS)
def test_images_of_a_batch_do_not_mix(name, options):
    network = tiny(name, **options)
    batch = images(3, 3, 13, 18)
    with torch.no_grad():
        together = network(batch)
        apart = torch.cat([network(image[None]) for image in batch])
    torch.testing.assert_close(together, apart, rtol=0, atol=1e-9)


# --- what the outputs must be ----------------------------------------------------------------


def test_untrained_u_shape_returns_its_input():
    x = images(1, 3, 13, 18, dtype=torch.float32)
    with torch.no_grad():
        assert torch.equal(build("semanir-u-tiny")(x), x)


def test_untrained_tiny_columnar_is_a_bicubic_enlargement():
    """The kernel has a = -0.5: Pillow's bicubic agrees away from the border."""
    from PIL import Image

    x = images(1, 1, 16, 16, dtype=torch.float32)
    with torch.no_grad():
        out = build("semanir-s-tiny", upscale=2, channels=1)(x)
    expected = Image.fromarray(x[0, 0].numpy()).resize((32, 32), Image.Resampling.BICUBIC)
    np.testing.assert_allclose(out[0, 0].numpy(), np.asarray(expected), rtol=0, atol=1e-5)


@pytest.mark.parametrize("mean", [[0.4488, 0.4371, 0.4040], [0.4299667]], ids=["rgb", "grey"])
def test_full_columnar_output_is_centred_on_the_mean_colour(mean):
    """Without a bicubic skip, zeroed output weights leave the mean colour of DIV2K."""
    network = build("semanir-s-tiny", upscale=2, skip="none", channels=len(mean))
    with torch.no_grad():
        network.conv_last.weight.zero_()
        network.conv_last.bias.zero_()
        out = network(images(1, len(mean), 8, 8, dtype=torch.float32))
    expected = torch.tensor(mean).view(1, -1, 1, 1).expand_as(out)
    torch.testing.assert_close(out, expected, rtol=0, atol=1e-6)


def norm_channels(norm, x):
    return norm(x.movedim(1, -1)).movedim(-1, 1)


def columnar_by_hand(n, x, k):
    """Two stages, enlargement by 2."""
    mean = torch.tensor([0.4488, 0.4371, 0.4040], dtype=x.dtype).view(1, 3, 1, 1)
    shallow = n.conv_first(x - mean)
    deep = n.stages[1](n.stages[0](norm_channels(n.norm_first, shallow), k), k)
    deep = n.conv_body(norm_channels(n.norm_last, deep)) + shallow
    features = F.leaky_relu(n.conv_features[0](deep), 0.01)
    return n.conv_last(F.pixel_shuffle(n.upsample[0][0](features), 2)) + mean


def u2_by_hand(n, x, k):
    """Three levels: two down stages, two up stages, the final one without a fusing convolution."""
    skip0 = n.down["0"](n.conv_first(x), k)
    skip1 = n.down["1"](n.downsample["0"](skip0), k)
    lowest = n.up["2"](n.downsample["1"](skip1), k)
    up1 = F.pixel_shuffle(n.upsample["2"][0](lowest), 2)
    up1 = n.up["1"](n.fuse["1"](torch.cat([up1, skip1], 1)), k)
    up0 = F.pixel_shuffle(n.upsample["1"][0](up1), 2)
    return x + n.conv_last(n.final(torch.cat([up0, skip0], 1), k))


def u1_by_hand(n, x, k):
    """Three levels: three down stages, three up stages, the final one."""
    shallow = n.conv_first(x)
    skip0 = n.down["0"](norm_channels(n.norm_first, shallow), k)
    skip1 = n.down["1"](n.downsample["0"](skip0), k)
    lowest = n.up["2"](n.down["2"](n.downsample["1"](skip1), k), k)
    up1 = n.up["1"](n.fuse["1"](torch.cat([n.upsample["2"](lowest), skip1], 1)), k)
    up0 = n.up["0"](n.fuse["0"](torch.cat([n.upsample["1"](up1), skip0], 1)), k)
    body = n.conv_body(norm_channels(n.norm_last, n.final(up0, k)))
    return x + n.conv_last(shallow + body)


@pytest.mark.parametrize(
    ("by_hand", "name", "options"),
    [
        (columnar_by_hand, "semanir-s-tiny", {"upscale": 2, "skip": "none"}),
        (u2_by_hand, "semanir-u-tiny", {"dims": (8, 12, 16), "heads": (2, 2, 2)}),
        (u1_by_hand, "semanir-u-tiny", {"dims": (8, 12, 16), "heads": (2, 2, 2), "layout": "U1"}),
    ],
    ids=["columnar", "U2", "U1"],
)
def test_wiring(by_hand, name, options):
    """The parts, put together by hand once more (no padding needed at this size)."""
    network, x = tiny(name, **options), images(1, 3, 16, 24)
    with torch.no_grad():
        expected = by_hand(network, x, 6)
        torch.testing.assert_close(network(x, 6), expected, rtol=0, atol=1e-10)
    assert (expected.mean() - x.mean()).abs() > 1e-3


@pytest.mark.parametrize(("name", "options"), TINY, ids=TINY_IDS)
def test_padding_is_reflection_of_the_image(name, options):
    """An image and the same image reflected to full windows by hand agree where both have pixels.

    Columnar windows count 8, the U-shape's levels 2; stages then pad their own windows alike.
    """
    multiple = 8 if "upscale" in options else 2
    network, scale = tiny(name, **options), options.get("upscale", 1)
    x = images(1, 3, 19, 13)
    width = [(0, -length % multiple) for length in (19, 13)]
    padded = torch.from_numpy(np.pad(x.numpy(), [(0, 0), (0, 0), *width], mode="reflect"))
    assert padded.shape != x.shape
    with torch.no_grad():
        out, whole = network(x), network(padded)
    torch.testing.assert_close(out, whole[..., : 19 * scale, : 13 * scale], rtol=0, atol=1e-9)


@pytest.mark.parametrize(("name", "options"), TINY, ids=TINY_IDS)
def test_weights_do_not_depend_on_the_window(name, options):
    x = images(1, 3, 24, 24)
    networks = {window: tiny(name, window=window, **options) for window in (4, 8, 16)}
    shapes = [
        {key: tuple(value.shape) for key, value in network.state_dict().items()}
        for network in networks.values()
    ]
    assert shapes[0] == shapes[1] == shapes[2]

    # across windows the weights load, and the window matters
    other = tiny(name, window=16, seed=5, **options)
    other.load_state_dict(networks[4].state_dict())
    with torch.no_grad():
        outputs = {window: network(x) for window, network in networks.items()}
        assert torch.equal(other(x), outputs[16])
    assert (outputs[4] - outputs[16]).abs().max() > 1e-3
    assert (outputs[8] - outputs[16]).abs().max() > 1e-3


@pytest.mark.parametrize(("name", "options"), TINY, ids=TINY_IDS)
def test_windows_larger_than_the_image_are_clipped_to_it(name, options):
    x = images(1, 3, 8, 6)
    with torch.no_grad():
        outputs = [tiny(name, window=window, **options)(x) for window in (8, 16, 32)]
    assert torch.equal(outputs[0], outputs[1]) and torch.equal(outputs[0], outputs[2])


@pytest.mark.parametrize(
    "switch",
    [
        {"attention": "cosine"},
        {"norm": "post"},
        {"similarity": "cosine"},
        {"similarity": "layernorm"},
        {"include_self": True},
        {"k": 3},
    ],
    ids=lambda switch: "-".join(f"{key}={value}" for key, value in switch.items()),
)
@pytest.mark.parametrize(("name", "options"), TINY, ids=TINY_IDS)
def test_every_switch_changes_the_output(name, options, switch):
    x = images(1, 3, 16, 16)
    plain, switched = tiny(name, **options), tiny(name, **options, **switch)
    switched.load_state_dict(plain.state_dict(), strict="attention" not in switch)
    with torch.no_grad():
        assert (plain(x) - switched(x)).abs().max() > 1e-4


@pytest.mark.parametrize(("name", "options"), TINY, ids=TINY_IDS)
def test_k_of_a_call_replaces_that_of_the_configuration(name, options):
    x = images(1, 3, 16, 16)
    network, fewer = tiny(name, **options), tiny(name, k=5, **options)
    with torch.no_grad():
        assert torch.equal(network(x, 5), fewer(x))
        assert torch.equal(network(x), network(x, network.config.k))
        assert not torch.equal(network(x), fewer(x))


# --- windows ---------------------------------------------------------------------------------


@pytest.mark.parametrize("height_width", [(1, 1), (1, 5), (2, 3), (3, 2), (5, 8), (9, 16), (17, 4)])
@pytest.mark.parametrize("multiple", [(1, 1), (4, 4), (8, 16), (7, 32)])
def test_pad_reflect_is_numpys_reflection(height_width, multiple):
    """Also where the padding is larger than the image, which torch's own reflection refuses."""
    x = images(2, 3, *height_width)
    widths = [(0, -length % m) for length, m in zip(height_width, multiple, strict=True)]
    expected = np.pad(x.numpy(), [(0, 0), (0, 0), *widths], mode="reflect")
    np.testing.assert_array_equal(pad_reflect(x, multiple).numpy(), expected)


@pytest.mark.parametrize(
    ("window", "size"), [((4, 4), (8, 12)), ((3, 5), (9, 5)), ((1, 7), (2, 14)), ((6, 6), (6, 6))]
)
def test_partition_and_unpartition(window, size):
    """Token y * w + x of window (i, j) of image s is pixel (i * h + y, j * w + x)."""
    x = images(2, 3, *size)
    tokens = partition(x, window)
    (h, w), columns = window, size[1] // window[1]
    rows = size[0] // h
    assert list(tokens.shape) == [2 * rows * columns, h * w, 3]
    for s, i, j, y, x_ in [(0, 0, 0, 0, 0), (1, rows - 1, columns - 1, h - 1, w // 2)]:
        got = tokens[(s * rows + i) * columns + j, y * w + x_]
        assert torch.equal(got, x[s, :, i * h + y, j * w + x_])
    assert torch.equal(unpartition(tokens, window, size), x)


@pytest.mark.parametrize(
    ("window", "size", "shift"),
    [
        ((4, 4), (8, 12), (2, 2)),
        ((4, 4), (4, 12), (0, 2)),
        ((5, 3), (15, 6), (2, 1)),
        ((6, 4), (12, 4), (3, 0)),
    ],
)
def test_region_labels_part_what_wrapped_around(window, size, shift):
    """Roll a map of coordinates: two tokens of a window may see each other exactly if they lie as
    far apart in the image as in the window."""
    y, x = torch.meshgrid(*map(torch.arange, size), indexing="ij")
    rolled = torch.stack([y, x])[None].roll((-shift[0], -shift[1]), (2, 3))
    place = partition(rolled, window)  # [B,N,2], where each token lies in the image
    token = torch.arange(window[0] * window[1])
    inside = torch.stack([token // window[1], token % window[1]], -1)  # where in the window
    offsets = place[:, :, None] - place[:, None]
    neighbours = (offsets == inside[:, None] - inside).all(-1)  # [B,N,N]

    labels = region_labels(size, window, shift, torch.device("cpu"))
    assert torch.equal(labels[:, :, None] == labels[:, None], neighbours)
    assert not neighbours.all()


def stage_pair(dim=6, heads=2, layers=1, window=8, **switches):
    """An unshifted and a shifted stage of the same weights."""
    config = LayerConfig(window=window, **switches)
    pair = [
        Stage(dim, heads, layers, config, shifted=shifted).double() for shifted in (False, True)
    ]
    pair[1].load_state_dict(randomise(pair[0], 0.3).state_dict())
    return pair


@pytest.mark.parametrize(
    ("height_width", "shifts"),
    [((8, 8), False), ((5, 8), False), ((8, 9), True), ((16, 8), True)],
    ids=["8x8", "5x8", "8x9", "16x8"],
)
def test_only_maps_larger_than_the_window_are_shifted(height_width, shifts):
    plain, shifted = stage_pair()
    x = images(1, 6, *height_width)
    with torch.no_grad():
        difference = float((plain(x, 9) - shifted(x, 9)).abs().max())
    assert (difference > 1e-3) if shifts else (difference == 0)


@pytest.mark.parametrize("height_width", [(8, 8), (9, 13), (16, 24)], ids=str)
def test_the_dense_twin_has_every_key(height_width):
    """It equals the network whose dictionary holds all tokens, the query's own included."""
    twins = stage_pair(layers=2, keys="all"), stage_pair(layers=2, include_self=True)
    x = images(2, 6, *height_width)
    for dense, full in zip(*twins, strict=True):
        full.load_state_dict(dense.state_dict())
        with torch.no_grad():
            assert (dense(x, 9) - full(x, 64)).abs().max() < 1e-10
            assert (dense(x, 9) - full(x, 9)).abs().max() > 1e-3
            assert torch.equal(dense(x, 9), dense(x, 1))
    dense(x, 9).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in dense.parameters())


# --- a stage against plain loops -------------------------------------------------------------


def norm_by_hand(x, module):
    weight, bias = (p.detach().numpy() for p in (module.weight, module.bias))
    return (x - x.mean()) / sqrt(x.var() + 1e-5) * weight + bias


def linear_by_hand(x, module):
    out = module.weight.detach().numpy() @ x
    return out if module.bias is None else out + module.bias.detach().numpy()


def bias_by_hand(module, dy, dx, window):
    """16 * sigmoid(MLP(sign(t) log2(1 + |8t|) / 3)), t the offset as a part of the window."""
    t = [d / max(length - 1, 1) for d, length in zip((dy, dx), window, strict=True)]
    coordinates = np.array([np.sign(v) * log2(1 + abs(8 * v)) / 3 for v in t])
    hidden = np.maximum(linear_by_hand(coordinates, module.mlp[0]), 0)
    return 16 / (1 + np.exp(-linear_by_hand(hidden, module.mlp[2])))  # [heads]


def product_by_hand(attention, q, k, head):
    """Scaled dot product, or cosine times a scale of at most 100."""
    if attention.logit_scale is None:
        return q[head] @ k[head] / sqrt(len(q[head]))
    cosine = q[head] @ k[head] / sqrt(q[head] @ q[head]) / sqrt(k[head] @ k[head])
    return cosine * min(exp(attention.logit_scale[head].item()), 100)


def stage_by_hand(stage, x, k):
    """Alg. 1 for one image [C,H,W] in loops over single tokens, with numpy only.

    Windows of a shifted stage are those of the plane moved by half a window; at the border they are
    cut off. No rolling and no labels: what the stage does with those must come to the same.
    """
    c, height, width = x.shape
    window = min(stage.window, height), min(stage.window, width)
    x = np.pad(x, [(0, 0), (0, -height % window[0]), (0, -width % window[1])], mode="reflect")
    sides = x.shape[1:]
    shift = [
        w // 2 if stage.shifted and side > w else 0 for w, side in zip(window, sides, strict=True)
    ]
    tokens = {(i, j): x[:, i, j] for i in range(sides[0]) for j in range(sides[1])}
    groups: dict = {}
    for i, j in tokens:
        groups.setdefault(((i - shift[0]) // window[0], (j - shift[1]) // window[1]), []).append(
            (i, j)
        )

    # line 1: the dictionary, from the raw stage input, without the token itself
    listed = {}
    for members in groups.values():
        for query in members:
            others = [key for key in members if key != query or stage.include_self]
            others.sort(key=lambda key, query=query: -float(tokens[query] @ tokens[key]))
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
            for h in range(heads):
                scores = []
                for key in listed[query]:
                    dy, dx = query[0] - key[0], query[1] - key[1]
                    score = product_by_hand(attention, qkv[query][0], qkv[key][1], h)
                    scores.append(score + bias_by_hand(attention.bias, dy, dx, window)[h])
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
    out = x[:, :height, :width].copy()
    for i in range(height):
        for j in range(width):
            out[:, i, j] += bias
            for di in (-1, 0, 1):
                for dj in (-1, 0, 1):
                    if 0 <= i + di < height and 0 <= j + dj < width:
                        out[:, i, j] += kernel[:, :, di + 1, dj + 1] @ tokens[i + di, j + dj]
    return out


STAGES = [
    # height x width, window, k, include_self
    ((6, 9), 3, 4, False),  # shift 1 leaves a corner window of one pixel, which has no key
    ((7, 6), 4, 5, True),
    ((4, 4), 4, 3, False),
    ((3, 7), 4, 99, False),
]
STAGE_IDS = [f"{h}x{w}-W{window}-k{k}" for (h, w), window, k, _ in STAGES]


@pytest.mark.parametrize(("height_width", "window", "k", "include_self"), STAGES, ids=STAGE_IDS)
@pytest.mark.parametrize("shifted", [False, True], ids=["plain", "shifted"])
def test_stage_equals_plain_loops(shifted, height_width, window, k, include_self):
    switches = {"layers": 2, "window": window, "include_self": include_self}
    x = torch.randn(1, 6, *height_width, generator=seeded(3), dtype=torch.float64)
    expected = stage_by_hand(stage_pair(**switches)[shifted], x[0].numpy(), k)
    for backend in ("mask", "gather", "reference"):
        stage = stage_pair(**switches, backend=backend)[shifted]
        with torch.no_grad():
            got = stage(x, k)[0].numpy()
        got_with_gradient = stage(x, k)[0].detach().numpy()  # may take another path
        for found in (got, got_with_gradient):
            difference = np.abs(found - expected).max()
            print(f"{backend}: {difference:.1e} of values up to {np.abs(expected).max():.1f}")
            assert difference < 1e-9, backend
    assert np.abs(expected - x[0].numpy()).max() > 0.1  # the stage did something


@pytest.mark.parametrize("switch", [{"norm": "post"}, {"attention": "cosine"}], ids=str)
def test_switched_stage_equals_plain_loops(switch):
    stage = stage_pair(layers=2, window=4, **switch)[True]
    if "attention" in switch:
        for layer, scale in zip(stage.layers, (3.0, 9.0), strict=True):
            layer.attention.logit_scale.data[:] = torch.tensor([1.0, scale]).view(2, 1, 1)
    x = torch.randn(1, 6, 5, 6, generator=seeded(3), dtype=torch.float64)
    expected = stage_by_hand(stage, x[0].numpy(), 6)
    with torch.no_grad():
        difference = np.abs(stage(x, 6)[0].numpy() - expected).max()
    assert difference < 1e-4 if "attention" in switch else difference < 1e-9


def dense_stage(stage, x):
    """A stage with ordinary attention over everything: no dictionary, no windows."""
    tokens = x.flatten(2).transpose(1, 2)  # [S,N,C]
    window = x.shape[-2:]
    at = torch.cartesian_prod(*map(torch.arange, window))
    offset = at[:, None] - at  # [N,N,2]
    column = (offset[..., 0] + window[0] - 1) * (2 * window[1] - 1) + offset[..., 1] + window[1] - 1
    for layer in stage.layers:
        attention = layer.attention
        qkv = attention.qkv(layer.norm1(tokens)).unflatten(-1, (3, attention.heads, -1))
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        scores = q @ k.mT * q.shape[-1] ** -0.5 + attention.bias(tuple(window))[:, column]
        out = scores.softmax(-1) @ v
        tokens = tokens + attention.proj(out.transpose(1, 2).flatten(2))
        tokens = tokens + layer.ffn(layer.norm2(tokens))
    return x + stage.conv(tokens.transpose(1, 2).unflatten(-1, window))


@pytest.mark.parametrize("backend", ["mask", "gather", "reference"])
def test_all_keys_give_dense_attention(backend):
    stage = stage_pair(layers=3, window=9, include_self=True, backend=backend)[0]
    x = images(2, 6, 9, 7)
    with torch.no_grad():
        expected = dense_stage(stage, x)
        torch.testing.assert_close(stage(x, 63), expected, rtol=0, atol=1e-10)
        torch.testing.assert_close(stage(x, 10**6), expected, rtol=0, atol=1e-10)
        assert (stage(x, 62) - expected).abs().max() > 1e-6


@pytest.mark.parametrize(("name", "options"), TINY, ids=TINY_IDS)
def test_back_ends_agree_end_to_end(name, options):
    source = np.random.default_rng(7)
    networks = {
        backend: tiny(name, backend=backend, **options)
        for backend in ("mask", "gather", "reference", "auto")
    }
    for _ in range(3):
        k = int(source.integers(1, 80))
        x = images(2, 3, *map(int, source.integers(3, 28, 2)), seed=k)
        with torch.no_grad():
            outputs = {backend: network(x, k) for backend, network in networks.items()}
        for backend, out in outputs.items():
            difference = float((out - outputs["reference"]).abs().max())
            print(f"{backend}, k={k}, {list(x.shape)}: {difference:.1e}")
            assert difference < 1e-8, backend


# --- one dictionary per stage ----------------------------------------------------------------


@pytest.mark.parametrize(("name", "options"), TINY, ids=TINY_IDS)
def test_one_dictionary_per_stage(name, options, monkeypatch):
    built, used = [], []
    build_dictionary, attend = layers_module.build_dictionary, layers_module.attend

    def counting_build(tokens, k, **rest):
        built.append(build_dictionary(tokens, k, **rest))
        assert k == 7
        return built[-1]

    def noting_attend(q, k, v, dictionary, *rest, **named):
        used.append(dictionary)
        return attend(q, k, v, dictionary, *rest, **named)

    monkeypatch.setattr(layers_module, "build_dictionary", counting_build)
    monkeypatch.setattr(layers_module, "attend", noting_attend)
    network = tiny(name, layers=3, **options)
    stages = [module for module in network.modules() if isinstance(module, Stage)]
    network(images(1, 3, 16, 16), 7).sum().backward()
    assert len(built) == len(stages)
    assert len(used) == 3 * len(stages)
    for index, dictionary in enumerate(used):
        assert dictionary is built[index // 3]


def test_dictionary_is_of_the_raw_stage_input(monkeypatch):
    """Alg. 1 line 1: P itself, before any norm or projection; unless a similarity is chosen."""
    seen = []
    build_dictionary = layers_module.build_dictionary

    def noting_build(tokens, k, **rest):
        seen.append(tokens.clone())
        return build_dictionary(tokens, k, **rest)

    monkeypatch.setattr(layers_module, "build_dictionary", noting_build)
    x = images(1, 6, 8, 8)
    raw = x.flatten(2).transpose(1, 2)
    for similarity in ("dot", "cosine", "layernorm"):
        stage_pair(similarity=similarity)[0](x, 5)
    torch.testing.assert_close(seen[0], raw, rtol=0, atol=0)
    torch.testing.assert_close(seen[1], raw / raw.norm(dim=-1, keepdim=True))
    centred = raw - raw.mean(-1, keepdim=True)
    spread = (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt()
    torch.testing.assert_close(seen[2], centred / spread)


# --- training --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "options"),
    [
        *TINY,
        ("semanir-b-tiny", {"upscale": 4}),
        ("semanir-u-tiny", {"layout": "U1", "attention": "cosine", "norm": "post"}),
    ],
    ids=[*TINY_IDS, "semanir-b-tiny-x4", "semanir-u-tiny-U1"],
)
def test_gradients_reach_every_parameter(name, options):
    network = tiny(name, **options)
    out = network(images(1, 3, 20, 20))
    (out * torch.randn(out.shape, generator=seeded(), dtype=out.dtype)).sum().backward()
    silent = [
        name
        for name, parameter in network.named_parameters()
        if parameter.grad is None or not parameter.grad.abs().max() > 1e-12
    ]
    assert silent == []


@pytest.mark.parametrize(("name", "options"), TINY, ids=TINY_IDS)
def test_training_works_after_inference(name, options):
    """Tensors cached per window in inference mode must stay usable for autograd."""
    for function in (layers_module._log_offsets, pad_reflect.__globals__["_reflected"]):
        function.cache_clear()
    region_labels.cache_clear()
    network = tiny(name, **options)
    x = images(1, 3, 19, 13)
    with torch.inference_mode():
        inferred = network(x)
    out = network(x)
    out.sum().backward()
    torch.testing.assert_close(out.detach(), inferred.clone(), rtol=0, atol=1e-9)


# --- refusals --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (torch.zeros(1, 1, 8, 8), r"\[batch, 3, height, width\], got \[1, 1, 8, 8\]"),
        (torch.zeros(3, 8, 8), r"got \[3, 8, 8\]"),
        (torch.zeros(1, 3, 0, 8), r"empty: \[1, 3, 0, 8\]"),
        (torch.zeros(0, 3, 8, 8), r"empty: \[0, 3, 8, 8\]"),
        (torch.zeros(1, 3, 8, 8, dtype=torch.uint8), r"got torch.uint8; divide by 255"),
    ],
    ids=["channels", "ndim", "no-rows", "no-images", "uint8"],
)
@pytest.mark.parametrize(("name", "options"), TINY, ids=TINY_IDS)
def test_bad_images_are_refused(name, options, bad, message):
    with pytest.raises(InputError, match=message):
        build(name, **options)(bad)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("semanir-s", {}, r"semanir-s enlarges images: pass upscale=2, 3 or 4"),
        ("semanir-u", {"upscale": 2}, r"semanir-u keeps the image size; drop upscale=2"),
        ("semanir-s", {"upscale": 5}, r"upscale must be 2, 3 or 4, got 5"),
        ("semanir-s", {"upscale": 2, "channels": 2}, r"channels must be 1 .* got 2"),
        ("semanir-s", {"upscale": 2, "heads": 7}, r"width 180 is not a multiple of its 7 heads"),
        ("semanir-u", {"heads": (2, 4, 8, 16, 15)}, r"width 320 is not a multiple of its 15 heads"),
        ("semanir-u", {"dims": (40, 80)}, r"must have the same length"),
        ("semanir-s", {"upscale": 2, "window": 0}, r"window must be at least 1, got 0"),
        ("semanir-u", {"k": -1}, r"k must be at least 1, got -1"),
    ],
)
def test_impossible_configurations_are_refused(name, options, message):
    with pytest.raises(InputError, match=message):
        build(name, **options)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("semanir-x", {}, r"unknown network 'semanir-x'; did you mean .*semanir-s"),
        ("semanir-s", {"upscale": 2, "windwo": 8}, r"switch of semanir-s 'windwo'; .* window"),
        ("semanir-u", {"layuot": "U1"}, r"switch of semanir-u 'layuot'; did you mean .*layout"),
        ("semanir-u", {"layout": "U3"}, r"unknown layout 'U3'; did you mean U\d or U\d"),
        ("semanir-u", {"attention": "cosin"}, r"attention 'cosin'; did you mean cosine"),
        ("semanir-u", {"norm": "pst"}, r"unknown norm 'pst'; did you mean post"),
        ("semanir-u", {"similarity": "layer"}, r"similarity 'layer'; did you mean layernorm"),
        ("semanir-s", {"upscale": 2, "skip": "bicubik"}, r"skip 'bicubik'; did you mean bicubic"),
    ],
)
def test_unknown_names_are_refused_with_the_nearest(name, options, message):
    with pytest.raises(UnknownNameError, match=message):
        build(name, **options)


def test_unknown_back_end_is_refused_with_the_nearest():
    with pytest.raises(UnknownNameError, match="'gahter'; did you mean gather"):
        build("semanir-u-tiny", backend="gahter")(torch.zeros(1, 3, 8, 8))


@pytest.mark.parametrize("name", ["semanir-s", "semanir-b", "semanir-u"])
def test_configuration_survives_json(name):
    import json

    config = configure(name, window=16, k=77, channels=1)
    again = from_dict(json.loads(json.dumps(to_dict(config))))
    assert again == config
    assert (again.window, again.k, again.channels) == (16, 77, 1)
    assert configure(name) != config


def test_initial_values():
    """Linear layers: normal of 0.02 with zero bias; LayerNorms: one and zero; output: zero."""
    torch.manual_seed(0)
    network = build("semanir-u-tiny", dims=(64, 96), heads=(2, 2))
    linear = [module for module in network.modules() if isinstance(module, nn.Linear)]
    weights = torch.cat([module.weight.detach().flatten() for module in linear])
    assert float(weights.std()) == pytest.approx(0.02, rel=0.02)
    assert all(not m.bias.any() for m in linear if m.bias is not None)
    assert not network.conv_last.weight.any() and not network.conv_last.bias.any()
    assert all(
        torch.equal(m.weight, torch.ones_like(m.weight))
        for m in network.modules()
        if isinstance(m, nn.LayerNorm)
    )
