"""Render results that are committed with the project, for scales that were not run here.

python -m reports.accepted_pages reports/accepted/mini-epyc.csv.gz --out reports/mini-epyc

Such a file is a results.csv, so its tables, claims and ablations are made as those of any run. What
it lacks are the pictures.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from reports import ablations, index
from reports.claims import claims
from reports.collect import read_results
from reports.gate.accepted import committed
from reports.tables import tables
from reports.tables.layouts import default_tables
from semanir.errors import InputError, one_line_errors


def render(path: Path, out: Path) -> None:
    """Write every page of a file accepted/<scale>-<machine>.csv.gz; the index links the others."""
    found = [one for one in committed(path.parent) if one.path == path]
    if not found:
        raise InputError(
            f"{path} is no <scale>-<machine>.csv.gz; reports.gate.gate accept writes such"
        )
    scale, source = found[0].scale, found[0].source
    results = read_results(path)
    out.mkdir(parents=True, exist_ok=True)
    claims.render(scale, results, out, source)
    ablations.render(scale, results, out, source)
    for table in default_tables():
        tables.render(table, scale, results, out, source)
    index.render(scale, path, out / "index.html", source=source)


@one_line_errors
def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m reports.accepted_pages",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("accepted", type=Path, help="a file of reports/accepted/")
    parser.add_argument("--out", type=Path, required=True, help="folder below reports/")
    args = parser.parse_args(argv)
    render(args.accepted, args.out)
    print(f"{args.accepted.name}: {args.out}/index.html")


if __name__ == "__main__":
    main()
