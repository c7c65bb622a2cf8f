"""What a scale trains, evaluates and reads: runs, sets and files that follow from the tables."""

import pytest
from printed import find

from baselines.registry import COMMERCIAL, released_systems, weights_for
from data_prep.tasks import families
from reports.tables.layouts import layouts
from semanir.errors import InputError
from semanir.plan import answers, models
from semanir.plan import plan as planning
from semanir.plan.answers import Answer
from semanir.plan.plan import Plan
from semanir.plan.runs import Run


def evaluations(*runs):
    return [f"results/smoke/eval/{run}/seed0.json" for run in runs]


def counts(*models):
    return [f"results/smoke/cost/{model}/count.json" for model in models]


def released(run):
    return run.model in released_systems()


def of_table(table, scale):
    """(model, task) of the runs that a table needs, but for released systems."""
    return sorted({(run.model, run.task) for run in Plan(scale).runs([table]) if not released(run)})


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
    assert sorted(Plan("smoke").records(["table07"])) == sorted(needed + counted)


def test_table10_needs_two_scales_of_two_networks_and_the_bicubic_input():
    """x2 and x4 only, nothing of denoising, two counts."""
    needed = evaluations(
        *(f"sr-{scale}/{m}" for scale in ("x2", "x4") for m in ("semanir-s", "semanir-b", "input"))
    )
    counted = counts("semanir-s", "semanir-b", "rcan", "ipt", "swinir", "cat", "art")
    expected = sorted(needed + counted)
    assert sorted(Plan("smoke").records(["table10"])) == expected


def test_table11_needs_three_counts_and_no_run():
    assert Plan("smoke").runs(["table11"]) == []
    expected = counts("semanir-s", "semanir-b", "semanir-u")
    assert Plan("smoke").records(["table11"]) == expected


def test_table04_needs_a_blind_network_and_one_per_quality():
    levels = ("blind", "qf10", "qf20", "qf30", "qf40")
    networks = [("semanir-u", f"jpeg_color-{level}") for level in levels]
    assert of_table("table04", "paper") == [("input", "jpeg_color-blind"), *networks]
    needed = evaluations("jpeg_color-blind/semanir-u", "jpeg_color-blind/input")
    assert sorted(Plan("smoke").records(["table04"])) == sorted(needed)


@pytest.mark.parametrize(
    ("table", "task"),
    [("table02", "deblur-motion"), ("table08", "weather-blind"), ("table09", "demosaick-rggb")],
)
def test_a_table_of_one_level_needs_one_network_and_its_input(table, task):
    needed = evaluations(f"{task}/semanir-u", f"{task}/input")
    assert sorted(Plan("smoke").records([table])) == sorted(needed)


def test_the_input_is_scored_once_however_many_seeds_a_scale_has(monkeypatch):
    """Nothing in it is random, and one run holds all levels."""
    monkeypatch.setattr(
        planning, "get_scale", lambda name: models.scales()["smoke"] | {"seeds": [0, 1]}
    )
    found = [run for run in Plan("smoke").runs(["table04"]) if run.model == "input"]
    assert found == [Run("smoke", "jpeg_color-blind", "input", 0)]
    assert len(Plan("smoke").runs(["table04"])) == 1 + 2


def test_tables_of_others_need_their_counts_alone():
    assert Plan("smoke").records(["extra_denoise"]) == counts("ipt")


@pytest.mark.parametrize(("table", "name"), [("table01", "memory"), ("table12", "complexity")])
def test_tables_of_the_attention_itself_need_one_record(table, name):
    assert Plan("smoke").records([table]) == [f"results/smoke/cost/attention/{name}.json"]


def test_systems_are_evaluated_where_a_scale_or_the_user_names_them():
    """None at smoke, which has no network; their weights are downloaded with the photographs."""
    asked = Plan("smoke", systems=("dncnn",)).runs(["table07"])
    assert set(asked) - set(Plan("smoke").runs(["table07"])) == {
        Run("smoke", f"denoise_{channels}-{level}", "dncnn", 0)
        for channels in ("gray", "color")
        for level in ("blind", "sigma15", "sigma25", "sigma50")
    }
    run = Run("smoke", "denoise_gray-blind", "dncnn", 0)
    assert run.weights == "data/weights/dncnn/GD_Gray_Blind.mat"
    assert run.weights in Plan("smoke", systems=("dncnn",)).downloads()
    assert Plan("smoke").downloads() == []
    assert "data/weights/ffdnet/FFDNet_color.mat" in Plan("mini").downloads()


