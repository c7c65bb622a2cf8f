"""Degradations, prepared and degraded sets on disk, and files that are whole or absent."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
from checkout import REPOSITORY
from PIL import Image

import data_prep.prepare
from data_prep.__main__ import main
from data_prep.degradations import awgn, degradation, downscale
from data_prep.degrade import degrade_set, read_degraded
from data_prep.images import match_channels, read_image, to_grey
from data_prep.prepare import load_index, prepare
from data_prep.resize import imresize
from data_prep.tasks import families
from semanir.errors import InputError
from semanir.files import replacing, write_json, write_text
from semanir.names import UnknownNameError

PYTHON = {**os.environ, "PYTHONPATH": str(REPOSITORY)}


def photograph(*shape, seed=3):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def save(folder, images):
    """A prepared set of these images."""
    folder.mkdir(parents=True)
    index = []
    for name, image in images.items():
        Image.fromarray(image).save(folder / name)
        digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        index.append({"file": name, "sha256": digest, "shape": list(image.shape)})
    (folder / "index.json").write_text(json.dumps(index))
    return folder


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# --- noise -----------------------------------------------------------------------------------


@pytest.mark.parametrize("sigma", [15, 25, 50, 0.5])
@pytest.mark.parametrize("shape", [(31, 17), (16, 9, 3)], ids=["gray", "color"])
def test_awgn_is_the_formula_of_the_literature(shape, sigma):
    """uint8 -> [0,1], plus RandomState(0).normal(0, sigma/255, shape), rounded once to float32."""
    image = photograph(*shape)
    draws = np.random.RandomState(seed=0).normal(0, sigma / 255.0, image.shape)
    expected = np.float32(np.float64(image) / 255.0 + draws)
    noisy = awgn(image, sigma)
    assert noisy.dtype == np.float32
    assert noisy.tobytes() == expected.tobytes()


def test_awgn_is_pinned():
    """First values of the noise on black at sigma 51, which is 0.2 on the [0,1] scale."""
    noisy = awgn(np.zeros((1, 4), np.uint8), 51)
    expected = np.float32([[0.35281047, 0.08003144, 0.1957476, 0.44817865]])
    np.testing.assert_allclose(noisy, expected, rtol=1e-7)


def test_awgn_is_never_clipped_nor_quantised():
    """Half of the noise on black is negative, half on white is above 1, and its spread is sigma."""
    black, white = (
        awgn(np.zeros((200, 200), np.uint8), 50),
        awgn(np.full((200, 200), 255, np.uint8), 50),
    )
    assert 0.48 < (black < 0).mean() < 0.52
    assert 0.48 < (white > 1).mean() < 0.52
    for noise in (black, white - 1):
        assert abs(noise.std() * 255 - 50) < 0.5
        assert abs(noise.mean() * 255) < 0.5
    scaled = np.float64(black) * 255
    assert np.abs(scaled - np.rint(scaled)).max() > 0.49


def test_awgn_restarts_for_each_image():
    """Two images get the same noise; a running generator gives each its own."""
    one, other = photograph(12, 10, seed=1), photograph(12, 10, seed=2)
    noise = awgn(np.zeros((12, 10), np.uint8), 25)
    for image in (one, other, one):
        np.testing.assert_allclose(awgn(image, 25) - image / 255, noise, atol=1e-7)
    assert not np.array_equal(awgn(one, 25, seed=1), awgn(one, 25))
    running = np.random.RandomState(0)
    first, second = awgn(one, 25, running), awgn(one, 25, running)
    assert first.tobytes() == awgn(one, 25).tobytes()
    assert not np.array_equal(first, second)


def test_awgn_of_sigma_0_is_the_image():
    image = photograph(7, 5, 3)
    assert awgn(image, 0).tobytes() == (image / 255).astype(np.float32).tobytes()


def test_degradations_leave_their_input_alone():
    image = photograph(8, 8, 3)
    before = image.copy()
    awgn(image, 50)
    downscale(image, 2)
    assert np.array_equal(image, before)


@pytest.mark.parametrize("sigma", [-1, -1e-9, float("nan"), float("inf")])
def test_awgn_refuses_a_wrong_sigma(sigma):
    with pytest.raises(InputError, match=f"sigma must be finite and 0 or more, got {sigma}"):
        awgn(photograph(4, 4), sigma)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4), np.float32),
        np.zeros((4, 4), np.uint16),
        np.zeros((4, 4), bool),
        np.zeros((0, 4), np.uint8),
        np.zeros(4, np.uint8),
        np.zeros((1, 4, 4, 3), np.uint8),
    ],
    ids=["float32", "uint16", "bool", "empty", "1d", "4d"],
)
@pytest.mark.parametrize("function", [awgn, downscale])
def test_only_uint8_images_are_degraded(function, image):
    """The message names dtype and shape of what was given."""
    with pytest.raises(InputError, match="uint8 image") as error:
        function(image, 2)
    assert f"got {image.dtype} {image.shape}" in str(error.value)


# --- super-resolution input ------------------------------------------------------------------


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("shape", [(24, 36), (25, 38, 3), (4, 7, 3)], ids=["even", "odd", "small"])
def test_downscale_is_modcrop_and_imresize(shape, scale):
    """The rest at the bottom and right is cut off, not squeezed in."""
    image = photograph(*shape)
    height, width = shape[0] // scale, shape[1] // scale
    small = downscale(image, scale)
    assert small.shape == (height, width, *shape[2:])
    assert small.dtype == np.uint8
    assert np.array_equal(small, imresize(image[: height * scale, : width * scale], 1 / scale))
    assert np.array_equal(small, downscale(image, scale, seed=5))


@pytest.mark.parametrize("shape", [(2, 9), (9, 2, 3)])
def test_downscale_refuses_an_image_below_the_scale(shape):
    with pytest.raises(InputError, match=f"{shape[0]}x{shape[1]} is too small for x3"):
        downscale(photograph(*shape), 3)
    assert downscale(photograph(3, 3), 3).shape == (1, 1)


def test_tasks_name_their_degradation():
    assert degradation("data_prep.degradations.awgn") is awgn
    assert degradation("data_prep.degradations.downscale") is downscale


# --- images ----------------------------------------------------------------------------------


def test_to_grey_of_single_pixels():
    """0.299 R + 0.587 G + 0.114 B, rounded, over the full range: white stays 255."""
    table = {
        (0, 0, 0): 0,
        (255, 255, 255): 255,
        (255, 0, 0): 76,  # 76.245
        (0, 255, 0): 150,  # 149.685
        (0, 0, 255): 29,  # 29.070
        (10, 20, 30): 18,  # 18.150
        (200, 100, 50): 124,  # 124.2
        (1, 2, 250): 30,  # 29.973
    }
    image = np.array([list(table)], np.uint8)
    assert to_grey(image).tolist() == [list(table.values())]
    assert to_grey(image).dtype == np.uint8
    grey = photograph(3, 4)
    assert to_grey(grey) is grey


def test_channels_are_matched_to_the_task():
    """Colour becomes grey; grey never becomes colour, and the file is named."""
    grey, colour = photograph(3, 4), photograph(3, 4, 3)
    assert match_channels(colour, 3, "a.png") is colour
    assert match_channels(grey, 1, "a.png") is grey
    assert match_channels(colour, 1, "a.png").shape == (3, 4)
    with pytest.raises(InputError, match=r"a\.png is grey, the task needs colour"):
        match_channels(grey, 3, "a.png")


def test_reading_names_a_missing_or_truncated_image(tmp_path):
    with pytest.raises(InputError, match=r"no such picture: .*gone\.png"):
        read_image(tmp_path / "gone.png")
    Image.fromarray(photograph(40, 40, 3)).save(tmp_path / "whole.png")
    data = (tmp_path / "whole.png").read_bytes()
    for name, part in (("half.png", data[: len(data) // 2]), ("empty.png", b"")):
        (tmp_path / name).write_bytes(part)
        with pytest.raises(InputError, match=f"cannot decode picture .*{name}"):
            read_image(tmp_path / name)


# --- degraded sets ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("family", "level", "ending"),
    [
        ("denoise_color", "sigma50", ".npy"),
        ("denoise_gray", "sigma15", ".npy"),
        ("sr", "x3", ".png"),
    ],
)
def test_a_degraded_set_is_complete(tmp_path, family, level, ending):
    """One whole file a photograph, listed with its clean partner and hash; nothing else."""
    images = {"b.png": photograph(20, 31, 3, seed=1), "a.png": photograph(18, 15, 3, seed=2)}
    clean, out = save(tmp_path / "clean", images), tmp_path / "out"
    degrade_set(family, level, clean, out)

    index = json.loads((out / "index.json").read_text())
    assert [entry["clean"] for entry in index] == ["b.png", "a.png"]
    assert [entry["file"] for entry in index] == [f"b{ending}", f"a{ending}"]
    assert {path.name for path in out.iterdir()} == {"index.json", f"a{ending}", f"b{ending}"}
    for entry in index:
        data = (out / entry["file"]).read_bytes()
        assert entry["sha256"] == hashlib.sha256(data).hexdigest()
        image = images[entry["clean"]]
        read = read_degraded(out / entry["file"])
        assert read.dtype == np.float32
        expected = {
            "denoise_color": lambda image: awgn(image, 50),
            "denoise_gray": lambda image: awgn(to_grey(image), 15),
            "sr": lambda image: (downscale(image, 3) / 255).astype(np.float32),
        }[family](image)
        assert np.array_equal(read, expected)
    assert load_index(out) == index


def test_degrading_is_bitwise_reproducible(tmp_path):
    """Another process, hash seed and number of threads write the same bytes, index included."""
    images = {f"{n}.png": photograph(64, 80 + n, 3, seed=n) for n in range(2)}
    clean = save(tmp_path / "clean", images)
    program = (
        "import sys, cv2; from data_prep.tasks import families; "
        "from data_prep.degrade import degrade_set; from pathlib import Path; "
        "cv2.setNumThreads(int(sys.argv[2])); "
        "[degrade_set(name, level, Path(sys.argv[1]), Path(sys.argv[3], name, level)) "
        "for name, task in families().items() for level in task['levels']]"
    )
    for threads, folder in (("1", "one"), ("7", "seven")):
        subprocess.run(
            [sys.executable, "-c", program, clean, threads, folder],
            cwd=tmp_path,
            env={**PYTHON, "PYTHONHASHSEED": threads, "OMP_NUM_THREADS": threads},
            check=True,
        )
    first, second = (
        {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.*")}
        for folder in (tmp_path / "one", tmp_path / "seven")
    )
    levels = [level for task in families().values() for level in task["levels"]]
    assert len(first) == 3 * len(levels)
    assert first == second


def test_degrading_stops_at_a_changed_photograph(tmp_path):
    """A set that was tampered with is not degraded, and no index is left."""
    clean = save(tmp_path / "clean", {"a.png": photograph(9, 9), "b.png": photograph(9, 9)})
    Image.fromarray(photograph(9, 9, seed=8)).save(clean / "b.png")
    with pytest.raises(InputError, match=r"b\.png changed since it was prepared"):
        degrade_set("denoise_gray", "sigma15", clean, tmp_path / "out")
    assert not (tmp_path / "out" / "index.json").exists()


@pytest.mark.parametrize(
    ("task", "level", "message"),
    [
        ("denoise_grey", "sigma15", r"unknown task 'denoise_grey'; did you mean denoise_gray"),
        ("sr", "x5", r"unknown level of sr 'x5'; did you mean x"),
        ("denoise_gray", "sigma5", r"unknown level of denoise_gray 'sigma5'; did you mean sigma"),
        ("zzz", "x2", r"unknown task 'zzz'; valid: denoise_gray, denoise_color, sr"),
    ],
)
def test_a_wrong_task_or_level_names_the_nearest(tmp_path, task, level, message):
    with pytest.raises(UnknownNameError, match=message) as error:
        degrade_set(task, level, tmp_path, tmp_path / "out")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()


def test_a_degraded_file_that_cannot_be_read_is_named(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, np.zeros((30, 30), np.float32))
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"cannot read .*a\.npy"):
        read_degraded(path)


# --- prepared sets ---------------------------------------------------------------------------


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A copy of the package's data that a test may spoil."""
    here = tmp_path / "package"
    shutil.copytree(data_prep.prepare.HERE / "embedded", here / "embedded")
    monkeypatch.setattr(data_prep.prepare, "HERE", here)
    return here / "embedded"


