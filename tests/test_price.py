"""What a scale costs: counted work, and the text that says so."""

import json

import pytest
import torch

from data_prep.tasks import get_task
from semanir import models, plan
from semanir.flops import multiply_adds
from semanir.network import build
from semanir.price import (
    Price,
    duration,
    images,
    main,
    prices,
    report,
    shape_of,
    step,
    trainings,
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


def test_every_training_of_the_scale_is_priced_once(monkeypatch):
    """Ablations that only evaluate cost no training; those of tables 5 and 6 count once."""
    monkeypatch.setattr("semanir.price.step", lambda *options: (10.0, 7.2))
    found = prices("smoke")
    wanted = trainings("smoke")
    assert len(wanted) == len(set(wanted)) == sum(price.trainings for price in found)
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


def test_images_counts_every_evaluation():
    """8 colour photographs a level, 4 grey ones: every evaluated run at each of its levels."""
    runs = {*plan.runs("smoke", plan.tables()), *plan.ablation_runs("smoke")}
    wanted = sum(
        (4 if "gray" in run.task else 8) * len(get_task(run.task).levels)
        for run in runs
        if run.trained
    )
    assert images("smoke") == wanted


def test_report_adds_up():
    found = [
        Price("semanir-s", "sr-x2", 1, 1_000_000, 16, 64, 36e18, 48.0),
        Price("semanir-u", "weather", 2, 750_000, 32, 16, 36e18, 24.0),
    ]
    text = report(found, "paper", 12_345)
    assert "1,000,000" in text and "32 x 16" in text and "12,345 photographs" in text
    assert text.splitlines()[4].split() == ["all", "3", "7.20e+19", "3.0", "days"]
    assert "takes 83.3 days" in text  # 2 * 72e18 / 20e12 seconds
    assert "python -m data_prep sizes --scale paper" in text


def test_durations_as_people_read_them():
    assert [duration(h) for h in (0.05, 2.5, 60, 24 * 365 * 3)] == [
        "3.0 min",
        "2.5 h",
        "2.5 days",
        "3.0 years",
    ]


def test_command_line(capsys, monkeypatch):
    monkeypatch.setattr("semanir.price.prices", lambda scale, without: [])
    main(["--scale", "mini", "--json"])
    assert json.loads(capsys.readouterr().out) == []
    with pytest.raises(SystemExit) as stop:
        main(["--scale", "papr"])
    assert stop.value.code == 2
    assert "unknown scale 'papr'; did you mean paper?" in capsys.readouterr().err
