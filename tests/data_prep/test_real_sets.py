"""Real pairs from data/raw to scores, on folders laid out like the real ones."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import data_prep.datasets as registry
from data_prep.datasets import get_set
from data_prep.degrade import degrade_set, read_degraded
from data_prep.download import download
from data_prep.images import read_image
from data_prep.prepare import load_index, prepare
from data_prep.tasks import get_task
from semanir.errors import InputError
from semanir.evaluate.evaluation import score_images
from semanir.plan.answers import _printed_sets
from semanir.plan.cells import cells


def photograph(seed, height=48, width=64):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture
def few(tmp_path, monkeypatch):
    """A working folder in which the real sets have as few pairs as a test writes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SEMANIR_MIRROR", raising=False)
    sets = dict(registry.prepared_sets())

    def shrink(name, images):
        sets[name] = replace(sets[name], images=images)

    for module in ("datasets", "download", "degrade", "inventory"):
        monkeypatch.setattr(f"data_prep.{module}.prepared_sets", lambda: sets)
    return shrink


def write(path, image):
    path = Path("data/raw") / path
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)


def gopro(part, frames):
    for seed, frame in enumerate(frames):
        sequence, _, number = frame.partition("-")
        folder = f"gopro/GOPRO_Large/{part}/{sequence}"
        write(f"{folder}/sharp/{number}", photograph(seed))
        write(f"{folder}/blur/{number}", photograph(seed + 100))
        write(f"{folder}/blur_gamma/{number}", photograph(seed + 200))


FRAMES = ["GOPR0384_11_00-000001.png", "GOPR0384_11_00-000002.png", "GOPR0410_11_00-000001.png"]


def test_gopro_from_its_archive_layout_to_scores(few):
    """Frames of two sequences do not overwrite each other; blurred files are the real ones."""
    gopro("test", FRAMES)
    gopro("train", ["GOPR0372_07_00-000047.png"])
    few("gopro_test", 3)
    few("gopro_train", 1)
    download("gopro")
    prepare("gopro_test", Path("data/sets/gopro_test"))
    folder = Path("data/degraded/deblur/gopro_test/motion")
    degrade_set("deblur", "motion", Path("data/sets/gopro_test"), folder)
    assert [line["file"] for line in load_index(folder)] == FRAMES
    assert [line["clean"] for line in load_index(folder)] == FRAMES
    for seed, name in enumerate(FRAMES):
        np.testing.assert_array_equal(read_image(f"data/sets/gopro_test/{name}"), photograph(seed))
        np.testing.assert_array_equal(read_image(folder / name), photograph(seed + 100))

    scores = score_images(
        lambda image, level: (image, None),
        get_task("deblur-motion"),
        [("gopro_test", "motion")],
    )
    assert [score["image"] for score in scores] == [name.removesuffix(".png") for name in FRAMES]
    error = (photograph(0) / 1.0 - photograph(100)) ** 2
    assert scores[0]["psnr"] == pytest.approx(10 * np.log10(255**2 / error.mean()))


def test_several_degraded_files_share_a_clean_one_and_are_resized_alike(few):
    """Test1 has fifteen inputs a scene; TransWeather scores multiples of 16 by Lanczos."""
    scene = photograph(1, 50, 70)
    write("outdoor_rain_test1/Test1/gt/im_0301.png", scene)
    for haze in (80, 85):
        write(f"outdoor_rain_test1/Test1/input/im_0301_s{haze}_a04.png", photograph(haze, 50, 70))
    few("outdoor_rain_test1", 2)
    download("outdoor_rain_test1")
    clean, folder = Path("data/sets/outdoor_rain_test1"), Path("data/degraded/weather/o/rainfog")
    prepare("outdoor_rain_test1", clean)
    degrade_set("weather", "rainfog", clean, folder)
    assert [line["shape"] for line in load_index(clean)] == [[64, 80, 3]]
    assert {line["clean"] for line in load_index(folder)} == {"im_0301.png"}
    assert len(load_index(folder)) == 2
    expected = Image.fromarray(scene).resize((80, 64), Image.Resampling.LANCZOS)
    np.testing.assert_array_equal(read_image(clean / "im_0301.png"), np.asarray(expected))
    assert read_degraded(folder / "im_0301_s80_a04.png").shape == (64, 80, 3)


def test_a_pair_without_its_clean_image_stops_the_download_by_name(few):
    write("raindrop/test_a/data/0_rain.png", photograph(1))
    write("raindrop/test_a/gt/0_clean.png", photograph(2))
    write("raindrop/test_a/data/1_rain.png", photograph(3))
    few("raindrop_a", 2)
    with pytest.raises(InputError) as error:
        download("raindrop")
    assert "1_rain.png" in str(error.value)
    assert not Path("data/raw/raindrop/files.json").exists()


def test_every_real_pair_of_the_tables_has_a_set_with_rules():
    """GoPro, HIDE, Snow100K, RainDrop, Test1 and the TransWeather training list."""
    printed = {
        name
        for table in ("table02", "table08")
        for cell in cells(table)
        if cell.kind == "number"
        for name in _printed_sets(cell)
    }
    assert printed == {"gopro_test", "hide", "snow100k_l", "raindrop_a", "outdoor_rain_test1"}
    for name in [*printed, "gopro_train", "allweather_train"]:
        assert get_set(name).pairs
    for name in ("snow100k_l", "raindrop_a", "outdoor_rain_test1"):
        assert get_set(name).resize == "transweather"
