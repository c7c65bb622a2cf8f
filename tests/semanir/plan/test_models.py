"""The models of both models.yaml files and the scales: who answers for what."""

import csv
from collections import Counter

import pytest

from baselines.registry import systems
from data_prep.datasets import datasets, get_set
from data_prep.tasks import families
from semanir.plan import configuration, models
from semanir.plan.cells import PAPER, cells, tables
from semanir.plan.plan import Plan
from semanir.train.recipe import make_recipe

PAPER_MODELS = [name for name, entry in models.trained_models().items() if "of" not in entry]


@pytest.mark.parametrize("table", tables())
def test_every_method_of_a_table_has_one_answering_entry(table):
    """Over both models.yaml; none is answered for twice, none is left out."""
    with (PAPER / f"{table}.csv").open(encoding="utf-8", newline="") as file:
        printed = {row["method"] for row in csv.DictReader(file)}
    entries = [*models.trained_models().items(), *systems().items()]
    answering = Counter(method for _, entry in entries for method in entry.get("answers", []))
    assert {method: answering[method] for method in printed} == dict.fromkeys(printed, 1)


def test_no_entry_answers_for_a_method_that_is_not_printed():
    printed = {cell.method for table in tables() for cell in cells(table)}
    for name, entry in (models.trained_models() | systems()).items():
        assert set(entry.get("answers", [])) <= printed, name


def test_every_entry_runs_or_says_why_not():
    """A trained model is counted; a baseline has either a builder or a reason, not both."""
    assert not set(models.trained_models()) & set(systems())
    assert PAPER_MODELS == ["semanir-s", "semanir-b", "semanir-u"]
    for entry in models.trained_models().values():
        assert "of" in entry or entry["variants"]
    for name, entry in systems().items():
        assert len({"builder", "network", "quoted", "no_hardware"} & set(entry)) == 1, name


def test_datasets_name_known_scales(monkeypatch):
    """All of them; a wrong one stops the workflow."""
    named = {name for entry in datasets().values() for name in entry["scales"]}
    assert named == set(models.scales())
    monkeypatch.setattr(configuration, "datasets", lambda: {"mine": {"scales": ["mimi"]}})
    with pytest.raises(SystemExit, match=r"datasets\.yaml, mine 'mimi'; did you mean mini"):
        configuration.read({})


def test_scales_name_known_models_and_tasks():
    """Networks for every trained model, stand-ins for known tasks and registered test sets."""
    for name, scale in models.scales().items():
        assert set(scale["networks"]) <= set(PAPER_MODELS)
        assert name == "release" or set(scale["networks"]) == set(PAPER_MODELS)
        for stand_ins in (scale.get("stand_in", {}), scale.get("trained_stand_in", {})):
            assert set(stand_ins) <= set(families())
            assert {get_set(dataset).role for dataset in stand_ins.values()} <= {"test"}
        for name in scale["recipe"]["datasets"]:
            assert get_set(name).role == "train"
        assert set(scale.get("recipes", {})) <= set(families())
        assert len(scale["seeds"]) == len(set(scale["seeds"])) > 0


def test_a_scale_without_a_network_plans_no_run_of_it():
    """The release scale trains the grey denoiser alone."""
    runs = Plan("release", systems=("dncnn", "ffdnet")).runs(tables())
    assert {run.model for run in runs} == {"semanir-u", "input", "dncnn", "ffdnet"}
    assert {run.task.split("-")[0] for run in runs} == {"denoise_gray"}
    of_s = [c for c in cells("table10") if (c.method, c.metric) == ("SemanIR-S", "PSNR")]
    assert {Plan("release").answer(c).verdict for c in of_s} == {"no data"}


@pytest.mark.parametrize(
    ("task", "wanted"),
    [  # paper A.1 and A.4
        ("sr-x4", (2, 1_000_000, 16, 64, "l1", "adamw")),
        ("demosaick-rggb", (2, 1_000_000, 16, 64, "l1", "adamw")),
        ("jpeg_gray-blind", (3, 1_000_000, 16, 64, "l1", "adamw")),
        ("jpeg_color-qf10", (3, 1_000_000, 16, 64, "l1", "adamw")),
        ("denoise_gray-sigma50", (4, 1_000_000, 16, 64, "l1", "adamw")),
        ("denoise_color-blind", (4, 1_000_000, 16, 64, "l1", "adamw")),
        ("deblur-motion", (1, 750_000, 8, 192, "charbonnier", "adamw")),
        ("weather-blind", (1, 750_000, 32, 16, "smooth_l1_vgg", "adam")),
    ],
)
def test_paper_scale_trains_as_printed(task, wanted):
    recipe = make_recipe(Plan("paper").recipe(task))
    found = (len(recipe.datasets), recipe.iterations, recipe.batch, recipe.patch)
    assert (*found, recipe.loss, recipe.optimizer) == wanted
    assert recipe.topk == (64, 128, 192, 256, 384, 512) and recipe.lr == 2e-4
    assert models.get_scale("paper")["networks"] == {m: m for m in PAPER_MODELS}


def test_paper_scale_uses_real_pairs_and_no_stand_in():
    """Deblurring and weather are trained and evaluated on the pairs of their registry entries."""
    assert Plan("paper").training_sets("deblur-motion") == [
        ("data/sets/gopro_train", "data/degraded/deblur/gopro_train/motion")
    ]
    assert Plan("paper").training_sets("weather-blind") == [
        ("data/sets/allweather_train", "data/degraded/weather/allweather_train/blind")
    ]
    assert Plan("paper").training_sets("sr-x2")[1] == ("data/sets/flickr2k", "")
    for table in tables():
        assert not any(Plan("paper").answer(cell).stand_in for cell in cells(table))
