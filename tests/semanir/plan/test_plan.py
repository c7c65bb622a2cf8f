"""From printed cells to runs and files, the names users may give, and who may import whom."""

import ast
import csv
import os
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace

import pytest
from checkout import REPOSITORY

from data_prep.datasets import get_set
from data_prep.tasks import families, get_task, task_names
from reports.tables.layouts import column_of, label, layouts
from semanir.errors import InputError
from semanir.names import UnknownNameError, known_name
from semanir.plan import models
from semanir.plan import runs as plan
from semanir.plan.runs import Answer, Run
from semanir.train.recipe import make_recipe

PACKAGES = ("data_prep", "semanir", "baselines", "reports")

PAPER_MODELS = [name for name, entry in models.trained_models().items() if "of" not in entry]


def find(table, **fields):
    """The one cell of a table with these fields."""
    (cell,) = [c for c in plan.cells(table) if all(getattr(c, k) == v for k, v in fields.items())]
    return cell


def first(family):
    return next(name for name in task_names() if name.startswith(f"{family}-"))


def evaluations(*runs):
    return [f"results/smoke/eval/{run}/seed0.json" for run in runs]


def counts(*models):
    return [f"results/smoke/cost/{model}/count.json" for model in models]


# --- methods and models ----------------------------------------------------------------------


@pytest.mark.parametrize("table", plan.tables())
def test_every_method_of_a_table_has_one_answering_entry(table):
    """Over both models.yaml; none is answered for twice, none is left out."""
    with (plan.PAPER / f"{table}.csv").open(encoding="utf-8", newline="") as file:
        printed = {row["method"] for row in csv.DictReader(file)}
    entries = [*models.trained_models().items(), *models.baseline_models().items()]
    answering = Counter(method for _, entry in entries for method in entry.get("answers", []))
    assert {method: answering[method] for method in printed} == dict.fromkeys(printed, 1)


def test_no_entry_answers_for_a_method_that_is_not_printed():
    printed = {cell.method for table in plan.tables() for cell in plan.cells(table)}
    for name, entry in (models.trained_models() | models.baseline_models()).items():
        assert set(entry.get("answers", [])) <= printed, name


def test_every_entry_runs_or_says_why_not():
    """A trained model is counted; a baseline has either a builder or a reason, not both."""
    assert not set(models.trained_models()) & set(models.baseline_models())
    assert PAPER_MODELS == ["semanir-s", "semanir-b", "semanir-u"]
    for entry in models.trained_models().values():
        assert "of" in entry or entry["variants"]
    for name, entry in models.baseline_models().items():
        assert len({"builder", "network", "quoted", "no_hardware"} & set(entry)) == 1, name


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
    runs = plan.runs("release", plan.tables(), systems=("dncnn", "ffdnet"))
    assert {run.model for run in runs} == {"semanir-u", "input", "dncnn", "ffdnet"}
    assert {run.task.split("-")[0] for run in runs} == {"denoise_gray"}
    cells = [c for c in plan.cells("table10") if (c.method, c.metric) == ("SemanIR-S", "PSNR")]
    assert {plan.answer(c, "release").verdict for c in cells} == {"no data"}


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
    recipe = make_recipe(plan.recipe("paper", task))
    found = (len(recipe.datasets), recipe.iterations, recipe.batch, recipe.patch)
    assert (*found, recipe.loss, recipe.optimizer) == wanted
    assert recipe.topk == (64, 128, 192, 256, 384, 512) and recipe.lr == 2e-4
    assert models.get_scale("paper")["networks"] == {m: m for m in PAPER_MODELS}


def test_paper_scale_uses_real_pairs_and_no_stand_in():
    """Deblurring and weather are trained and evaluated on the pairs of their registry entries."""
    assert plan.training_folders("paper", "deblur-motion") == [
        ("data/sets/gopro_train", "data/degraded/deblur/gopro_train/motion")
    ]
    assert plan.training_folders("paper", "weather-blind") == [
        ("data/sets/allweather_train", "data/degraded/weather/allweather_train/blind")
    ]
    assert plan.training_folders("paper", "sr-x2")[1] == ("data/sets/flickr2k", "")
    for table in plan.tables():
        assert not any(plan.answer(cell, "paper").stand_in for cell in plan.cells(table))


