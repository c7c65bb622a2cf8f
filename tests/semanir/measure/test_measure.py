"""Counts, times and memory of networks: by value against print, by fvcore, on known patterns."""

import json
import re

import pytest
import torch
from small_networks import shrink
from torch import nn

from semanir import cli
from semanir.errors import InputError
from semanir.evaluate.systems import network_of
from semanir.measure import counts
from semanir.measure import runtime as measured_runtime
from semanir.measure.counts import count, count_rows
from semanir.measure.inputs import parse_input
from semanir.measure.runtime import memory, runtime
from semanir.network import flops

pytestmark = pytest.mark.usefixtures("noncommercial")


# Table 3 and the README of the authors, in 10^9 multiply-adds, and the counter that gives them
PRINTED = """\
swinir:x4               3x128x128 multiply_adds            215.32
hat:x4                  3x128x128 multiply_adds            416.90
cat:x4-A-2              3x128x128 multiply_adds            387.86
restormer:denoise_color 3x256x256 multiply_adds            154.88
swinir:denoise_gray     1x256x256 multiply_adds_by_modules 752.06"""


@pytest.mark.parametrize("line", PRINTED.splitlines(), ids=lambda line: line.split()[0])
def test_printed_counts_come_out_to_every_digit(line):
    name, shape, counter, printed = line.split()
    assert f"{count(name, parse_input(shape))[counter] / 1e9:.2f}" == printed


NETWORKS = """\
semanir-s:x2:stages=2,layers=1,k=8,window=8,backend=fused 3x16x24
semanir-s:x4:stages=2,layers=1,k=8,window=8,keys=all 3x16x16
semanir-u:gray:layers=1,k=8,window=8,backend=fused 1x32x32
semanir-u:rgb:layers=1,k=8,window=8,backend=mask 3x32x32
semanir-u:rgb:layers=1,k=8,window=8,backend=gather,layout=U1 3x32x32
swinir:x2 3x16x16  swinir:jpeg_gray 1x14x21  hat:x2 3x16x16  restormer 3x32x32
dncnn 1x20x23  ffdnet 1x20x24  drunet 3x32x32  deepjoint 3x40x40  rcan:x2 3x12x14  nafnet 3x32x32
cat:x2 3x16x32  art:x2 3x32x32  xformer 3x64x64
fbcnn 3x32x32  mprnet 3x32x32  transweather 3x112x176"""
COUNTED = [named.split() for named in re.split("  |\n", NETWORKS)]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "shape"), COUNTED)
def test_both_counters_agree(name, shape, monkeypatch):
    if not name.startswith("semanir"):
        shrink(monkeypatch, name.partition(":")[0])
    found = count(name, parse_input(shape), fvcore=True)
    assert found["multiply_adds"] == found["multiply_adds_fvcore"]


class Of(nn.Module):
    """What a function computes, with some modules."""

    def __init__(self, function, *modules):
        super().__init__()
        self.function, self.inner = function, nn.ModuleList(modules)

    def forward(self, x):
        return self.function(x, *self.inner)


def test_counts_by_hand():

    def known(x, conv, norm, linear):
        tokens = norm(conv(x).flatten(2).mT)
        return linear(nn.functional.scaled_dot_product_attention(tokens, tokens, tokens).relu())

    def network():
        return Of(known, nn.Conv2d(3, 8, 3, padding=1), nn.LayerNorm(8), nn.Linear(8, 5))

    n = 4 * 6
    products = n * 8 * 27 + 5 * n * 8 + 2 * n * n * 8 + n * 8 * 5
    assert flops.multiply_adds(network(), (1, 3, 4, 6)) == products
    assert flops.by_fvcore(network(), (1, 3, 4, 6)) == products
    assert flops.multiply_adds(network(), (2, 3, 4, 6)) == 2 * products
    # modules alone: with biases, one for each element of the norm, no attention
    assert flops.by_modules(network(), (1, 3, 4, 6)) == n * 8 * 28 + n * 8 + n * 5 * 9


def test_modules_are_counted_as_ptflops_counts_them():
    """SwinIR for grey at 64 x 64 by ptflops 0.7.4, run once beside: 47,003,668,480."""
    assert flops.by_modules(network_of("swinir:denoise_gray"), (1, 1, 64, 64)) == 47_003_668_480


class Shifted(nn.Module):
    """Sets a small parameter itself, and shares a large one."""

    def __init__(self):
        super().__init__()
        self.shift = nn.Conv2d(3, 3, 1)
        self.shift.weight.data = torch.eye(3)[..., None, None]
        self.first, self.second = nn.Linear(64, 64), nn.Linear(64, 64)
        self.second.weight = self.first.weight


def test_networks_for_counts_draw_no_values():
    """Large parameters lie on meta, shared ones stay shared; outside nothing has changed."""
    with flops.weightless():
        network = Shifted()
    assert torch.equal(network.shift.weight[..., 0, 0], torch.eye(3))
    assert network.first.weight.is_meta and network.second.weight is network.first.weight
    assert sum(p.numel() for p in network.parameters()) == 12 + 64 * 64 + 2 * 64
    assert Shifted().first.weight.std() > 0


def test_an_operator_that_nobody_counted_is_named():
    odd = Of(lambda x: torch.linalg.inv(x @ x.mT))
    for counter, words in (
        (flops.multiply_adds, "linalg_inv.* FREE or HANDLERS"),
        (flops.by_fvcore, "no count for .*inv"),
    ):
        with pytest.raises(InputError, match=words):
            counter(odd, (1, 1, 4, 4))


