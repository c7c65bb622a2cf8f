"""A copy of the project as git has it, for tests that change or run it as a whole."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
# a copy must import itself, not an installed checkout
ENVIRONMENT = {
    **os.environ,
    "OMP_WAIT_POLICY": "PASSIVE",
    "PYTHONPATH": ".",
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
}


def copy_of_repository(folder: Path) -> Path:
    """The files git tracks or would track, without anything a run has left behind."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.check_output(command, cwd=REPOSITORY, text=True)
    for name in listed.splitlines():
        if (REPOSITORY / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, folder / name)
    return folder


def python(program: str, *arguments: str | Path, **options: Any) -> subprocess.CompletedProcess:
    """What a new Python does with a program; `options` are those of subprocess.run."""
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)} | options.pop("env", {})
    command = [sys.executable, "-c", program, *arguments]
    streams = {} if "stdout" in options else {"capture_output": True}
    return subprocess.run(command, env=environment, **streams, **options)


def snakemake(folder: Path, *arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
    """What `snakemake --cores 2 ARGUMENTS` does in a copy; `extra` goes to the environment."""
    command = [sys.executable, "-m", "snakemake", "--cores", "2", *arguments]
    environment = ENVIRONMENT | extra
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def said(folder: Path, *arguments: str, works: bool = True, **extra: str) -> str:
    """All that such a run says, which works or not."""
    run = snakemake(folder, *arguments, **extra)
    assert (run.returncode == 0) == works, run.stdout[-3000:] + run.stderr[-3000:]
    return run.stdout + run.stderr