# --- runs ------------------------------------------------------------------------------------


def of_table(table, scale):
    """(model, task) of the runs that a table needs."""
    return sorted({(run.model, run.task) for run in plan.runs(scale, [table])})


def test_table07_needs_one_blind_and_three_single_runs_a_channel_count():
    """SemanIR and its input on gray and colour noise; no super-resolution."""
    networks = [
        ("semanir-u", f"denoise_{colour}-{level}")
        for colour in ("color", "gray")
        for level in ("blind", "sigma15", "sigma25", "sigma50")
    ]
    inputs = [("input", "denoise_color-blind"), ("input", "denoise_gray-blind")]
    assert of_table("table07", "paper") == inputs + networks


def test_table07_at_the_smoke_scale_needs_one_network_for_a_single_level():
    """A blind one a channel count, one for sigma 50 beside it; counts of six."""
    needed = evaluations(
        "denoise_color-blind/semanir-u",
        "denoise_gray-blind/semanir-u",
        "denoise_gray-sigma50/semanir-u",
        "denoise_color-blind/input",
        "denoise_gray-blind/input",
    )
    counted = counts("semanir-u", "dncnn", "ffdnet", "drunet", "swinir", "xformer")
    assert sorted(plan.records("smoke", ["table07"])) == sorted(needed + counted)


def test_table10_needs_two_scales_of_two_networks_and_the_bicubic_input():
    """x2 and x4 only, nothing of denoising, two counts."""
    needed = evaluations(
        *(f"sr-{scale}/{m}" for scale in ("x2", "x4") for m in ("semanir-s", "semanir-b", "input"))
    )
    counted = counts("semanir-s", "semanir-b", "rcan", "ipt", "swinir", "cat", "art")
    expected = sorted(needed + counted)
    assert sorted(plan.records("smoke", ["table10"])) == expected


def test_table11_needs_three_counts_and_no_run():
    assert plan.runs("smoke", ["table11"]) == []
    expected = counts("semanir-s", "semanir-b", "semanir-u")
    assert plan.records("smoke", ["table11"]) == expected


def test_table04_needs_a_blind_network_and_one_per_quality():
    levels = ("blind", "qf10", "qf20", "qf30", "qf40")
    networks = [("semanir-u", f"jpeg_color-{level}") for level in levels]
    assert of_table("table04", "paper") == [("input", "jpeg_color-blind"), *networks]
    needed = evaluations("jpeg_color-blind/semanir-u", "jpeg_color-blind/input")
    assert sorted(plan.records("smoke", ["table04"])) == sorted(needed)


@pytest.mark.parametrize(
    ("table", "task"),
    [("table02", "deblur-motion"), ("table08", "weather-blind"), ("table09", "demosaick-rggb")],
)
def test_a_table_of_one_level_needs_one_network_and_its_input(table, task):
    needed = evaluations(f"{task}/semanir-u", f"{task}/input")
    assert sorted(plan.records("smoke", [table])) == sorted(needed)


def test_the_input_is_scored_once_however_many_seeds_a_scale_has(monkeypatch):
    """Nothing in it is random, and one run holds all levels."""
    monkeypatch.setattr(
        plan, "get_scale", lambda name: models.scales()["smoke"] | {"seeds": [0, 1]}
    )
    found = [run for run in plan.runs("smoke", ["table04"]) if run.model == "input"]
    assert found == [Run("smoke", "jpeg_color-blind", "input", 0)]
    assert len(plan.runs("smoke", ["table04"])) == 1 + 2


def test_tables_of_others_need_their_counts_alone():
    assert plan.records("smoke", ["extra_denoise"]) == counts("ipt")


@pytest.mark.parametrize(("table", "name"), [("table01", "memory"), ("table12", "complexity")])
def test_tables_of_the_attention_itself_need_one_record(table, name):
    assert plan.records("smoke", [table]) == [f"results/smoke/cost/attention/{name}.json"]


# --- systems of other authors --------------------------------------------------------------------


