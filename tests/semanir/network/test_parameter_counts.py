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


def stage(dim, heads, layers, position=1536):
    """Parameters counted on paper; `position`: those of a layer's position bias, heads apart."""
    layer = 8 * dim**2 + 11 * dim + position + 512 * heads
    return layers * layer + conv(dim, dim, 3)


def columnar(depth, upscale, **position):
    upsampler = {2: [256], 3: [576], 4: [256, 256]}[upscale]
    ends = conv(3, 180, 3) + 2 * 360 + conv(180, 180, 3) + conv(180, 64, 3) + conv(64, 3, 3)
    stages = depth * stage(180, 6, depth, **position)
    return ends + stages + sum(conv(64, out, 3) for out in upsampler)


def test_formulas_give_the_printed_counts_and_swinir():
    """Control: with a 15x15 table per head instead of the small network it must be SwinIR."""
    for name, options, expected in COUNTS[:6]:
        assert columnar(6 if name == "semanir-s" else 8, options["upscale"]) == expected
    swinir = {2: 11_752_487, 4: 11_900_199}
    assert {n: columnar(6, n, position=15 * 15 * 6 - 6 * 512) for n in swinir} == swinir
    for layout in ("U1", "U2"):
        network = on_meta("semanir-u", layout=layout)
        sizes = list(zip(network.config.dims, network.config.heads, strict=True))
        for level, module in [*network.down.items(), *network.up.items()]:
            assert size(module) == stage(*sizes[int(level)], layers=6)
        widen = 2 if layout == "U2" else 1
        assert size(network.final) == stage(widen * sizes[0][0], sizes[0][1], layers=6)


def test_cosine_attention_adds_one_scale_per_head_and_other_switches_nothing():
    heads = 6 * (2 + 4 + 8 + 16 + 16 + 16 + 8 + 4 + 2)  # down 0-3, up 4-1 and the final stage
    others = {"norm": "post", "window": 8, "k": 64, "similarity": "layernorm"}
    others |= {"include_self": True, "backend": "gather"}
    for name, options, more in (("semanir-s", {"upscale": 2}, 36 * 6), ("semanir-u", {}, heads)):
        plain = size(on_meta(name, **options))
        assert size(on_meta(name, **options, attention="cosine")) == plain + more
        assert size(on_meta(name, **options, **others)) == plain


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
