"""How networks of other authors are run, held against numbers read in their test scripts.

Every number here is written down from the script that the comment names, not from models.yaml.
"""

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
from semanir.network import flops


@pytest.fixture(autouse=True)
def accepted(monkeypatch):
    monkeypatch.setenv(COMMERCIAL, "true")


def variants():
    entries = systems().items()
    return [(m, v) for m, entry in entries for v in entry.get("variants", {})]


class Recorder(nn.Module):
    """Keeps what it is given; returns the picture's channels, enlarged, as the network would."""

    def __init__(self, channels, scale, several):
        super().__init__()
        self.channels, self.scale, self.several = channels, scale, several
        self.calls = []

    def forward(self, x, level=None):
        self.calls.append((x.clone(), level))
        out = x[:, : self.channels].repeat_interleave(self.scale, 2)
        out = out.repeat_interleave(self.scale, 3)
        return (out, None) if self.several else out


def run(name, size, level=0.0, x=None):
    """(inputs of the network, levels beside them, the output) of a variant as tested."""
    model, _, variant = name.partition(":")
    options, settings = get_system(model)["variants"][variant], inference_settings(model, variant)
    scale = int(options.get("upscale") or np.max(options.get("scale", 1)))
    recorder = Recorder(settings.channels, scale, settings.first_output)
    network = adapt.Adapted(recorder, settings)
    network.as_tested, network.level = True, level
    x = torch.rand(1, settings.channels, *size) if x is None else x
    out = network(x)
    assert out.shape == (1, settings.channels, size[0] * scale, size[1] * scale)
    return [x for x, _ in recorder.calls], [level for _, level in recorder.calls], out


def rows(name, height, width=8):
    """A picture whose pixels have the number of their row, for a variant."""
    channels = inference_settings(*name.split(":")).channels
    return torch.arange(float(height)).view(1, 1, -1, 1).repeat(1, channels, 1, width)


# --- sizes of what passes the network ------------------------------------------------------------

# picture -> pieces that pass the network, with what stands beside the colours
PIECES = {
    # JingyunLiang/SwinIR main_test_swinir.py:70-71, (h_old // window_size + 1) * window_size
    ("swinir:denoise_gray", (16, 21)): [(1, 24, 24)],
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
    # main_dpir_deblocking_color.py:104, whole; cszn/KAIR models/network_unet.py:61-63, to 8
    ("drunet:jpeg_color", (61, 64)): [(4, 64, 64)],
    # yulunzhang/RCAN RCAN_TestCode/code/model/__init__.py:114-136: 820 // 2 + 10, 500 // 2 + 10
    ("rcan:x2", (820, 500)): [(3, 420, 260)] * 4,
    # 460 x 510 are no less than 160000: 460 // 2 + 10, 510 // 2 + 10
    ("rcan:x3", (900, 1000)): [(3, 240, 265)] * 16,
    # ofsoundof/GRL scripts/grl/grl_test.md:49 and engines/base.py:94-99, tile 256, stride 224:
    # rows at 0, 65; columns at 0, 224, 225
    ("grl:denoise_gray", (321, 481)): [(1, 256, 256)] * 6,
    ("grl:denoise_gray", (200, 256)): [(1, 200, 200)] * 2,
    # grl_test.md:96, tile 288, overlap 36: rows at 0, 33; columns at 0, 193
    ("grl-s:jpeg_color", (321, 481)): [(3, 288, 288)] * 4,
    # grl_test.md:128, tile 0; and :13-15 without one
    ("grl:deblur", (720, 1280)): [(3, 720, 1280)],
    ("grl:demosaick", (500, 500)): [(3, 500, 500)],
    # huawei-noah/Pretrained-IPT model/__init__.py:153-163: patches of 48, 12 apart, those at the
    # edge; rows at 0, 12, 12, columns at 0, 12, 22
    ("ipt:x4", (60, 70)): [(3, 48, 48)] * 9,
    # jiaxi-jiang/FBCNN models/network_fbcnn.py:288-291 and megvii-research/NAFNet
    # basicsr/models/archs/NAFNet_arch.py:134: the network pads
    ("fbcnn:jpeg_color", (45, 59)): [(3, 45, 59)],
    ("nafnet:deblur", (45, 59)): [(3, 45, 59)],
    # cszn/FFDNet Demo_AWGN_Gray.m:74-79
    ("ffdnet:denoise_gray", (5, 7)): [(1, 6, 8)],
    ("ffdnet:denoise_color", (6, 7)): [(3, 6, 8)],
    # cszn/DnCNN Demo_test_DnCNN.m:64
    ("dncnn:denoise_gray", (5, 7)): [(1, 5, 7)],
    ("dncnn3:jpeg_gray", (5, 7)): [(1, 5, 7)],
    # jeya-maria-jose/TransWeather val_data_functions.py:34-35, multiples of 16
    ("transweather:weather", (50, 66)): [(3, 64, 80)],
    ("deepjoint:demosaick", (45, 59)): [(3, 45, 59)],
}