def test_systems_are_evaluated_where_a_scale_or_the_user_names_them():
    """None at smoke, which has no network; their weights are downloaded with the photographs."""
    asked = plan.runs("smoke", ["table07"], systems=("dncnn",))
    assert set(asked) - set(plan.runs("smoke", ["table07"])) == {
        Run("smoke", f"denoise_{channels}-{level}", "dncnn", 0)
        for channels in ("gray", "color")
        for level in ("blind", "sigma15", "sigma25", "sigma50")
    }
    run = Run("smoke", "denoise_gray-blind", "dncnn", 0)
    assert run.weights == "data/weights/dncnn/GD_Gray_Blind.mat"
    assert run.weights in plan.to_download("smoke", systems=("dncnn",))
    assert plan.to_download("smoke") == []
    assert "data/weights/ffdnet/FFDNet_color.mat" in plan.to_download(
        "mini", systems=tuple(models.get_scale("mini")["systems"])
    )


def test_weights_are_those_of_the_task_or_of_its_family():
    assert models.weights_for("dncnn", "denoise_gray-sigma15").file == "specifics/sigma%3D15.mat"
    assert models.weights_for("ffdnet", "denoise_gray-sigma15").file == "FFDNet_gray.mat"
    assert models.weights_for("swinir", "weather-blind") is None
    cell = find("table08", row="SwinIR", dataset="RainDrop")
    assert plan.answer(cell, "smoke").verdict == "no weights"


def test_licences_for_non_commercial_use_must_be_accepted(monkeypatch):
    """For counts as for weights; the option of --config goes into the environment."""
    monkeypatch.delenv(models.COMMERCIAL, raising=False)
    cell = find("table03", method="Restormer", metric="FLOPs")
    refused = plan.answer(cell, "smoke")
    assert refused.verdict == "quoted" and "accept_noncommercial=true" in refused.reason
    with pytest.raises(SystemExit, match="restormer is licensed for non-commercial use"):
        plan.choose({"systems": "restormer"})
    monkeypatch.setenv(models.COMMERCIAL, "true")
    assert plan.answer(cell, "smoke") == Answer("restormer", level="denoise_gray", metric="FLOPs")
    assert plan.choose({"systems": "restormer"})[2] == ("restormer",)
    with pytest.raises(SystemExit, match="unknown system with released weights 'edt'"):
        plan.choose({"systems": "edt"})


def test_table03_needs_counts_and_one_run_of_times():
    costs = {path for path in plan.records("smoke", ["table03"]) if "/cost/" in path}
    assert costs == {
        "results/smoke/cost/runtime.json",
        *counts("swinir", "cat", "hat", "grl", "semanir-s", "semanir-u"),
    }


# --- the mini scale ----------------------------------------------------------------------------


def test_printed_sets_are_those_of_the_registry_at_the_mini_scale():
    """Kodak is whole for demosaicking and cropped for denoising; BSDS500 is its test split."""
    cell = find("table09", row="Matlab", dataset="Kodak")
    assert plan.answer(cell, "mini").datasets == ("kodak24_full",)
    assert families()["denoise_color"]["sets"]["Kodak24"] == "kodak24_500"
    cell = find("table04", row="BSDS500 QF10", method="JPEG", metric="PSNR")
    assert plan.answer(cell, "mini") == Answer(
        "input", "jpeg_color-blind", ("bsds500_test",), "qf10", "PSNR"
    )


def test_what_a_scale_has_no_set_for_is_no_data():
    cell = find("table10", row="SemanIR-S ×2", dataset="Manga109", metric="PSNR")
    assert plan.answer(cell, "mini") == Answer(
        verdict="no data", reason="Manga109 is no part of the mini scale"
    )


def test_an_average_is_over_both_sets(monkeypatch):
    """Here of real pairs, which no wired scale has; elsewhere the stand-in is its own average."""
    cell = find("table02", row="SemanIR", dataset="Average", metric="PSNR")
    assert plan.answer(cell, "mini").datasets == ("embedded_rgb",)
    real = models.scales()["mini"] | {"stand_in": {}}
    monkeypatch.setattr(plan, "get_scale", lambda name: real)
    monkeypatch.setattr(plan, "in_scale", lambda name, scale: True)
    assert plan.answer(cell, "mini").datasets == ("gopro_test", "hide")
    assert not plan.answer(cell, "mini").stand_in


