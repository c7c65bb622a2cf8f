"""Regressions planted in degradations and metrics: the gate fails on each.

The embedded photographs, prepared, degraded and scored as the workflow does, twice: as the code
is, which is accepted, and with one thing wrong.
"""

from dataclasses import replace
from pathlib import Path

import pytest
from made_records import eval_record

from baselines.classical import DegradedInput
from data_prep import degradations
from data_prep.degrade import degrade_set
from data_prep.prepare import prepare
from data_prep.tasks import get_task
from reports.collect import write_results
from reports.gate import compare
from semanir.evaluate import metrics
from semanir.evaluate.evaluation import score_images
from semanir.paths import degraded_set

pytest_plugins = "gate_cases"


def scores_of(folder, task_name, dataset, level):
    """Degrade a set, score it as it is, write a results.csv; returns its path."""
    task = get_task(task_name)
    out = degraded_set(task.family, dataset, level)
    degrade_set(task.family, level, Path("data/sets") / dataset, out)
    scores = score_images(DegradedInput(task), task, [(dataset, level)])
    row = ("dataset", "level", "psnr", "ssim_matlab", "ssim_zero_padded")
    images = [tuple(score[name] for name in row) for score in scores]
    record = eval_record(folder, task_name, "input", images)
    write_results([record], folder / "results.csv")
    return folder / "results.csv"


@pytest.fixture
def photographs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("embedded_gray", "embedded_rgb"):
        prepare(name, Path("data/sets") / name)


def failures(out):
    """Cells that fail, from the printed table."""
    return {
        (*line.split()[:5], verdict)
        for line in out
        for verdict in compare.FAILURES
        if f"  {verdict}" in line
    }


def awgn(sigma):
    right = degradations.awgn
    return lambda image, level, seed: right(image, sigma, seed)


def jpeg(change):
    right = degradations.jpeg
    return lambda image, level, seed: right(image, level + change, seed)


NOISE = ("denoise_gray-sigma50", "embedded_gray", "sigma50")
JPEG = ("jpeg_color-qf40", "embedded_rgb", "qf40")
SR = ("sr-x2", "embedded_rgb", "x2")


@pytest.mark.parametrize(
    ("place", "plant"),
    [
        # weaker noise too, which makes every number better
        (NOISE, lambda patch: patch.setattr(degradations, "awgn", awgn(49))),
        (NOISE, lambda patch: patch.setattr(degradations, "awgn", awgn(51))),
        # 41 instead of 40: a tenth of a dB
        (JPEG, lambda patch: patch.setattr(degradations, "jpeg", jpeg(1))),
        # some photographs score better, some worse, and the mean may hardly move
        *(
            (
                SR,
                lambda patch, border=border: patch.setitem(
                    metrics.PROTOCOLS, "sr-x2", replace(metrics.PROTOCOLS["sr-x2"], border=border)
                ),
            )
            for border in (0, 1, 3, 4)
        ),
    ],
    ids=["weaker noise", "stronger noise", "jpeg", *(f"border {n}" for n in (0, 1, 3, 4))],
)
def test_another_degradation_or_metric_fails(
    photographs, command, tmp_path, monkeypatch, place, plant
):
    command("accept", "--results", scores_of(tmp_path, *place))
    assert command("check", "--candidate", scores_of(tmp_path, *place))[0] == 0
    plant(monkeypatch)
    code, out, _ = command("check", "--candidate", scores_of(tmp_path, *place))
    assert code == 1
    task, *cell = place
    failed = failures(out)
    assert (task, "input", *cell, "psnr", "changed") in failed
    if place == NOISE:
        assert {name for *_, name, verdict in failed} == {"psnr", "ssim_matlab", "ssim_zero_padded"}
