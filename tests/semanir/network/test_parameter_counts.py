"""Parameter counts: the printed ones, those of each part, and the sizes that presets tell."""

from functools import cache

import pytest
import torch

from semanir.network import PRESETS, build
from semanir.network.config import ColumnarConfig

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


def size(module):
    return sum(parameter.numel() for parameter in module.parameters())


@cache
def on_meta(name, **options):
    with torch.device("meta"):
        return build(name, **options)


@pytest.mark.parametrize(("name", "options", "expected"), COUNTS, ids=str)
def test_parameter_counts_are_the_printed_ones(name, options, expected):
    assert size(on_meta(name, **options)) == expected


@pytest.mark.parametrize("name", PRESETS)
def test_presets_say_their_size_and_purpose(name):
    config, said, purpose = PRESETS[name]
    enlarges = isinstance(config, ColumnarConfig)
    assert ("super-resolution" in purpose) == enlarges
    millions = size(on_meta(name, upscale=2 if enlarges else None)) / 1e6
    digits = len(said.partition(".")[2].split()[0])
    assert said == f"{millions:.{digits}f} M"


def conv(into, out, kernel):
    return into * out * kernel**2 + out


def stage(dim, heads, layers=6, ratio=2):
    layer = 8 * dim + 4 * dim**2 + 2 * ratio * dim**2 + (ratio + 1) * dim + 1536 + 512 * heads
    return layers * layer + conv(dim, dim, 3)


def columnar(depth, upscale, position=4608):
    """Parameters counted on paper; `position`: those of one layer's position bias."""
    per_layer = 720 + 97_740 + 32_580 + 130_140 + position
    upsampler = {2: [256], 3: [576], 4: [256, 256]}[upscale]
    return (
        conv(3, 180, 3)
        + depth * (depth * per_layer + conv(180, 180, 3))
        + 2 * 360
        + conv(180, 180, 3)
        + conv(180, 64, 3)
        + sum(conv(64, out, 3) for out in upsampler)
        + conv(64, 3, 3)
    )


def test_the_columnar_formula_gives_the_printed_counts_and_swinir():
    """Control: with a 15x15 table per head instead of the small network it must be SwinIR."""
    for name, options, expected in COUNTS[:6]:
        assert columnar(6 if name == "semanir-s" else 8, options["upscale"]) == expected
    swinir = {2: 11_752_487, 4: 11_900_199}
    assert {n: columnar(6, n, position=15 * 15 * 6) for n in swinir} == swinir


def test_parts_of_a_columnar_layer():
    network = on_meta("semanir-s", upscale=2)
    layer = network.stages[0].layers[0]
    attention = layer.attention
    parts = (layer.norm1, layer.norm2, attention.qkv, attention.proj, layer.ffn, attention.bias)
    assert [size(part) for part in parts] == [360, 360, 97_740, 32_580, 130_140, 4_608]
    assert {size(stage.conv) for stage in network.stages} == {291_780}


U_SHAPES = {
    "U2": {
        "conv_first": 1_120,
        "down": {"0": 109_240, "1": 391_664, "2": 1_503_712, "3": 5_916_608},
        "downsample": {"0": 12_880, "1": 51_360, "2": 205_120, "3": 409_920},
        "up": {"4": 5_916_608, "3": 5_916_608, "2": 1_503_712, "1": 391_664},
        "upsample": {"4": 410_880, "3": 205_440, "2": 51_520, "1": 12_960},
        "fuse": {"3": 1_843_520, "2": 460_960, "1": 115_280},
        "final": 385_520,
        "conv_last": 2_163,
    },
    "U1": {
        "conv_first": 1_344,
        "norm_first": 96,
        "norm_last": 96,
        "down": {"0": 156_048, "1": 565_536, "2": 2_172_480, "3": 8_538_240},
        "downsample": {"0": 73_824, "1": 295_104, "2": 1_180_032},
        "up": {"3": 8_538_240, "2": 2_172_480, "1": 565_536, "0": 156_048},
        "upsample": {"3": 295_104, "2": 73_824, "1": 18_480},
        "fuse": {"2": 663_744, "1": 165_984, "0": 41_520},
        "final": 156_048,
        "conv_body": 20_784,
        "conv_last": 1_299,
    },
}


@pytest.mark.parametrize("layout", U_SHAPES)
def test_parts_of_a_u_shape(layout):
    network, expected = on_meta("semanir-u", layout=layout), U_SHAPES[layout]
    sizes = {
        name: {level: size(part) for level, part in child.items()}
        if isinstance(child, torch.nn.ModuleDict)
        else size(child)
        for name, child in network.named_children()
        if child is not None
    }
    assert sizes == expected
    config = network.config
    stages = [stage(*sizes) for sizes in zip(config.dims, config.heads, strict=True)]
    both = expected["down"] | expected["up"]
    assert stages == [both[level] for level in sorted(both)]
    assert stage(config.dims[0] * (2 if layout == "U2" else 1), config.heads[0]) == sizes["final"]


def test_cosine_attention_adds_one_scale_per_head_and_other_switches_nothing():
    heads = 6 * (2 + 4 + 8 + 16 + 16 + 16 + 8 + 4 + 2)  # down 0-3, up 4-1 and the final stage
    others = {"norm": "post", "window": 8, "k": 64, "similarity": "layernorm"}
    others |= {"include_self": True, "backend": "gather"}
    for name, options, more in (("semanir-s", {"upscale": 2}, 36 * 6), ("semanir-u", {}, heads)):
        plain, cosine, switched = (
            size(on_meta(name, **options, **switches))
            for switches in ({}, {"attention": "cosine"}, others)
        )
        assert (cosine - plain, switched) == (more, plain)


def test_stages_layers_and_shifts_of_the_presets():
    """6 x 6, 8 x 8 and 9 x 6; the shift alternates in the order of execution."""
    u = on_meta("semanir-u")
    presets = {
        (6, 6): on_meta("semanir-s", upscale=2).stages,
        (8, 8): on_meta("semanir-b", upscale=2).stages,
        (9, 6): [*u.down.values(), *u.up.values(), u.final],
    }
    for (number, depth), stages in presets.items():
        assert [len(stage.layers) for stage in stages] == [depth] * number
        assert [stage.shifted for stage in stages] == [i % 2 == 1 for i in range(number)]
