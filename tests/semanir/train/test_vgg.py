"""The loss for bad weather: VGG16 features, on random weights of the released names and shapes."""

import hashlib
import json
from dataclasses import asdict

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from trainings import small_training

from semanir import paths
from semanir.errors import InputError
from semanir.files import sha256
from semanir.network.config import to_dict
from semanir.plan.plan import Plan
from semanir.train import vgg, vgg_download
from semanir.train.losses import SmoothL1VGG, make_loss

# the layers of torchvision's vgg16().features up to relu3_3, and one beyond
SHAPES = {0: (64, 3), 2: (64, 64), 5: (128, 64), 7: (128, 128), 10: (256, 128), 12: (256, 256)}
SHAPES |= {14: (256, 256), 17: (512, 256)}


@pytest.fixture
def weights(tmp_path):
    torch.manual_seed(0)
    state = {"classifier.0.bias": torch.zeros(3)}
    for place, shape in SHAPES.items():
        state[f"features.{place}.weight"] = torch.randn(*shape, 3, 3) / 20
        state[f"features.{place}.bias"] = torch.randn(shape[0]) / 20
    save_file(state, tmp_path / "vgg.safetensors")
    return tmp_path / "vgg.safetensors"


def by_hand(state, x):
    """relu1_2, relu2_2 and relu3_3 written out."""
    features = []
    for stage in ((0, 2), (5, 7), (10, 12, 14)):
        x = nn.functional.max_pool2d(x, 2) if features else x
        for place in stage:
            weight, bias = (state[f"features.{place}.{kind}"] for kind in ("weight", "bias"))
            x = nn.functional.conv2d(x, weight, bias, padding=1).relu()
        features.append(x)
    return features


def test_features_and_loss_are_those_written_out(weights):
    state, features = load_file(weights), vgg.load(weights)
    output, target = torch.rand(2, 2, 3, 16, 20)
    output.requires_grad_()
    torch.testing.assert_close(features(target), by_hand(state, target))
    assert not any(p.requires_grad for p in features.parameters())

    loss = SmoothL1VGG(features)(output, target)
    error = (output - target).abs()
    pixels = torch.where(error < 1, error**2 / 2, error - 0.5).mean()
    parts = zip(by_hand(state, output), by_hand(state, target), strict=True)
    perceptual = sum(((one - other) ** 2).mean() for one, other in parts) / 3
    torch.testing.assert_close(loss, pixels + 0.04 * perceptual)
    loss.backward()
    assert output.grad.abs().sum() > 0


def test_weights_that_do_not_fit_are_named(weights, tmp_path):
    state = load_file(weights)
    del state["features.14.bias"]
    save_file(state, tmp_path / "short.safetensors")
    (tmp_path / "text.safetensors").write_text("no weights")
    for name in ("short.safetensors", "text.safetensors", "absent.safetensors"):
        with pytest.raises(InputError, match=f"no VGG16 weights in .*{name}"):
            vgg.load(tmp_path / name)


def test_recipe_takes_the_loss_from_where_the_workflow_puts_it(weights, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / paths.VGG).parent.mkdir(parents=True)
    weights.rename(paths.VGG)
    assert isinstance(make_loss("smooth_l1_vgg", "cpu"), SmoothL1VGG)
    paper = Plan("paper")
    assert paths.VGG in paper.training_files("weather-blind") and paths.VGG in paper.downloads()
    assert paths.VGG not in [*paper.training_files("deblur-motion"), *Plan("mini").downloads()]


def test_weights_of_the_loss_are_part_of_the_training_that_uses_them(
    data, weights, tmp_path, monkeypatch
):
    """And of no other, whose fingerprint is that of recipe, network, data, seed, code and torch."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / paths.VGG).parent.mkdir(parents=True)
    weights.rename(paths.VGG)

    def fingerprints():
        color = {"task": "denoise_color-sigma25"}
        losses = ("smooth_l1_vgg", "l1")
        return [small_training(data, tmp_path, **color, loss=loss).fingerprint for loss in losses]

    before = fingerprints()
    save_file({n: t + 1 for n, t in load_file(paths.VGG).items()}, paths.VGG)
    after = fingerprints()
    assert before[0] != after[0] and before[1] == after[1]

    training = small_training(data, tmp_path)
    identity = {
        "recipe": asdict(training.recipe),
        "network": to_dict(training.network.config),
        "task": "denoise_gray-sigma50",
        "seed": 0,
        "data": [sha256(data / "index.json")],
        "init": None,
        "code": "c0de",
        "torch": torch.__version__,
    }
    text = json.dumps(identity, sort_keys=True).encode()
    assert training.fingerprint == hashlib.sha256(text).hexdigest()[:12]


def test_download_comes_from_the_mirror_and_is_held_to_its_first_bytes(weights, tmp_path, capsys):
    mirror, out = tmp_path / "mirror", tmp_path / "data" / "vgg" / "vgg16.safetensors"
    place = mirror / vgg_download.URL.removeprefix("https://")
    place.parent.mkdir(parents=True)
    weights.rename(place)
    vgg_download.fetch_vgg16(out, str(mirror))
    assert out.read_bytes() == place.read_bytes()
    assert "recorded" in capsys.readouterr().out

    out.unlink()
    place.write_bytes(place.read_bytes()[:-4] + b"else")
    with pytest.raises(InputError, match="is not what was downloaded first"):
        vgg_download.fetch_vgg16(out, str(mirror))
