"""How networks of other authors are run, held against numbers read in their test scripts.

Every number here is written down from the script that the comment names, not from models.yaml.
"""

import numpy as np
import pytest
import torch
from small_networks import enlarged
from torch import nn

from baselines import adapt, networks
from baselines.inference_settings import InferenceSettings, inference_settings
from baselines.registry import get_system, schema, systems, weights_for
from baselines.splitting import SPLITS
from semanir.cli import systems_page
from semanir.errors import InputError
from semanir.network import flops

pytestmark = pytest.mark.usefixtures("noncommercial")


class Recorder(nn.Module):
    """Keeps what it is given; returns the picture's channels, enlarged, as the network would."""

    def __init__(self, channels, scale, several):
        super().__init__()
        self.channels, self.scale, self.several = channels, scale, several
        self.inputs, self.levels = [], []

    def forward(self, x, level=None):
        self.inputs.append(x.clone())
        self.levels.append(level)
        out = enlarged(x[:, : self.channels], self.scale)
        return (out, None) if self.several else out


def run(name, size, level=0.0, x=None):
    """(inputs of the network, levels beside them, the output) of a variant as tested."""
    model, _, variant = name.partition(":")
    options, settings = get_system(model)["variants"][variant], inference_settings(model, variant)
    scale = int(options.get("upscale") or np.max(options.get("scale", 1)))
    recorder = Recorder(settings.channels, scale, settings.first_output)
    network = adapt.Adapted(recorder, settings)
    network.as_tested, network.level = True, level
    out = network(torch.rand(1, settings.channels, *size) if x is None else x)
    assert out.shape == (1, settings.channels, size[0] * scale, size[1] * scale)
    return recorder.inputs, recorder.levels, out


# variant, picture, pieces that pass the network with what stands beside the colours; the script
PIECES = """\
swinir:denoise_gray 16x21 1x24x24  JingyunLiang/SwinIR main_test_swinir.py:70-71, (h // 8 + 1) * 8
swinir:x4 16x21 3x24x24
swinir:jpeg_gray 14x20 1x21x21  window 7: line 224
swinir:jpeg_color 13x21 3x14x28
hat:x4 17x32 3x32x32  XPixelGroup/HAT hat/models/hat_model.py:22-26, window_size 16
restormer:denoise_gray 17x16 1x24x16  swz30/Restormer test_gaussian_gray_denoising.py:50,90-93
restormer:deblur 20x31 3x24x32  factor 8
mprnet:deblur 17x16 3x24x16  swz30/MPRNet Deblurring/test.py:62-67
xformer:denoise_color 17x16 3x24x16  gladzhang/Xformer test_gaussian_color_denoising.py:52,95-98
xformer:denoise_gray 20x31 1x24x32
cat:x4 9x12 3x12x12  zhengchen1999/CAT basicsr/models/cat_model.py:15-28, split sizes 2, 4: to 4
cat:jpeg_gray 220x90 2*1x128x92  :45-98: 220 // 200 + 1 = 2 of (220 + 4) / 2 + 16; 90 + 2 columns
cat:jpeg_gray 60x500 1x60x184 1x60x200 1x60x184  500 // 200 + 1 = 3 of 504 / 3 = 168, + 16, 32, 16
art:x4 401x90 3x147x90 3x160x90 3x147x90  gladzhang/ART art_model.py:15-53: 402 / 3, a tenth is 13
art:jpeg_gray 199x200 2*1x199x110
drunet:denoise_gray 321x481 4*2x192x256  DPIR main_dpir_denoising.py:129,139, utils_model.py:125-129
drunet:jpeg_color 61x64 4x64x64  main_dpir_deblocking_color.py:104; KAIR network_unet.py:61-63, to 8
rcan:x2 820x500 4*3x420x260  yulunzhang/RCAN model/__init__.py:114-136: 820 // 2 + 10, 500 // 2 + 10
rcan:x3 900x1000 16*3x240x265  460 x 510 are no less than 160000: 460 // 2 + 10, 510 // 2 + 10
grl:denoise_gray 321x481 6*1x256x256  ofsoundof/GRL grl_test.md:49, base.py:94-99, 256, 224 apart
grl:denoise_gray 200x256 2*1x200x200
grl-s:jpeg_color 321x481 4*3x288x288  grl_test.md:96, tile 288, overlap 36
grl:deblur 720x1280 3x720x1280  grl_test.md:128, tile 0
grl:demosaick 500x500 3x500x500  grl_test.md:13-15, without a tile
ipt:x4 60x70 9*3x48x48  Pretrained-IPT model/__init__.py:153-163: rows 0, 12, 12, columns 0, 12, 22
fbcnn:jpeg_color 45x59 3x45x59  jiaxi-jiang/FBCNN network_fbcnn.py:288-291: the network pads
nafnet:deblur 45x59 3x45x59  megvii-research/NAFNet NAFNet_arch.py:134: the network pads
ffdnet:denoise_gray 5x7 1x6x8  cszn/FFDNet Demo_AWGN_Gray.m:74-79
ffdnet:denoise_color 6x7 3x6x8
dncnn:denoise_gray 5x7 1x5x7  cszn/DnCNN Demo_test_DnCNN.m:64
dncnn3:jpeg_gray 5x7 1x5x7
transweather:weather 50x66 3x64x80  jeya-maria-jose/TransWeather val_data_functions.py:34-35, to 16
deepjoint:demosaick 45x59 3x45x59"""


