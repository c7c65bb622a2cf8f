"""The networks as a whole: sizes, wiring, padding, switches, gradients, and what is refused.

# S images, C channels, H x W feature map
"""

import json
from itertools import pairwise

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from tiny_networks import TINY, both_tiny, images, seeded, tiny
from torch import nn

from semanir.errors import InputError
from semanir.names import UnknownNameError
from semanir.network import build
from semanir.network.config import configure, from_dict, to_dict

SIZES = [(1, 1), (1, 9), (3, 5), (7, 8), (8, 8), (9, 8), (13, 21), (16, 24), (17, 2)]
SHAPES = [("semanir-s-tiny", {"upscale": scale}) for scale in (2, 3, 4)]
SHAPES += [("semanir-u-tiny", {"layout": layout}) for layout in ("U1", "U2")]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("name", "options"), SHAPES, ids=str)
def test_any_input_size(name, options, channels):
    network = tiny(name, double=False, layers=1, k=9, channels=channels, **options)
    for size in SIZES:
        with torch.no_grad():
            out = network(images(2, channels, *size, dtype=torch.float32))
        scaled = (options.get("upscale", 1) * length for length in size)
        assert list(out.shape) == [2, channels, *scaled] and out.isfinite().all()


@both_tiny
def test_images_of_a_batch_do_not_mix(name):
    network, batch = tiny(name), images(3, 3, 13, 18)
    with torch.no_grad():
        apart = torch.cat([network(image[None]) for image in batch])
        torch.testing.assert_close(network(batch), apart, rtol=0, atol=1e-9)


def test_untrained_networks_are_their_skip_connections():
    """The input; its bicubic enlargement with a = -0.5, where Pillow agrees off the border."""
    x = images(1, 1, 16, 16, dtype=torch.float32)
    with torch.no_grad():
        assert torch.equal(build("semanir-u-tiny", channels=1)(x), x)
        out = build("semanir-s-tiny", upscale=2, channels=1)(x)
    expected = Image.fromarray(x[0, 0].numpy()).resize((32, 32), Image.Resampling.BICUBIC)
    np.testing.assert_allclose(out[0, 0].numpy(), np.asarray(expected), rtol=0, atol=1e-5)


def norm_channels(norm, x):
    return norm(x.movedim(1, -1)).movedim(-1, 1)


def columnar_by_hand(n, x, k):
    """Two stages, enlargement by 2; the mean colour of DIV2K is taken away and added again."""
    mean = [0.4488, 0.4371, 0.4040] if x.shape[1] == 3 else [(0.4488 + 0.4371 + 0.4040) / 3]
    mean = torch.tensor(mean, dtype=x.dtype).view(1, -1, 1, 1)
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


THREE = {"dims": (8, 12, 16), "heads": (2, 2, 2)}
WIRED = {
    "columnar": (columnar_by_hand, "semanir-s-tiny", {"skip": "none"}),
    "grey": (columnar_by_hand, "semanir-s-tiny", {"skip": "none", "channels": 1}),
    "U2": (u2_by_hand, "semanir-u-tiny", THREE),
    "U1": (u1_by_hand, "semanir-u-tiny", THREE | {"layout": "U1"}),
}


@pytest.mark.parametrize(("by_hand", "name", "switches"), WIRED.values(), ids=WIRED)
def test_wiring(by_hand, name, switches):
    """The parts, put together by hand once more (no padding needed at this size)."""
    network, x = tiny(name, **switches), images(1, switches.get("channels", 3), 16, 24)
    with torch.no_grad():
        expected = by_hand(network, x, 6)
        torch.testing.assert_close(network(x, 6), expected, rtol=0, atol=1e-10)
    assert (expected.mean() - x.mean()).abs() > 1e-3


@both_tiny
def test_padding_is_reflection_of_the_image(name):
    """By hand: to columnar windows of 8, to the U-shape's levels of 2; stages pad their own."""
    scale = TINY[name].get("upscale", 1)
    multiple = 8 if scale > 1 else 2
    x = images(1, 3, 19, 13)
    width = [(0, -length % multiple) for length in (19, 13)]
    padded = torch.from_numpy(np.pad(x.numpy(), [(0, 0), (0, 0), *width], mode="reflect"))
    network = tiny(name)
    with torch.no_grad():
        out, whole = network(x), network(padded)
    torch.testing.assert_close(out, whole[..., : 19 * scale, : 13 * scale], rtol=0, atol=1e-9)


@both_tiny
def test_weights_do_not_depend_on_the_window(name):
    weights = tiny(name, window=4).state_dict()
    outputs = []
    for window in (4, 8, 16, 32):
        network = tiny(name, window=window, seed=5)
        network.load_state_dict(weights)
        with torch.no_grad():
            outputs.append([network(images(1, 3, *size)) for size in ((24, 24), (8, 6))])
    for smaller, larger in pairwise(outputs[:3]):
        assert (smaller[0] - larger[0]).abs().max() > 1e-3
    assert all(torch.equal(out[1], outputs[1][1]) for out in outputs[2:])


SWITCHES = [{"attention": "cosine"}, {"norm": "post"}, {"similarity": "cosine"}, {"k": 3}]
SWITCHES += [{"similarity": "layernorm"}, {"include_self": True}, {"ranks_self": True}]


@both_tiny
def test_every_switch_changes_the_output(name):
    x, plain = images(1, 3, 16, 16), tiny(name)
    for switch in SWITCHES:
        switched = tiny(name, **switch)
        switched.load_state_dict(plain.state_dict(), strict="attention" not in switch)
        with torch.no_grad():
            assert (plain(x) - switched(x)).abs().max() > 1e-4, switch
            if "k" in switch:  # that of a call replaces that of the configuration
                assert torch.equal(plain(x, switch["k"]), switched(x))