def test_prepare_copies_what_the_manifest_lists(package, tmp_path):
    out = tmp_path / "set"
    prepare("embedded_gray", out)
    names = ["brick.png", "camera.png", "grass.png", "gravel.png"]
    entries = load_index(out)
    assert [entry["file"] for entry in entries] == names
    assert all(entry["shape"] == [192, 192] for entry in entries)
    assert {path.name for path in out.iterdir()} == {*names, "index.json"}
    for name in names:
        assert (out / name).read_bytes() == (package / "test_gray" / name).read_bytes()


def test_prepare_names_a_missing_photograph(package, tmp_path):
    (package / "test_gray/grass.png").unlink()
    with pytest.raises(InputError, match=r"embedded_gray: missing .*grass\.png"):
        prepare("embedded_gray", tmp_path / "set")
    assert not (tmp_path / "set/index.json").exists()


def test_prepare_names_a_changed_photograph(package, tmp_path):
    """One bit in the middle of the file is enough."""
    path = package / "test_gray/camera.png"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"camera\.png is not the file of the manifest"):
        prepare("embedded_gray", tmp_path / "set")
    assert not (tmp_path / "set/index.json").exists()


def test_prepare_names_a_corrupt_photograph(package, tmp_path):
    """A manifest may list a broken file; its hash is right and it does not decode."""
    path = package / "test_gray/gravel.png"
    path.write_bytes(path.read_bytes()[:5000])
    manifest = json.loads((package / "MANIFEST.json").read_text())
    (entry,) = (file for file in manifest["files"] if file["path"] == "test_gray/gravel.png")
    entry["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (package / "MANIFEST.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match=r"cannot decode picture .*gravel\.png"):
        prepare("embedded_gray", tmp_path / "set")
    assert not (tmp_path / "set/index.json").exists()


