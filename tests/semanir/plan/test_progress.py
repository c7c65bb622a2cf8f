"""How far trainings are, read from what they write."""

import json
import os
from pathlib import Path

import pytest

from semanir.errors import InputError
from semanir.plan.progress import announce, entries, progress, unfinished

NOW = 1_000_000.0


def training(folder, steps, *, speed=8.0, age=10.0, announced=True, record=None):
    """A made-up one: a line of the log every 10 steps, PSNR at the last of them."""
    folder.mkdir(parents=True)
    if announced:
        announce(folder, iterations=100, batch=4, log_every=10, device="A Device")
    lines = [
        {"step": step, "loss": 0.1, "lr": 1e-3, "images_per_s": speed}
        for step in range(10, steps + 1, 10)
    ]
    lines.append({"step": steps, "holdout_psnr": {"sigma15": 31.0, "sigma25": 28.0}})
    text = "".join(f"{json.dumps(line)}\n" for line in lines)
    (folder / "log.jsonl").write_text(text + '{"step": 99')  # a line that a kill cut short
    if record:
        (folder / "train.json").write_text(json.dumps(record))
    for path in folder.iterdir():
        os.utime(path, (NOW - age, NOW - age))
    return folder


def test_a_running_training_says_step_rate_psnr_and_time_left(tmp_path):
    folder = training(tmp_path / "train/sr-x2/semanir-s/seed0", 40)
    (one,) = progress(tmp_path, NOW)
    assert (one.folder, one.state, one.step, one.iterations) == (folder, "running", 40, 100)
    assert (one.images_per_s, one.psnr, one.device) == (8.0, 29.5, "A Device")
    assert one.seconds_left == 60 * 4 / 8.0
    assert (one.step, len(entries(folder))) == (40, 5)


@pytest.mark.parametrize(
    ("age", "speed", "state"),
    [(170, 8.0, "running"), (190, 8.0, "stopped"), (1900, 0.1, "running"), (2100, 0.1, "stopped")],
)
def test_freshness_tells_running_from_stopped(tmp_path, age, speed, state):
    """Three minutes; five pauses of 400 s each where a line takes that long."""
    training(tmp_path / "seed0", 40, speed=speed, age=age)
    assert progress(tmp_path, NOW)[0].state == state


@pytest.mark.parametrize(("age", "state"), [(10, "running"), (-90, "running"), (900, "stopped")])
def test_files_of_the_future_are_not_what_tells(tmp_path, age, state):
    """A clock went back by a day after the training had begun."""
    folder = training(tmp_path / "seed0", 40, age=age)
    os.utime(folder / "session.json", (NOW + 86400, NOW + 86400))
    assert progress(tmp_path, NOW)[0].state == state


def test_a_finished_one_is_known_by_its_record(tmp_path):
    record = {
        "recipe": {"iterations": 100},
        "provenance": {"machine": "CPU", "accelerator": "none"},
    }
    training(tmp_path / "a", 100, age=9e5, announced=False, record=record)
    training(tmp_path / "b", 40)
    training(tmp_path / "c", 40, age=9e5, announced=False)  # of a version that announced nothing
    states = {one.folder.name: one for one in progress(tmp_path, NOW)}
    assert {name: one.state for name, one in states.items()} == {
        **{"a": "finished", "b": "running", "c": "stopped"}
    }
    assert (states["a"].iterations, states["a"].seconds_left, states["a"].device) == (100, 0, "CPU")
    assert (states["c"].iterations, states["c"].seconds_left) == (None, None)
    assert [one.folder.name for one in unfinished(tmp_path)] == ["b", "c"]


def test_one_that_trains_anew_is_not_finished(tmp_path):
    """Snakemake deletes outputs before a job; train.json of an own folder stays until the end."""
    training(tmp_path / "a", 20, record={"recipe": {"iterations": 80}})
    assert progress(tmp_path, NOW)[0].state == "running"


def test_nothing_there_is_no_error_for_pages(tmp_path):
    assert unfinished(tmp_path / "none") == [] and progress(tmp_path) == []
    with pytest.raises(InputError, match=r"no folder .*none; name that of a training"):
        progress(tmp_path / "none")


def test_broken_files_hide_no_other(tmp_path):
    folder = training(tmp_path / "a", 20)
    (folder / "session.json").write_bytes(b"\xff{")
    (folder / "log.jsonl").write_bytes(
        b'\xfe\n[1]\n{"step": "x"}\n{"step": 10, "images_per_s": 2}\n'
    )
    training(tmp_path / "b", 30)
    first, second = progress(tmp_path, NOW)
    assert (first.step, first.iterations, second.step) == (10, None, 30)


WRONG = ('"x"', "[1]", "null", "true", "NaN", "-1", "[{}]", '{"a": "x"}', "1e999")


@pytest.mark.parametrize("value", WRONG)
def test_a_value_that_is_no_number_is_left_out(tmp_path, value):
    folder = training(tmp_path / "a", 20)
    about = ", ".join(f'"{name}": {value}' for name in ("iterations", "batch", "log_every"))
    (folder / "session.json").write_text(f"{{{about}}}")
    line = f'{{"step": 30, "images_per_s": {value}, "holdout_psnr": {value}, "loss": {value}}}'
    with (folder / "log.jsonl").open("a") as log:
        log.write(f"\n{line}\n")
    (one,) = progress(tmp_path, NOW)
    assert (one.step, one.images_per_s, one.psnr) == (30, 8.0, 29.5)
    assert entries(folder)[-1] == {"step": 30}
    assert (one.iterations, one.seconds_left) == (None, None)
    record = f'{{"recipe": {value}, "provenance": {value}}}'
    (folder / "session.json").unlink()
    (folder / "train.json").write_text(record)
    (one,) = progress(tmp_path, NOW)
    assert (one.state, one.iterations, one.device) == ("finished", None, "")


def test_a_broken_record_alone_is_a_training_that_stopped(tmp_path):
    (tmp_path / "train.json").write_text("{")
    (one,) = progress(tmp_path)
    assert (one.folder, one.state, one.step, one.device) == (tmp_path, "stopped", 0, "")


def test_files_may_vanish_while_they_are_looked_at(tmp_path, monkeypatch):
    """A training that ends meanwhile deletes its session and its state."""
    folder = training(tmp_path / "seed0", 40)
    monkeypatch.setattr(Path, "is_file", lambda path: True)
    assert progress(folder, NOW)[0].state == "running"  # by the log: no state.pt is there
    (folder / "session.json").unlink()
    assert (progress(folder, NOW)[0].state, progress(folder, NOW)[0].step) == ("running", 40)
