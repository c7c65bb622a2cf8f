"""Commands as they are typed, in a copy of the project."""

import os
import subprocess
import sys
from pathlib import Path

from checkout import REPOSITORY

BIN = Path(sys.executable).parent
PROFILE = "profiles/default/config.yaml"


def typed(command: str, folder: Path, *first: Path) -> subprocess.CompletedProcess[str]:
    """What a shell in `folder` does with a command; the folders `first` come first on PATH.

    A copy of the project imports itself, and torch takes one thread.
    """
    places = [*map(str, first), str(BIN), os.environ["PATH"]]
    environment = os.environ | {
        "PATH": os.pathsep.join(places),
        "PYTHONPATH": os.pathsep.join((str(folder), str(REPOSITORY))),
        "OMP_NUM_THREADS": "1",
    }
    return subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True
    )


def worked(done: subprocess.CompletedProcess[str]) -> str:
    """What a command said, which has to have ended well."""
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-3000:]
    return said


def program(path: Path, text: str) -> Path:
    """A file of `text` that can be run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return path


def hurried(folder: Path) -> Path:
    """The copy, in which Snakemake waits one second at its end instead of five."""
    profile = folder / PROFILE
    text = profile.read_text(encoding="utf-8")
    assert text.count("1000/5s") == 1
    profile.write_text(text.replace("1000/5s", "1000/1s"), encoding="utf-8")
    return folder
