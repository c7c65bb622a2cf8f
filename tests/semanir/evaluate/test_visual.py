"""Pictures before and after: what is chosen, what is recorded, what a page shows of it."""

import base64
import io
import json
import math
from pathlib import Path

import numpy as np
import pytest
from made_records import STAMP, eval_record, visual_record
from made_sets import write_set
from PIL import Image

from baselines import classical
from data_prep.degrade import degrade_set
from data_prep.images import read_image
from data_prep.resize import imresize
from data_prep.tasks import families, get_task
from reports.collect import collect, means, read_records, read_results, write_results
from reports.figures import error_map
from reports.figures import visual as page
from reports.tables.layouts import default_tables, layouts
from semanir import cli
from semanir.cli import evaluate as verb
from semanir.errors import InputError
from semanir.evaluate import visual
from semanir.plan import models
from semanir.plan.cells import cells
from semanir.plan.plan import Plan
from semanir.plan.record import read_record
from semanir.plan.runs import Run

PLACE = ("embedded_rgb", "x2")
COMMAND = ["evaluate", "--what", "visual", "--task", "sr-x2"]


def rows(scores, level="x2"):
    place = {"dataset": "embedded_rgb", "level": level}
    return [place | {"image": name, "psnr": psnr} for name, psnr in scores.items()]


@pytest.mark.parametrize(
    ("restored", "inputs", "chosen"),
    [  # best, median, worst
        ({"a": 30, "b": 31, "c": 35}, {"a": 28, "b": 28, "c": 28}, "cba"),  # gains 2, 3, 7
        ({"a": 35, "b": 30, "c": 20}, {"a": 34, "b": 20, "c": 15}, "bca"),  # of gains, not of PSNR
        ({"a": 31, "b": 30, "c": 33, "d": 39}, dict.fromkeys("abcd", 28), "dab"),  # lower middle
        ({"z": 29, "m": 31, "b": 31, "c": 31, "a": 50}, dict.fromkeys("zmbca", 28), "abz"),
        ({"a": math.inf, "b": 30, "c": 29}, {"a": math.inf, "b": 29, "c": 30}, "bac"),  # gains 0
        ({"a": 30, "b": 30}, {"a": 20, "b": 21}, "abb"),
        ({"o": 10}, {"o": 20}, "ooo"),
    ],
)
def test_images_of_the_largest_median_and_smallest_gain_are_chosen(restored, inputs, chosen):
    """Worked out by hand; another set and level after the first changes nothing."""
    other = rows({"x": 99.0, "y": 1.0}, "x3")
    ranked = visual.ranked_images(rows(restored) + other, other + rows(inputs))
    found = {rank: image for image, ranks in ranked.items() for rank in ranks}
    assert found == dict(zip(("best", "median", "worst"), chosen, strict=True))
    with pytest.raises(InputError, match="no missing of embedded_rgb at x2"):
        visual.ranked_images(rows({"missing": 30}), rows(inputs))


def test_the_crop_is_the_square_of_the_grid_that_varies_most():
    """The first where all are equal; a small image gives its largest square."""
    image = np.full((240, 300, 3), 128, np.uint8)
    image[96:192, 144:240] = np.random.default_rng(0).integers(0, 256, (96, 96, 3))
    assert visual.busiest_crop(image) == visual.busiest_crop(image[..., 0]) == (96, 144, 96)
    for size, unit, side in (((200, 200), 1, 96), ((95, 200), 1, 95), ((95, 200), 4, 92)):
        assert visual.busiest_crop(np.zeros(size, np.uint8), unit) == (0, 0, side)