def test_multiply_adds_of_ours_grow_with_k_and_not_with_the_back_end():
    """Attention has two products of N x k x C a layer; 'mask' computes N x N and says so."""
    small = "semanir-s:x2:stages=2,layers=1,window=8"
    by_k = {k: count(f"{small},k={k}", (3, 16, 16))["multiply_adds"] for k in (8, 16)}
    assert by_k[16] - by_k[8] == 2 * 2 * 16 * 16 * 8 * 180
    for backend, keys in (("gather", 8), ("mask", 64)):
        found = count(f"{small},k=8,backend={backend}", (3, 16, 16))["multiply_adds"]
        assert found - by_k[8] == 2 * 2 * 16 * 16 * (keys - 8) * 180


def spreading(margin=0):
    """Three channels, as a subtracted mean makes of one; reflected by a margin on all sides."""

    def padded(x, conv):
        m, height = margin, x.shape[-2]
        x = nn.functional.pad(x, (m, m, m, m), mode="reflect") if m else x
        return conv(x - x.new_zeros(1, 3, 1, 1))[..., m : m + height, m : m + height]

    return Of(padded, nn.Conv2d(3, 3, 3, padding=1))


MEASURES = {
    "count": lambda shape: count("made", shape),
    "time": lambda shape: runtime(["made"], shape, seconds=0, least=2),
    "memory": lambda shape: memory("made", shape),
}


@pytest.mark.parametrize("what", MEASURES)
def test_inputs_that_a_network_does_not_take_are_refused(monkeypatch, what):
    """One channel spread over three runs, but is not what was asked for."""
    made = {"made": spreading(margin=7), "fine": nn.Conv2d(1, 1, 3, padding=1)}
    for module in (counts, measured_runtime):
        monkeypatch.setattr(module, "network_of", lambda name, *options: made[name].eval())
    for names in (["fine", "made"], ["made", "fine"]):
        with pytest.raises(InputError, match="made takes --input 3xHxW"):
            runtime(names, (1, 16, 16), seconds=0, least=2)
    for channels in (1, 2, 4):
        with pytest.raises(InputError, match=f"made takes --input 3xHxW, not {channels}x16x16"):
            MEASURES[what]((channels, 16, 16))
    with pytest.raises(InputError, match=r"made does not take --input 3x4x4: .*Padding size"):
        MEASURES[what]((3, 4, 4))
    MEASURES[what]((3, 8, 8))


@pytest.mark.parametrize(
    ("name", "shape"),
    [("dncnn", "3x8x8"), ("deepjoint", "1x40x40"), ("semanir-u:rgb:layers=1,window=8", "1x16x16")],
)
def test_channels_of_real_networks(name, shape):
    with pytest.raises(InputError, match=f"takes --input {4 - int(shape[0])}xHxW, not {shape}"):
        count(name, parse_input(shape))


def test_networks_are_named_by_variant_and_option():
    assert network_of("semanir-u:gray:k=7,layout=U1").config.k == 7
    for name, message in (
        ("semanir-u:cmyk", "unknown variant 'cmyk'"),
        ("semanir-u:rgb:windw=8", "unknown switch of semanir-u 'windw'"),
        ("swinir:x2:k=8", "swinir takes none"),
        ("swinr", "unknown model 'swinr'; did you mean"),
        ("semanir-s:x4:name=semanir-b", "name is said twice"),
        ("semanir-s:x4:k=4,window=8,k=8", "k is said twice"),
        ("semanir-u-fixed:rgb", "ablation; take semanir-u,"),
    ):
        with pytest.raises(InputError, match=message):
            network_of(name)
    with pytest.raises(InputError, match="ablation; take semanir-u,"):
        count_rows("semanir-u-fixed")


def test_inputs_that_are_none_are_refused():
    for text in ("3x128", "3x0x128", "3x-1x4", "", "3x²x4", "3x8x8 "):
        with pytest.raises(InputError, match="channels x height x width, as 3x128x128"):
            parse_input(text)


@pytest.mark.slow
def test_every_count_of_the_paper_is_recorded():
    for model in ("swinir", "semanir-s"):
        rows = {(row["variant"], row["metric"]): row for row in count_rows(model)}
        assert ("x4", "params") in rows
        assert rows["x4", "FLOPs"]["protocol"].endswith("3x128x128, variant x4")
    parts = {m: rows["x4 W=32 k=512", m]["value"] for v, m in rows if v == "x4 W=32 k=512"}
    whole = rows["x4", "FLOPs"]["value"]
    assert sum(parts.values()) == whole and parts["FLOPs_dictionary"] > 0


def test_times_are_taken_in_turns_and_compared_with_the_first():
    rows = runtime(["dncnn", "ffdnet"], (1, 24, 24), seconds=0, least=3)
    assert [row["network"] for row in rows] == ["dncnn", "ffdnet"] and rows[0]["ratio"] == 1
    for row in rows:
        low, high = row["quartiles_ms"]
        assert low <= row["median_ms"] <= high and row["rounds"] == 3
    assert rows[1]["ratio"] == rows[1]["median_ms"] / rows[0]["median_ms"]


def test_memory_of_a_convolution_is_that_of_its_maps():
    """DnCNN holds two maps of 64 channels at a time, and what its convolutions need."""
    maps = 2 * 64 * 48 * 40 * 4
    assert maps <= memory("dncnn", (1, 48, 40)) <= 2 * maps


def test_the_command_line_counts(capsys):
    cli.main(["measure", "count", "dncnn", "--input", "1x20x20", "--json", "--fvcore"])
    row = json.loads(capsys.readouterr().out)
    assert row["parameters"] == 555_137 and row["multiply_adds"] == row["multiply_adds_fvcore"]
