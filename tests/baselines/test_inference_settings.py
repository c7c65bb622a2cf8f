"""What networks of other authors are told, held against numbers read in their test scripts.

Every number here is written down from the script that the comment names, not from models.yaml.
"""

import re
from functools import cache

import numpy as np
import pytest
import torch
from torch import nn

from baselines import adapt, networks
from baselines.inference_settings import InferenceSettings, inference_settings
from baselines.registry import COMMERCIAL, get_system, schema, systems, weights_for
from baselines.splitting import SPLITS
from semanir.cli import systems_page
from semanir.errors import InputError
from semanir.measure import counts as measure
from semanir.network import flops
from semanir.paths import ROOT


@pytest.fixture(autouse=True)
def accepted(monkeypatch):
    monkeypatch.setenv(COMMERCIAL, "true")


@cache
def built(model, variant):
    """At full size, once for all tests; its parameters are shapes alone."""
    with flops.weightless():
        return networks.build(model, variant)


def variants():
    entries = systems().items()
    return [(m, v) for m, entry in entries for v in entry.get("variants", {})]


class Recorder(nn.Module):
    """Keeps what it is given; returns the picture's channels, enlarged, as the network would."""

    def __init__(self, channels, scale, several):
        super().__init__()
        self.channels, self.scale, self.several = channels, scale, several
        self.seen = []

    def forward(self, x, level=None):
        self.seen.append((x.clone(), level))
        out = x[:, : self.channels].repeat_interleave(self.scale, 2)
        out = out.repeat_interleave(self.scale, 3)
        return (out, None) if self.several else out


def told(name, size, level=0.0, x=None):
    """(inputs of the network, levels beside them, the output) of a variant as tested."""
    model, _, variant = name.partition(":")
    options, how = get_system(model)["variants"][variant], inference_settings(model, variant)
    scale = int(options.get("upscale") or np.max(options.get("scale", 1)))
    network = adapt.Adapted(Recorder(how.channels, scale, how.first_output), how)
    network.as_tested, network.level = True, level
    x = torch.rand(1, how.channels, *size) if x is None else x
    out = network(x)
    assert out.shape == (1, how.channels, size[0] * scale, size[1] * scale)
    return [x for x, _ in network.network.seen], [n for _, n in network.network.seen], out


# --- sizes of what passes the network ------------------------------------------------------------

