"""Prepared and degraded sets on disk: complete, reproducible, and refused by name where broken."""

import json
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from checkout import python
from made_sets import write_set
from photographs import pixels
from PIL import Image

import data_prep.prepare
from data_prep.degradations import awgn, downscale, motion_blur, name_seed
from data_prep.degrade import degrade_set, read_degraded
from data_prep.images import to_grey
from data_prep.prepare import load_index, prepare
from data_prep.tasks import all_levels, families, get_task, task_names
from semanir.cli import main
from semanir.errors import InputError
from semanir.files import sha256
from semanir.names import UnknownNameError


def test_tasks_and_their_levels():
    blind = {name.removesuffix("-blind") for name in task_names() if name.endswith("-blind")}
    assert len(task_names()) == 5 + 5 + 3 + 6 + 6 + 1 + 1 + 1
    assert blind == {"denoise_gray", "denoise_color", "jpeg_color", "jpeg_gray", "weather"}
    assert [name for name in task_names() if name.startswith("weather")] == ["weather-blind"]
    assert list(get_task("weather-blind").levels) == ["snow", "rainfog", "raindrop"]
    tasks = {name.partition("-")[0]: get_task(name) for name in task_names()}
    assert {name for name, task in tasks.items() if task.synthetic} == {"deblur", "weather"}
    assert {name for name, task in tasks.items() if task.gray == "y"} == {"jpeg_gray"}
    assert get_task("denoise_gray-blind").levels == {"sigma15": 15, "sigma25": 25, "sigma50": 50}
    assert get_task("denoise_gray-sigma50").levels == {"sigma50": 50}
    assert list(get_task("denoise_gray-multi").levels.values()) == [15, 25, 50, 75]  # Figure 5
    assert get_task("denoise_gray-multi").levels == all_levels("denoise_gray")
    assert list(get_task("jpeg_color-multi").levels.values()) == list(range(10, 100, 10))
    assert not {"sr-multi", "sr-blind", "weather-multi"} & set(task_names())
    assert [get_task(name).upscale for name in ("sr-x2", "sr-x3", "sr-x4")] == [2, 3, 4]
    assert get_task("denoise_color-sigma15").upscale is None
    assert get_task("sr-x3").protocol("x3") == "sr-x3"
    assert get_task("denoise_gray-blind").protocol("sigma15") == "denoise_gray"


DEGRADED = {
    ("denoise_color", "sigma50", ".npy"): lambda image, name: awgn(image, 50),
    ("denoise_gray", "sigma15", ".npy"): lambda image, name: awgn(to_grey(image), 15),
    ("sr", "x3", ".png"): lambda image, name: downscale(image, 3) / 255,
    ("deblur", "motion", ".png"): lambda i, name: motion_blur(i, 15, name_seed(name)) / 255,
}


@pytest.mark.parametrize(("family", "level", "ending"), DEGRADED)
def test_a_degraded_set_is_complete(tmp_path, family, level, ending):
    images = {"b.png": pixels(20, 31, 3, seed=1), "a.png": pixels(18, 15, 3, seed=2)}
    clean, out = write_set(tmp_path / "clean", images), tmp_path / "out"
    degrade_set(family, level, clean, out)
    index = load_index(out)
    assert [(entry["clean"], entry["file"]) for entry in index] == [
        (f"{name}.png", f"{name}{ending}") for name in "ba"
    ]
    assert {path.name for path in out.iterdir()} == {"index.json", f"a{ending}", f"b{ending}"}
    for entry in index:
        assert entry["sha256"] == sha256(out / entry["file"])
        expected = DEGRADED[family, level, ending](images[entry["clean"]], entry["clean"])
        degraded = read_degraded(out / entry["file"])
        assert degraded.dtype == np.float32
        assert np.array_equal(degraded, expected.astype(np.float32))


def test_seeds_of_names_are_the_start_of_their_sha256():
    assert name_seed("abc") == 0xBF1678BA  # SHA-256 of abc is ba7816bf...
    np.random.RandomState(name_seed("0001é.png"))  # any name gives a valid seed