@pytest.mark.parametrize(("name", "size"), PIECES, ids=lambda value: str(value).replace(" ", ""))
def test_pieces_are_those_of_the_scripts(name, size):
    pieces, _, _ = run(name, size)
    alone = [tuple(one.shape[1:]) for piece in pieces for one in piece.split(1)]
    assert alone == PIECES[name, size]


def test_no_system_is_forgotten():
    """Every network has its pieces above."""
    assert {name.partition(":")[0] for name, _ in PIECES} == {model for model, _ in variants()}


# --- new pixels ----------------------------------------------------------------------------------

# rows of a picture -> the rows added below
ADDED = {
    ("swinir:denoise_gray", 5): [4, 3, 2],  # torch.flip: main_test_swinir.py:72-73
    ("cat:x4", 5): [4, 3, 2],  # torch.flip: cat_model.py:27-28
    ("hat:x4", 5): [3, 2, 1],  # 'reflect': hat_model.py:26
    ("restormer:deblur", 5): [3, 2, 1],  # 'reflect': Motion_Deblurring/test.py:76
    ("mprnet:deblur", 5): [3, 2, 1],  # 'reflect': Deblurring/test.py:67
    ("xformer:denoise_gray", 5): [3, 2, 1],  # 'reflect': test_gaussian_gray_denoising.py:98
    ("ffdnet:denoise_gray", 5): [4],  # input(end,:): Demo_AWGN_Gray.m:75
    ("drunet:jpeg_gray", 5): [4, 4, 4],  # ReplicationPad2d: KAIR network_unet.py:63
    ("transweather:weather", 45): [43, 42, 41],  # mirrored here; its authors resize
    # flip: cat_model.py:63, 208 rows are two parts of a multiple of 4
    ("cat:jpeg_gray", 201): [200, 199, 198, 197, 196, 195, 194],
    ("art:x4", 401): [399],  # 'reflect': art_model.py:23, 402 rows are three
}


