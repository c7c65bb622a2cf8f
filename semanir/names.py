"""Names given by users: accepted, or refused with the nearest valid ones."""

from collections.abc import Iterable
from difflib import get_close_matches

from semanir.errors import InputError


class UnknownNameError(InputError):
    """A name that is not in the list it was looked up in."""


def known_name(name: str, valid: Iterable[str], kind: str) -> str:
    """Return `name` if it is one of `valid`; else UnknownNameError, one line, nearest first."""
    choices = list(valid)
    if name in choices:
        return name
    near = get_close_matches(str(name), choices, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"valid: {', '.join(choices)}"
    raise UnknownNameError(f"unknown {kind} {name!r}; {hint}")
