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

GREY, COLOUR = ("embedded_gray",), ("embedded_rgb",)
U_COLOUR, U_GREY = (("semanir-u", f"denoise_{kind}-blind") for kind in ("color", "gray"))
UNMEASURABLE = "nothing measurable is printed here"
NOT_ALONE = "the smoke scale trains no network for sigma25 alone"
WEATHER = ("semanir-u", "weather-blind", COLOUR)


@pytest.mark.parametrize(
    ("table", "row", "fields", "scored"),
    [
        ("07", "†SemanIR", "CBSD68 sigma25", (*U_COLOUR, COLOUR, "sigma25", "PSNR")),
        ("07", "†SemanIR", "Set12 sigma50", (*U_GREY, GREY, "sigma50", "PSNR")),
        ("07", "†DnCNN", "Set12 sigma25", ("dncnn", U_GREY[1], GREY, "sigma25", "PSNR")),
        ("10", "SemanIR-B ×4", "Set5 metric=SSIM", ("semanir-b", "sr-x4", COLOUR, "x4", "SSIM")),
        ("09", "Matlab", "Kodak", ("input", "demosaick-rggb", COLOUR, "rggb", "PSNR")),
        ("10", "SemanIR-S ×4", "metric=params", "semanir-s x4 params"),
        ("07", "†SemanIR", "metric=params", "semanir-u rgb params"),
        ("07", "†DnCNN", "metric=params", "dncnn denoise_gray-blind params"),
        ("07", "DnCNN", "metric=params", "dncnn denoise_gray params"),
        ("11", "stages", "method=SemanIR setting=down", "semanir-u down stages"),
        ("11", "layers per stage", "method=SemanIR-B", "semanir-b  layers_per_stage"),
        ("10", "IPT ×2", "Set5 metric=SSIM", ("quoted", UNMEASURABLE)),
        ("12", "MSA", "metric=time_complexity", ("quoted", UNMEASURABLE)),
        ("05", "window 8", "Set12", ("not run", "no ablation of the smoke scale")),
        ("07", "SemanIR", "CBSD68 sigma25", ("not run", NOT_ALONE)),
        ("08", "SemanIR", "SnowTest100k-L", (*WEATHER, "snow", "PSNR")),
        ("08", "SemanIR", "Test1", (*WEATHER, "rainfog", "PSNR")),
        ("08", "SemanIR", "RainDrop", (*WEATHER, "raindrop", "PSNR")),
    ],
)
def test_answer_of_a_chosen_cell(table, row, fields, scored):
    """A score of a stand-in, a count (model, level, metric), or a verdict and its reason."""
    names = iter(("dataset", "setting"))
    found = (f.split("=") if "=" in f else (next(names), f) for f in fields.split())
    if isinstance(scored, str):
        expected = Answer(**dict(zip(("model", "level", "metric"), scored.split(" "), strict=True)))
    elif len(scored) == 2:
        expected = Answer(verdict=scored[0], reason=scored[1])
    else:
        expected = Answer(*scored, stand_in=True)
    assert Plan("smoke").answer(find(f"table{table}", row=row, **dict(found))) == expected


def test_printed_times_are_never_held_against_those_of_another_machine():
    for cell in cells("table03"):
        if cell.metric == "runtime":
            found = Plan("smoke").answer(cell)
            assert found.verdict == "no hardware" and "V100" in found.reason


def test_every_answer_has_a_place_or_a_reason():
    """Exactly one of the two; places name planned tasks, registered sets and counted variants."""
    for scale in models.scales():
        for cell in (cell for table in tables() for cell in cells(table)):
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