def test_one_run_for_each_family_that_the_tables_train_after_those_that_come_with_the_project():
    released = {"sr-x4", "jpeg_color-blind", "denoise_color-blind", "denoise_gray-blind"}
    for scale in ("smoke", "mini"):
        first = {}
        for table in default_tables():
            for cell in cells(table):
                run = Plan(scale).answer(cell)
                if run.task and "of" not in models.trained_models().get(run.model, {"of": ""}):
                    first.setdefault(cell.task, (run.task, run.model))
        runs = Plan(scale).visual_runs(default_tables())
        assert {run.task for run in runs[:5]} == released | {"demosaick-rggb"}
        assert {run.model for run in runs[:5]} == {models.RELEASED}
        assert [(run.task, run.model) for run in runs[5:]] == list(first.values())
        assert {run.seed for run in runs} == {0}
    assert len(Plan("smoke").visual_runs(layouts())) == 5 + len(families())
    for task, source in {"denoise_gray-sigma50": "denoise_gray-blind", "sr-x4": "sr-x4"}.items():
        of_input = Run("smoke", task, "semanir-u", 0).of_input
        assert of_input == Run("smoke", source, "input", 0)
        assert of_input in Plan("smoke").runs(default_tables())


def test_systems_beside_a_run_are_those_evaluated_on_its_task():
    run = Run("mini", "denoise_gray-sigma25", "semanir-u", 0)
    found = Plan("mini").systems_shown(run, default_tables())
    assert [(other.task, other.model) for other in found] == [(run.task, "dncnn")]
    assert Plan("smoke").systems_shown(run, default_tables()) == []


def pixels(text):
    with Image.open(io.BytesIO(base64.b64decode(text))) as image:
        return np.asarray(image)


@pytest.fixture
def enlarging(tmp_path, monkeypatch):
    """A folder with one photograph, its x2 reduction and two records; the "network" brightens.

    Yields (clean, degraded, restored), all uint8. "swinir" returns the clean image.
    """
    monkeypatch.chdir(tmp_path)
    clean = np.full((100, 200, 3), 90, np.uint8)
    clean[:, 100:] = np.random.default_rng(1).integers(0, 256, (100, 100, 3))
    folder = write_set(Path("data/sets/embedded_rgb"), {"photo.png": clean})
    degrade_set("sr", "x2", folder, Path("data/degraded/sr/embedded_rgb/x2"))
    degraded = read_image("data/degraded/sr/embedded_rgb/x2/photo.png")
    restored = np.minimum(clean.astype(int) + 20, 255).astype(np.uint8)
    for model, psnr in (("semanir-s", 22.0), ("input", 20.0)):
        path = eval_record(tmp_path, "sr-x2", model, [(*PLACE, psnr, 0, 0)])
        path.write_text(path.read_text().replace('"0.png"', '"photo"'))
    original, given = verb.restorer_of, {"semanir-s": restored, "swinir": clean}

    def make(plan, run, *options):
        if run.model == "input":
            return original(plan, run, *options)
        return lambda image, level: ((given[run.model] / 255).astype(np.float32), None)

    monkeypatch.setattr(verb, "restorer_of", make)
    return clean, degraded, restored


SHOWN = Run("smoke", "sr-x2", "semanir-s", 0)


