"""Results to be compared: a results.csv of a run, or an accepted file; plain or compressed."""

import gzip
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from reports.collect import origin, read_results
from reports.gate.accepted import read_accepted
from reports.gate.compare import KEY
from semanir.errors import InputError


@dataclass(frozen=True, eq=False)
class Side:
    """One of two results.

    facts: scale, machine, torch, commit and date, as far as the file says them. scores: columns KEY
    (text) and value, a line a score.
    """

    name: str
    facts: dict[str, str]
    scores: pd.DataFrame


def read_side(path: Path, name: str = "") -> Side:
    """A results.csv or an accepted file, .csv or .csv.gz. InputError names a broken one."""
    if not path.is_file():
        raise InputError(f"no results {path}; give two files, results.csv or accepted ones")
    name = name or str(path)
    if _first_line(path).startswith("#"):
        facts, scores = read_accepted(path)
        return Side(name, facts, scores)
    results = read_results(path)
    text = results[KEY].astype("object")
    scores = text.where(text.notna(), "").astype("str").assign(value=results["value"])
    scale = ", ".join(sorted(set(results["scale"].dropna())))
    return Side(name, {"scale": scale, **origin(results)}, scores)


def _first_line(path: Path) -> str:
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8") as file:
            return str(file.readline())
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise InputError(f"broken results {path}: {error}") from None