# picture -> pieces that pass the network, with what stands beside the colours
PIECES = {
    # JingyunLiang/SwinIR main_test_swinir.py:70-71, (h_old // window_size + 1) * window_size
    ("swinir:denoise_gray", (16, 21)): [(1, 24, 24)],
    ("swinir:denoise_color", (23, 8)): [(3, 24, 16)],
    ("swinir:x4", (16, 21)): [(3, 24, 24)],
    ("swinir:jpeg_gray", (14, 20)): [(1, 21, 21)],  # window 7: line 224
    ("swinir:jpeg_color", (13, 21)): [(3, 14, 28)],
    # XPixelGroup/HAT hat/models/hat_model.py:22-26, window_size 16
    ("hat:x4", (17, 32)): [(3, 32, 32)],
    # swz30/Restormer Denoising/test_gaussian_gray_denoising.py:50,90-93, factor 8
    ("restormer:denoise_gray", (17, 16)): [(1, 24, 16)],
    ("restormer:deblur", (20, 31)): [(3, 24, 32)],
    # swz30/MPRNet Deblurring/test.py:62-67
    ("mprnet:deblur", (17, 16)): [(3, 24, 16)],
    # gladzhang/Xformer evaluate/test_gaussian_color_denoising.py:52,95-98
    ("xformer:denoise_color", (17, 16)): [(3, 24, 16)],
    ("xformer:denoise_gray", (20, 31)): [(1, 24, 32)],
    # zhengchen1999/CAT basicsr/models/cat_model.py:15-28, split sizes 2 and 4: to 4
    ("cat:x4", (9, 12)): [(3, 12, 12)],
    # cat_model.py:45-98: 220 // 200 + 1 = 2 parts of (220 + 4) / 2, 16 beyond; 90 + 2 columns
    ("cat:jpeg_gray", (220, 90)): [(1, 128, 92)] * 2,
    # 500 // 200 + 1 = 3 parts of 504 / 3: 168 + 16, 168 + 32, 168 + 16
    ("cat:jpeg_gray", (60, 500)): [(1, 60, 184), (1, 60, 200), (1, 60, 184)],
    # gladzhang/ART basicsr/models/art_model.py:15-53: 402 / 3 = 134, a tenth is 13
    ("art:x4", (401, 90)): [(3, 147, 90), (3, 160, 90), (3, 147, 90)],
    ("art:jpeg_gray", (199, 200)): [(1, 199, 110)] * 2,
    # cszn/DPIR main_dpir_denoising.py:129,139 and utils/utils_model.py:125-129, refield 64:
    # (321 // 2 // 64 + 1) * 64 and (481 // 2 // 64 + 1) * 64, a map beside
    ("drunet:denoise_gray", (321, 481)): [(2, 192, 256)] * 4,
    ("drunet:denoise_color", (256, 256)): [(4, 192, 192)] * 4,
    # main_dpir_deblocking_color.py:104, whole; cszn/KAIR models/network_unet.py:61-63, to 8
    ("drunet:jpeg_color", (61, 64)): [(4, 64, 64)],
    ("drunet:jpeg_gray", (512, 505)): [(2, 512, 512)],
    # yulunzhang/RCAN RCAN_TestCode/code/model/__init__.py:114-136: 820 // 2 + 10, 500 // 2 + 10
    ("rcan:x2", (820, 500)): [(3, 420, 260)] * 4,
    # 460 x 510 are no less than 160000: 460 // 2 + 10, 510 // 2 + 10
    ("rcan:x3", (900, 1000)): [(3, 240, 265)] * 16,
    # ofsoundof/GRL scripts/grl/grl_test.md:49 and engines/base.py:94-99, tile 256, stride 224:
    # rows at 0, 65; columns at 0, 224, 225
    ("grl:denoise_gray", (321, 481)): [(1, 256, 256)] * 6,
    ("grl:denoise_color", (500, 500)): [(3, 256, 256)] * 9,
    ("grl:denoise_gray", (200, 256)): [(1, 200, 200)] * 2,
    # grl_test.md:96, tile 288, overlap 36: rows at 0, 33; columns at 0, 193
    ("grl-s:jpeg_color", (321, 481)): [(3, 288, 288)] * 4,
    ("grl-s:jpeg_gray", (512, 512)): [(1, 288, 288)] * 4,
    # grl_test.md:128, tile 0; and :13-15 without one
    ("grl:deblur", (720, 1280)): [(3, 720, 1280)],
    ("grl:demosaick", (500, 500)): [(3, 500, 500)],
    # huawei-noah/Pretrained-IPT model/__init__.py:153-163: patches of 48, 12 apart, those at the
    # edge; rows at 0, 12, 12, columns at 0, 12, 22
    ("ipt:x4", (60, 70)): [(3, 48, 48)] * 9,
    ("ipt:denoise_color", (48, 71)): [(3, 48, 48)] * 6,
    # jiaxi-jiang/FBCNN models/network_fbcnn.py:288-291 and megvii-research/NAFNet
    # basicsr/models/archs/NAFNet_arch.py:134: the network pads
    ("fbcnn:jpeg_color", (45, 59)): [(3, 45, 59)],
    ("nafnet:deblur", (45, 59)): [(3, 45, 59)],
    # cszn/FFDNet Demo_AWGN_Gray.m:74-79
    ("ffdnet:denoise_gray", (5, 7)): [(1, 6, 8)],
    ("ffdnet:denoise_color", (6, 7)): [(3, 6, 8)],
    # cszn/DnCNN Demo_test_DnCNN.m:64
    ("dncnn:denoise_gray", (5, 7)): [(1, 5, 7)],
    ("dncnn:denoise_color", (5, 7)): [(3, 5, 7)],
    ("dncnn3:jpeg_gray", (5, 7)): [(1, 5, 7)],
    # jeya-maria-jose/TransWeather val_data_functions.py:34-35, multiples of 16
    ("transweather:weather", (50, 66)): [(3, 64, 80)],
    ("deepjoint:demosaick", (45, 59)): [(3, 45, 59)],
}


