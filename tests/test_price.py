"""What a scale costs: counted work, and the text that says so."""

import json

import pytest
import torch

from semanir import plan
from semanir.flops import multiply_adds
from semanir.network import build
from semanir.price import Price, duration, images, main, prices, report, step
from semanir.recipe import make_recipe


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_work_of_a_step_is_three_passes_of_a_batch():
    """Forward, and twice that backward; the mean over the drawn k."""
    recipe = make_recipe(plan.recipe("smoke", "sr-x2") | {"topk": [8, 32], "batch": 4})
    counted, seconds = step("semanir-s-tiny", "sr-x2", recipe)
    networks = [build("semanir-s-tiny", upscale=2, k=k) for k in (8, 32)]
    few, many = (multiply_adds(network, (1, 3, 16, 16)) for network in networks)
    assert few < many
    assert counted == 3 * 4 * (few + many) / 2
    assert seconds > 0


def test_prices_cover_every_training_of_the_scale_once():
    found = prices("smoke")
    planned = [run for run in plan.runs("smoke", plan.tables()) if run.trained]
    assert sum(price.trainings for price in found) == len(planned)
    kinds = [(price.model, price.task) for price in found]
    assert kinds == sorted(set(kinds))
    assert {"sr-x2", "sr-x3", "sr-x4", "denoise_gray", "weather"} < {task for _, task in kinds}
    (one,) = (p for p in found if (p.model, p.task) == ("semanir-u", "denoise_gray"))
    assert (one.trainings, one.iterations, one.batch, one.patch) == (4, 80, 1, 32)


def test_images_counts_every_evaluation():
    """8 colour photographs a level, 4 grey ones: every trained run at each of its levels."""
    from data_prep.tasks import get_task

    runs = [run for run in plan.runs("smoke", plan.tables()) if run.trained]
    wanted = sum((4 if "gray" in run.task else 8) * len(get_task(run.task).levels) for run in runs)
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
