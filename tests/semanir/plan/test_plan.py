"""What a scale trains, evaluates and reads: runs, sets and files that follow from the tables."""

from dataclasses import replace

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

SMOKE, MINI = Plan("smoke"), Plan("mini")
JPEG, MOSAIC = "jpeg_color-blind", "demosaick-rggb"
SR = "sr-x2/input sr-x2/semanir-b sr-x2/semanir-released sr-x2/semanir-s "
SR += "sr-x4/input sr-x4/semanir-b sr-x4/semanir-released sr-x4/semanir-s"
TIMED = "sr-x4/semanir-s sr-x4/input denoise_gray-sigma50/semanir-u denoise_gray-blind/input"
TIMED += " denoise_gray-blind/semanir-released sr-x4/semanir-released"
DENOISE = "denoise_color-blind/input denoise_color-blind/semanir-u denoise_gray-blind/input "
DENOISE += "denoise_gray-blind/semanir-u denoise_gray-sigma50/semanir-u "
DENOISE += "denoise_color-blind/semanir-released denoise_gray-blind/semanir-released"


@pytest.mark.parametrize(
    ("table", "runs", "costs"),
    [
        ("table01", "", "attention/memory"),
        ("table02", "deblur-motion/input deblur-motion/semanir-u", ""),
        ("table03", TIMED, "runtime swinir cat hat grl semanir-s semanir-u"),
        ("table04", f"{JPEG}/input {JPEG}/semanir-u {JPEG}/semanir-released", ""),
        ("table07", DENOISE, "semanir-u dncnn ffdnet drunet swinir xformer"),
        ("table08", "weather-blind/input weather-blind/semanir-u", ""),
        ("table09", f"{MOSAIC}/input {MOSAIC}/semanir-u {MOSAIC}/semanir-released", ""),
        ("table10", SR, "semanir-s semanir-b rcan ipt swinir cat art"),
        ("table11", "", "semanir-s semanir-b semanir-u"),
        ("table12", "", "attention/complexity"),
        ("extra_denoise", "", "ipt"),
    ],
)
def test_records_that_a_table_needs_at_the_smoke_scale(table, runs, costs):
    """Of its task and its input alone; counts; one record of times or of the attention itself."""
    single = ("runtime", "attention/memory", "attention/complexity")
    needed = [f"cost/{name}{'' if name in single else '/count'}" for name in costs.split()]
    needed += [f"eval/{run}/seed0" for run in runs.split()]
    assert sorted(SMOKE.records([table])) == sorted(f"results/smoke/{x}.json" for x in needed)


@pytest.mark.parametrize(
    ("table", "tasks", "levels"),
    [
        ("table07", ("denoise_color", "denoise_gray"), "blind sigma15 sigma25 sigma50"),
        ("table04", ("jpeg_color",), "blind qf10 qf20 qf30 qf40"),
    ],
)
def test_networks_of_the_paper_scale(table, tasks, levels):
    expected = {("semanir-u", f"{task}-{level}") for task in tasks for level in levels.split()}
    found = {(run.model, run.task) for run in Plan("paper").runs([table])}
    ours = {(model, task) for model, task in found if model not in released_systems()}
    assert ours == expected | {("input", f"{task}-blind") for task in tasks}


def test_a_range_of_levels_is_of_networks_for_several():
    found = {
        level: Plan("release").recipe(f"denoise_gray-{level}").get("levels")
        for level in ("sigma50", "blind", "multi")
    }
    assert found == {"sigma50": None, "blind": [0, 55], "multi": [0, 55]}


def test_the_input_is_scored_once_however_many_seeds_a_scale_has(monkeypatch):
    """Nothing in it is random, and one run holds all levels."""
    two = models.scales()["smoke"] | {"seeds": [0, 1]}
    monkeypatch.setattr(planning, "get_scale", lambda name: two)
    found = [run for run in Plan("smoke").runs(["table04"]) if run.model == "input"]
    assert found == [Run("smoke", "jpeg_color-blind", "input", 0)]
    assert len(Plan("smoke").runs(["table04"])) == 1 + 2