@pytest.mark.parametrize(
    ("dataset", "level"),
    [("SnowTest100k-L", "snow"), ("Test1", "rainfog"), ("RainDrop", "raindrop")],
)
def test_a_weather_set_has_its_own_level(dataset, level):
    cell = find("table08", row="SemanIR", dataset=dataset)
    assert plan.answer(cell, "smoke").level == level
    assert plan.answer(cell, "smoke").task == "weather-blind"


def test_networks_trained_here_see_one_colour_set_at_mini():
    """The input and released systems keep the printed sets, and have the one beside them."""
    printed = find("table07", row="SemanIR", dataset="CBSD68", setting="sigma25")
    same = find("table07", row="SemanIR", dataset="McMaster", setting="sigma25")
    other = find("table07", row="DnCNN", dataset="CBSD68", setting="sigma25")
    found = [plan.answer(cell, "mini") for cell in (printed, same, other)]
    assert [place.datasets for place in found] == [(), ("mcmaster",), ("cbsd68",)]
    assert [place.verdict for place in found] == ["no data", "", ""]
    assert found[0].reason == "networks of the mini scale do not see CBSD68"
    jpeg = find("table04", row="BSDS500 QF10", method="SemanIR", single_model=True, metric="PSNR")
    assert plan.answer(jpeg, "mini").datasets == ("bsds500_test_20",)
    assert plan.answer(jpeg, "mini").stand_in
    assert not any(place.stand_in for place in found)
    assert plan.answer(printed, "paper").datasets == ("cbsd68",)

    places = {
        model: plan.test_places("mini", "jpeg_color-qf10", ("live1",), model)
        for model in ("semanir-u", "semanir-u-at-k8", "input")
    }
    own, all_of_it = ("bsds500_test_20", "qf10"), ("bsds500_test", "qf10")
    assert places["semanir-u"] == places["semanir-u-at-k8"] == (own,)
    assert set(places["input"]) == {own, all_of_it}
    assert plan.test_places("mini", "denoise_color-sigma25", ("mcmaster",), "semanir-u") == ()


def test_left_out_datasets_leave_the_plan():
    """Their places, what is made of their files, runs without any set; nothing else."""
    everything = dict(plan.test_places("mini", "denoise_color-blind"))
    assert set(everything) == {"cbsd68", "mcmaster", "urban100"}
    places = plan.test_places("mini", "denoise_color-blind", ("urban100",))
    assert set(dict(places)) == {"cbsd68", "mcmaster"}
    assert not plan.runs("mini", ["table09"], ("kodak24_full", "mcmaster"))
    assert plan.runs("mini", ["table09"], ("kodak24_full",)) == plan.runs("mini", ["table09"])
    inputs = plan.evaluation_inputs(Run("mini", "demosaick-rggb", "input", 0), ("kodak24_full",))
    assert inputs == [
        "data/sets/mcmaster/index.json",
        "data/degraded/demosaick/mcmaster/rggb/index.json",
    ]
    assert "data/raw/live1/files.json" in plan.to_download("mini")
    assert "data/raw/live1/files.json" not in plan.to_download("mini", ("live1",))


def test_runs_of_all_layouts_are_unique_and_the_union_of_their_tables():
    """What two tables need is planned once."""
    for scale in models.scales():
        together = plan.records(scale, layouts())
        assert len(together) == len(set(together))
        assert set(together) == {r for table in layouts() for r in plan.records(scale, [table])}
    # tables 7, 10, 4, 2, 8, 9; x3 and grey JPEG
    assert len(plan.runs("smoke", layouts())) == 5 + 6 + 2 + 2 + 2 + 2 + 3 + 6
    assert plan.records("smoke", ["table10", "table10"]) == plan.records("smoke", ["table10"])


def test_paths_of_a_run():
    run = Run("smoke", "sr-x2", "semanir-s", 3)
    assert run.trained
    assert run.record == "results/smoke/eval/sr-x2/semanir-s/seed3.json"
    assert run.weights == "results/smoke/train/sr-x2/semanir-s/seed3/weights.safetensors"
    assert not Run("smoke", "sr-x2", "input", 0).trained