@pytest.mark.parametrize(("name", "size"), PIECES, ids=lambda value: str(value).replace(" ", ""))
def test_pieces_are_those_of_the_scripts(name, size):
    pieces, _, _ = told(name, size)
    alone = [tuple(one.shape[1:]) for piece in pieces for one in piece.split(1)]
    assert alone == PIECES[name, size]


def test_no_system_is_forgotten():
    """Every network has its pieces above."""
    assert {name.partition(":")[0] for name, _ in PIECES} == {model for model, _ in variants()}


# --- new pixels ----------------------------------------------------------------------------------

# rows of a picture of 5 rows -> the first rows added below
ADDED = {
    "swinir:denoise_gray": [4, 3, 2],  # torch.flip: main_test_swinir.py:72-73
    "cat:x4": [4, 3, 2],  # torch.flip: cat_model.py:27-28
    "hat:x4": [3, 2, 1],  # 'reflect': hat_model.py:26
    "restormer:deblur": [3, 2, 1],  # 'reflect': Motion_Deblurring/test.py:76
    "mprnet:deblur": [3, 2, 1],  # 'reflect': Deblurring/test.py:67
    "xformer:denoise_gray": [3, 2, 1],  # 'reflect': test_gaussian_gray_denoising.py:98
    "ffdnet:denoise_gray": [4],  # input(end,:): Demo_AWGN_Gray.m:75
    "drunet:jpeg_gray": [4, 4, 4],  # ReplicationPad2d: KAIR network_unet.py:63
}


