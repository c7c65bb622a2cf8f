"""What a scale costs: counted work, and the text that says so."""

import json
from dataclasses import replace

import pytest
import torch

from data_prep.datasets import HERE, datasets, entry_of, get_set
from data_prep.images import read_image
from data_prep.tasks import get_task
from semanir import models, plan
from semanir.flops import multiply_adds
from semanir.network import build
from semanir.price import (
    Price,
    duration,
    evaluations,
    main,
    prices,
    report,
    restoring,
    shape_of,
    starting,
    step,
)
from semanir.recipe import make_recipe


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_work_of_a_step_is_three_passes_of_a_batch():
    """Forward, and twice that backward; the mean over the drawn k."""
    recipe = make_recipe(plan.recipe("smoke", "sr-x2") | {"topk": [8, 32], "batch": 4})
    run = plan.Run("smoke", "sr-x2", "semanir-s", 0)
    shape = shape_of(run, recipe)
    assert shape == (4, 3, 16, 2)
    counted, seconds = step("semanir-s-tiny", (("window", 4),), shape, recipe)
    networks = [build("semanir-s-tiny", upscale=2, window=4, k=k) for k in (8, 32)]
    few, many = (multiply_adds(network, (1, 3, 16, 16)) for network in networks)
    assert few < many
    assert counted == 3 * 4 * (few + many) / 2
    assert seconds > 0


def timed(monkeypatch, start=0.0):
    """Instead of timings: 7.2 s a step, 36 s a megapixel."""
    monkeypatch.setattr("semanir.price.step", lambda *options: (10.0, 7.2))
    monkeypatch.setattr("semanir.price.restoring", lambda *options: 36.0)
    monkeypatch.setattr("semanir.price.starting", lambda: start)


def trainings(scale):
    """The networks of a scale, each training once."""
    return {replace(run, model=run.trainee) for run in evaluations(scale) if run.trained}


def test_every_training_of_the_scale_is_priced_once(monkeypatch):
    """Ablations that only evaluate cost no training; those of tables 5 and 6 count once."""
    timed(monkeypatch)
    found = prices("smoke")
    wanted = trainings("smoke")
    assert len(wanted) == sum(price.trainings for price in found)
    assert all("weights_of" not in models.get_model(run.model) for run in wanted)
    kinds = [(price.model, price.task) for price in found]
    assert kinds == sorted(set(kinds))
    assert {"sr-x2", "sr-x3", "sr-x4", "denoise_gray", "weather"} < {task for _, task in kinds}
    (one,) = (p for p in found if (p.model, p.task) == ("semanir-u", "denoise_gray"))
    assert (one.trainings, one.iterations, one.batch, one.patch) == (4, 80, 1, 32)
    assert (one.multiply_adds, one.hours_here) == (10.0 * 320, pytest.approx(0.64))
    assert ("semanir-u-fixed", "denoise_gray") in kinds
    assert len(trainings("mini")) > len({run.task for run in trainings("mini")})
    assert [run.model for run in trainings("paper")].count("semanir-u-window16") == 2


def test_every_evaluation_is_priced(monkeypatch):
    """8 colour photographs a level, 4 grey ones, of 0.037 megapixels: every run at its levels."""
    timed(monkeypatch)
    runs = {*plan.runs("smoke", plan.tables()), *plan.ablation_runs("smoke")}
    wanted = sum((4 if "gray" in run.task else 8) * len(get_task(run.task).levels) for run in runs)
    found = prices("smoke")
    assert sum(price.restored for price in found) == wanted
    hours = sum(price.hours_restoring for price in found)
    assert hours == pytest.approx(36 * 0.037 * wanted / 3600)


def test_released_systems_are_priced_by_what_their_weights_fit(monkeypatch):
    """The blind network of DnCNN is deeper than those for one level of grey noise."""
    asked = []
    timed(monkeypatch)
    monkeypatch.setattr("semanir.price.restoring", lambda *options: asked.append(options) or 36.0)
    found = {
        price.task: price for price in prices("smoke", (), ("dncnn",)) if price.model == "dncnn"
    }
    assert set(found) == {"denoise_gray", "denoise_color"}
    assert {(price.trainings, price.hours_here) for price in found.values()} == {(0, 0)}
    # the blind network at three levels, and one network for each of them
    assert [found[task].restored for task in sorted(found)] == [6 * 8, 6 * 4]
    assert found["denoise_gray"].hours_restoring == pytest.approx(36 * 0.037 * 24 / 3600)
    variants = [variant for _, model, variant, _ in asked if model == "dncnn"]
    assert sorted(variants) == [
        *["denoise_color"] * 4,
        *["denoise_gray"] * 3,
        "denoise_gray-blind",
    ]


