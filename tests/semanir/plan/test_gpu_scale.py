"""The scale `gpu`: full-size networks, a hundredth of the iterations, one GPU and one day."""

import pandas as pd
import pytest

from data_prep.datasets import datasets, downloads, entry_of
from data_prep.tasks import get_task
from reports.tables.verdicts import by_place, judge
from semanir.measure.price import shape_of
from semanir.network import build
from semanir.network.flops import multiply_adds
from semanir.plan.cells import cells, tables
from semanir.plan.plan import Plan
from semanir.train.recipe import make_recipe

GPU, PAPER = Plan("gpu"), Plan("paper")
OWN = ("batch", "patch", "lr", "topk", "loss", "optimizer", "weight_decay", "accumulate")
DAY, SUSTAINED = 86400, 5e12  # seconds; floating-point operations a second, a quarter of price's


def trained():
    return list(dict.fromkeys(run for run in GPU.evaluations() if run.trained))


def test_what_it_trains():
    """SemanIR-S for each enlargement, -U for each level that tables print."""
    runs = trained()
    assert {run.model: GPU.network(run.model)[0] for run in runs} == {
        "semanir-s": "semanir-s",
        "semanir-u": "semanir-u",
    }
    families = [get_task(run.task).family for run in runs]
    wanted = {"sr": 3, "denoise_gray": 4, "denoise_color": 4, "demosaick": 1}
    wanted |= {"jpeg_color": 5, "jpeg_gray": 5}
    assert {family: families.count(family) for family in families} == wanted
    assert {run.seed for run in runs} == {0}


@pytest.mark.parametrize("task", ["sr-x4", "denoise_gray-blind", "jpeg_color-qf10"])
def test_its_recipe_is_the_papers_at_a_hundredth(task):
    """What is the paper's stays; what is not is what makes a short training a good one."""
    recipe, printed = (make_recipe(plan.recipe(task)) for plan in (GPU, PAPER))
    assert recipe.iterations * 100 == printed.iterations
    assert [getattr(recipe, name) for name in OWN] == [getattr(printed, name) for name in OWN]
    assert set(recipe.datasets) < set(printed.datasets)
    assert (recipe.precision, recipe.schedule, recipe.average) == ("bf16", "cosine", 0.999)
    assert recipe.save_every <= recipe.iterations / 20


def test_nobody_has_to_get_anything_by_hand():
    for name in downloads("gpu"):
        assert "by_hand" not in datasets()[name]["sources"][0], name
    sets = {name for run in GPU.evaluations() for name, _ in GPU.evaluation_sets(run.task)}
    assert {entry_of(name) for name in sets} <= {
        name for name, entry in datasets().items() if "gpu" in entry["scales"]
    }


def test_its_numbers_are_scaled_down():
    """On the printed sets, without stand-ins, and even where they equal what is printed."""
    answers = [(cell, GPU.answer(cell)) for table in tables() for cell in cells(table)]
    assert not any(place.stand_in for _, place in answers)
    ours = [(c, p) for c, p in answers if p.model in GPU.entry["networks"] and c.metric == "PSNR"]
    assert len(ours) > 80
    cell, place = ours[0]
    row = {"model": place.model, "task": place.task, "level": place.level, "metric": "psnr"}
    row |= {"dataset": place.datasets[0], "seed": 0, "images": 5, "value": float(cell.value)}
    row["record"] = "a"
    judged = judge(cell, place, "gpu", by_place(pd.DataFrame([row])))
    assert (judged.verdict, judged.difference) == ("scaled down", 0)
    assert judged.reason == GPU.entry["stamp"]


@pytest.mark.slow
def test_its_trainings_fit_into_a_day():
    """Counted, at the largest of the drawn k, on a device that sustains 5 TFLOP/s."""
    work, total = {}, 0
    for run in trained():
        recipe = make_recipe(GPU.recipe(run.task))
        size, channels, side, scale = shape_of(run, recipe)
        kind = (run.model, channels, scale)
        if kind not in work:
            upscale = {"upscale": scale} if scale > 1 else {}
            network = build(run.model, channels=channels, k=max(recipe.topk), **upscale)
            passes = 3 * size * recipe.iterations
            work[kind] = passes * multiply_adds(network, (1, channels, side, side))
        total += work[kind]
    print(f"{total:.3g} multiply-adds")
    assert 2 * total / SUSTAINED < DAY
