"""Real pairs from data/raw to scores, on folders laid out like the real ones."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from photographs import pixels
from PIL import Image

import data_prep.datasets as registry
from data_prep.datasets import get_set
from data_prep.degrade import degrade_set, read_degraded
from data_prep.download import download
from data_prep.images import read_image
from data_prep.pictures import Picture, is_plain_png, write_picture
from data_prep.prepare import load_index, prepare
from data_prep.tasks import get_task
from semanir.errors import InputError
from semanir.evaluate.evaluation import score_images


@pytest.fixture
def change(tmp_path, monkeypatch):
    """A working folder in which a test says what the real sets hold."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SEMANIR_MIRROR", raising=False)
    sets = dict(registry.prepared_sets())

    def change(name, **fields):
        sets[name] = replace(sets[name], **fields)

    for module in ("datasets", "download", "degrade", "inventory"):
        monkeypatch.setattr(f"data_prep.{module}.prepared_sets", lambda: sets)
    return change


def make(name, family, level):
    clean, degraded = Path("data/sets", name), Path("data/degraded", family, name, level)
    download(get_set(name).raw)
    prepare(name, clean)
    degrade_set(family, level, clean, degraded)
    return clean, degraded


def raw(path):
    path = Path("data/raw", path)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def write(path, image):
    Image.fromarray(image).save(raw(path))


FRAMES = ["GOPR0384_11_00-000001.png", "GOPR0384_11_00-000002.png", "GOPR0410_11_00-000001.png"]


def test_gopro_from_its_archive_layout_to_scores(change):
    for part, frames in (("test", FRAMES), ("train", ["GOPR0372_07_00-000047.png"])):
        change(f"gopro_{part}", images=len(frames))
        for seed, frame in enumerate(frames):
            sequence, _, number = frame.partition("-")
            for kind, offset in (("sharp", 0), ("blur", 100), ("blur_gamma", 200)):
                image = pixels(48, 64, 3, seed=seed + offset)
                write(f"gopro/GOPRO_Large/{part}/{sequence}/{kind}/{number}", image)
    clean, degraded = make("gopro_test", "deblur", "motion")
    index = load_index(degraded)
    assert [(line["file"], line["clean"]) for line in index] == [(name, name) for name in FRAMES]
    for seed, name in enumerate(FRAMES):
        for folder, offset in ((clean, 0), (degraded, 100)):
            expected = pixels(48, 64, 3, seed=seed + offset)
            np.testing.assert_array_equal(read_image(folder / name), expected)

    task = get_task("deblur-motion")
    scores = score_images(lambda image, level: (image, None), task, [("gopro_test", "motion")])
    assert [score["image"] for score in scores] == [name.removesuffix(".png") for name in FRAMES]
    error = (pixels(48, 64, 3) / 1.0 - pixels(48, 64, 3, seed=100)) ** 2
    assert scores[0]["psnr"] == pytest.approx(10 * np.log10(255**2 / error.mean()))


def test_several_degraded_files_share_a_clean_one_and_are_resized_alike(change):
    """Test1 has fifteen inputs a scene; TransWeather scores multiples of 16 by Lanczos."""
    scene = pixels(50, 70, 3)
    write("outdoor_rain_test1/Test1/gt/im_0301.png", scene)
    for haze in (80, 85):
        name = f"im_0301_s{haze}_a04.png"
        write(f"outdoor_rain_test1/Test1/input/{name}", pixels(50, 70, 3, seed=haze))
    change("outdoor_rain_test1", images=2)
    clean, degraded = make("outdoor_rain_test1", "weather", "rainfog")
    assert [line["shape"] for line in load_index(clean)] == [[64, 80, 3]]
    assert [line["clean"] for line in load_index(degraded)] == ["im_0301.png"] * 2
    expected = Image.fromarray(scene).resize((80, 64), Image.Resampling.LANCZOS)
    np.testing.assert_array_equal(read_image(clean / "im_0301.png"), expected)
    assert read_degraded(degraded / "im_0301_s80_a04.png").shape == (64, 80, 3)


def write_pair(change, write_file, **fields):
    change("hide", images=1, **fields)
    paths = [raw(f"hide/{kind}/1.png") for kind in ("target", "input")]
    for path in paths:
        write_file(path)
    return paths


@pytest.mark.parametrize("how", ["", "high_byte", "rounded"])
def test_a_set_of_16_bits_says_how_it_becomes_one_of_8(change, how):
    image = pixels(32, 48, 3, dtype=np.uint16)
    write_pair(change, lambda path: write_picture(path, Picture(image)), from_16_bits=how)
    if not how:
        with pytest.raises(InputError, match=r"target.1\.png has 16 bits"):
            make("hide", "deblur", "motion")
        return
    for folder in make("hide", "deblur", "motion"):
        expected = image // 256 if how == "high_byte" else np.rint(image / 257.0)
        np.testing.assert_array_equal(read_image(folder / "1.png"), expected)
        assert is_plain_png(folder / "1.png")


def test_prepared_files_are_plain_whatever_the_sources_are(change):
    drawn, exif = Image.fromarray(pixels(48, 32, 3)).quantize(40), Image.Exif()
    exif[0x0112] = 6  # stored 48 wide and 32 high, shown upright
    stored = {"target": drawn.transpose(Image.Transpose.ROTATE_90).convert("RGB"), "input": drawn}
    notes = {"target": {"exif": exif.tobytes()}, "input": {}}
    write_pair(change, lambda p: stored[p.parent.name].save(p, **notes[p.parent.name]))
    for folder in make("hide", "deblur", "motion"):
        path = folder / "1.png"
        assert is_plain_png(path)
        for array in (read_image(path), cv2.imread(str(path), cv2.IMREAD_UNCHANGED)[..., ::-1]):
            np.testing.assert_array_equal(array, drawn.convert("RGB"))
