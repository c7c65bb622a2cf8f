"""The one error that a user can mend, and how a command line shows it."""

import functools
import sys
from collections.abc import Callable, Sequence


class InputError(ValueError):
    """Something the user gave is wrong; the message names the value and the next step."""


def one_line_errors(main: Callable[[Sequence[str] | None], None]) -> Callable[..., None]:
    """Let a command line end with one line on stderr and exit code 2 instead of a traceback."""

    @functools.wraps(main)
    def run(argv: Sequence[str] | None = None) -> None:
        try:
            main(argv)
        except InputError as error:
            print(f"error: {error}", file=sys.stderr)
            sys.exit(2)
        except OSError as error:
            print(
                f"error: {error.filename or ''} {error.strerror or error}".strip(), file=sys.stderr
            )
            sys.exit(2)
        except KeyboardInterrupt:
            print("interrupted; the same command resumes", file=sys.stderr)
            sys.exit(130)

    return run
