"""Pages of accepted results: of scales that were not run here, on a machine that has a name.

reports/accepted/<scale>-<machine>.csv.gz is the results.csv of a run, so its tables, claims and
ablations are made as those of any run. What it lacks are the pictures.
"""

from pathlib import Path

from reports.claims import claims
from reports.collect import accepted_results, read_results
from reports.pages import ablations, index
from reports.tables import layouts, tables
from semanir.errors import InputError


def render(path: Path, out: Path) -> None:
    """Write every page of a file accepted/<scale>-<machine>.csv.gz; the index links the others."""
    accepted = [one for one in accepted_results(path.parent) if one.path == path]
    if not accepted:
        raise InputError(f"{path} is no <scale>-<machine>.csv.gz; semanir gate accept writes such")
    scale, source = accepted[0].scale, accepted[0].source
    results = read_results(path)
    out.mkdir(parents=True, exist_ok=True)
    claims.render(scale, results, out, source)
    ablations.render(scale, results, out, source)
    for table in layouts.default_tables():
        tables.render(table, scale, results, out, source)
    index.render(scale, path, out / "index.html", source=source)