def test_weights_are_those_of_the_task_or_of_its_family():
    assert weights_for("dncnn", "denoise_gray-sigma15").file == "specifics/sigma%3D15.mat"
    assert weights_for("ffdnet", "denoise_gray-sigma15").file == "FFDNet_gray.mat"
    assert weights_for("swinir", "weather-blind") is None
    cell = find("table08", row="SwinIR", dataset="RainDrop")
    assert Plan("smoke").answer(cell).verdict == "no weights"


def test_licences_for_non_commercial_use_must_be_accepted(monkeypatch):
    """For counts as for weights; the environment variable accepts as the plan does."""
    monkeypatch.delenv(COMMERCIAL, raising=False)
    cell = find("table03", method="Restormer", metric="FLOPs")
    counted = Answer("restormer", level="denoise_gray", metric="FLOPs")
    refused = Plan("smoke").answer(cell)
    assert refused.verdict == "quoted" and "accept_noncommercial=true" in refused.reason
    with pytest.raises(InputError, match="restormer is licensed for non-commercial use"):
        Plan("smoke", systems=("restormer",))
    assert Plan("smoke", noncommercial=True).answer(cell) == counted
    assert Plan("smoke", systems=("restormer",), noncommercial=True).systems == ("restormer",)
    monkeypatch.setenv(COMMERCIAL, "true")
    assert Plan("smoke").answer(cell) == counted


def test_table03_needs_counts_and_one_run_of_times():
    costs = {path for path in Plan("smoke").records(["table03"]) if "/cost/" in path}
    assert costs == {
        "results/smoke/cost/runtime.json",
        *counts("swinir", "cat", "hat", "grl", "semanir-s", "semanir-u"),
    }


def test_printed_sets_are_those_of_the_registry_at_the_mini_scale():
    """Kodak is whole for demosaicking and cropped for denoising; BSDS500 is its test split."""
    cell = find("table09", row="Matlab", dataset="Kodak")
    assert Plan("mini").answer(cell).datasets == ("kodak24_full",)
    assert families()["denoise_color"]["sets"]["Kodak24"] == "kodak24_500"
    cell = find("table04", row="BSDS500 QF10", method="JPEG", metric="PSNR")
    assert Plan("mini").answer(cell) == Answer(
        "input", "jpeg_color-blind", ("bsds500_test",), "qf10", "PSNR"
    )


def test_what_a_scale_has_no_set_for_is_no_data():
    cell = find("table10", row="SemanIR-S ×2", dataset="Manga109", metric="PSNR")
    assert Plan("mini").answer(cell) == Answer(
        verdict="no data", reason="Manga109 is no part of the mini scale"
    )


def test_an_average_is_over_both_sets(monkeypatch):
    """Here of real pairs, which no wired scale has; elsewhere the stand-in is its own average."""
    cell = find("table02", row="SemanIR", dataset="Average", metric="PSNR")
    assert Plan("mini").answer(cell).datasets == ("embedded_rgb",)
    real = models.scales()["mini"] | {"stand_in": {}}
    monkeypatch.setattr(planning, "get_scale", lambda name: real)
    monkeypatch.setattr(answers, "in_scale", lambda name, scale: True)
    assert Plan("mini").answer(cell).datasets == ("gopro_test", "hide")
    assert not Plan("mini").answer(cell).stand_in


@pytest.mark.parametrize(
    ("dataset", "level"),
    [("SnowTest100k-L", "snow"), ("Test1", "rainfog"), ("RainDrop", "raindrop")],
)
def test_a_weather_set_has_its_own_level(dataset, level):
    cell = find("table08", row="SemanIR", dataset=dataset)
    assert Plan("smoke").answer(cell).level == level
    assert Plan("smoke").answer(cell).task == "weather-blind"


