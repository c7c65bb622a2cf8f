"""`semanir train --data`: it learns, resumes to the last bit, and refuses in one line."""

import json
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from made_sets import ponds, textures
from PIL import Image
from restoring import fails, picture, semanir
from trainings import log_lines, small_training

from data_prep.degradations import awgn
from data_prep.images import read_image, to_grey
from semanir.evaluate.metrics import score
from semanir.inference.arrays import as_float
from semanir.inference.checkpoint import digest, load, save
from semanir.inference.restore import restore
from semanir.inference.shipped import facts
from semanir.network import build
from semanir.plan import record as records
from semanir.plan.plan import Plan
from semanir.train import budget, loop
from semanir.train.own_photographs import gain, own_recipe
from semanir.train.patches import TrainingPatches
from semanir.train.training import train_network

SHORT = ("--iterations", 12, "--batch", 1, "--patch", 16)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Weights of a tiny network for little noise."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("trained")
    options = {"iterations": 40, "batch": 2, "lr": 4e-3, "validate_every": 60}
    training = small_training(ponds(folder / "set"), folder, task="denoise_gray-sigma15", **options)
    train_network(training, folder / "w.safetensors", task="denoise_gray-sigma15")
    return folder / "w.safetensors"


@pytest.fixture
def place(tmp_path, monkeypatch, trained):
    """A working folder with photographs of six kinds of files, and weights."""
    monkeypatch.chdir(tmp_path)
    Path("mine").mkdir()
    names = ("a.png", "b.tif", "c.bmp", "d.webp", "e.jpg", "f.png")
    for name, image in textures(names, seed=3).items():
        Image.fromarray(image).save(Path("mine") / name, lossless=True, quality=95)
    Path("w.safetensors").symlink_to(trained)
    return tmp_path


def command(*more, init="w.safetensors", task="denoise_gray-sigma50", out="out"):
    start = ("train", "--data", "mine", "--task", task, "-o", out)
    return (*start, *(("--init", init) if init else ()), *more)


def test_another_noise_level_is_learned(place, capsys):
    semanir(*command("--iterations", 40, "--batch", 2, "--patch", 16, "--lr", 2e-3))
    said = capsys.readouterr().out
    record = json.loads(Path("out/train.json").read_text())
    before, after = (record[name]["sigma50"] for name in ("holdout_psnr_before", "holdout_psnr"))
    print(f"{before:.2f} -> {after:.2f} dB")
    assert after > before + 2
    assert f"held-out PSNR {before:.2f} -> {after:.2f} dB" in said
    assert "5 photographs, 1 held out" in said

    # both are those of the network that was given, and of the one that was written
    clean = to_grey(read_image("mine/f.png"))
    degraded = awgn(clean, 50)
    for weights, wanted in (("w.safetensors", before), ("out/weights.safetensors", after)):
        restored = restore(load(weights), as_float(degraded))
        found = score(restored, clean, "denoise_gray")["psnr"]
        assert found == pytest.approx(wanted, abs=1e-4)

    told = [entry["task"] for entry in facts(Path("out/weights.safetensors"))["trainings"]]
    assert told == ["denoise_gray-sigma15", "denoise_gray-sigma50"]
    semanir("info", "out/weights.safetensors")
    shown = [line for line in capsys.readouterr().out.splitlines() if line.startswith("trained by")]
    assert [line.split("task ")[1].split(",")[0] for line in shown] == told
    semanir("restore", "mine/a.png", "-o", "a.png", "--weights", "out/weights.safetensors")
    assert read_image("a.png").shape == read_image("mine/a.png").shape


def test_the_record_names_the_commit_that_was_there_when_the_training_began(place, monkeypatch):
    iterate = loop.iterate

    def commit_and_iterate(*given):
        Path("commit").write_text("after")
        return iterate(*given)

    Path("commit").write_text("before")
    monkeypatch.setattr(records, "_commit", Path("commit").read_text)
    monkeypatch.setattr(loop, "iterate", commit_and_iterate)
    semanir(*command(*SHORT))
    assert json.loads(Path("out/train.json").read_text())["provenance"]["commit"] == "before"


def test_an_interrupted_training_resumes_to_the_last_bit(place, capsys, monkeypatch):
    """By the same command; and what has finished is not trained over."""
    semanir(*command(*SHORT, out="whole"))
    iterate = loop.iterate

    def interrupt(training, *batch):
        if training.step == 7:
            raise KeyboardInterrupt
        return iterate(training, *batch)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "iterate", interrupt)
        assert "the same command resumes" in fails(capsys, *command(*SHORT), code=130)
    assert "belongs to another training" in fails(capsys, *command(*SHORT, "--lr", 1e-3))
    semanir(*command(*SHORT))
    assert json.loads(Path("out/train.json").read_text())["iterations_this_time"] == 5
    weights = [load(f"{folder}/weights.safetensors") for folder in ("whole", "out")]
    assert digest(weights[0]) == digest(weights[1]) != digest(load("w.safetensors"))
    assert log_lines(Path("out")) == log_lines(Path("whole"))
    assert not Path("out/state.pt").exists()
    assert "out/weights.safetensors is there already" in fails(capsys, *command(*SHORT))


def test_other_photographs_are_another_training(place, capsys, monkeypatch):
    def interrupt(training, *batch):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(loop, "_gradients", interrupt)
        fails(capsys, *command(*SHORT), code=130)
    index = Path("out/photographs/index.json").read_text()
    picture(Path("mine/a.png"), 40, 40, 3)
    semanir(*command(*SHORT))
    assert Path("out/photographs/index.json").read_text() != index


