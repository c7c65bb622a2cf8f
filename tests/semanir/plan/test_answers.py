"""Which measurement answers for a printed cell, or why none does."""

from dataclasses import replace

import pytest
from printed import find

from data_prep.datasets import get_set
from data_prep.tasks import get_task
from semanir.errors import InputError
from semanir.plan import models
from semanir.plan.answers import Answer
from semanir.plan.cells import cells, tables
from semanir.plan.plan import Plan


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
    assert Plan("smoke").answer(find(table, **fields)) == expected


def test_printed_times_are_never_held_against_those_of_another_machine():
    for cell in cells("table03"):
        if cell.metric == "runtime":
            found = Plan("smoke").answer(cell)
            assert found.verdict == "no hardware" and "V100" in found.reason


def test_every_answer_has_a_place_or_a_reason():
    """Exactly one of the two; places name planned tasks, registered sets and counted variants."""
    for scale in models.scales():
        for table in tables():
            for cell in cells(table):
                found = Plan(scale).answer(cell)
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
        Plan("smoke").answer(cell)
