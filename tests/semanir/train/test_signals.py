"""A training that is asked to end: state saved, exit code, nothing lost."""

import multiprocessing
import os
import signal
import subprocess

import pytest
import torch
from made_sets import ponds
from restoring import fails
from trainings import log_lines, small_training

from semanir.cli import train as command
from semanir.errors import PREEMPTED, PreemptedError
from semanir.train import loop
from semanir.train.loop import train
from semanir.train.patches import TrainingPatches
from semanir.train.signals import GRACEFUL, asked_to_end, noted
from semanir.train.state import resume

SIGNALS = pytest.mark.parametrize("number", GRACEFUL, ids=lambda number: number.name)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return ponds(tmp_path_factory.mktemp("set"))


@pytest.fixture
def signalled(monkeypatch):
    """Let a signal come within an iteration."""

    def within(step, number):
        iterate = loop.iterate

        def interrupted(training, *batch):
            if training.step == step:
                os.kill(os.getpid(), number)
            return iterate(training, *batch)

        monkeypatch.setattr(loop, "iterate", interrupted)

    return within


@SIGNALS
def test_the_state_is_saved_after_the_iteration(data, tmp_path, signalled, number):
    """The recipe saves after 4 and 8; the signal comes in iteration 6. The rest is bitwise."""
    undisturbed = small_training(data, tmp_path / "undisturbed")
    train(undisturbed)
    first = small_training(data, tmp_path / "first")
    signalled(5, number)
    with noted(), pytest.raises(PreemptedError, match=f"{number.name}.* iteration 6"):
        train(first)
    again = small_training(data, tmp_path / "first")
    resume(again)
    assert again.step == 6
    train(again)
    states = [training.network.state_dict() for training in (again, undisturbed)]
    torch.testing.assert_close(*states, rtol=0, atol=0)
    assert log_lines(tmp_path / "first") == log_lines(tmp_path / "undisturbed")


def test_a_signal_in_the_last_iteration_changes_nothing(data, tmp_path, signalled):
    training = small_training(data, tmp_path)
    signalled(training.recipe.iterations - 1, signal.SIGTERM)
    with noted():
        train(training)
    assert training.step == training.recipe.iterations


@SIGNALS
@pytest.mark.parametrize("before", [signal.SIG_IGN, signal.SIG_DFL], ids=["ignored", "default"])
def test_signals_are_noted_within_the_block_alone(number, before):
    """Also where a shell has them ignored: then the training is the only one who listens."""
    outside = signal.signal(number, before)
    try:
        with noted():
            assert asked_to_end() == ""
            os.kill(os.getpid(), number)
            assert asked_to_end() == number.name
        assert asked_to_end() == "" and signal.getsignal(number) == before
    finally:
        signal.signal(number, outside)


def test_the_command_ends_with_75_and_one_line(capsys, monkeypatch):
    def preempted(*arguments):
        os.kill(os.getpid(), signal.SIGTERM)
        raise PreemptedError(f"{asked_to_end()}: state saved after iteration 6")

    monkeypatch.setattr(command, "_train_of_scale", preempted)
    words = ("train", "--task", "denoise_gray-sigma50", "--model", "semanir-u")
    assert PREEMPTED == os.EX_TEMPFAIL == 75
    assert "SIGTERM: state saved after iteration 6" in fails(capsys, *words, code=PREEMPTED)


def by_another(number):
    """Send a signal to this process from one that is not its parent."""
    subprocess.run(["sh", "-c", f"kill -{number} {os.getpid()}"], check=True)


def test_a_signal_to_all_processes_leaves_the_batches_whole(data, monkeypatch):
    """Processes that prepare patches go on until the training has ended."""
    pairs = small_training(data, data.parent / "own").pairs
    batch = TrainingPatches.batch

    def signalled(self, seed, step, size):
        for number in GRACEFUL:
            by_another(number)
        return batch(self, seed, step, size)

    monkeypatch.setattr(TrainingPatches, "batch", signalled)
    batches = list(pairs.batches(0, range(3), 1, workers=2))
    monkeypatch.undo()
    alone = list(pairs.batches(0, range(3), 1))
    torch.testing.assert_close(batches, alone, rtol=0, atol=0)


def test_a_training_ends_its_processes(data):
    """By SIGTERM, as multiprocessing does at exit."""
    pairs = small_training(data, data.parent / "own").pairs
    batches = pairs.batches(0, range(100), 1, workers=2)
    next(batches)
    workers = multiprocessing.active_children()
    assert len(workers) == 2
    for worker in workers:
        os.kill(worker.pid, signal.SIGTERM)
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0]


def test_a_killed_worker_is_one_line(data, monkeypatch, capsys):
    """By the words of torch as they are today, from a process that is killed in fact."""
    pairs = small_training(data, data.parent / "own").pairs

    def killed(self, seed, step, size):
        os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(TrainingPatches, "batch", killed)
    monkeypatch.setattr(
        command, "_train_of_scale", lambda *_: list(pairs.batches(0, range(2), 1, workers=1))
    )
    words = ("train", "--task", "denoise_gray-sigma50", "--model", "semanir-u")
    assert "a process that prepares patches was killed" in fails(capsys, *words)
