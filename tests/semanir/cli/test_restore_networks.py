"""`semanir restore`: which network restores a picture, and what its options mean."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from checkout import REPOSITORY
from PIL import Image
from restoring import fails, picture, restored, save, semanir, trained, written

from data_prep.tasks import task_names
from semanir.errors import InputError
from semanir.inference import checkpoint, pictures
from semanir.inference.restore import restore
from semanir.inference.shipped import choose_weights, facts, tasks_of
from semanir.network import build


@pytest.fixture
def command(tmp_path, monkeypatch):
    """Restore in.png to o.png with w.safetensors, all in the working folder."""
    monkeypatch.chdir(tmp_path)
    return ["restore", "in.png", "-o", "o.png", "--weights", "w.safetensors"]


def ready(network, *shape, task=""):
    """The weights, with their task if they have one, and the pixels of in.png."""
    save(Path("w.safetensors"), network, **({"task": task} if task else {}))
    return picture(Path("in.png"), *shape)


def gives(expected, name="o.png"):
    np.testing.assert_array_equal(written(name), expected)


@pytest.mark.parametrize(
    ("options", "same"),
    [
        ("", {}),
        ("--k 3", {"k": 3}),
        ("--tile 24 --overlap 8", {"tile": 24, "overlap": 8}),
        ("--tile 0", {}),
        ("--self-ensemble", {"self_ensemble": True}),
    ],
)
def test_what_restore_returns_is_written(command, options, same):
    network = trained("semanir-s-tiny", upscale=2, window=4, k=6, layers=1)
    image = ready(network, 37, 29, 3)
    semanir(*command, *options.split())
    assert written("o.png").shape == (74, 58, 3)
    gives(restored(network, image, **same))


def test_tiles_are_chosen_for_network_and_picture(command, monkeypatch):
    """Pillow's limit of pixels is not ours."""
    network = trained("semanir-u-tiny", channels=1, window=4)
    image = ready(network, 90, 70)
    asked = []
    monkeypatch.setattr(pictures, "choose_tile", lambda *given: asked.append(given) or 24)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    semanir(*command[:3], "o.tif", *command[4:], "--overlap", 8, "--k", 7)
    ((asking, *rest),) = asked
    assert (asking.config.channels, *rest) == (1, (1, 90, 70), 7)
    expected = restored(network, image, tile=24, overlap=8, k=7)
    np.testing.assert_array_equal(tifffile.imread("o.tif"), expected)
    assert (expected != restored(network, image, k=7)).any()


def test_back_end_is_taken(command, monkeypatch):
    """Its name reaches the network; what back ends compute is in tests/semanir/attention."""
    ready(build("semanir-u-tiny"), 9, 9, 3)
    taken = []
    monkeypatch.setattr(pictures, "restore_pixels", lambda *a, **_: taken.append(a[0]) or a[1])
    semanir(*command, "--backend", "reference")
    assert taken[0].network.config.backend == "reference"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--sigma 25", "tell the level of a --task; pass that as well"),
        ("--weights gone.safetensors", "no such weights: gone.safetensors"),
        ("--tile 8 --overlap 8", "overlap 8 must be smaller"),
        ("--device cuda", "torch finds no GPU"),
    ],
)
def test_wrong_options_end_with_one_line(command, capsys, monkeypatch, options, message):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    ready(build("semanir-u-tiny", channels=1), 9, 9)
    assert message in fails(capsys, *command, *options.split())
    assert not Path("o.png").exists()
    assert "say what to restore: --task" in fails(capsys, *command[:4])


def test_a_grey_denoiser_takes_the_channels_of_colour_one_by_one(command, capsys):
    network = trained("semanir-u-tiny", channels=1)
    image = ready(network, 20, 24, 3, task="denoise_gray-sigma25")
    semanir(*command)
    gives(np.dstack([restored(network, image[..., channel]) for channel in range(3)]))
    assert "each channel is denoised on its own" in capsys.readouterr().err


def test_a_colour_network_restores_grey_as_colour_without_colour(command):
    network = trained("semanir-s-tiny", upscale=2)
    image = ready(network, 20, 24, task="sr-x2")
    semanir(*command)
    gives(np.rint(restore(network, np.dstack([image] * 3)).mean(axis=2) * 255))


@pytest.mark.parametrize(
    ("channels", "task", "shape", "message"),
    [
        (1, "jpeg_gray-qf10", (9, 9, 3), "is in colour, the network is grey (jpeg_gray-qf10)"),
        (1, "", (9, 9, 3), "is grey (of an unknown task); pass weights of a colour network, or"),
        (3, "denoise_color-blind", (9, 9), "is grey, the network is for colour (denoise_color-b"),
        (3, "demosaick-rggb", (9, 9), "is grey, the network is for colour (demosaick-rggb)"),
        (3, "", (9, 9), "for colour (of an unknown task); pass weights of a grey network, or the"),
    ],
)
def test_other_mismatches_are_refused(command, capsys, channels, task, shape, message):
    ready(build("semanir-u-tiny", channels=channels), *shape, task=task)
    assert message in fails(capsys, *command)
    assert not Path("o.png").exists()


def test_nan_is_not_written(command, capsys):
    network = build("semanir-u-tiny", channels=1)
    torch.nn.init.constant_(network.conv_last.bias, torch.nan)
    ready(network, 9, 9)
    assert "the network gave NaN" in fails(capsys, *command)
    assert not Path("o.png").exists()


NO_LEVEL = {"sigma": None, "scale": None, "qf": None}