def test_networks_trained_here_see_one_colour_set_at_mini():
    """The input and released systems keep the printed sets, and have the one beside them."""
    printed = find("table07", row="SemanIR", dataset="CBSD68", setting="sigma25")
    same = find("table07", row="SemanIR", dataset="McMaster", setting="sigma25")
    other = find("table07", row="DnCNN", dataset="CBSD68", setting="sigma25")
    found = [Plan("mini").answer(cell) for cell in (printed, same, other)]
    assert [place.datasets for place in found] == [(), ("mcmaster",), ("cbsd68",)]
    assert [place.verdict for place in found] == ["no data", "", ""]
    assert found[0].reason == "networks of the mini scale do not see CBSD68"
    jpeg = find("table04", row="BSDS500 QF10", method="SemanIR", single_model=True, metric="PSNR")
    assert Plan("mini").answer(jpeg).datasets == ("bsds500_test_20",)
    assert Plan("mini").answer(jpeg).stand_in
    assert not any(place.stand_in for place in found)
    assert Plan("paper").answer(printed).datasets == ("cbsd68",)

    places = {
        model: Plan("mini", ("live1",)).evaluation_sets("jpeg_color-qf10", model)
        for model in ("semanir-u", "semanir-u-at-k8", "input")
    }
    own, all_of_it = ("bsds500_test_20", "qf10"), ("bsds500_test", "qf10")
    assert places["semanir-u"] == places["semanir-u-at-k8"] == (own,)
    assert set(places["input"]) == {own, all_of_it}
    assert Plan("mini", ("mcmaster",)).evaluation_sets("denoise_color-sigma25", "semanir-u") == ()


def test_left_out_datasets_leave_the_plan():
    """Their places, what is made of their files, runs without any set; nothing else."""
    everything = dict(Plan("mini").evaluation_sets("denoise_color-blind"))
    assert set(everything) == {"cbsd68", "mcmaster", "urban100"}
    places = Plan("mini", ("urban100",)).evaluation_sets("denoise_color-blind")
    assert set(dict(places)) == {"cbsd68", "mcmaster"}
    assert not Plan("mini", ("kodak24_full", "mcmaster")).runs(["table09"])
    assert Plan("mini", ("kodak24_full",)).runs(["table09"]) == Plan("mini").runs(["table09"])
    inputs = Plan("mini", ("kodak24_full",)).evaluation_files(
        Run("mini", "demosaick-rggb", "input", 0)
    )
    assert inputs == [
        "data/sets/mcmaster/index.json",
        "data/degraded/demosaick/mcmaster/rggb/index.json",
    ]
    assert "data/raw/live1/files.json" in Plan("mini").downloads()
    assert "data/raw/live1/files.json" not in Plan("mini", ("live1",)).downloads()


def test_runs_of_all_layouts_are_unique_and_the_union_of_their_tables():
    """What two tables need is planned once."""
    for scale in models.scales():
        together = Plan(scale).records(layouts())
        assert len(together) == len(set(together))
        assert set(together) == {r for table in layouts() for r in Plan(scale).records([table])}
    # tables 7, 10, 4, 2, 8, 9; x3 and grey JPEG
    assert len(Plan("smoke").runs(layouts())) == 5 + 6 + 2 + 2 + 2 + 2 + 3 + 6
    assert Plan("smoke").records(["table10", "table10"]) == Plan("smoke").records(["table10"])


def test_paths_of_a_run():
    run = Run("smoke", "sr-x2", "semanir-s", 3)
    assert run.trained
    assert run.record == "results/smoke/eval/sr-x2/semanir-s/seed3.json"
    assert run.weights == "results/smoke/train/sr-x2/semanir-s/seed3/weights.safetensors"
    assert not Run("smoke", "sr-x2", "input", 0).trained


def test_test_sets_and_inputs_of_a_run():
    """At the smoke scale one embedded set stands in for all sets of a task."""
    assert Plan("smoke").evaluation_sets("sr-x2") == (("embedded_rgb", "x2"),)
    assert {name for name, _ in Plan("smoke").evaluation_sets("denoise_gray-blind")} == {
        "embedded_gray"
    }
    assert Plan("smoke").evaluation_files(Run("smoke", "denoise_gray-blind", "input", 0)) == [
        "data/sets/embedded_gray/index.json",
        "data/degraded/denoise_gray/embedded_gray/sigma15/index.json",
        "data/degraded/denoise_gray/embedded_gray/sigma25/index.json",
        "data/degraded/denoise_gray/embedded_gray/sigma50/index.json",
    ]
    assert Plan("smoke").evaluation_files(Run("smoke", "sr-x4", "semanir-b", 0)) == [
        "data/sets/embedded_rgb/index.json",
        "data/degraded/sr/embedded_rgb/x4/index.json",
    ]


def test_recipe_of_a_task_lies_on_top_of_the_common_one():
    smoke = models.scales()["smoke"]
    recipe = Plan("smoke").recipe("sr-x2")
    assert recipe == smoke["recipe"] | smoke["recipes"]["sr"]
    assert Plan("smoke").recipe("sr-x3") == recipe
    assert recipe["patch"] == smoke["recipes"]["sr"]["patch"]
    assert Plan("smoke").recipe("denoise_color-blind")["patch"] == smoke["recipe"]["patch"]