def test_test_sets_and_inputs_of_a_run():
    """At the smoke scale one embedded set stands in for all sets of a task."""
    assert plan.test_places("smoke", "sr-x2") == (("embedded_rgb", "x2"),)
    assert {name for name, _ in plan.test_places("smoke", "denoise_gray-blind")} == {
        "embedded_gray"
    }
    assert plan.evaluation_inputs(Run("smoke", "denoise_gray-blind", "input", 0)) == [
        "data/sets/embedded_gray/index.json",
        "data/degraded/denoise_gray/embedded_gray/sigma15/index.json",
        "data/degraded/denoise_gray/embedded_gray/sigma25/index.json",
        "data/degraded/denoise_gray/embedded_gray/sigma50/index.json",
    ]
    assert plan.evaluation_inputs(Run("smoke", "sr-x4", "semanir-b", 0)) == [
        "data/sets/embedded_rgb/index.json",
        "data/degraded/sr/embedded_rgb/x4/index.json",
    ]


def test_recipe_of_a_task_lies_on_top_of_the_common_one():
    smoke = models.scales()["smoke"]
    recipe = plan.recipe("smoke", "sr-x2")
    assert recipe == smoke["recipe"] | smoke["recipes"]["sr"]
    assert plan.recipe("smoke", "sr-x3") == recipe
    assert recipe["patch"] == smoke["recipes"]["sr"]["patch"]
    assert plan.recipe("smoke", "denoise_color-blind")["patch"] == smoke["recipe"]["patch"]


# --- answers ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "fields", "expected"),
    [
        (
            "table07",
            {"row": "†SemanIR", "dataset": "CBSD68", "setting": "sigma25"},
            Answer(
                "semanir-u",
                "denoise_color-blind",
                ("embedded_rgb",),
                "sigma25",
                "PSNR",
                stand_in=True,
            ),
        ),
        (
            "table07",
            {"row": "SemanIR", "dataset": "CBSD68", "setting": "sigma25"},
            Answer(verdict="no data", reason="the smoke scale trains no network for sigma25 alone"),
        ),
        (
            "table07",
            {"row": "†SemanIR", "dataset": "Set12", "setting": "sigma50"},
            Answer(
                "semanir-u",
                "denoise_gray-blind",
                ("embedded_gray",),
                "sigma50",
                "PSNR",
                stand_in=True,
            ),
        ),
        (
            "table10",
            {"row": "SemanIR-B ×4", "dataset": "Set5", "metric": "SSIM"},
            Answer("semanir-b", "sr-x4", ("embedded_rgb",), "x4", "SSIM", stand_in=True),
        ),
        (
            "table10",
            {"row": "SemanIR-S ×4", "metric": "params"},
            Answer(model="semanir-s", level="x4", metric="params"),
        ),
        (
            "table07",
            {"row": "†SemanIR", "metric": "params"},
            Answer(model="semanir-u", level="rgb", metric="params"),
        ),
        (
            "table11",
            {"row": "stages", "method": "SemanIR", "setting": "down"},
            Answer(model="semanir-u", level="down", metric="stages"),
        ),
        (
            "table11",
            {"row": "layers per stage", "method": "SemanIR-B"},
            Answer(model="semanir-b", level="", metric="layers_per_stage"),
        ),
        (
            "table10",
            {"row": "IPT ×2", "dataset": "Set5", "metric": "SSIM"},
            Answer(verdict="quoted", reason="nothing measurable is printed here"),
        ),
        (
            "table07",
            {"row": "†DnCNN", "dataset": "Set12", "setting": "sigma25"},
            Answer(
                "dncnn", "denoise_gray-blind", ("embedded_gray",), "sigma25", "PSNR", stand_in=True
            ),
        ),
        (
            "table09",
            {"row": "Matlab", "dataset": "Kodak"},
            Answer("input", "demosaick-rggb", ("embedded_rgb",), "rggb", "PSNR", stand_in=True),
        ),
        (
            "table05",
            {"row": "window 8", "dataset": "Set12"},
            Answer(verdict="no data", reason="no ablation of the smoke scale"),
        ),
        (
            "table12",
            {"row": "MSA", "metric": "time_complexity"},
            Answer(verdict="quoted", reason="nothing measurable is printed here"),
        ),
    ],
    ids=lambda value: " ".join(value.values()) if isinstance(value, dict) else "",
)
def test_answer_of_a_chosen_cell(table, fields, expected):
    assert plan.answer(find(table, **fields), "smoke") == expected


