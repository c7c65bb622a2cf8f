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


def stage(dim, heads, layers):
    """Parameters counted on paper: layers with the small network of the bias, a convolution."""
    layer = 8 * dim**2 + 11 * dim + 1536 + 512 * heads
    return layers * layer + 9 * dim**2 + dim


@pytest.mark.parametrize("layout", ["U1", "U2"])
def test_stages_of_every_level_have_the_counted_size(layout):
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
    """The shift alternates in the order of execution."""
    s, b, u = (on_meta(f"semanir-{n}", upscale=None if n == "u" else 2) for n in "sbu")
    of_u = [*u.down.values(), *u.up.values(), u.final]
    for stages, number, depth in ((s.stages, 6, 6), (b.stages, 8, 8), (of_u, 9, 6)):
        assert [len(stage.layers) for stage in stages] == [depth] * number
        assert [stage.shifted for stage in stages] == [i % 2 == 1 for i in range(number)]
