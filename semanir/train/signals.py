"""A training that is asked to end saves its state first.

Clusters send SIGTERM, or a signal of one's choice, some time before SIGKILL. A training notes it
and ends after the iteration that it is in, with its state saved and exit code 75 (EX_TEMPFAIL of
sysexits.h), by which a cluster knows that the same command goes on.
"""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

GRACEFUL = (signal.SIGTERM, signal.SIGUSR1)

_asked: list[signal.Signals] = []


@contextmanager
def noted() -> Iterator[None]:
    """Within the block GRACEFUL are noted and do nothing else; only in the main thread.

    Also where the caller had them ignored, as a shell does that is to outlive its training.
    """
    before = {number: signal.signal(number, _note) for number in GRACEFUL}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _asked.clear()


def asked_to_end() -> str:
    """The name of the signal that was noted, "" where none was."""
    return _asked[0].name if _asked else ""


def heed_parent_alone(worker: int) -> None:
    """Let a process that prepares patches end with its training, not by a signal to all.

    torch would take its death for a fault, in the midst of an iteration. A training that has no
    more need of it ends it by SIGTERM.
    """
    if not hasattr(signal, "sigwaitinfo"):  # macOS
        return
    signal.pthread_sigmask(signal.SIG_BLOCK, GRACEFUL)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    while signal.sigwaitinfo(GRACEFUL).si_pid != os.getppid():
        pass
    os._exit(0)


def _note(number: int, frame: FrameType | None) -> None:
    _asked.append(signal.Signals(number))