@pytest.mark.parametrize(("name", "height"), ADDED)
def test_new_pixels_are_those_of_the_scripts(name, height):
    width = 48 if name.startswith("transweather") else 8
    pieces, _, out = run(name, (height, width), x=rows(name, height, width))
    expected = ADDED[name, height]
    last = pieces[-1][0, 0, :, 0].tolist()
    end = last.index(height - 1) + 1
    assert last[end : end + len(expected)] == expected
    assert torch.equal(out[0, 0, :: out.shape[2] // height, 0], torch.arange(float(height)))


# --- levels and ranges ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "level", "value"),
    [
        # main_dpir_denoising.py:129, noise_level_model / 255.
        ("drunet:denoise_gray", 51, 0.2),
        ("drunet:denoise_color", 25, 25 / 255),
        # main_dpir_deblocking_grayscale.py:125 and _color.py:94, (100 - quality_factor) / 100.0
        ("drunet:jpeg_gray", 10, 0.9),
        ("drunet:jpeg_color", 40, 0.6),
    ],
)
def test_maps_of_drunet(name, level, value):
    for piece in run(name, (64, 64), level)[0]:
        assert torch.equal(piece[:, -1], torch.full_like(piece[:, -1], value))


def test_ffdnet_is_given_sigma():
    """Demo_AWGN_Gray.m:87, sigmas = inputNoiseSigma / 255: the network divides here."""
    assert run("ffdnet:denoise_gray", (8, 8), 50.0)[1] == [50.0]
    network, maps = networks.build("ffdnet", "denoise_gray"), []
    network.layers[0].register_forward_pre_hook(lambda _, x: maps.append(x[0][:, -1]))
    network(torch.rand(1, 1, 8, 8), 51.0)
    torch.testing.assert_close(maps[0], torch.full_like(maps[0], 0.2))


def test_ipt_works_on_0_to_255():
    """option.py:40, rgb_range 255; trainer.py:68, the noisy picture clamped to 0..255."""
    x = torch.linspace(-0.5, 1.5, 48 * 48).view(1, 1, 48, 48).repeat(1, 3, 1, 1)
    pieces, _, out = run("ipt:denoise_color", (48, 48), x=x)
    torch.testing.assert_close(pieces[0][:1], x.clamp(0, 1) * 255)
    torch.testing.assert_close(out, x.clamp(0, 1))
    torch.testing.assert_close(run("ipt:x2", (48, 48), x=x)[0][0][:1], x * 255)


# --- settings inside the networks ----------------------------------------------------------------

# attribute of modules -> its values in order, or as a set
INSIDE = {
    # main_test_swinir.py:131,161-162,168,176-177,184-185
    "swinir:x2": {"window_size": {8}, "shift_size": [0, 4] * 18, "img_range": [1]},
    "swinir:denoise_gray": {"window_size": {8}, "img_range": [1]},
    "swinir:denoise_color": {"window_size": {8}, "img_range": [1]},
    "swinir:jpeg_gray": {"window_size": {7}, "shift_size": [0, 3] * 18, "img_range": [255]},
    "swinir:jpeg_color": {"window_size": {7}, "img_range": [255]},
    # options/test/HAT_SRx4_ImageNet-pretrain.yml:54-58
    "hat:x4": {"window_size": {16}, "shift_size": {0, 8}, "overlap_ratio": [0.5]},
    # options/test/test_CAT_A_sr_x4.yml:66, test_CAT_A_2_sr_x4.yml:66, test_CAT_car_q10.yml:46
    "cat:x4": {"width": [2] * 36 + [4] * 36, "shift": [0, 0, 1, 1] * 9 + [0, 0, 2, 2] * 9},
    "cat:x4-A-2": {"width": [4] * 72, "shift": [0, 0, 2, 2] * 18, "img_range": [1]},
    "cat:jpeg_gray": {"width": [2] * 36 + [4] * 36, "img_range": [255]},
    # options/test/test_ART_SR_x4.yml:62-65, test_ART_CAR_q10.yml:34-37
    "art:x4": {"interval": [4] * 36, "window": {8}, "img_range": [1]},
    "art:jpeg_gray": {"interval": [18] * 12 + [13] * 12 + [7] * 12, "window": {7}}
    | {"sparse": [False, True] * 18, "img_range": [255]},
    # the lowest level shifts for grey alone: basicsr/models/archs/Xformer_arch.py:209-211 with
    # input_resolution 128 / 8 (line 499)
    "xformer:denoise_color": {"window": {16}, "shift": [0, 8] * 5 + [0] * 6 + [0, 8] * 5},
    "xformer:denoise_gray": {"window": {16}, "shift": [0, 8] * 13},
    # NAFNet_arch.py:165-170: crops of 256, means over 1.5 of it at every level
    "nafnet:deblur": {"side": [384, 192, 96] + [48] * 29 + [96, 192, 384, 24]},
    # option.py:38-40,131-133 of IPT; RCAN_TestCode/code/option.py:44
    "ipt:denoise_color": {"patch_size": [48], "rgb_range": [255]},
    "rcan:x4": {"rgb_range": [255]},
    # scripts/grl/grl_test.md:49 and config/experiment/dn/grl/grl_p256.yaml:12-13
    "grl:denoise_gray": {"window_size": {(32, 32)}, "anchor_window_down_factor": {2}}
    | {"stripe_size": {(64, 128), (128, 64)}, "shift_size": {(16, 16), 16, 0}},
    # config/experiment/db_motion/grl_p480.yaml:13-14,37,44
    "grl:deblur": {"window_size": {(12, 12)}, "anchor_window_down_factor": {4}}
    | {"stripe_size": {(48, 96), (96, 48)}, "pad_size": [96]},
    # config/experiment/dm/grl.yaml:9-10,31,38
    "grl:demosaick": {"window_size": {(8, 8)}, "anchor_window_down_factor": {4}}
    | {"stripe_size": {(32, 32)}, "pad_size": [32]},
    # config/experiment/jpeg/grl/grl_p288.yaml:9-10,39,46
    "grl-s:jpeg_gray": {"window_size": {(36, 36)}, "anchor_window_down_factor": {4}}
    | {"stripe_size": {(72, 144), (144, 72)}, "pad_size": [144]},
}


@pytest.mark.parametrize("name", INSIDE)
def test_settings_inside_the_networks_are_those_of_the_scripts(name):
    with flops.weightless():
        network = networks.build(*name.split(":"))
    for attribute, expected in INSIDE[name].items():
        values = [getattr(m, attribute) for m in network.modules() if hasattr(m, attribute)]
        values = [tuple(value) if isinstance(value, list) else value for value in values]
        if not name.startswith("grl"):  # SwinIR and HAT have (8, 8) beside 8
            values = [value for value in values if not isinstance(value, tuple)]
        assert (set(values) if isinstance(expected, set) else values) == expected, attribute


# --- file names ----------------------------------------------------------------------------------

# of a task, of its family, of its level; renamed from the url
FILES = {
    # options/test/test_CAT_A_sr_x4.yml:80, test_ART_CAR_q40.yml:45
    ("cat", "sr-x4"): "SR_CAT_A_x4.pth",
    ("art", "jpeg_gray-qf40"): "CAR_ART_q40.pth",
    # evaluate/test_gaussian_gray_denoising.py:60
    ("xformer", "denoise_gray-sigma15"): "xformer_gray_dn_sigma15.pth",
    # options/test/HAT_SRx4_ImageNet-pretrain.yml:70
    ("hat", "sr-x4"): "HAT_SRx4_ImageNet-pretrain.pth",
    # Denoising/test_gaussian_gray_denoising.py:25,58-60
    ("restormer", "denoise_gray-blind"): "gaussian_gray_denoising_blind.pth",
    # scripts/grl/grl_test.md:15,97
    ("grl", "demosaick-rggb"): "dm_grl_small.ckpt",
    ("grl-s", "jpeg_color-qf10"): "jpeg_grl_small_c3q10.ckpt",
    # main_dpir_deblocking_grayscale.py:73, main_dpir_denoising.py:55,72
    ("drunet", "jpeg_gray-blind"): "drunet_deblocking_grayscale.pth",
    ("drunet", "denoise_gray-sigma15"): "drunet_gray.pth",
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
        ("drunet:denoise_gray", (2, 64, 64), r"of 1 channel, got 2x64x64"),
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


def test_names_of_the_schema_are_those_there_are():
    definitions = schema()["$defs"]["split"]["properties"]
    assert set(definitions) == set(SPLITS) == set(systems_page.SPLITS)
    inference = schema()["additionalProperties"]["properties"]["inference"]
    fields = inference["additionalProperties"]["properties"]
    conditions = {*fields["condition"]["enum"], ""}
    assert conditions == set(adapt.CONDITIONS) == set(systems_page.CONDITIONS)
    assert {*fields, "name", "channels"} == set(InferenceSettings.__dataclass_fields__)
