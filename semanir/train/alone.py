"""One training at a time in a folder.

A Snakemake that is killed leaves its jobs running, and the next one starts them again: two
trainings would write one log and one state.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from semanir.errors import PreemptedError
from semanir.files import blamed_on
from semanir.train.signals import asked_to_end


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Wait until no other process is within this block for the same folder, and say so once.

    What killed ones left half written is removed, a state of a large network among it. Raises
    PreemptedError where a signal asks to end meanwhile, OutputError where nothing can be written.
    """
    with blamed_on(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock, told = FileLock(folder / ".lock"), False
        while not lock.is_locked:
            try:
                lock.acquire(timeout=0)
            except Timeout:
                if name := asked_to_end():
                    raise PreemptedError(f"{name}: nothing was begun; run it again") from None
                if not told:
                    line = f"another process trains in {folder}; this one waits for its end"
                    print(line, file=sys.stderr, flush=True)
                told = True
                time.sleep(0.5)
        for left in folder.glob(".*.partial"):
            left.unlink(missing_ok=True)
    try:
        yield
    finally:
        lock.release()