@pytest.mark.parametrize(
    ("task", "level", "exact", "blind"),
    [
        ("denoise", {"sigma": 25}, "denoise_gray-sigma25 denoise_color-sigma25", "denoise"),
        ("denoise", {}, "", "denoise"),
        ("denoise", {"sigma": 30}, "", "denoise"),
        ("jpeg", {"qf": 75}, "", "jpeg"),
        ("denoise_gray-sigma50", {}, "denoise_gray-sigma50", ""),
        ("sr", {"scale": 3}, "sr-x3", ""),
        ("jpeg", {"qf": 10}, "jpeg_color-qf10 jpeg_gray-qf10", "jpeg"),
        ("demosaick", {}, "demosaick-rggb", ""),
        ("deblur", {}, "deblur-motion", ""),
    ],
)
def test_tasks_as_people_say_them(task, level, exact, blind):
    names = tasks_of(task, NO_LEVEL | level)
    count = len(exact.split())
    assert set(names[:count]) == set(exact.split())
    assert set(names[count:]) == {f"{blind}_{kind}-blind" for kind in ("gray", "color") if blind}
    assert set(names) <= set(task_names())


@pytest.mark.parametrize(
    ("task", "level", "message"),
    [
        ("sr", {"scale": 8}, "--scale must be one of 2, 3, 4, got 8"),
        ("sr", {}, "--task sr needs --scale, one of 2, 3, 4"),
        ("sr", {"sigma": 25, "scale": 2}, "--sigma belongs to --task denoise, not to sr"),
        ("denoise_gray-sigma50", {"sigma": 50}, "--sigma belongs to --task denoise, not to den"),
        ("denois", {}, "unknown task 'denois'; did you mean denoise"),
    ],
)
def test_tasks_that_are_none(task, level, message):
    with pytest.raises(InputError, match=message):
        tasks_of(task, NO_LEVEL | level)


def test_shipped_weights_are_taken_by_task_and_level(command, shipped, capsys):
    """The level's own before blind ones, those of the picture's kind; what is missing is named."""
    networks = {}
    channels = {"denoise_gray-sigma25": 1, "denoise_color-sigma25": 3, "denoise_gray-blind": 1}
    for seed, (name, count) in enumerate(channels.items()):
        networks[name] = trained("semanir-u-tiny", seed=seed, channels=count)
        save(shipped / f"{name}.safetensors", networks[name], task=name)
    for (name, count), level in zip(channels.items(), (25, 25, 50), strict=True):
        image = picture(Path("in.png"), *(20, 20, 3)[: 3 if count == 3 else 2])
        semanir(*command[:4], "--overwrite", "--task", "denoise", "--sigma", level)
        gives(restored(networks[name], image))
    missing = fails(capsys, *command[:4], "--overwrite", "--task", "sr", "--scale", 2)
    assert "fit sr-x2" in missing and "denoise_gray-sigma25" in missing
    assert "--task sr-x2 --model semanir-s" in missing


@pytest.mark.parametrize(
    ("there", "chosen"),
    [
        ("gray-qf10 color-blind", "gray-qf10 color-blind"),
        ("color-qf10 gray-blind", "color-qf10 gray-blind"),
        ("gray-qf10 gray-blind color-blind", "gray-qf10 color-blind"),
        ("gray-qf10 gray-qf20", "gray-qf10"),
        ("gray-blind color-blind color-qf20", "gray-blind color-blind"),
    ],
)
def test_the_network_of_a_level_drops_no_blind_one_of_the_other_colour(shipped, there, chosen):
    there, chosen = ({f"jpeg_{name}" for name in names.split()} for names in (there, chosen))
    for name in there:
        (shipped / f"{name}.safetensors").touch()
    found = choose_weights(tasks_of("jpeg", NO_LEVEL | {"qf": 10}))
    assert sorted(path.stem for path in found) == sorted(chosen)


@pytest.mark.parametrize(
    ("task", "options", "warned"),
    [
        ("denoise_gray-sigma50", "--sigma 25", True),
        ("deblur-motion", "", True),
        ("denoise_gray-blind", "--sigma 25", False),
        ("denoise_gray-sigma25", "", False),
        (None, "--sigma 25", False),
    ],
)
def test_a_task_that_the_weights_contradict(command, capsys, task, options, warned):
    ready(build("semanir-u-tiny", channels=1), 9, 9, task=task)
    semanir(*command, "--task", "denoise", *options.split())
    warning = capsys.readouterr().err
    assert bool(warning) == warned == (f"was trained on {task}" in warning)


def test_shipped_weights_load():
    for path in (REPOSITORY / "semanir" / "weights").glob("*.safetensors"):
        assert facts(path)["task"] == path.stem and path.stem in task_names()
        assert all(p.isfinite().all() for p in checkpoint.load(path).parameters()), path


def test_a_level_that_no_training_saw_is_named(tmp_path, shipped, capsys):
    trainings = [{"levels": [0, 55]}]
    network = build("semanir-u-tiny", channels=1)
    path = shipped / "denoise_gray-blind.safetensors"
    checkpoint.save(path, network, task=path.stem, trainings=trainings)
    picture(tmp_path / "noisy.png", 9, 11)
    for sigma, warned in ((30, False), (55, False), (56, True)):
        semanir("restore", tmp_path / "noisy.png", "-o",
                tmp_path / f"{sigma}-out.png", "--task", "denoise", "--sigma", sigma)  # fmt: skip
        shown = capsys.readouterr().err
        assert ("trained on levels 0 to 55, not on 56" in shown) == warned
