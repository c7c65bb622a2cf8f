"""`semanir train status`: what it prints, draws and exports."""

import json
import re

import pytest
from restoring import fails, semanir

from semanir.cli import train_status
from semanir.plan.progress import announce


@pytest.fixture
def results(tmp_path):
    """One training that runs, half done."""
    folder = tmp_path / "results" / "train/sr-x2/semanir-s/seed0"
    folder.mkdir(parents=True)
    announce(folder, iterations=2000, batch=4, log_every=500, device="A Device")
    lines = [
        {"step": 500, "loss": 0.25, "lr": 1e-3, "grad_norm": 0.5, "k": 8, "images_per_s": 2.0},
        {"step": 1000, "loss": 0.125, "lr": 5e-4, "grad_norm": 0.5, "k": 8, "images_per_s": 2.0},
        {"step": 1000, "holdout_psnr": {"x2": 30.125}},
    ]
    (folder / "log.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return tmp_path / "results"


def test_a_line_for_each_training(results, capsys, monkeypatch):
    monkeypatch.chdir(results.parent)
    semanir("train", "status")
    (line,) = capsys.readouterr().out.splitlines()[2:]
    wanted = "sr-x2/semanir-s/seed0 running 1,000 2,000 2 30.12 33 min A Device"
    assert line.split() == wanted.split()  # 1000 steps of 4 patches at 2 a second
    semanir("train", "status", results / "train/sr-x2/semanir-s/seed0")
    assert capsys.readouterr().out.splitlines()[2].startswith("seed0 ")


def test_no_training_is_said_and_no_folder_is_an_error(tmp_path, capsys):
    semanir("train", "status", tmp_path)
    assert "No training below" in capsys.readouterr().out
    assert "no folder" in fails(capsys, "train", "status", tmp_path / "none")


def test_training_still_asks_for_a_task(capsys):
    assert "say what to train: --task" in fails(capsys, "train", "--model", "semanir-u")


def test_the_log_is_drawn(results, tmp_path, capsys):
    out = tmp_path / "course.svg"
    semanir("train", "status", results, "--plot", out)
    svg = out.read_text()
    assert svg.startswith("<svg xmlns=") and "sr-x2/semanir-s/seed0" in svg
    assert "PSNR on held-out photographs, dB" in svg
    # lines of two points where the log has two values, of one where it has one
    assert len(re.findall(r'<path d="M [\d.]+ [\d.]+\s+L [\d.]+ [\d.]+\s*" clip', svg)) >= 2


def test_a_plot_of_another_kind_is_refused(results, tmp_path, capsys):
    said = fails(capsys, "train", "status", results, "--plot", tmp_path / "course.png")
    assert "--plot writes SVG" in said and "course.png is another kind" in said
    assert not (tmp_path / "course.png").exists()


class Noting:
    def __init__(self):
        self.events, self.closed = [], False

    def add_scalar(self, tag, value, step):
        self.events.append((tag, value, step))

    def close(self):
        self.closed = True


def test_every_number_of_the_log_becomes_an_event(results, tmp_path, monkeypatch, capsys):
    writers = {}
    monkeypatch.setattr(
        train_status, "_writer", lambda folder: writers.setdefault(folder, Noting())
    )
    semanir("train", "status", results, "--tensorboard", tmp_path / "runs")
    (writer,) = writers.values()
    assert list(writers) == [tmp_path / "runs" / "sr-x2/semanir-s/seed0"]
    assert ("loss", 0.125, 1000) in writer.events and writer.closed
    assert ("holdout_psnr/x2", 30.125, 1000) in writer.events
    assert len(writer.events) == 11 and not any(tag == "step" for tag, *_ in writer.events)


def test_tensorboard_reads_the_events(results, tmp_path):
    reader = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="no package tensorboard"
    )
    semanir("train", "status", results, "--tensorboard", tmp_path / "runs")
    events = reader.EventAccumulator(str(tmp_path / "runs/sr-x2/semanir-s/seed0")).Reload()
    assert [(e.step, e.value) for e in events.Scalars("loss")] == [(500, 0.25), (1000, 0.125)]
    assert [(e.step, e.value) for e in events.Scalars("holdout_psnr/x2")] == [(1000, 30.125)]


def test_without_the_package_the_next_step_is_said(results, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(__import__("sys").modules, "torch.utils.tensorboard", None)
    said = fails(capsys, "train", "status", results, "--tensorboard", tmp_path / "runs")
    assert "pip install tensorboard" in said
