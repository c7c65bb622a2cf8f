"""What trainings and evaluations ask a cluster for, by numbers that are worked out here."""

import pytest
import yaml

from semanir.paths import ROOT
from semanir.plan import needs, work
from semanir.plan.plan import Plan
from semanir.plan.runs import Run
from semanir.plan.work import Work, step_of
from semanir.plan.work import counted as counted_work

GIGA = 10**9


@pytest.fixture
def counted(monkeypatch):
    """Every kind of step is this much work, that of SemanIR-B unknown."""

    def of(multiply_adds, bytes_item=0):
        one = Work(multiply_adds, bytes_item, bytes_besides=GIGA, parameters=GIGA // 20)
        plans = map(Plan, ("smoke", "gpu", "paper"))
        steps = [step_of(p, "sr-x2", "semanir-s") for p in plans]
        monkeypatch.setattr(work, "counted", lambda: dict.fromkeys(steps, one))
        monkeypatch.setattr(needs, "counted", work.counted)

    return of


def asked(scale):
    plan = Plan(scale), "sr-x2", "semanir-s"
    return needs.training_minutes(*plan), needs.training_megabytes(*plan)


def test_minutes_of_a_gpu(counted):
    """10,000 batches of 16 items of 1e11 multiply-adds: 1600 s at 20 TFLOP/s, asked for twice."""
    counted(10**11)
    assert asked("gpu")[0] == 15 + 54
    counted(10**13)
    assert asked("gpu")[0] == needs.LONGEST == 24 * 60
    counted(10**11)
    assert asked("paper")[0] == needs.LONGEST


def test_several_gpus_share_a_batch(counted, monkeypatch):
    counted(10**11)
    plan = Plan("gpu")
    monkeypatch.setitem(plan.entry, "gpus", 4)
    assert asked("gpu") == (15 + 14, 2000 * (1 + 4 * 8))


def test_minutes_and_memory_of_a_core(counted):
    """120 batches of 4 at 5 GFLOP/s; 4 items of 1 GB, 1 GB besides, 5 times 0.2 GB of weights."""
    counted(10**9, GIGA)
    assert asked("smoke") == (15 + 7, 2 * 2000 + 2 * 6000)


def test_what_nobody_counted_asks_for_the_longest(monkeypatch):
    monkeypatch.setattr(needs, "counted", dict)
    assert asked("smoke") == (needs.LONGEST, 4000)


def test_minutes_of_an_evaluation(counted):
    """Forward is a third of a step; of an enlargement a fourth of the pixels go in, all are scored.

    At smoke 296,000 pixels, 16 x 16 inputs an item, 5 GFLOP/s: 3854 s. On paper 201,915,000,
    64 x 64 and 20 TFLOP/s: 41 s, and 404 s for scores. Asked for twice.
    """
    counted(10**11)
    for scale, minutes in (("smoke", 129), ("paper", 15)):
        run = Run(scale, "sr-x2", "semanir-s", 0)
        assert needs.evaluation_minutes(Plan(scale), run) == 15 + minutes
    counted(10**14)
    assert needs.evaluation_minutes(Plan("smoke"), run) == needs.LONGEST


def test_the_self_ensemble_restores_nine_times(counted, monkeypatch):
    """Once as it is and in eight positions; scores are of the two: 9 times the 3854 s above."""
    counted(10**11)
    plan = Plan("smoke")
    monkeypatch.setitem(plan.entry, "self_ensemble", True)
    run = Run("smoke", "sr-x2", "semanir-s", 0)
    assert needs.evaluation_minutes(plan, run) == 15 + 1157


@pytest.mark.parametrize("model", ["semanir-s", "bicubic", "input"])
def test_an_evaluation_of_unknown_work_asks_as_other_jobs_do(monkeypatch, model):
    monkeypatch.setattr(needs, "counted", dict)
    profile = yaml.safe_load((ROOT / "profiles/slurm/config.yaml").read_text())
    minutes = needs.evaluation_minutes(Plan("smoke"), Run("smoke", "sr-x2", model, 0))
    assert profile["default-resources"]["runtime"] == f"min({minutes} * attempt, {needs.LONGEST})"


@pytest.mark.parametrize("scale", ["gpu", "paper"])
def test_every_training_ends_within_the_retries_of_the_profile(scale):
    """On GPUs half as fast as 20 TFLOP/s, by what work.csv counts."""
    profile = yaml.safe_load((ROOT / "profiles/slurm/config.yaml").read_text())
    plan = Plan(scale)
    runs = {run.training for run in plan.evaluations() if run.trained}
    seconds = []
    for run in runs:
        recipe = plan.recipe(run.task, run.model)
        work = counted_work()[step_of(plan, run.task, run.model)]
        seconds.append(2 * work.multiply_adds * recipe["batch"] * recipe["iterations"] / 10e12)
    assert max(seconds) > 3600
    assert max(seconds) / 86400 < 1 + profile["retries"]