def test_printed_times_are_never_held_against_those_of_another_machine():
    for cell in plan.cells("table03"):
        if cell.metric == "runtime":
            found = plan.answer(cell, "smoke")
            assert found.verdict == "no hardware" and "V100" in found.reason


def test_every_answer_has_a_place_or_a_reason():
    """Exactly one of the two; places name planned tasks, registered sets and counted variants."""
    for scale in models.scales():
        for table in plan.tables():
            for cell in plan.cells(table):
                found = plan.answer(cell, scale)
                assert bool(found.verdict) == bool(found.reason) != bool(found.model), cell
                if found.task:
                    assert found.level in get_task(found.task).levels
                    assert all(get_set(name).role == "test" for name in found.datasets)
                elif found.metric == "params":
                    assert found.level in models.get_model(found.model)["variants"]


def test_a_method_without_an_entry_is_an_error():
    cell = replace(find("table11", row="stages", method="SemanIR-S"), method="SemanIR-XL")
    message = "table11: no entry of a models.yaml answers for 'SemanIR-XL'"
    with pytest.raises(InputError, match=message):
        plan.answer(cell, "smoke")


# --- names -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "line"),
    [
        ({"scale": "smok"}, "error: unknown scale 'smok'; did you mean smoke?"),
        ({"scale": "bogus"}, "error: unknown scale 'bogus'; valid: smoke, mini"),
        ({"scale": 1}, "error: unknown scale '1'; valid: smoke, mini"),
        ({"scale": ""}, "error: unknown scale ''; valid: smoke, mini"),
        (
            {"without": "live1,set_12"},
            "error: unknown dataset in --config without 'set_12'; "
            "did you mean set12 or set14 or set5?",
        ),
        ({"scal": "smoke"}, "error: unknown option of --config 'scal'; did you mean scale?"),
        (
            {"accept_noncommercial": "maybe"},
            "error: unknown value of --config accept_noncommercial 'maybe'; valid: true, false",
        ),
        ({"x": 1}, "error: unknown option of --config 'x'; valid: scale, without, systems"),
    ],
    ids=str,
)
def test_a_wrong_scale_or_option_ends_with_one_line(config, line):
    """SystemExit, so that Snakemake shows no traceback; nearest names where any are near."""
    with pytest.raises(SystemExit) as stopped:
        plan.choose(config)
    message = str(stopped.value.code)
    assert message.startswith(line) if "valid" in line else message == line
    assert "\n" not in message


def test_the_scale_is_smoke_where_none_is_asked_for():
    config = {}
    assert plan.choose(config) == ("smoke", (), ())
    assert config == {"scale": "smoke", "without": "", "systems": ""}
    assert plan.choose({"scale": "mini"})[:2] == ("mini", ())


def test_options_of_the_command_line(monkeypatch):
    """Left-out datasets as a list; the mirror where the download jobs look for it."""
    monkeypatch.setenv("SEMANIR_MIRROR", "before")
    chosen = plan.choose({"scale": "mini", "without": "live1,bsd68", "systems": "dncnn"})
    assert chosen == ("mini", ("live1", "bsd68"), ("dncnn",))
    assert os.environ["SEMANIR_MIRROR"] == "before"
    plan.choose({"mirror": "/mnt/mirror"})
    assert os.environ["SEMANIR_MIRROR"] == "/mnt/mirror"