def test_nothing_is_touched_while_another_training_owns_the_folder(place, capsys, monkeypatch):
    """And what that one has finished stays, photographs with it."""
    Path("out").mkdir()
    lock = FileLock("out/.lock")
    lock.acquire()

    def finish(_):
        assert [path.name for path in Path("out").iterdir()] == [".lock"]
        Path("out/weights.safetensors").write_text("finished")
        lock.release()

    monkeypatch.setattr("semanir.train.alone.time.sleep", finish)
    with pytest.raises(SystemExit):
        semanir(*command(*SHORT))
    assert "out/weights.safetensors is there already" in capsys.readouterr().err
    assert {path.name for path in Path("out").iterdir()} == {".lock", "weights.safetensors"}
    assert Path("out/weights.safetensors").read_text() == "finished"


def test_minutes_set_the_iterations(place, monkeypatch):
    """10 of 5.7 seconds in one minute, of which a twentieth is for the rest.

    Photographs are decoded once, for what is timed and for what is trained.
    """
    read, decoded = TrainingPatches._read, []

    def noted(patches, path, reduction):
        decoded.append(path)
        return read(patches, path, reduction)

    monkeypatch.setattr(TrainingPatches, "_read", noted)
    monkeypatch.setattr(budget, "seconds_per_iteration", lambda training: 5.7)
    semanir(*command("--minutes", 1, "--batch", 1, "--patch", 16))
    record = json.loads(Path("out/train.json").read_text())
    assert record["recipe"]["iterations"] == record["iterations_this_time"] == 10
    assert not Path("out/budget.json").exists()
    assert len(decoded) == len(set(decoded)) == 6


def test_the_network_of_a_scale_starts_at_random(place):
    semanir(*command(*SHORT, "--model", "semanir-u", "--scale", "smoke", init=None))
    network = load("out/weights.safetensors")
    assert network.config.dims == (16, 24) and network.config.channels == 1
    assert json.loads(Path("out/train.json").read_text())["recipe"]["lr"] == 2e-3
    assert len(facts(Path("out/weights.safetensors"))["trainings"]) == 1


REFUSED = {
    "--task denoise_color-sigma25": "is a network for grey, of denoise_gray-sigma15, and",
    "--task sr-x2": "wants one for colour, enlarging x2",
    "--task denoise_gray-sigma5": "unknown task 'denoise_gray-sigma5'",
    "--init mine/a.png": "is no safetensors file",
    "--init nowhere": "no such weights: nowhere",
    "--init foreign.safetensors --model semanir-u --patch 16": "parameters of this network",
    "--model semanir-s": "semanir-s-medium does not fit the task",
    "--data nowhere": "no such folder of photographs: nowhere",
    "--patch 41": "6 of 6 pictures cannot be trained on",
    "--holdout x": "0 of the 6 photographs of mine start with --holdout 'x'",
    "--minutes 1 --iterations 3": "--minutes sets the iterations",
}


@pytest.mark.parametrize("options", REFUSED)
def test_what_does_not_fit_is_refused_in_one_line(place, capsys, options):
    save(Path("foreign.safetensors"), build("semanir-s-tiny", upscale=2))
    assert REFUSED[options] in fails(capsys, *command(*options.split()))
    assert {path.name for path in place.glob("out/*.*")} <= {".lock"}


def test_options_that_do_not_go_together(place, capsys):
    data = ("train", "--task", "denoise_gray-sigma50", "--data", "mine")
    assert "--data needs -o" in fails(capsys, *data)
    assert "say what to train" in fails(capsys, *data, "-o", "out")
    scale = ("train", "--task", "denoise_gray-sigma50", "--model", "semanir-u")
    for option in ("-o out", "--iterations 3", "--batch 1", "--patch 16", "--holdout x"):
        assert "belongs to --data" in fails(capsys, *scale, *option.split())
    assert "say what to train: --model" in fails(capsys, *scale[:3])


def test_places_that_cannot_be_written(place, capsys, small_disk, read_only):
    assert "cannot write" in fails(capsys, *command(out=read_only / "out"))
    assert "no space left to write" in fails(capsys, *command(*SHORT, out=small_disk / "out"))
    assert not (small_disk / "out/weights.safetensors").exists()


def test_its_record_belongs_to_no_scale(place, capsys):
    semanir(*command("--iterations", 1, "--batch", 1, "--patch", 16))
    said = fails(capsys, "report", "results", "results.csv", "out/train.json")
    assert "of no scale" in said and not Path("results.csv").exists()


def test_the_recipe_is_that_of_the_scale():
    """A tenth of its rate for trained weights, nothing reduced."""
    options = {**Plan("release").recipe("denoise_gray-blind"), "topk": [32, 48, 64, 96]}
    options |= {"lr": 2e-3, "iterations": 2000, "save_every": 250}
    recipe = own_recipe(options, 1, True, {})
    assert (recipe.levels, recipe.topk) == ((0, 55), (32, 48, 64, 96))
    assert recipe.lr == pytest.approx(2e-4) and recipe.save_every == 200
    enlarging = Plan("release").recipe("sr-x2")
    assert min(enlarging["reductions"]) < 1
    assert own_recipe(enlarging, 1, True, {}).reductions == (1.0,)
    changed = own_recipe(options, 512 / 64, True, {"lr": 1e-3, "batch": 2})
    assert changed.topk == (256, 384, 512, 768)
    assert (changed.lr, changed.batch) == (1e-3, 2)


def test_gains_are_told_level_by_level():
    assert gain({"sigma25": 28.312}, {"sigma25": 29.02}) == "28.31 -> 29.02 dB"
    several = gain({"a": 1, "b": 2.5}, {"a": 2, "b": 2})
    assert several == "a 1.00 -> 2.00, b 2.50 -> 2.00 dB"