def test_degrading_is_bitwise_reproducible(tmp_path):
    images = {f"{n}.png": pixels(64, 80 + n, 3, seed=n) for n in range(2)}
    program = (
        "import sys, cv2; from data_prep.tasks import families; "
        "from data_prep.degrade import degrade_set; from pathlib import Path; "
        "cv2.setNumThreads(int(sys.argv[1])); "
        "[degrade_set(name, level, Path('clean'), Path(name, level)) "
        "for name, task in families().items() for level in task['levels']]"
    )
    written = []
    for threads in ("1", "7"):
        folder = write_set(tmp_path / threads / "clean", images).parent
        changed = {"PYTHONHASHSEED": threads, "OMP_NUM_THREADS": threads}
        python(program, threads, cwd=folder, env=changed, check=True)
        files = [path for path in folder.rglob("*.*") if path.parent.name != "clean"]
        written.append({path.relative_to(folder): path.read_bytes() for path in files})
    assert len(written[0]) == 3 * sum(len(task["levels"]) for task in families().values())
    assert written[0] == written[1]


def test_a_wrong_task_or_level_names_the_nearest(tmp_path):
    with pytest.raises(UnknownNameError, match="'denoise_grey'; did you mean denoise_gray"):
        degrade_set("denoise_grey", "sigma15", tmp_path, tmp_path / "out")
    with pytest.raises(UnknownNameError, match="level of sr 'x5'; did you mean x"):
        degrade_set("sr", "x5", tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_degraded_file_that_cannot_be_read_is_named(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, np.zeros((30, 30), np.float32))
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"cannot read .*a\.npy"):
        read_degraded(path)


@pytest.fixture
def embedded(tmp_path, monkeypatch):
    """A copy of the embedded photographs that a test may spoil."""
    here = tmp_path / "package"
    shutil.copytree(data_prep.prepare.HERE / "embedded", here / "embedded")
    monkeypatch.setattr(data_prep.prepare, "HERE", here)
    return here / "embedded"


def test_prepare_copies_what_the_manifest_lists(embedded, tmp_path):
    prepare("embedded_gray", tmp_path / "set")
    names = ["brick.png", "camera.png", "grass.png", "gravel.png"]
    index = [(entry["file"], entry["shape"]) for entry in load_index(tmp_path / "set")]
    assert index == [(name, [192, 192]) for name in names]
    assert {path.name for path in (tmp_path / "set").iterdir()} == {*names, "index.json"}
    for name in names:
        copied = (tmp_path / "set" / name).read_bytes()
        assert copied == (embedded / "test_gray" / name).read_bytes()


def listed_but_broken(path):
    """Its hash is the listed one, and it does not decode."""
    manifest, right = path.parents[1] / "MANIFEST.json", sha256(path)
    path.write_bytes(path.read_bytes()[:5000])
    manifest.write_text(manifest.read_text().replace(right, sha256(path)))


def too_few(path):
    manifest = json.loads((path.parents[1] / "MANIFEST.json").read_text())
    manifest["files"].pop()
    (path.parents[1] / "MANIFEST.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (Path.unlink, r"missing .*gravel\.png"),
        (lambda path: path.write_bytes(path.read_bytes() + b"x"), r"gravel\.png .*SHA-256 differs"),
        (listed_but_broken, r"cannot decode picture .*gravel\.png"),
        (too_few, "lists 3 images, not 4"),
    ],
)
def test_a_spoilt_photograph_is_named(embedded, tmp_path, capsys, spoil, message):
    with pytest.raises(UnknownNameError, match="did you mean embedded_gray"):
        prepare("embeded_gray", tmp_path / "set")
    spoil(embedded / "test_gray/gravel.png")
    with pytest.raises(InputError, match=message):
        prepare("embedded_gray", tmp_path / "set")
    assert not (tmp_path / "set/index.json").exists()
    with pytest.raises(SystemExit) as stopped:
        main(["data", "prepare", "embedded_gray", str(tmp_path / "set")])
    assert stopped.value.code == 2 and capsys.readouterr().err.count("\n") == 1


def test_load_index_names_what_is_missing_or_changed(tmp_path):
    folder = write_set(tmp_path / "set", {"a.png": pixels(5, 5), "b.png": pixels(6, 6)})
    index = folder / "index.json"
    assert [entry["file"] for entry in load_index(folder, shape=list)] == ["a.png", "b.png"]
    with pytest.raises(InputError, match=r"index\.json: an entry without 'clean'"):
        load_index(folder, clean=str)
    for change, message in (
        (lambda: Image.fromarray(pixels(6, 6, seed=9)).save(folder / "b.png"), r"b\.png changed"),
        ((folder / "b.png").unlink, r"missing file .*b\.png"),
        *(
            (partial(index.write_text, text), rf"broken .*index\.json.* --force {index}")
            for text in ("[", "{}", "[3]", '[{"file": "a.png"}]')
        ),
        (index.unlink, r"no index\.json"),
    ):
        change()
        with pytest.raises(InputError, match=message):
            load_index(folder)
