"""Dates of the future become dates of now."""

import os
import time

import pytest

from semanir.plan.clock import AHEAD, date_now

DAY = 86400
# as a workflow makes them, one after another; the last two at the same moment
FILES = ("data/sets/a/index.json", "results/mini/train/t/m/seed0/weights.safetensors")
FILES += ("results/mini/eval/t/m/seed0.json", "reports/table02.html", "reports/table02.csv")


def dated(folder, name, moment):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    os.utime(path, (moment, moment))
    return path


def test_files_of_the_future_are_dated_now_in_their_order(tmp_path):
    before = time.time()
    moments = [before + DAY + min(number, 3) for number in range(len(FILES))]
    paths = [dated(tmp_path, *both) for both in zip(FILES, moments, strict=True)]
    assert date_now(tmp_path) == len(FILES)
    dates = [path.stat().st_mtime for path in paths]
    assert dates[0] < dates[1] < dates[2] < dates[3] == dates[4] <= time.time()
    assert dates[0] > before - 1
    assert date_now(tmp_path) == 0


@pytest.mark.parametrize("ahead", [-DAY, AHEAD / 2], ids=["past", "another clock"])
def test_other_files_keep_their_date(tmp_path, ahead):
    moment = time.time() + ahead
    path = dated(tmp_path, FILES[1], moment)
    code = dated(tmp_path, "reports/tables/layouts.yaml", time.time() + DAY)
    dates = [each.stat().st_mtime_ns for each in (path, code)]
    assert date_now(tmp_path) == 0
    assert [each.stat().st_mtime_ns for each in (path, code)] == dates