def test_prepare_counts_the_photographs(package, tmp_path):
    manifest = json.loads((package / "MANIFEST.json").read_text())
    manifest["files"] = manifest["files"][:-1]
    (package / "MANIFEST.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match="embedded_gray: manifest lists 3 images, not 4"):
        prepare("embedded_gray", tmp_path / "set")


def test_prepare_names_the_nearest_dataset(tmp_path):
    message = "unknown dataset 'embeded_rgb'; did you mean embedded_rgb"
    with pytest.raises(UnknownNameError, match=message):
        prepare("embeded_rgb", tmp_path / "set")


def test_the_command_line_ends_with_one_line(package, tmp_path, capsys):
    """Exit code 2 and the name of the file, no traceback."""
    (package / "test_gray/brick.png").unlink()
    with pytest.raises(SystemExit) as stopped:
        main(["prepare", "embedded_gray", str(tmp_path / "set")])
    assert stopped.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: embedded_gray: missing ") and "brick.png" in line


def test_load_index_names_what_is_missing_or_changed(tmp_path):
    folder = save(tmp_path / "set", {"a.png": photograph(5, 5), "b.png": photograph(6, 6)})
    assert [entry["file"] for entry in load_index(folder)] == ["a.png", "b.png"]
    Image.fromarray(photograph(6, 6, seed=9)).save(folder / "b.png")
    with pytest.raises(InputError, match=r"b\.png changed since it was prepared \(SHA-256"):
        load_index(folder)
    (folder / "b.png").unlink()
    with pytest.raises(InputError, match=r"missing file .*b\.png"):
        load_index(folder)
    (folder / "index.json").unlink()
    with pytest.raises(InputError, match=r"set is not a prepared set: no index\.json"):
        load_index(folder)


@pytest.mark.parametrize(
    "text", ["[", "{}", "[3]", '[{"file": "a.png"}]', '[{"file": 1, "sha256": 2}]']
)
def test_a_broken_index_is_named_with_a_command(tmp_path, text):
    """The command that makes it again; nobody is told to delete the folder."""
    folder = save(tmp_path / "set", {"a.png": photograph(5, 5)})
    (folder / "index.json").write_text(text)
    with pytest.raises(InputError, match=rf"broken .*index\.json.* --force {folder}/index\.json"):
        load_index(folder)


def test_an_index_without_what_is_asked_for_is_named(tmp_path):
    folder = save(tmp_path / "set", {"a.png": photograph(5, 5)})
    load_index(folder, shape=list)
    with pytest.raises(InputError, match=r"broken .*index\.json: an entry without 'clean'"):
        load_index(folder, clean=str)


# --- whole files -----------------------------------------------------------------------------


def test_replacing_puts_the_whole_file_in_place(tmp_path):
    """The old file stands until the block has ended; folders are made."""
    path = tmp_path / "new" / "folder" / "file.txt"
    write_text(path, "old")
    with replacing(path) as partial:
        partial.write_text("new")
        assert partial.parent == path.parent
        assert path.read_text() == "old"
    assert contents(path.parent) == {"file.txt": b"new"}


def test_a_block_that_raises_leaves_the_old_file(tmp_path):
    path = tmp_path / "file.txt"
    write_text(path, "old")
    with pytest.raises(ZeroDivisionError), replacing(path) as partial:
        partial.write_text("half")
        raise ZeroDivisionError
    assert contents(tmp_path) == {"file.txt": b"old"}


@pytest.mark.parametrize("end", ["os._exit(3)", "os.kill(os.getpid(), signal.SIGKILL)"])
@pytest.mark.parametrize("before", [True, False], ids=["old file", "no file"])
def test_a_killed_process_leaves_the_old_file_or_none(tmp_path, end, before):
    """A process that dies inside the block leaves no half of a file under the final name."""
    path = tmp_path / "file.txt"
    if before:
        write_text(path, "old")
    program = f"""
import os, signal, sys
from semanir.files import replacing
with replacing(sys.argv[1]) as partial:
    file = partial.open("w")
    file.write("half")
    file.flush()
    os.fsync(file.fileno())
    {end}
"""
    run = subprocess.run([sys.executable, "-c", program, path], env=PYTHON, check=False)
    assert run.returncode == (3 if "exit" in end else -signal.SIGKILL)
    assert path.exists() == before
    if before:
        assert path.read_text() == "old"
    left = [name for name in contents(tmp_path) if name != "file.txt"]
    assert [name.endswith(".partial") for name in left] == [True]
    write_text(path, "new")  # what the dead process left is in nobody's way
    assert path.read_text() == "new"


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_json_files_hold_no_nan(tmp_path, value):
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "a.json", {"a": value})
    assert contents(tmp_path) == {}
