"""Regressions planted in degradations and metrics: the gate fails on each.

The embedded photographs, prepared, degraded and scored as the workflow does, twice: as the code
is, which is accepted, and with one thing wrong.
"""

from dataclasses import replace
from pathlib import Path

import pytest
from made_records import eval_record

from baselines.classical import DegradedInput
from data_prep.degradations import DEGRADATIONS
from data_prep.degrade import degrade_set
from data_prep.prepare import prepare
from data_prep.tasks import get_task
from reports.collect import write_results
from reports.gate import compare
from semanir.evaluate import metrics
from semanir.evaluate.evaluation import score_images
from semanir.paths import degraded_set

pytest_plugins = "gate_cases"


def results_of(folder, task_name, dataset, level):
    """Degrade a set, score its inputs, write a results.csv; returns its path."""
    task = get_task(task_name)
    out = degraded_set(task.family, dataset, level)
    degrade_set(task.family, level, Path("data/sets") / dataset, out)
    scores = score_images(DegradedInput(task), task, [(dataset, level)])
    row = ("dataset", "level", "psnr", "ssim_matlab", "ssim_zero_padded")
    images = [tuple(score[name] for name in row) for score in scores]
    write_results([eval_record(folder, task_name, "input", images)], folder / "results.csv")
    return folder / "results.csv"


@pytest.fixture
def failing(tmp_path, monkeypatch, command):
    """What fails, (cell, verdict), of scores accepted as they are and checked after `plant`."""
    monkeypatch.chdir(tmp_path)
    for name in ("embedded_gray", "embedded_rgb"):
        prepare(name, Path("data/sets") / name)

    def run(plant, place):
        command("accept", "--results", results_of(tmp_path, *place))
        assert command("check", "--candidate", results_of(tmp_path, *place))[0] == 0
        plant(monkeypatch)
        code, out, _ = command("check", "--candidate", results_of(tmp_path, *place))
        assert code == 1
        lines = [(line, verdict) for line in out for verdict in compare.FAILURES]
        return {(*line.split()[:5], said) for line, said in lines if f"  {said}" in line}

    return run


def degrading(name, change):
    """Plant another strength of a degradation."""
    right = DEGRADATIONS[name]
    wrong = {name: lambda image, level, seed: right(image, level + change, seed)}
    return lambda patch: patch.setitem(DEGRADATIONS, name, wrong[name])


def bordering(border):
    wrong = replace(metrics.PROTOCOLS["sr-x2"], border=border)
    return lambda patch: patch.setitem(metrics.PROTOCOLS, "sr-x2", wrong)


NOISE = ("denoise_gray-sigma50", "embedded_gray", "sigma50")
JPEG = ("jpeg_color-qf40", "embedded_rgb", "qf40")
SR = ("sr-x2", "embedded_rgb", "x2")


@pytest.mark.parametrize(
    ("place", "plant"),
    [
        # weaker noise too, which makes every number better
        pytest.param(NOISE, degrading("awgn", -1), id="weaker noise"),
        pytest.param(NOISE, degrading("awgn", 1), id="stronger noise"),
        # 41 instead of 40: a tenth of a dB
        pytest.param(JPEG, degrading("jpeg", 1), id="jpeg"),
        # some photographs score better, some worse, and the mean may hardly move
        *(pytest.param(SR, bordering(n), id=f"border {n}") for n in (0, 1, 3, 4)),
    ],
)
def test_another_degradation_or_metric_fails(failing, place, plant):
    failed = failing(plant, place)
    task, *cell = place
    assert (task, "input", *cell, "psnr", "changed") in failed
    if place == NOISE:
        assert {name for *_, name, verdict in failed} == {"psnr", "ssim_matlab", "ssim_zero_padded"}
