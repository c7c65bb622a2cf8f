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
ENTRIES = models.trained_models() | systems()


@pytest.mark.parametrize("table", tables())
def test_every_method_of_a_table_has_one_answering_entry(table):
    with (PAPER / f"{table}.csv").open(encoding="utf-8", newline="") as file:
        printed = {row["method"] for row in csv.DictReader(file)}
    answering = Counter(m for entry in ENTRIES.values() for m in entry.get("answers", []))
    assert {method: answering[method] for method in printed} == dict.fromkeys(printed, 1)
    all_printed = {cell.method for name in tables() for cell in cells(name)}
    assert set(answering) <= all_printed  # no entry answers for a method that is not printed


def test_every_entry_runs_or_says_why_not():
    assert not set(models.trained_models()) & set(systems())
    assert PAPER_MODELS == ["semanir-s", "semanir-b", "semanir-u"]
    assert all("of" in e or e["variants"] for e in models.trained_models().values())
    for name, entry in systems().items():
        assert len({"builder", "network", "quoted", "no_hardware"} & set(entry)) == 1, name


def test_datasets_name_known_scales(monkeypatch):
    named = {name for entry in datasets().values() for name in entry["scales"]}
    assert named == set(models.scales())
    monkeypatch.setattr(configuration, "datasets", lambda: {"mine": {"scales": ["mimi"]}})
    with pytest.raises(SystemExit, match=r"datasets\.yaml, mine 'mimi'; did you mean mini"):
        configuration.read({})


def test_scales_name_known_models_and_tasks():
    for name, scale in models.scales().items():
        assert set(scale["networks"]) <= set(PAPER_MODELS)
        assert name in ("release", "gpu") or set(scale["networks"]) == set(PAPER_MODELS)
        for stand_ins in (scale.get("stand_in", {}), scale.get("trained_stand_in", {})):
            assert set(stand_ins) <= set(families())
            assert {get_set(dataset).role for dataset in stand_ins.values()} <= {"test"}
        for name in scale["recipe"]["datasets"]:
            assert get_set(name).role == "train"
        assert set(scale.get("recipes", {})) <= set(families())
        assert len(scale["seeds"]) == len(set(scale["seeds"])) > 0


def test_a_scale_without_a_network_plans_no_run_of_it():
    runs = Plan("release", asked=("dncnn", "ffdnet")).runs(tables())
    assert {run.model for run in runs} == {"semanir-s", "semanir-u", "input", "dncnn", "ffdnet"}
    of_b = [c for c in cells("table10") if (c.method, c.metric) == ("SemanIR-B", "PSNR")]
    assert {Plan("release").answer(c).verdict for c in of_b} == {"not run"}


COMMON = (1_000_000, 16, 64, "l1", "adamw")


@pytest.mark.parametrize(
    ("task", "wanted"),
    [  # paper A.1 and A.4
        ("sr-x4", (2, *COMMON)),
        ("demosaick-rggb", (2, *COMMON)),
        ("jpeg_gray-blind", (3, *COMMON)),
        ("jpeg_color-qf10", (3, *COMMON)),
        ("denoise_gray-sigma50", (4, *COMMON)),
        ("denoise_color-blind", (4, *COMMON)),
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
    training = Plan("paper").training_sets
    for task, of in (("deblur-motion", "gopro_train"), ("weather-blind", "allweather_train")):
        family, level = task.split("-")
        assert training(task) == [(f"data/sets/{of}", f"data/degraded/{family}/{of}/{level}")]
    assert training("sr-x2")[1] == ("data/sets/flickr2k", "")
    for table in tables():
        assert not any(Plan("paper").answer(cell).stand_in for cell in cells(table))
