"""Pages of accepted results: of scales that were not run here, on a machine that has a name.

reports/accepted/<scale>-<machine>.csv.gz is the results.csv of a run, so its tables, claims and
ablations are made as those of any run. What it lacks are the pictures.
"""

from dataclasses import dataclass
from pathlib import Path

from reports import collect
from semanir.errors import InputError
from semanir.files import visible


@dataclass(frozen=True)
class Accepted:
    """Results of a named machine, and what is said about where they are from."""

    name: str
    scale: str
    source: str
    path: Path


def accepted_results(folder: Path | None = None) -> list[Accepted]:
    """The files that carry a machine in their name, sorted."""
    accepted = []
    for path in visible((folder or collect.ACCEPTED).glob("*-*.csv.gz")):
        results, scale = collect.read_results(path), path.name.partition("-")[0]
        collect.check_scale(results, scale, path)
        made = collect.origin(results)
        source = f"Measured on {made['machine']}, {made['date']}, commit {made['commit']}"
        accepted.append(Accepted(path.name.removesuffix(".csv.gz"), scale, source, path))
    return accepted


def render(path: Path, out: Path) -> None:
    """Write every page of a file accepted/<scale>-<machine>.csv.gz; the index links the others."""
    from reports.claims import claims
    from reports.pages import ablations, index
    from reports.tables import tables
    from reports.tables.layouts import default_tables

    accepted = [one for one in accepted_results(path.parent) if one.path == path]
    if not accepted:
        raise InputError(f"{path} is no <scale>-<machine>.csv.gz; semanir gate accept writes such")
    scale, source = accepted[0].scale, accepted[0].source
    results = collect.read_results(path)
    out.mkdir(parents=True, exist_ok=True)
    claims.render(scale, results, out, source)
    ablations.render(scale, results, out, source)
    for table in default_tables():
        tables.render(table, scale, results, out, source)
    index.render(scale, path, out / "index.html", source=source)
