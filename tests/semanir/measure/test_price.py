"""What a scale costs: counted work, and the text that says so."""

import json
import sys
from importlib.util import find_spec
from types import SimpleNamespace

import pytest
import torch

from data_prep.datasets import HERE, datasets, entry_of, get_set
from data_prep.images import read_image
from data_prep.tasks import get_task
from semanir import cli
from semanir.evaluate.metrics import score
from semanir.measure import price as costs
from semanir.network import build
from semanir.network.flops import multiply_adds
from semanir.plan import models
from semanir.plan.plan import Plan
from semanir.plan.runs import Run
from semanir.train.recipe import make_recipe


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)
    costs.seconds_to_start.cache_clear()
    costs.seconds_a_megapixel.cache_clear()


@pytest.fixture
def clock(monkeypatch):
    """What semanir.measure.price reads instead of the time: `clock.now`, which stands still."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(costs, "time", SimpleNamespace(perf_counter=lambda: clock.now))
    return clock


def slowly(clock, seconds, function):
    """The same function, which takes seconds[0], seconds[1], ... and then the last of them."""
    left = list(seconds)

    def slow(*arguments, **options):
        clock.now += left.pop(0) if len(left) > 1 else left[0]
        return function(*arguments, **options)

    return slow


def test_work_of_a_step_is_three_passes_of_a_batch(clock, monkeypatch):
    """Forward, and twice that backward; the mean over the drawn k. The fastest step counts."""
    recipe = make_recipe(Plan("smoke").recipe("sr-x2") | {"topk": [8, 32], "batch": 4})
    run = Run("smoke", "sr-x2", "semanir-s", 0)
    shape = costs.shape_of(run, recipe)
    assert shape == (4, 3, 16, 2)
    step_of = torch.optim.AdamW.step
    monkeypatch.setattr(torch.optim.AdamW, "step", slowly(clock, [9, 3, 2, 4], step_of))
    counted, seconds = costs.step("semanir-s-tiny", (("window", 4),), shape, recipe)
    monkeypatch.undo()
    assert seconds == 2
    networks = [build("semanir-s-tiny", upscale=2, window=4, k=k) for k in (8, 32)]
    few, many = (multiply_adds(network, (1, 3, 16, 16)) for network in networks)
    assert few < many
    assert counted == 3 * 4 * (few + many) / 2


def timed(monkeypatch, start=0.0):
    """Instead of timings: 7.2 s a step, 36 s a megapixel; yields what is restored."""
    asked = []
    monkeypatch.setattr(costs, "step", lambda *options: (10.0, 7.2))
    monkeypatch.setattr(costs, "seconds_a_megapixel", lambda *given: asked.append(given) or 36.0)
    monkeypatch.setattr(costs, "seconds_to_start", lambda: start)
    return asked


def trainings(scale):
    """The networks of a scale, each training once."""
    return {run.training for run in Plan(scale).evaluations() if run.trained}


def test_every_run_of_the_scale_is_priced_once(monkeypatch):
    """Ablations that only evaluate cost no training; those of tables 5 and 6 count once.

    8 colour photographs a level, 4 grey ones, of 0.037 megapixels: every run at its levels.
    """
    timed(monkeypatch)
    found, runs = costs.prices(Plan("smoke")), Plan("smoke").evaluations()
    wanted = trainings("smoke")
    assert len(wanted) == sum(price.trainings for price in found)
    assert all("weights_of" not in models.get_model(run.model) for run in wanted)
    kinds = [(price.model, price.task) for price in found]
    assert kinds == sorted(set(kinds))
    assert {"sr-x2", "sr-x3", "sr-x4", "denoise_gray", "weather"} < {task for _, task in kinds}
    one = found[kinds.index(("semanir-u", "denoise_gray"))]
    assert (one.trainings, one.iterations, one.batch, one.patch) == (2, 80, 1, 32)
    assert (one.multiply_adds, one.hours_here) == (10.0 * 160, pytest.approx(0.32))
    assert ("semanir-u-fixed", "denoise_gray") in kinds
    assert len(trainings("mini")) > len({run.task for run in trainings("mini")})
    assert [run.model for run in trainings("paper")].count("semanir-u-window16") == 2

    restored = sum(len(get_task(r.task).levels) * (4 if "gray" in r.task else 8) for r in runs)
    assert sum(price.restored for price in found) == restored
    hours = sum(price.hours_restoring for price in found)
    assert hours == pytest.approx(36 * 0.037 * restored / 3600)

    timed(monkeypatch, start=3.6)
    for one, other in zip(found, costs.prices(Plan("smoke")), strict=True):
        assert other.hours_here - one.hours_here == pytest.approx(one.trainings / 1000)
        assert other.hours_restoring - one.hours_restoring == pytest.approx(one.evaluations / 1000)
    assert sum(one.evaluations for one in found) == len(runs)


def test_released_systems_are_priced_by_what_their_weights_fit(monkeypatch):
    """The blind network of DnCNN is deeper than those for one level of grey noise."""
    asked = timed(monkeypatch)
    found = [p for p in costs.prices(Plan("smoke", asked=("dncnn",))) if p.model == "dncnn"]
    # the blind network at three levels, and one network for each of them
    restored = {"denoise_color": 6 * 8, "denoise_gray": 6 * 4}
    assert {price.task: price.restored for price in found} == restored
    assert {(price.trainings, price.hours_here) for price in found} == {(0, 0)}
    assert found[1].hours_restoring == pytest.approx(36 * 0.037 * 24 / 3600)
    variants = sorted(variant for _, model, variant, _ in asked if model == "dncnn")
    assert variants == ["denoise_color"] * 4 + ["denoise_gray"] * 3 + ["denoise_gray-blind"]


def test_starting_a_job_is_starting_python_with_what_training_imports(clock, monkeypatch):
    asked = []
    noted = slowly(clock, [2.5], lambda *given, **options: asked.append(given))
    monkeypatch.setattr(costs.subprocess, "run", noted)
    assert costs.seconds_to_start() == 2.5
    (((python, flag, code),),) = asked  # one call with one argument, a list of three words
    assert (python, flag) == (sys.executable, "-c")
    assert "semanir.train.training" in code
    assert all(find_spec(name) for name in code.removeprefix("import ").split(", "))


def test_what_is_left_out_costs_nothing(monkeypatch):
    timed(monkeypatch)
    found = costs.prices(Plan("mini", ("mcmaster",), ("dncnn",)))
    assert {"denoise_gray", "deblur"} < {price.task for price in found}
    colour = {price.model for price in found if price.task == "denoise_color"}
    assert colour == {"dncnn", "input"}  # they have CBSD68


@pytest.mark.parametrize(
    ("model", "variant", "task", "side"),
    [
        ("input", "", "denoise_gray-sigma25", 128),
        ("semanir-u", "", "denoise_gray-sigma25", 128),
        ("dncnn", "denoise_gray", "denoise_gray-sigma25", 128),
        ("semanir-s", "", "sr-x3", 126),  # 128 is no multiple of 3
    ],
)
def test_restoring_is_the_network_and_the_score(clock, monkeypatch, model, variant, task, side):
    """The fastest round, divided by the megapixels of the output."""
    evaluated = costs.evaluated_network

    def slow_network(*arguments):
        network = evaluated(*arguments)
        if network is not None:
            network.forward = slowly(clock, [1.5, 0.5, 0.3, 0.4], network.forward)
        return network

    monkeypatch.setattr(costs, "evaluated_network", slow_network)
    monkeypatch.setattr(costs, "score", slowly(clock, [0.9, 0.1], score))
    fastest = 0.1 if model == "input" else 0.4
    found = costs.seconds_a_megapixel(Plan("mini"), model, variant, task)
    assert found == pytest.approx(fastest / (side**2 / 1e6))


def test_what_takes_long_is_restored_twice(clock, monkeypatch):
    rounds = []
    noted = slowly(clock, [30, 20], lambda *given: rounds.append(given))
    monkeypatch.setattr(costs, "score", noted)
    found = costs.seconds_a_megapixel(Plan("mini"), "input", "", "deblur-motion")
    assert found == pytest.approx(20e6 / 128**2) and len(rounds) == 2


def test_the_network_that_is_timed_is_that_of_the_scale():
    assert models.get_scale("mini")["networks"]["semanir-u"] == "semanir-u-tiny"
    task = get_task("denoise_gray-sigma25")
    for scale, preset in (("mini", "semanir-u-tiny"), ("paper", "semanir-u")):
        with torch.device("meta"):
            found = costs.evaluated_network(Plan(scale), "semanir-u", "", task)
            wanted = build(preset, channels=1)
        one, other = ({n: p.shape for n, p in x.named_parameters()} for x in (found, wanted))
        assert one == other
    assert costs.evaluated_network(Plan("mini"), "input", "", task) is None


def test_photographs_are_as_large_as_the_registry_says():
    """Of what is committed; and it says so of every set that is tested on."""
    for name in ("embedded_rgb", "embedded_gray"):
        files = [*(HERE / datasets()[name]["folder"]).glob("*.png")]
        sides = [read_image(path).shape[:2] for path in files]
        assert len(sides) == get_set(name).images
        pixels = sum(height * width for height, width in sides) / len(sides)
        assert pixels / 1e6 == pytest.approx(get_set(name).megapixels, rel=0.02)
    runs = [*Plan("mini").evaluations(), *Plan("paper").evaluations()]
    tested = {name for run in runs for name, _ in Plan(run.scale).evaluation_sets(run.task)}
    assert all("megapixels" in datasets()[entry_of(name)] for name in tested)


def test_report_adds_up():
    found = [
        costs.Price("semanir-s", "sr-x2", 4, 10_000, 1.5, 1, 1_000_000, 16, 64, 36e18, 48.0),
        costs.Price("semanir-u", "weather", 2, 2_340, 0.2, 2, 750_000, 32, 16, 36e18, 24.0),
        costs.Price("dncnn", "denoise_gray", 1, 5, 0.05),
    ]
    text = costs.report(found, "paper")
    assert "1,000,000" in text and "32 x 16" in text
    sums = ["all", "3", "7.20e+19", "3.0", "days", "7", "12,345", "1.8", "h"]
    assert text.splitlines()[5].split() == sums
    assert "one thing after the other: 3.1 days." in text  # 72 and 1.75 hours
    assert "networks in 83.3 days" in text  # 2 * 72e18 / 20e12 seconds
    assert "semanir data sizes --scale paper" in text
    shown = [costs.duration(hours) for hours in (0.05, 2.5, 60, 24 * 365 * 3)]
    assert shown == ["3.0 min", "2.5 h", "2.5 days", "3.0 years"]


def test_the_command_prints_json(capsys, monkeypatch):
    monkeypatch.setattr(costs, "prices", lambda plan: [])
    cli.main(["price", "--scale", "mini", "--json"])
    assert json.loads(capsys.readouterr().out) == []