def test_a_record_holds_the_three_crops_and_their_psnr(enlarging):
    """Super-resolution: the input is shown as bicubic, as its PSNR on Y without a border is."""
    clean, degraded, restored = enlarging
    cli.main([*COMMAND, "--model", "semanir-s"])
    record = read_record(Path(SHOWN.visual))
    assert (record["dataset"], record["level"], record["images"]) == (*PLACE, 1)
    assert record["protocol"] == {"name": "sr-x2", "version": 1}
    (shown,) = record["shown"]
    assert shown["image"] == "photo" and shown["ranks"] == ["best", "median", "worst"]
    # the grid has squares at 0, 48 and 96 from the left; the last lies in the noise but for 4
    assert shown["crop"] == [0, 96, 96]
    assert shown["size"] == [100, 200] and shown["beside"] == []
    pictures = {name: pixels(text) for name, text in shown["pictures"].items()}
    assert pictures["whole"].shape == (100, 200, 3)
    square = np.s_[0:96, 96:192]
    np.testing.assert_array_equal(pictures["clean"], clean[square])
    np.testing.assert_array_equal(pictures["restored"], restored[square])
    enlarged = np.clip(imresize(degraded, 2), 0, 255).round()
    np.testing.assert_array_equal(pictures["degraded"], enlarged[square])
    for name, output in (("psnr_crop", restored), ("psnr_crop_input", enlarged)):
        luma = (output - clean.astype(float))[square] @ np.array([65.481, 128.553, 24.966]) / 255
        error = np.mean(luma[2:-2, 2:-2] ** 2)
        assert shown["scores"][name] == pytest.approx(10 * np.log10(255**2 / error), abs=0.02)

    # in the results they are metrics of their own: the set's PSNR is that of the evaluation
    results = read_records([SHOWN.record, SHOWN.of_input.record, SHOWN.visual])
    crops = results[results["metric"].str.startswith("psnr_crop")]
    assert list(crops["metric"]) == ["psnr_crop", "psnr_crop_input"]
    assert set(crops["image"]) == {"photo"} and set(crops["protocol"]) == {"sr-x2 v1"}
    psnr = means(results).query("metric == 'psnr'").set_index("model")["value"]
    assert psnr.to_dict() == {"semanir-s": 22.0, "input": 20.0}


def test_other_systems_stand_beside_the_network(enlarging, tmp_path, capsys):
    with pytest.raises(SystemExit):
        cli.main([*COMMAND, "--model", "input"])
    assert "input is not trained here" in capsys.readouterr().err
    cli.main([*COMMAND, "--model", "semanir-s", "--systems", "swinir"])
    path = tmp_path / SHOWN.visual
    (other,) = read_record(path)["shown"][0]["beside"]
    assert (other["model"], other["psnr_crop"]) == ("swinir", math.inf)
    np.testing.assert_array_equal(pixels(other["picture"]), enlarging[0][0:96, 96:192])
    results = read_records([path])
    assert list(results.query("metric == 'psnr_crop'")["model"]) == ["semanir-s", "swinir"]
    assert list(results.query("model == 'swinir'")["network"]) == [""]
    record = page.crops(read_record(path), path, results)
    (shown,) = record["shown"]
    assert list(shown["psnr"]) == ["degraded", "swinir", "restored"]
    assert shown["psnr"]["swinir"] == (math.inf, None)
    text = rendered([record], tmp_path)
    assert "<b>swinir</b> inf dB" in text and "Restored by swinir" in text


