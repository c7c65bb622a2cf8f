"""The errors that a user can mend, and how a command line shows them."""

import errno
import functools
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

PREEMPTED = 75  # exit code, EX_TEMPFAIL of sysexits.h: the same command goes on
FULL = (errno.ENOSPC, errno.EDQUOT)
_FREE = "free some, then run the same command again"
_FEWER = "run fewer jobs at once (snakemake --cores 1), or free some; the same command goes on"
# what libraries say, none of them by MemoryError: torch, OpenCV, the dynamic linker
_SHORT = ("allocate memory", "Insufficient memory", "std::bad_alloc", "failed to map segment")
_OUT_OF_MEMORY = (*_SHORT, "CUDA out of memory", "can't start new thread")
_WORKER = "DataLoader worker"  # torch's words for a process that was killed


class InputError(ValueError):
    """Something the user gave is wrong; the message names the value and the next step."""


class PreemptedError(Exception):
    """A signal asked the work to end; its state is saved, and the same command goes on."""


class OutputError(InputError):
    """Something cannot be written: no space, no permission, no such place. No input is to blame."""


def unwritable(path: str | Path, error: OSError) -> OutputError:
    """What an OSError means that came of writing `path`."""
    if error.errno in FULL:
        return OutputError(f"no space left to write {path}; {_FREE}")
    reason = error.strerror or str(error)
    return OutputError(f"cannot write {path}: {reason}; name another place, or mend that one")


def remake(path: str | Path) -> str:
    """The next step where a file that the workflow makes is broken."""
    return f"if snakemake made it, snakemake --cores 1 --force {path} makes it again"


def one_line_errors(main: Callable[[Sequence[str] | None], None]) -> Callable[..., None]:
    """Let a command line end with one line on stderr and exit code 2 instead of a traceback.

    Characters that the terminal's encoding lacks, and bytes of names that are none, are printed as
    escapes. Exit code 130 after Ctrl-C, 75 after a signal that asks to end, 141 where the reader of
    a pipe has gone.
    """

    @functools.wraps(main)
    def run(argv: Sequence[str] | None = None) -> None:
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="backslashreplace")
        try:
            main(argv)
            sys.stdout.flush()
        except InputError as error:
            _end(2, f"error: {error}")
        except BrokenPipeError:
            _end(141)
        except OSError as error:
            place = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else ""
            if error.errno in FULL:
                _end(2, f"error: no space left {f'to write {place}' if place else ''}; {_FREE}")
            _end(2, f"error: {place + ': ' if place else ''}{error.strerror or error}")
        except KeyboardInterrupt:
            _end(130, "interrupted; the same command resumes")
        except PreemptedError as error:
            _end(PREEMPTED, str(error))
        except (MemoryError, RuntimeError, ImportError) as error:
            if lack := short_of(error):
                _end(2, f"error: {lack}")
            raise

    return run


def short_of(error: Exception) -> str:
    """What to say of an error that came of too little memory or a killed helper, "" of others."""
    if isinstance(error, MemoryError) or any(words in str(error) for words in _OUT_OF_MEMORY):
        return f"not enough memory ({error or type(error).__name__}); {_FEWER}"
    if _WORKER in str(error):
        return (
            f"a process that prepares patches was killed, most often for want of memory; {_FEWER}"
        )
    return ""


def _end(code: int, line: str = "") -> NoReturn:
    if line:
        print(" ".join(line.split()), file=sys.stderr)
    try:
        sys.stdout.flush()
    except OSError:  # nobody takes it: Python would try again at its end, and complain
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)