@pytest.mark.parametrize(
    ("look_up", "line"),
    [
        (lambda: models.get_scale("smoek"), "unknown scale 'smoek'; did you mean smoke?"),
        (
            lambda: models.get_model("semanir-x"),
            "unknown model 'semanir-x'; did you mean semanir-u or semanir-s or semanir-b?",
        ),
        (lambda: models.get_model("swinr"), "unknown model 'swinr'; did you mean swinir"),
        (lambda: plan.cells("table13"), "unknown table 'table13'; did you mean table1"),
        (lambda: plan.records("smoke", ["tabel10"]), "unknown table 'tabel10'; did you mean table"),
        (lambda: get_task("sr-x5"), "unknown task 'sr-x5'; did you mean sr-x"),
        (lambda: get_task("sr-blind"), "unknown task 'sr-blind'"),
        (lambda: get_task("denoise_gray"), "unknown task 'denoise_gray'; did you mean denoise_g"),
        (lambda: plan.recipe("smoke", "zzz"), "unknown task 'zzz'; valid: denoise_gray-sigma15, "),
    ],
)
def test_an_unknown_name_is_one_line_with_the_nearest(look_up, line):
    with pytest.raises(UnknownNameError) as error:
        look_up()
    assert str(error.value).startswith(line)
    assert "\n" not in str(error.value)


def test_names_are_picked_or_refused():
    """At most three near names; all valid ones where none is near."""
    assert known_name("b", ["a", "b"], "letter") == "b"
    many = ["name1", "name2", "name3", "name4"]
    with pytest.raises(UnknownNameError, match=r"^unknown kind 'name'; did you mean (\w+ or ){2}"):
        known_name("name", many, "kind")
    with pytest.raises(UnknownNameError, match=r"^unknown kind '!'; valid: name1, name2, name3"):
        known_name("!", iter(many), "kind")


def test_a_wrong_task_in_a_csv_is_named(tmp_path, monkeypatch):
    """A mistyped task of a transcribed cell stops planning; the file stands in the message."""
    text = (plan.PAPER / "table10.csv").read_text(encoding="utf-8")
    (tmp_path / "table98.csv").write_text(text.replace(",sr,Set5,", ",srr,Set5,"), encoding="utf-8")
    monkeypatch.setattr(plan, "PAPER", tmp_path)
    monkeypatch.setattr(plan, "tables", lambda: ("table98",))
    message = r"unknown task in table98\.csv 'srr'; did you mean sr"
    with pytest.raises(UnknownNameError, match=message):
        plan.cells("table98")


def test_tasks_and_their_levels():
    """One network per level or for all, as the paper trains them; only sr enlarges."""
    blind = {name.removesuffix("-blind") for name in task_names() if name.endswith("-blind")}
    assert len(task_names()) == 5 + 5 + 3 + 6 + 6 + 1 + 1 + 1
    assert blind == {"denoise_gray", "denoise_color", "jpeg_color", "jpeg_gray", "weather"}
    assert [name for name in task_names() if name.startswith("weather")] == ["weather-blind"]
    assert list(get_task("weather-blind").levels) == ["snow", "rainfog", "raindrop"]
    assert {n for n in families() if get_task(first(n)).synthetic} == {"deblur", "weather"}
    assert {n for n in families() if get_task(first(n)).gray == "y"} == {"jpeg_gray"}
    assert get_task("denoise_gray-blind").levels == {"sigma15": 15, "sigma25": 25, "sigma50": 50}
    assert get_task("denoise_gray-sigma50").levels == {"sigma50": 50}
    assert list(get_task("denoise_gray-multi").levels.values()) == [15, 25, 50, 75]  # Figure 5
    assert list(get_task("jpeg_color-multi").levels.values()) == list(range(10, 100, 10))
    assert not [name for name in task_names() if name in ("sr-multi", "weather-multi")]
    assert [get_task(name).upscale for name in ("sr-x2", "sr-x3", "sr-x4")] == [2, 3, 4]
    assert get_task("denoise_color-sigma15").upscale is None
    assert get_task("sr-x3").protocol("x3") == "sr-x3"
    assert get_task("denoise_gray-blind").protocol("sigma15") == "denoise_gray"


# --- columns ---------------------------------------------------------------------------------


def test_columns_of_chosen_cells():
    cell = find("table07", row="†SemanIR", dataset="Set12", setting="sigma50")
    assert column_of(cell) == ("Grayscale", "Set12", "σ=50")
    assert column_of(find("table07", row="†SemanIR", metric="params")) == ("", "", "#P [M]")
    cell = find("table10", row="SemanIR-S ×4", dataset="Set5", metric="SSIM")
    assert column_of(cell) == ("Set5", "SSIM")
    assert (label("x4"), label("qf10"), label("xformer")) == ("×4", "QF 10", "xformer")