def sizes(text):
    return tuple(map(int, text.split("x")))


@pytest.mark.parametrize("line", PIECES.splitlines(), ids=lambda line: line.partition("  ")[0])
def test_pieces_are_those_of_the_scripts(line):
    name, size, *listed = line.partition("  ")[0].split()
    pieces, _, _ = run(name, sizes(size))
    expected = []
    listed = [piece.rpartition("*") for piece in listed]
    expected = [shape for n, _, one in listed for shape in [sizes(one)] * int(n or 1)]
    assert [tuple(one.shape[1:]) for piece in pieces for one in piece.split(1)] == expected


def test_no_system_is_forgotten():
    with_variants = {name for name, entry in systems().items() if entry.get("variants")}
    assert {line.partition(":")[0] for line in PIECES.splitlines()} == with_variants


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
    """The pixels of the picture have the number of their row."""
    numbers, expected = torch.arange(float(height)), ADDED[name, height]
    width, channels = 48, inference_settings(*name.split(":")).channels
    x = numbers.view(1, 1, -1, 1).repeat(1, channels, 1, width)
    pieces, _, out = run(name, (height, width), x=x)
    last = pieces[-1][0, 0, :, 0].tolist()
    end = last.index(height - 1) + 1
    assert last[end : end + len(expected)] == expected
    assert torch.equal(out[0, 0, :: out.shape[2] // height, 0], numbers)


MAPS = {"denoise_gray": (51, 0.2), "denoise_color": (25, 25 / 255)}
MAPS |= {"jpeg_gray": (10, 0.9), "jpeg_color": (40, 0.6)}


@pytest.mark.parametrize("name", MAPS)
def test_maps_of_drunet(name):
    """main_dpir_denoising.py:129, main_dpir_deblocking_grayscale.py:125 and _color.py:94."""
    level, value = MAPS[name]
    for piece in run(f"drunet:{name}", (64, 64), level)[0]:
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


def grl(window, down, stripe, **more):
    down = {"window_size": {(window, window)}, "anchor_window_down_factor": {down}}
    return down | {"stripe_size": {stripe, stripe[::-1]}} | more


# attribute of modules -> its values in order, or as a set
INSIDE = {
    # main_test_swinir.py:131,161-162,168,176-177,184-185
    "swinir:x2": {"window_size": {8}, "shift_size": [0, 4] * 18, "img_range": [1]},
    "swinir:denoise_gray": {"window_size": {8}, "img_range": [1]},
    "swinir:denoise_color": {"window_size": {8}, "img_range": [1]},
    "swinir:jpeg_gray": {"window_size": {7}, "shift_size": [0, 3] * 18, "img_range": [255]},
    "swinir:jpeg_color": {"window_size": {7}, "img_range": [255]},
    # options/test: HAT_SRx4_ImageNet-pretrain.yml:54-58, test_CAT_A_sr_x4.yml:66,
    # test_CAT_A_2_sr_x4.yml:66, test_CAT_car_q10.yml:46, test_ART_SR_x4.yml:62-65,
    # test_ART_CAR_q10.yml:34-37
    "hat:x4": {"window_size": {16}, "shift_size": {0, 8}, "overlap_ratio": [0.5]},
    "cat:x4": {"width": [2] * 36 + [4] * 36, "shift": [0, 0, 1, 1] * 9 + [0, 0, 2, 2] * 9},
    "cat:x4-A-2": {"width": [4] * 72, "shift": [0, 0, 2, 2] * 18, "img_range": [1]},
    "cat:jpeg_gray": {"width": [2] * 36 + [4] * 36, "img_range": [255]},
    "art:x4": {"interval": [4] * 36, "window": {8}, "img_range": [1]},
    "art:jpeg_gray": {"interval": [18] * 12 + [13] * 12 + [7] * 12, "window": {7}}
    | {"sparse": [False, True] * 18, "img_range": [255]},
    # the lowest level shifts for grey alone: basicsr/models/archs/Xformer_arch.py:209-211 with
    # input_resolution 128 / 8 (line 499)
    "xformer:denoise_color": {"window": {16}, "shift": [0, 8] * 5 + [0] * 6 + [0, 8] * 5},
    "xformer:denoise_gray": {"window": {16}, "shift": [0, 8] * 13},
    # NAFNet_arch.py:165-170: crops of 256, means over 1.5 of it at every level
    "nafnet:deblur": {"side": [384, 192, 96] + [48] * 29 + [96, 192, 384, 24]},
    "ipt:denoise_color": {"patch_size": [48], "rgb_range": [255]},  # option.py:38-40,131-133
    "rcan:x4": {"rgb_range": [255]},  # RCAN_TestCode/code/option.py:44
    # scripts/grl/grl_test.md:49; config/experiment: dn/grl/grl_p256.yaml:12-13,
    # db_motion/grl_p480.yaml:13-14,37,44, dm/grl.yaml:9-10,31,38, jpeg/grl/grl_p288.yaml:9-10,39,46
    "grl:denoise_gray": grl(32, 2, (64, 128), shift_size={(16, 16), 16, 0}),
    "grl:deblur": grl(12, 4, (48, 96), pad_size=[96]),
    "grl:demosaick": grl(8, 4, (32, 32), pad_size=[32]),
    "grl-s:jpeg_gray": grl(36, 4, (72, 144), pad_size=[144]),
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


# of a task, of its family, of its level; renamed from the url
FILES = {
    ("cat", "sr-x4"): "SR_CAT_A_x4.pth",  # options/test/test_CAT_A_sr_x4.yml:80
    ("art", "jpeg_gray-qf40"): "CAR_ART_q40.pth",  # test_ART_CAR_q40.yml:45
    # evaluate/test_gaussian_gray_denoising.py:60
    ("xformer", "denoise_gray-sigma15"): "xformer_gray_dn_sigma15.pth",
    # options/test/HAT_SRx4_ImageNet-pretrain.yml:70
    ("hat", "sr-x4"): "HAT_SRx4_ImageNet-pretrain.pth",
    # Denoising/test_gaussian_gray_denoising.py:25,58-60
    ("restormer", "denoise_gray-blind"): "gaussian_gray_denoising_blind.pth",
    ("grl", "demosaick-rggb"): "dm_grl_small.ckpt",  # scripts/grl/grl_test.md:15,97
    ("grl-s", "jpeg_color-qf10"): "jpeg_grl_small_c3q10.ckpt",
    # main_dpir_deblocking_grayscale.py:73, main_dpir_denoising.py:55,72
    ("drunet", "jpeg_gray-blind"): "drunet_deblocking_grayscale.pth",
    ("drunet", "denoise_gray-sigma15"): "drunet_gray.pth",
    ("dncnn", "denoise_gray-sigma15"): "sigma=15.mat",  # Demo_test_DnCNN.m:19,23
    ("dncnn", "denoise_gray-blind"): "GD_Gray_Blind.mat",
    ("transweather", "weather-blind"): "best",  # test_snow100k.py:55
}


@pytest.mark.parametrize(("model", "task"), FILES)
def test_weights_have_the_names_of_the_scripts(model, task):
    assert weights_for(model, task).path == f"data/weights/{model}/{FILES[model, task]}"


# for GRL: what models/networks/grl.py:479-489 cannot mirror to 128, 96, 32 and 144
LEAST = {"ipt:x4": 48, "grl:denoise_gray": 65, "grl:deblur": 49, "grl:demosaick": 17} | {
    **{"grl-s:jpeg_color": 73, "transweather:weather": 33, "deepjoint:demosaick": 34}
}


@pytest.mark.parametrize("name", LEAST)
def test_pictures_that_a_network_does_not_take_are_refused(name):
    settings, least = inference_settings(*name.split(":")), LEAST[name]
    channels = 1 if "gray" in name else 3
    settings.check(channels, least, least)
    given = rf"takes pictures of {channels} channels?, got 2x{least}x200"
    with pytest.raises(InputError, match=f"{name} {given}"):
        settings.check(2, least, 200)
    for shape in ((least - 1, 200), (200, least - 1)):
        words = f"of {least} x {least} pixels and more, got {shape[0]} x {shape[1]}"
        with pytest.raises(InputError, match=words):
            settings.check(channels, *shape)


def test_names_of_the_schema_are_those_there_are():
    definitions = schema()["$defs"]["split"]["properties"]
    assert set(definitions) == set(SPLITS) == set(systems_page.SPLITS)
    inference = schema()["additionalProperties"]["properties"]["inference"]
    fields = inference["additionalProperties"]["properties"]
    conditions = {*fields["condition"]["enum"], ""}
    assert conditions == set(adapt.CONDITIONS) == set(systems_page.CONDITIONS)
    assert {*fields, "name", "channels"} == set(InferenceSettings.__dataclass_fields__)
