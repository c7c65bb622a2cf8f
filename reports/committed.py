"""Render results that are committed with the project, for scales that were not run here.

python -m reports.committed reports/accepted/mini-epyc.csv --out reports/mini-epyc

An accepted file holds every score by image and seed, so claims.html and ablations.html follow from
it as from a results.csv; what it does not hold (protocols, parameters) no verdict needs.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from data_prep.errors import InputError, one_line_errors
from reports import ablations, claims
from reports.collect import COLUMNS, typed
from reports.gate import ACCEPTED, read_accepted


@dataclass(frozen=True)
class Committed:
    """An accepted file of a named machine: accepted/<scale>-<machine>.csv."""

    name: str
    scale: str
    source: str


def committed(folder: Path = ACCEPTED) -> list[Committed]:
    """The files that carry a machine in their name, sorted."""
    found = []
    for path in sorted(folder.glob("*-*.csv")):
        head, _ = read_accepted(path)
        if "scale" not in head:
            raise InputError(f"{path} does not say which scale it is of")
        told = f"Measured on {head.get('machine')}, {head.get('date')}, commit {head.get('commit')}"
        found.append(Committed(path.stem, head["scale"], told))
    return found


def results_of(path: Path) -> tuple[str, pd.DataFrame]:
    """(scale, results as `reports.collect` gives them) of an accepted file."""
    head, lines = read_accepted(path)
    lines = lines.assign(scale=head["scale"], record=path.name)
    lines["seed"] = pd.to_numeric(lines["seed"], errors="coerce")
    for name in ("task", "dataset"):
        lines[name] = lines[name].where(lines[name] != "")
    for name in ("machine", "torch", "commit"):
        lines[name] = head.get(name)
    return head["scale"], typed(lines.reindex(columns=COLUMNS))


@one_line_errors
def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m reports.committed",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("accepted", type=Path, help="a file of reports/accepted/")
    parser.add_argument("--out", type=Path, required=True, help="folder below reports/")
    args = parser.parse_args(argv)
    (one,) = (c for c in committed(args.accepted.parent) if c.name == args.accepted.stem)
    scale, results = results_of(args.accepted)
    args.out.mkdir(parents=True, exist_ok=True)
    for page in (claims, ablations):
        page.render(scale, results, args.out, home="../index.html", source=one.source)
    print(f"{one.name}: {args.out}/claims.html, {args.out}/ablations.html")


if __name__ == "__main__":
    main()