def test_every_run_is_started(monkeypatch):
    timed(monkeypatch)
    before = prices("smoke")
    timed(monkeypatch, start=3.6)
    for one, other in zip(before, prices("smoke"), strict=True):
        assert other.hours_here - one.hours_here == pytest.approx(one.trainings / 1000)
        assert other.hours_restoring - one.hours_restoring == pytest.approx(one.evaluations / 1000)
    assert sum(one.evaluations for one in before) == len(evaluations("smoke"))


def test_a_job_takes_longer_to_start_than_python():
    assert 0.2 < starting() < 120


def test_what_is_left_out_costs_nothing(monkeypatch):
    timed(monkeypatch)
    tasks = {price.task for price in prices("mini", ("mcmaster",), ("dncnn",))}
    assert "denoise_gray" in tasks and "deblur" in tasks
    colour = [p for p in prices("mini", ("mcmaster",), ("dncnn",)) if p.task == "denoise_color"]
    assert {price.model for price in colour} == {"dncnn", "input"}  # they have CBSD68


def test_restoring_takes_longer_with_a_larger_network():
    assert models.get_scale("mini")["networks"]["semanir-u"] == "semanir-u-tiny"
    scoring = restoring("mini", "input", "", "denoise_gray-sigma25")
    tiny = restoring("mini", "semanir-u", "", "denoise_gray-sigma25")
    large = restoring("mini", "dncnn", "denoise_gray", "denoise_gray-sigma25")
    assert 0 < scoring < tiny < large
    assert restoring("mini", "semanir-s", "", "sr-x3") > 0  # 128 is no multiple of 3


def test_photographs_are_as_large_as_the_registry_says():
    """Of what is committed; and it says so of every set that is tested on."""
    for name in ("embedded_rgb", "embedded_gray"):
        files = [*(HERE / datasets()[name]["folder"]).glob("*.png")]
        sides = [read_image(path).shape[:2] for path in files]
        assert len(sides) == get_set(name).images
        pixels = sum(height * width for height, width in sides) / len(sides)
        assert pixels / 1e6 == pytest.approx(get_set(name).megapixels, rel=0.02)
    runs = [*evaluations("mini"), *evaluations("paper")]
    tested = {name for run in runs for name, _ in plan.test_places(run.scale, run.task)}
    assert all("megapixels" in datasets()[entry_of(name)] for name in tested)


def test_report_adds_up():
    found = [
        Price("semanir-s", "sr-x2", 4, 10_000, 1.5, 1, 1_000_000, 16, 64, 36e18, 48.0),
        Price("semanir-u", "weather", 2, 2_340, 0.2, 2, 750_000, 32, 16, 36e18, 24.0),
        Price("dncnn", "denoise_gray", 1, 5, 0.05),
    ]
    text = report(found, "paper")
    assert "1,000,000" in text and "32 x 16" in text
    sums = ["all", "3", "7.20e+19", "3.0", "days", "7", "12,345", "1.8", "h"]
    assert text.splitlines()[5].split() == sums
    assert "one thing after the other: 3.1 days." in text  # 72 and 1.75 hours
    assert "networks in 83.3 days" in text  # 2 * 72e18 / 20e12 seconds
    assert "python -m data_prep sizes --scale paper" in text


def test_durations_as_people_read_them():
    assert [duration(h) for h in (0.05, 2.5, 60, 24 * 365 * 3)] == [
        "3.0 min",
        "2.5 h",
        "2.5 days",
        "3.0 years",
    ]


def test_command_line(capsys, monkeypatch):
    monkeypatch.setattr("semanir.price.prices", lambda scale, without, systems: [])
    main(["--scale", "mini", "--json"])
    assert json.loads(capsys.readouterr().out) == []
    with pytest.raises(SystemExit) as stop:
        main(["--scale", "papr"])
    assert stop.value.code == 2
    assert "unknown scale 'papr'; did you mean paper?" in capsys.readouterr().err