def test_pictures_are_of_each_rank(tmp_path, monkeypatch):
    """Three photographs, whose networks' scores are told: each is read, cropped and scored."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(2)
    photographs = {f"{n}.png": rng.integers(0, 256, (96, 96, 3), np.uint8) for n in range(3)}
    folder = write_set(Path("data/sets/embedded_rgb"), photographs)
    degrade_set("sr", "x2", folder, Path("data/degraded/sr/embedded_rgb/x2"))
    own, of_input = rows({"0": 25, "1": 21, "2": 22}), rows({"0": 20, "1": 20, "2": 20})
    given = classical.DegradedInput(get_task("sr-x2"))
    asked = []

    def other(image, level):
        asked.append(image.mean())
        return given(image, level)

    record = visual.compare(
        *(get_task("sr-x2"), {"scores": own}, {"scores": of_input}, given, given),
        {"swinir": lambda: other},
    )
    assert [one["image"] for one in record["shown"]] == ["0", "2", "1"]
    assert [one["ranks"] for one in record["shown"]] == [["best"], ["median"], ["worst"]]
    for one in record["shown"]:
        clean = pixels(one["pictures"]["clean"])
        np.testing.assert_array_equal(clean, photographs[f"{one['image']}.png"])
        assert one["scores"]["psnr_crop"] == one["scores"]["psnr_crop_input"]
        assert one["beside"][0]["psnr_crop"] == one["scores"]["psnr_crop"]
    assert len(asked) == len(set(asked)) == 3


def rendered(shown, folder):
    page.render("smoke", shown, folder)
    return (folder / "visual.html").read_text(encoding="utf-8")


def test_numbers_on_the_page_come_from_the_results(tmp_path):
    """Those of the image from its evaluations, those of the crop from the collected record."""
    path = visual_record(tmp_path)
    paths = [
        eval_record(tmp_path, "sr-x2", "semanir-s", [(*PLACE, 26.5, 0, 0), (*PLACE, 99, 0, 0)]),
        eval_record(tmp_path, "sr-x2", "input", [(*PLACE, 24.25, 0, 0)]),
        eval_record(tmp_path, "sr-x2", "semanir-b", [(*PLACE, 11, 0, 0)]),
    ]
    shown, without = (
        page.crops(read_record(path), path, read_records(given))["shown"][0]
        for given in ([*paths, path], paths[2:])
    )
    assert shown["psnr"] == {"degraded": (23.5, 24.25), "restored": (27.125, 26.5)}
    assert shown["gain"] == 2.25
    assert without["psnr"] == {"degraded": (None, None), "restored": (None, None)}
    assert without["gain"] is None
    of_mini = read_records([*paths, path]).assign(scale="mini")
    assert page.crops(read_record(path), path, of_mini)["shown"] == [without]


def test_errors_are_shown_in_the_colours_of_the_bar():
    """A difference of half the range has the colour in the middle, one beyond it the last."""
    bar = pixels(error_map.colour_bar().partition(",")[2])[0]
    clean = np.full((1, 3, 3), 100, np.uint8)
    restored = clean.copy()
    restored[0, 1] += error_map.LARGEST // 2
    restored[0, 2] -= 2 * error_map.LARGEST
    coloured = pixels(error_map.error_map(restored, clean).partition(",")[2])[0]
    np.testing.assert_array_equal(coloured[[0, 2]], bar[[0, -1]])
    assert np.abs(coloured[1].astype(int) - bar[128]).max() <= 3
    grey = error_map.error_map(restored[..., 0], clean[..., 0])
    np.testing.assert_array_equal(pixels(grey.partition(",")[2])[0], coloured)
    restored[0, 1] = [100, 100, 100 + 3 * (error_map.LARGEST // 2)]  # the same mean of the channels
    again = pixels(error_map.error_map(restored, clean).partition(",")[2])[0]
    np.testing.assert_array_equal(again[1], coloured[1])


def test_a_page_is_rendered_and_escapes_what_comes_from_data(tmp_path):
    evil = '"><script>alert(1)</script>&'
    path = visual_record(tmp_path, image=evil)
    write_results([path], tmp_path / "results.csv")
    results = read_results(tmp_path / "results.csv")
    text = rendered(page.visuals([path], results), tmp_path)
    assert evil not in text and "alert(1)&lt;/script&gt;" in text
    assert text.count("<script>") == 1
    assert "http" not in text and "url(" not in text
    assert text.count("data:image/png;base64,") == 4 + 2  # the map of errors and its colour bar
    assert "top:25.00%;left:25.00%;width:25.00%;height:50.00%;" in text
    assert "27.12" in text and "23.50" in text
    assert " ".join(STAMP.split()) in " ".join(text.split())
    assert "nothing to show" in rendered(page.visuals([], results), tmp_path)


@pytest.mark.parametrize("picture", [None, '" onerror="alert(1)', "PHN2Zy8+"])  # <svg/>
def test_a_record_without_its_pictures_is_named(tmp_path, picture):
    pictures = dict.fromkeys(page.PICTURES, picture) if picture else {}
    path = visual_record(tmp_path, pictures=pictures)
    with pytest.raises(InputError, match=r"broken record .*seed0\.json"):
        page.crops(json.loads(path.read_text()), path, collect([]))