OTHER = {"layout": "U1", "attention": "cosine", "norm": "post"}
GRADIENTS = [("semanir-s-tiny", {"upscale": 4}), ("semanir-u-tiny", {}), ("semanir-u-tiny", OTHER)]


@pytest.mark.parametrize(("name", "switches"), GRADIENTS, ids=str)
def test_gradients_reach_every_parameter(name, switches):
    network = tiny(name, **switches)
    out = network(images(1, 3, 20, 20))
    (out * torch.randn(out.shape, generator=seeded(), dtype=out.dtype)).sum().backward()
    grads = {name: parameter.grad for name, parameter in network.named_parameters()}
    assert [n for n, grad in grads.items() if grad is None or not grad.abs().max() > 1e-12] == []


def test_initial_values():
    """Linear layers: normal of 0.02, values of 1 / sqrt(width), keys are queries, a rotation.

    Biases and output are zero, LayerNorms one.
    """
    torch.manual_seed(0)
    network = build("semanir-u-tiny", dims=(64, 96), heads=(2, 2))
    linear, norms = (
        [module for module in network.modules() if isinstance(module, kind)]
        for kind in (nn.Linear, nn.LayerNorm)
    )
    attending = {id(m.qkv) for m in network.modules() if hasattr(m, "qkv")}
    assert attending
    for module in linear:
        if id(module) in attending:
            queries, keys, values = module.weight.detach().chunk(3)
            assert torch.equal(queries, keys) and not torch.equal(queries, values)
            identity = torch.eye(module.in_features)
            torch.testing.assert_close(queries @ queries.T, identity, rtol=0, atol=1e-5)
    in_widths = [m.weight * m.in_features**0.5 for m in linear if id(m) in attending]
    others = [m.weight for m in linear if id(m) not in attending]
    for weights, deviation in ((in_widths, 1.0), (others, 0.02)):
        together = torch.cat([weight.detach().flatten() for weight in weights])
        assert float(together.std()) == pytest.approx(deviation, rel=0.02)
    assert not any(m.bias.any() for m in linear if m.bias is not None)
    assert not network.conv_last.weight.any() and not network.conv_last.bias.any()
    assert all((norm.weight == 1).all() for norm in norms)


@pytest.mark.parametrize("name", ["semanir-s", "semanir-u", "semanir-u-medium"])
def test_configuration_survives_json(name):
    config = configure(name, window=16, k=77, channels=1)
    again = from_dict(json.loads(json.dumps(to_dict(config))))
    assert again == config and (again.window, again.k, again.channels) == (16, 77, 1)


def test_layers_of_each_level():
    network = tiny("semanir-u-tiny", dims=(16, 24, 32), heads=(1, 2, 2), layers=(1, 2, 3))
    stages = {n: len(m.layers) for n, m in network.named_modules() if hasattr(m, "layers")}
    assert stages == {"down.0": 1, "down.1": 2, "up.2": 3, "up.1": 2, "final": 1}


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (torch.zeros(1, 1, 8, 8), r"\[1, 1, 8, 8\].*channels=3"),
        (torch.zeros(3, 8, 8), r"\[3, 8, 8\]"),
        (torch.zeros(1, 3, 0, 8), r"empty: \[1, 3, 0, 8\]"),
        (torch.zeros(1, 3, 8, 8, dtype=torch.uint8), "torch.uint8; divide by 255"),
    ],
)
@both_tiny
def test_bad_images_are_refused(name, bad, message):
    with pytest.raises(InputError, match=message):
        build(name, **TINY[name])(bad)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "semanir-s", "upscale": None}, "upscale=2, 3 or 4"),
        ({"upscale": 2}, "drop upscale=2"),
        ({"name": "semanir-s", "upscale": 5}, "2, 3 or 4, got 5"),
        ({"channels": 2}, "channels.* 2"),
        ({"name": "semanir-s", "heads": 7}, "180.* 7 heads"),
        ({"heads": (2, 4, 8, 16, 15)}, "320.* 15 heads"),
        ({"dims": (40, 80)}, r"\(40, 80\).*same length"),
        ({"layers": (2, 4)}, r"\(40, 80.*layers \(2, 4\).*same length"),
        ({"layers": (2, 4, 6, 8, 0)}, r"layers .*1, got \(2, 4, 6, 8, 0\)"),
        ({"layers": 0}, "layers .*1, got 0"),
        ({"window": 0}, "window .*1, got 0"),
        ({"k": -1}, "k .*1, got -1"),
        ({"ranks_self": True, "include_self": True}, "ranks_self"),
        # unknown names, with the nearest
        ({"name": "semanir-x"}, "network 'semanir-x'.*semanir-s"),
        ({"layuot": "U1"}, "'layuot'.*layout"),
        ({"layout": "U3"}, "layout 'U3'.*U1"),
        ({"attention": "cosin"}, "'cosin'.*cosine"),
        ({"norm": "pst"}, "'pst'.*post"),
        ({"similarity": "layer"}, "'layer'.*layernorm"),
        ({"name": "semanir-s", "skip": "bicubik"}, "'bicubik'.*bicubic"),
        ({"backend": "gahter"}, "'gahter'.*gather"),
        ({"keys": "al"}, "'al'.*all"),
        ({"dictionary": "stages"}, "'stages'.*stage"),
    ],
    ids=str,
)
def test_impossible_configurations_are_refused(options, message):
    upscale = {"upscale": 2} if options.get("name") == "semanir-s" else {}
    with pytest.raises(InputError, match=message) as error:
        build(**{"name": "semanir-u", **upscale, **options})
    assert isinstance(error.value, UnknownNameError) == ("'" in message)