def test_systems_are_evaluated_where_a_scale_or_the_user_names_them():
    asked = Plan("smoke", asked=("dncnn",))
    assert set(asked.runs(["table07"])) - set(SMOKE.runs(["table07"])) == {
        Run("smoke", f"denoise_{channels}-{level}", "dncnn", 0)
        for channels in ("gray", "color")
        for level in ("blind", "sigma15", "sigma25", "sigma50")
    }
    run = Run("smoke", "denoise_gray-blind", "dncnn", 0)
    assert run.weights == "data/weights/dncnn/GD_Gray_Blind.mat"
    assert run.weights in asked.downloads() and SMOKE.downloads() == []
    assert "data/weights/ffdnet/FFDNet_color.mat" in MINI.downloads()


def test_another_scale_has_systems_of_its_own_unless_some_are_asked_for():
    assert replace(MINI, scale="release").systems == Plan("release").systems != MINI.systems
    assert replace(Plan("mini", asked=("dncnn",)), scale="smoke").systems == ("dncnn",)


def test_weights_are_those_of_the_task_or_of_its_family():
    assert weights_for("dncnn", "denoise_gray-sigma15").file == "specifics/sigma%3D15.mat"
    assert weights_for("ffdnet", "denoise_gray-sigma15").file == "FFDNet_gray.mat"
    assert weights_for("swinir", "weather-blind") is None
    cell = find("table08", row="SwinIR", dataset="RainDrop")
    assert SMOKE.answer(cell).verdict == "no weights"


def test_licences_for_non_commercial_use_must_be_accepted(monkeypatch):
    monkeypatch.delenv(COMMERCIAL, raising=False)
    cell = find("table03", method="Restormer", metric="FLOPs")
    counted = Answer("restormer", level="denoise_gray", metric="FLOPs")
    refused = SMOKE.answer(cell)
    assert refused.verdict == "quoted" and "accept_noncommercial=true" in refused.reason
    with pytest.raises(InputError, match="restormer is licensed for non-commercial use"):
        Plan("smoke", asked=("restormer",))
    accepting = Plan("smoke", asked=("restormer",), noncommercial=True)
    assert accepting.answer(cell) == counted and accepting.systems == ("restormer",)
    monkeypatch.setenv(COMMERCIAL, "true")
    assert SMOKE.answer(cell) == counted


def test_printed_sets_are_those_of_the_registry_at_the_mini_scale():
    """Kodak is whole for demosaicking and cropped for denoising; BSDS500 is its test split."""
    cell = find("table09", row="Matlab", dataset="Kodak")
    assert MINI.answer(cell).datasets == ("kodak24_full",)
    assert families()["denoise_color"]["sets"]["Kodak24"] == "kodak24_500"
    cell = find("table04", row="BSDS500 QF10", method="JPEG", metric="PSNR")
    expected = Answer("input", "jpeg_color-blind", ("bsds500_test",), "qf10", "PSNR")
    assert MINI.answer(cell) == expected
    cell = find("table10", row="SemanIR-S ×2", dataset="Manga109", metric="PSNR")
    reason = "Manga109 is no part of the mini scale"
    assert MINI.answer(cell) == Answer(verdict="not run", reason=reason)


def test_an_average_is_over_both_sets(monkeypatch):
    """Here of real pairs, which no wired scale has; elsewhere the stand-in is its own average."""
    cell = find("table02", row="SemanIR", dataset="Average", metric="PSNR")
    assert MINI.answer(cell).datasets == ("embedded_rgb",)
    real = models.scales()["mini"] | {"stand_in": {}}
    monkeypatch.setattr(planning, "get_scale", lambda name: real)
    monkeypatch.setattr(answers, "in_scale", lambda name, scale: True)
    assert MINI.answer(cell).datasets == ("gopro_test", "hide")
    assert not MINI.answer(cell).stand_in


