"""One training at a time in a folder."""

import os
import signal
import subprocess
import sys

import pytest
from checkout import ENVIRONMENT, REPOSITORY

from semanir.errors import OutputError, PreemptedError
from semanir.train.alone import alone_in
from semanir.train.signals import noted

HOLDS = """import sys
from pathlib import Path
from semanir.train.alone import alone_in
with alone_in(Path(sys.argv[1])):
    print("within", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def other(tmp_path):
    """A process that is within the block, until its input ends."""
    command = [sys.executable, "-c", HOLDS, str(tmp_path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=ENVIRONMENT, cwd=REPOSITORY, **pipes) as process:
        assert process.stdout.readline() == "within\n"
        yield process
        process.kill()


def test_a_second_training_waits_and_says_so_once(tmp_path, other, capfd, monkeypatch):
    waits = []

    def wait(seconds):
        waits.append(seconds)
        if len(waits) == 2:
            other.stdin.close()
            other.wait()

    monkeypatch.setattr("semanir.train.alone.time.sleep", wait)
    with alone_in(tmp_path):
        assert other.poll() == 0
    assert capfd.readouterr().err.count("another process trains in") == 1


def test_a_killed_training_is_not_waited_for(tmp_path, other):
    """What it left half written goes; all else stays."""
    for name in (".state.pt.7.partial", "state.pt", ".hidden"):
        (tmp_path / name).touch()
    other.kill()
    other.wait()
    with alone_in(tmp_path):
        left = {path.name for path in tmp_path.iterdir()} - {".lock"}
    assert left == {"state.pt", ".hidden"}


def test_who_waits_can_be_asked_to_end(tmp_path, other):
    with noted(), pytest.raises(PreemptedError, match="SIGTERM"):
        os.kill(os.getpid(), signal.SIGTERM)
        with alone_in(tmp_path):
            pass


def test_a_place_that_cannot_be_written_is_named(read_only):
    with pytest.raises(OutputError, match="cannot write"), alone_in(read_only / "seed0"):
        pass