@pytest.mark.parametrize("table", layouts())
def test_no_two_cells_share_a_place_in_a_rendered_table(table):
    places = Counter((cell.row, column_of(cell)) for cell in plan.cells(table))
    assert [place for place, count in places.items() if count > 1] == []
    assert table in plan.tables()


# --- imports ---------------------------------------------------------------------------------


def test_planning_and_rendering_leave_torch_unloaded():
    """Also every module of data_prep and of reports: torch costs seconds a process."""
    names = ["semanir", "semanir.plan.models", "semanir.plan.runs", "semanir.plan.record"]
    for package in ("data_prep", "reports"):
        paths = sorted((REPOSITORY / package).glob("*.py"))
        names += [f"{package}.{path.stem}" for path in paths if path.stem != "__init__"]
    assert {
        "reports.tables.tables",
        "reports.index",
        "reports.gate.gate",
        "data_prep.degradations",
    } <= set(names)
    program = f"""
import importlib, sys
for name in {names!r}:
    importlib.import_module(name)
    assert "torch" not in sys.modules, f"{{name}} imports torch"
"""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-c", program]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def ours(path):
    """Modules of this project that a file imports, `from a import b` as a.b."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} uses a relative import"
            found |= {f"{node.module}.{name.name}" for name in node.names}
    return {name for name in found if name.partition(".")[0] in PACKAGES}


ALLOWED = {
    "data_prep": ("data_prep.",),
    "semanir": ("semanir.", "data_prep."),
    "baselines": ("baselines.", "semanir.", "data_prep."),
    "reports": (
        "reports.",
        "semanir.plan.runs.",
        "semanir.plan.models.",
        "semanir.plan.record.",
        "data_prep.",
    ),
}


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_point_in_one_direction(package):
    """data_prep <- semanir <- baselines; reports see only what is free of torch."""
    wrong, checked = [], 0
    for path in sorted((REPOSITORY / package).rglob("*.py")):
        for name in ours(path):
            checked += 1
            if not f"{name}.".startswith(ALLOWED[package]):
                wrong.append(f"{path.relative_to(REPOSITORY)} imports {name}")
    assert wrong == []
    assert checked


def test_torch_stays_out_of_the_files_that_plan():
    """Not even inside a function: data_prep, reports, models and plan; record only looks it up."""
    files = [REPOSITORY / "semanir" / name for name in ("models.py", "plan.py", "record.py")]
    for package in ("data_prep", "reports"):
        files += sorted((REPOSITORY / package).rglob("*.py"))
    for path in files:
        assert not re.search(r"^\s*(import|from) torch\b", path.read_text(), re.MULTILINE), path


def test_semanir_reaches_baselines_by_dotted_name_only():
    """The names stand in baselines/models.yaml, and each is a function that exists."""
    for path in sorted((REPOSITORY / "semanir").rglob("*.py")):
        assert not re.search(r"^\s*(from|import) baselines", path.read_text(encoding="utf-8"), re.M)
    entries = models.baseline_models().values()
    builders = [e["builder"] for e in entries if "builder" in e]
    builders += [e["network"] for e in entries if e.get("network", "").startswith("baselines.")]
    assert len(builders) > 5
    for builder in builders:
        module, _, name = builder.rpartition(".")
        tree = ast.parse((REPOSITORY / f"{module.replace('.', '/')}.py").read_text())
        assert name in [
            node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)
        ]


def test_the_snakefile_imports_only_the_planner():
    """Everything else is a command of a rule."""
    allowed = {"snakemake.utils", "reports.tables.layouts"}
    allowed |= {f"semanir.{name}" for name in ("machine", "models", "plan", "record")}
    files = [REPOSITORY / "Snakefile", *sorted(REPOSITORY.glob("*/*.smk"))]
    assert len(files) >= 4
    for path in files:
        for line in path.read_text(encoding="utf-8").splitlines():
            if not re.match(r"\s*(import|from)\s", line):
                continue
            (node,) = ast.parse(line.strip()).body
            module = getattr(node, "module", None)
            for name in node.names:
                full = name.name if module is None else f"{module}.{name.name}"
                assert module in allowed or full in allowed, f"{path.name}: {line}"