@pytest.mark.parametrize("name", ADDED)
def test_new_pixels_are_those_of_the_scripts(name):
    channels = inference_settings(*name.split(":")).channels
    x = torch.arange(5.0).view(1, 1, 5, 1).expand(1, channels, 5, 8).contiguous()
    (piece,), _, out = told(name, (5, 8), x=x)
    assert piece[0, 0, 5 : 5 + len(ADDED[name]), 0].tolist() == ADDED[name]
    assert torch.equal(out[0, 0, :: out.shape[2] // 5, 0], torch.arange(5.0))


@pytest.mark.parametrize(
    ("name", "size", "rows"),
    [
        # flip: cat_model.py:63, 208 rows are two parts of a multiple of 4
        ("cat:jpeg_gray", (201, 8), [200, 199, 198, 197, 196, 195, 194]),
        ("art:x4", (401, 8), [399]),  # 'reflect': art_model.py:23, 402 rows are three
    ],
)
def test_new_pixels_of_partitions(name, size, rows):
    channels = inference_settings(*name.split(":")).channels
    x = torch.arange(float(size[0])).view(1, 1, -1, 1).repeat(1, channels, 1, size[1])
    pieces, _, _ = told(name, size, x=x)
    assert pieces[-1][0, 0, -len(rows) :, 0].tolist() == rows


# --- levels and ranges ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "level", "value"),
    [
        # main_dpir_denoising.py:129, noise_level_model / 255.
        ("drunet:denoise_gray", 51, 0.2),
        ("drunet:denoise_color", 25, 25 / 255),
        # main_dpir_deblocking_grayscale.py:125 and _color.py:94, (100 - quality_factor) / 100.0
        ("drunet:jpeg_gray", 10, 0.9),
        ("drunet:jpeg_gray", 20, 0.8),
        ("drunet:jpeg_color", 30, 0.7),
        ("drunet:jpeg_color", 40, 0.6),
    ],
)
def test_maps_of_drunet(name, level, value):
    pieces, _, _ = told(name, (64, 64), level)
    for piece in pieces:
        assert torch.equal(piece[:, -1], torch.full_like(piece[:, -1], value))


def test_ffdnet_is_told_sigma():
    """Demo_AWGN_Gray.m:87, sigmas = inputNoiseSigma / 255: the network divides here."""
    _, levels, _ = told("ffdnet:denoise_gray", (8, 8), 50.0)
    assert levels == [50.0]
    network = networks.build("ffdnet", "denoise_gray")
    maps = []
    network.layers[0].register_forward_pre_hook(lambda _, x: maps.append(x[0][:, -1]))
    network(torch.rand(1, 1, 8, 8), 51.0)
    torch.testing.assert_close(maps[0], torch.full_like(maps[0], 0.2))


def test_ipt_works_on_0_to_255():
    """option.py:40, rgb_range 255; trainer.py:68, the noisy picture clamped to 0..255."""
    x = torch.linspace(-0.5, 1.5, 48 * 48).view(1, 1, 48, 48).repeat(1, 3, 1, 1)
    pieces, _, out = told("ipt:denoise_color", (48, 48), x=x)
    torch.testing.assert_close(pieces[0][:1], x.clamp(0, 1) * 255)
    torch.testing.assert_close(out, x.clamp(0, 1))
    pieces, _, out = told("ipt:x2", (48, 48), x=x)
    torch.testing.assert_close(pieces[0][:1], x * 255)


@pytest.mark.parametrize("name", ["fbcnn:jpeg_gray", "mprnet:deblur"])
def test_the_first_of_several_results_is_the_picture(name):
    """main_test_fbcnn_gray.py:94, img_E, QF; Deblurring/test.py:70, restored[0]."""
    x = torch.rand(1, inference_settings(*name.split(":")).channels, 16, 16)
    assert torch.equal(told(name, (16, 16), x=x)[2], x)


# --- settings inside the networks ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "window", "stripes", "factor"),
    [
        # scripts/grl/grl_test.md:49: window_size=32, anchor_window_down_factor=2; the stripes of
        # config/experiment/dn/grl/grl_p256.yaml:12-13
        ("grl:denoise_gray", 32, [64, 128], 2),
        ("grl:denoise_color", 32, [64, 128], 2),
        # config/experiment/db_motion/grl_p480.yaml:13-14,37,44
        ("grl:deblur", 12, [48, 96], 4),
        # config/experiment/dm/grl.yaml:9-10,31,38
        ("grl:demosaick", 8, [32, 32], 4),
        # config/experiment/jpeg/grl/grl_p288.yaml:9-10,39,46
        ("grl-s:jpeg_gray", 36, [72, 144], 4),
        ("grl-s:jpeg_color", 36, [72, 144], 4),
    ],
)
def test_windows_of_grl(name, window, stripes, factor):
    """Shifts are half of a window and of a stripe; sizes as models/networks/grl.py:273-291."""
    network = built(*name.split(":"))
    assert network.window_size == (window, window) and network.shift_size == [window // 2] * 2
    assert network.stripe_size == stripes and network.pad_size == max(stripes)
    assert network.anchor_window_down_factor == factor
    shapes = {
        k: tuple(v.shape) for k, v in network.set_table_index_mask((2 * max(stripes),) * 2).items()
    }
    tokens = stripes[0] * stripes[1]
    assert shapes["index_w"] == (window**2, window**2)
    assert shapes["index_sh_w2a"] == (tokens, tokens // factor**2)
    layers = [len(stage.blocks) for stage in network.layers]
    small = name in ("grl:demosaick", "grl-s:jpeg_gray", "grl-s:jpeg_color")
    assert layers == ([4] * 4 if small else [4, 4, 8, 8, 8, 4, 4])  # config/model/grl/*.yaml:11


@pytest.mark.parametrize(
    ("name", "window"),
    # main_test_swinir.py:131,161,168,176,184
    [("x2", 8), ("denoise_gray", 8), ("denoise_color", 8), ("jpeg_gray", 7), ("jpeg_color", 7)],
)
def test_windows_of_swinir(name, window):
    network = built("swinir", name)
    blocks = [block for layer in network.layers for block in layer.residual_group.blocks]
    assert [block.window_size for block in blocks] == [window] * 36
    assert [block.shift_size for block in blocks] == [0, window // 2] * 18
    assert network.img_range == (255 if window == 7 else 1)  # lines 162, 177, 185


def test_windows_of_hat():
    """options/test/HAT_SRx4_ImageNet-pretrain.yml:54-58, window 16, overlap 0.5."""
    network = built("hat", "x4")
    assert network.window_size == 16 and network.shift_size == 8 and network.overlap_ratio == 0.5
    assert network.relative_position_index_OCA.shape == (16**2, 24**2)


def test_strips_of_cat():
    """options/test/test_CAT_A_sr_x4.yml:66, test_CAT_A_2_sr_x4.yml:66, test_CAT_car_q10.yml:46."""
    for variant, widths in (
        ("x4", [2, 2, 2, 4, 4, 4]),
        ("x4-A-2", [4] * 6),
        ("jpeg_gray", [2, 2, 2, 4, 4, 4]),
    ):
        network = built("cat", variant)
        for group, width in zip(network.layers, widths, strict=True):
            branches = [attention for block in group.blocks for attention in block.attns]
            assert [b.width for b in branches] == [width] * 12
            assert [b.shift for b in branches] == [0, 0, width // 2, width // 2] * 3
        assert network.img_range == (255 if variant == "jpeg_gray" else 1)


@pytest.mark.parametrize(
    ("variant", "window", "intervals", "img_range"),
    [
        # options/test/test_ART_SR_x4.yml:62-65
        ("x4", 8, [4, 4, 4, 4, 4, 4], 1),
        ("x2", 8, [4, 4, 4, 4, 4, 4], 1),
        # options/test/test_ART_CAR_q10.yml:34-37
        ("jpeg_gray", 7, [18, 18, 13, 13, 7, 7], 255),
    ],
)
def test_windows_of_art(variant, window, intervals, img_range):
    network = built("art", variant)
    groups = [layer.residual_group.blocks for layer in network.layers]
    assert [[b.interval for b in group] for group in groups] == [[i] * 6 for i in intervals]
    assert {b.window for group in groups for b in group} == {window}
    assert [b.sparse for b in groups[0]] == [False, True] * 3
    assert network.img_range == img_range


def test_windows_of_xformer():
    """Windows of 16 that shift by 8 in every other block; for colour the lowest level never.

    basicsr/models/archs/Xformer_arch.py:209-211 with input_resolution 128 / 8 (line 499); biases of
    the normalisation by Xformer_arch.py:426 and x_former_arch.py:420.
    """
    for variant, lowest, biased in (("denoise_color", 0, True), ("denoise_gray", 8, False)):
        network = built("xformer", variant)
        for level, blocks in ((1, 2), (2, 4), (3, 4)):
            for side in ("encoder", "decoder"):
                shifts = [block.shift for block in getattr(network, f"{side}{level}")]
                assert shifts == [0, 8] * (blocks // 2)
        assert [block.shift for block in network.s_latent] == [0, lowest] * 3
        assert {block.window for block in network.s_latent} == {16}
        assert (network.refinement[0].norm1.body.bias is not None) == biased


def test_neighbourhoods_of_nafnet():
    """NAFNet_arch.py:165-170: crops of 256, means over 1.5 of it; NAFNet-width32.yml:30."""
    network = built("nafnet", "deblur")
    assert network.intro.out_channels == 32
    sides = {
        name: module.side for name, module in network.named_modules() if hasattr(module, "side")
    }
    assert len(sides) == 36 and not any(
        isinstance(module, nn.AdaptiveAvgPool2d) for module in network.modules()
    )
    for part, side in (("encoders.0", 384), ("encoders.1", 192), ("encoders.2", 96)):
        assert {s for n, s in sides.items() if n.startswith(part)} == {side}
    for part, side in (("encoders.3", 48), ("middle_blks", 24), ("decoders.0", 48)):
        assert {s for n, s in sides.items() if n.startswith(part)} == {side}
    for part, side in (("decoders.1", 96), ("decoders.2", 192), ("decoders.3", 384)):
        assert {s for n, s in sides.items() if n.startswith(part)} == {side}


def test_restormer_and_ipt_as_configured():
    """Options/GaussianGrayDenoising_RestormerSigma15.yml:67, Deblurring_Restormer.yml:62;
    option.py:38-40,131-133 of IPT."""
    for variant, biased in (("denoise_gray", False), ("denoise_color", False), ("deblur", True)):
        network = built("restormer", variant)
        assert hasattr(network.latent[0].norm1.body, "bias") == biased
    network = built("ipt", "denoise_color")
    assert (network.patch_size, network.rgb_range, network.scale) == (48, 255, [1])
    assert len(network.body.encoder.layers) == len(network.body.decoder.layers) == 12


def test_rcan_works_on_0_to_255_inside():
    """RCAN_TestCode/code/option.py:44, rgb_range 255; the mean of DIV2K, model/rcan.py:82."""
    network = built("rcan", "x4")
    assert network.rgb_range == 255 and len(network.body) == 11  # 10 groups and a convolution
    mean = torch.tensor([0.4488, 0.4371, 0.4040])
    torch.testing.assert_close(network.sub_mean.bias, -255 * mean, check_stride=False)


# --- file names ----------------------------------------------------------------------------------

FILES = {
    # options/test/test_CAT_A_sr_x4.yml:80, test_CAT_car_q10.yml:58
    ("cat", "sr-x4"): "SR_CAT_A_x4.pth",
    ("cat", "jpeg_gray-qf10"): "CAR_CAT_q10.pth",
    # options/test/test_ART_SR_x2.yml:74, test_ART_CAR_q40.yml:45
    ("art", "sr-x2"): "SR_ART_x2.pth",
    ("art", "jpeg_gray-qf40"): "CAR_ART_q40.pth",
    # evaluate/test_gaussian_gray_denoising.py:60, test_gaussian_color_denoising.py:64
    ("xformer", "denoise_gray-sigma15"): "xformer_gray_dn_sigma15.pth",
    ("xformer", "denoise_color-sigma50"): "xformer_color_dn_sigma50.pth",
    # options/test/HAT_SRx4_ImageNet-pretrain.yml:70
    ("hat", "sr-x4"): "HAT_SRx4_ImageNet-pretrain.pth",
    # options/test/GoPro/NAFNet-width32.yml:37
    ("nafnet", "deblur-motion"): "NAFNet-GoPro-width32.pth",
    # Deblurring/test.py:27
    ("mprnet", "deblur-motion"): "model_deblurring.pth",
    # Motion_Deblurring/test.py:26, Denoising/test_gaussian_gray_denoising.py:25,58-60
    ("restormer", "deblur-motion"): "motion_deblurring.pth",
    ("restormer", "denoise_gray-blind"): "gaussian_gray_denoising_blind.pth",
    ("restormer", "denoise_gray-sigma25"): "gaussian_gray_denoising_sigma25.pth",
    # TestRCAN_scripts.sh:8
    ("rcan", "sr-x4"): "RCAN_BIX4.pt",
    # scripts/grl/grl_test.md:15,50,97,130
    ("grl", "demosaick-rggb"): "dm_grl_small.ckpt",
    ("grl", "denoise_gray-sigma50"): "dn_grl_base_c1s50.ckpt",
    ("grl-s", "jpeg_color-qf10"): "jpeg_grl_small_c3q10.ckpt",
    ("grl", "deblur-motion"): "db_motion_grl_base_gopro.ckpt",
    # main_dpir_deblocking_grayscale.py:73, main_dpir_denoising.py:55,72
    ("drunet", "jpeg_gray-blind"): "drunet_deblocking_grayscale.pth",
    ("drunet", "denoise_gray-sigma15"): "drunet_gray.pth",
    # main_test_fbcnn_color.py:17
    ("fbcnn", "jpeg_color-blind"): "fbcnn_color.pth",
    # Demo_test_DnCNN.m:19,23
    ("dncnn", "denoise_gray-sigma15"): "sigma=15.mat",
    ("dncnn", "denoise_gray-blind"): "GD_Gray_Blind.mat",
    # test_snow100k.py:55
    ("transweather", "weather-blind"): "best",
}


@pytest.mark.parametrize(("model", "task"), FILES)
def test_weights_have_the_names_of_the_scripts(model, task):
    assert weights_for(model, task).path == f"data/weights/{model}/{FILES[model, task]}"


# --- what a network takes ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "shape", "words"),
    [
        ("swinir:x4", (1, 64, 64), r"swinir:x4 takes pictures of 3 channels, got 1x64x64"),
        ("nafnet:deblur", (1, 64, 64), r"takes pictures of 3 channels"),
        ("dncnn:denoise_gray", (4, 64, 64), r"takes pictures of 1 channel, got 4x64x64"),
        ("drunet:denoise_gray", (2, 64, 64), r"takes pictures of 1 channel"),
        ("ipt:x4", (3, 47, 64), r"of 48 x 48 pixels and more, got 47 x 64"),
        # what models/networks/grl.py:479-489 cannot mirror to 128, 96, 32 and 144
        ("grl:denoise_gray", (1, 64, 200), r"of 65 x 65 pixels and more, got 64 x 200"),
        ("grl:deblur", (3, 200, 48), r"of 49 x 49 pixels"),
        ("grl:demosaick", (3, 16, 16), r"of 17 x 17 pixels"),
        ("grl-s:jpeg_color", (3, 72, 72), r"of 73 x 73 pixels"),
        ("transweather:weather", (3, 32, 64), r"of 33 x 33 pixels"),
        ("deepjoint:demosaick", (3, 64, 33), r"of 34 x 34 pixels"),
    ],
)
def test_pictures_that_a_network_does_not_take_are_refused(name, shape, words):
    with pytest.raises(InputError, match=words):
        inference_settings(*name.split(":")).check(*shape)


def test_counting_refuses_them_too():
    """The count of another number of channels would be that of another network."""
    with pytest.raises(InputError, match="dncnn takes --input 1xHxW, not 3x20x20"):
        measure.count("dncnn", (3, 20, 20))
    with pytest.raises(InputError, match=r"does not take --input 3x30x33: .*34 x 34 pixels"):
        measure.count("deepjoint", (3, 30, 33), fvcore=True)
    with pytest.raises(InputError, match="edt has no network"):
        inference_settings("edt")


@pytest.mark.parametrize(("model", "variant"), variants())
def test_channels_are_those_of_the_network(model, variant):
    """By the options that the class has for them."""
    options = get_system(model)["variants"][variant]
    names = ("in_chans", "in_channels", "inp_channels", "channels")
    given = [options[name] for name in names if name in options]
    if "in_nc" in options:
        given = [options["in_nc"] - (model == "drunet")]  # a map beside the colours
    assert inference_settings(model, variant).channels == (given[0] if given else 3)


# --- the registry and its page -------------------------------------------------------------------


def test_every_place_of_a_script_is_told():
    for model, variant in variants():
        for place in inference_settings(model, variant).script:
            assert re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{7}:[\w./-]+:\d+(-\d+)?", place), place


def test_splits_of_the_schema_are_those_there_are():
    names = schema()["$defs"]["split"]["properties"]
    assert set(names) == set(SPLITS) == set(systems_page.SPLITS)
    how = schema()["additionalProperties"]["properties"]["inference"]["additionalProperties"]
    conditions = {*how["properties"]["condition"]["enum"], ""}
    assert conditions == set(adapt.CONDITIONS) == set(systems_page.CONDITIONS)
    fields = set(InferenceSettings.__dataclass_fields__)
    assert {*how["properties"], "name", "channels"} == fields


def test_the_page_of_the_systems_is_what_the_registry_says():
    committed = (ROOT / "docs" / "systems.md").read_text(encoding="utf-8")
    assert committed == systems_page.page(), "python -m semanir.cli.systems_page docs/systems.md"


def test_the_page_says_what_decides_a_number(tmp_path):
    systems_page.main([str(tmp_path / "page.md")])
    page = (tmp_path / "page.md").read_text(encoding="utf-8")
    for words in (
        "window_size 32",
        "tiles of 256 that overlap by 32, averaged",
        "a map of (100 - QF) / 100",
        "https://github.com/cszn/DPIR/blob/15bca3f/main_dpir_deblocking_color.py#L92-L104",
        "`4ee053c42461187846dc0e93aa5abd34591c0725a8e044a59000e92ee215e833`",
        "for non-commercial use",
        "symmetric to 8, always",
        "1 channel, sides from 65",
    ):
        assert words in page, words
