"""Programs that torchrun starts as several ranks on this machine."""

import os
import subprocess
import sys
from pathlib import Path

from checkout import REPOSITORY

TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone")


def start_ranks(count: int, *command: str | Path, **options) -> subprocess.Popen[str]:
    """`torchrun --nproc-per-node COUNT COMMAND`, a process group of its own; can import our cases.

    options: those of subprocess.Popen.
    """
    paths = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "tests/cases")])
    environment = os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    command = (*TORCHRUN, "--nproc-per-node", str(count), *map(str, command))
    return subprocess.Popen(command, env=environment, text=True, start_new_session=True, **options)


def run_ranks(count: int, *command: str | Path, works: bool = True, **options) -> str:
    """All that such ranks say until their end."""
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with start_ranks(count, *command, **streams, **options) as process:
        said = process.communicate()[0]
    assert (process.returncode == 0) == works, said[-3000:]
    return said