def test_networks_trained_here_see_one_colour_set_at_mini():
    """The input and released systems keep the printed sets, and have the one beside them."""
    printed = find("table07", row="SemanIR", dataset="CBSD68", setting="sigma25")
    same = find("table07", row="SemanIR", dataset="McMaster", setting="sigma25")
    other = find("table07", row="DnCNN", dataset="CBSD68", setting="sigma25")
    found = [MINI.answer(cell) for cell in (printed, same, other)]
    assert [place.datasets for place in found] == [(), ("mcmaster",), ("cbsd68",)]
    assert [place.verdict for place in found] == ["not run", "", ""]
    assert found[0].reason == "networks of the mini scale do not see CBSD68"
    assert not any(place.stand_in for place in found)
    jpeg = find("table04", row="BSDS500 QF10", method="SemanIR", single_model=True, metric="PSNR")
    assert MINI.answer(jpeg).datasets == ("bsds500_test_20",) and MINI.answer(jpeg).stand_in
    assert Plan("paper").answer(printed).datasets == ("cbsd68",)

    own, all_of_it = ("bsds500_test_20", "qf10"), ("bsds500_test", "qf10")
    places = Plan("mini", ("live1",)).evaluation_sets
    for model in ("semanir-u", "semanir-u-at-k8"):
        assert places("jpeg_color-qf10", model) == (own,)
    assert set(places("jpeg_color-qf10", "input")) == {own, all_of_it}
    assert Plan("mini", ("mcmaster",)).evaluation_sets("denoise_color-sigma25", "semanir-u") == ()


def test_left_out_datasets_leave_the_plan():
    task = "denoise_color-blind"
    assert set(dict(MINI.evaluation_sets(task))) == {"cbsd68", "mcmaster", "urban100"}
    left = Plan("mini", ("urban100",)).evaluation_sets(task)
    assert set(dict(left)) == {"cbsd68", "mcmaster"}
    assert not Plan("mini", ("kodak24_full", "mcmaster")).runs(["table09"])
    without = Plan("mini", ("kodak24_full",))
    assert without.runs(["table09"]) == MINI.runs(["table09"])
    assert without.evaluation_files(Run("mini", "demosaick-rggb", "input", 0)) == [
        "data/sets/mcmaster/index.json",
        "data/degraded/demosaick/mcmaster/rggb/index.json",
    ]
    listing = "data/raw/live1/files.json"
    assert listing in MINI.downloads() and listing not in Plan("mini", ("live1",)).downloads()


def test_runs_of_all_layouts_are_unique_and_the_union_of_their_tables():
    for scale in models.scales():
        together = Plan(scale).records(layouts())
        assert len(together) == len(set(together))
        assert set(together) == {r for table in layouts() for r in Plan(scale).records([table])}
    # tables 7, 10, 4, 2, 8, 9; x3 and grey JPEG
    assert len(SMOKE.runs(layouts())) == 5 + 6 + 2 + 2 + 2 + 2 + 3 + 6
    assert SMOKE.records(["table10", "table10"]) == SMOKE.records(["table10"])


def test_sets_files_and_paths_of_a_run():
    run = Run("smoke", "sr-x2", "semanir-s", 3)
    assert run.trained and not Run("smoke", "sr-x2", "input", 0).trained
    assert run.record == "results/smoke/eval/sr-x2/semanir-s/seed3.json"
    assert run.weights == "results/smoke/train/sr-x2/semanir-s/seed3/weights.safetensors"
    assert SMOKE.evaluation_sets("sr-x2") == (("embedded_rgb", "x2"),)
    for task, model, photographs, levels in (
        ("denoise_gray-blind", "input", "embedded_gray", ("sigma15", "sigma25", "sigma50")),
        ("sr-x4", "semanir-b", "embedded_rgb", ("x4",)),
    ):
        degraded = f"data/degraded/{task.partition('-')[0]}/{photographs}"
        assert SMOKE.evaluation_files(Run("smoke", task, model, 0)) == [
            f"data/sets/{photographs}/index.json",
            *(f"{degraded}/{level}/index.json" for level in levels),
        ]


def test_recipe_of_a_task_lies_on_top_of_the_common_one():
    smoke = models.scales()["smoke"]
    recipe = SMOKE.recipe("sr-x2")
    assert recipe == SMOKE.recipe("sr-x3") == smoke["recipe"] | smoke["recipes"]["sr"]
    assert recipe["patch"] == smoke["recipes"]["sr"]["patch"]
    assert SMOKE.recipe("denoise_color-blind")["patch"] == smoke["recipe"]["patch"]
