"""Render tables, figures, claims and the index of what was measured.

  semanir report results results/smoke/results.csv results/smoke/eval/sr-x2/input/seed0.json
  semanir report table table10 results/smoke/eval/sr-x2/input/seed0.json --out reports
  semanir report claims --results results/smoke/results.csv
  semanir report accepted reports/accepted/mini-epyc-avx512.csv.gz --out reports/mini-epyc-avx512

`snakemake all` runs them in order. A results.csv has a line for every score of every image; pages
are made of it alone, a table of the records that it needs.
"""

# pandas, jinja2 and matplotlib are imported where they are used: help answers at once
import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from semanir.cli import options

Run = Callable[[argparse.Namespace], None]


def add(commands: Any) -> None:
    """The arguments of `semanir report`."""
    command = options.verb(
        commands, "report", run_table, "render tables, figures, claims, index", __doc__
    )
    reports = command.add_subparsers(dest="report", metavar="PAGE", required=True)

    def page(name: str, run: Run, summary: str, *parents: Any) -> argparse.ArgumentParser:
        return options.verb(reports, name, run, summary, run.__doc__, *parents)

    results = page("results", run_results, "collect records into a results.csv")
    results.add_argument("output", type=Path, help="results.csv to write")
    results.add_argument("records", nargs="+", type=Path, help="records of runs")

    table = page("table", run_table, "one table of the paper", options.scale(), _out())
    table.add_argument("table", help="for example table10")
    table.add_argument("records", nargs="*", type=Path, help="records of the runs it needs")

    tables = page("tables", run_tables, "all default tables", options.scale(), _out())
    tables.add_argument("records", nargs="*", type=Path, help="records of the runs they need")

    figure = page("figure04", run_figure04, "Figure 4, what a query attends to", _out())
    figure.add_argument("record", type=Path, help="of semanir.evaluate.activation")

    visual = page(
        "visual", run_visual, "crops before and after", options.scale(), options.results()
    )
    visual.add_argument("records", nargs="*", type=Path, help="of semanir.evaluate.visual")

    page("claims", run_claims, "which claims of the paper hold", options.scale(), options.results())
    page(
        "ablations",
        run_ablations,
        "one thing changed at a time",
        options.scale(),
        options.results(),
    )

    for name, run, summary in (
        ("index", run_index, "the landing page alone"),
        ("pages", run_pages, "all pages that are no tables, the index last"),
    ):
        index = page(name, run, summary, options.scale(), options.results())
        index.add_argument(
            "--visual", type=Path, nargs="*", default=[], help="records with pictures"
        )
        index.add_argument("--activation", type=Path, help="record of Figure 4")

    accepted = page("accepted", run_accepted, "all pages of accepted results")
    accepted.add_argument("accepted", type=Path, help="a file of reports/accepted/")
    accepted.add_argument("--out", type=Path, required=True, help="folder below reports/")

    crate = page("crate", run_crate, "a finished run as an RO-Crate")
    crate.add_argument("results", type=Path, help="results/SCALE of a finished run")
    crate.add_argument("--out", type=Path, required=True, help="a .zip, or a folder, to write")


def _out() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument(
        "--out", type=Path, default=Path("reports"), help="folder (default reports)"
    )
    return parser


def run_results(args: argparse.Namespace) -> None:
    """Write a results.csv: one line for every score of every image, and for counts and times."""
    from reports.collect import write_results

    write_results(args.records, args.output)


def run_table(args: argparse.Namespace) -> None:
    """Render a table, printed beside measured, as HTML, CSV, Markdown and LaTeX."""
    from reports.collect import read_records
    from reports.tables import tables

    tables.render(args.table, args.scale, read_records(args.records), args.out)


def run_tables(args: argparse.Namespace) -> None:
    """Render the tables of reports/tables/layouts.yaml that are not on demand."""
    from reports.collect import read_records
    from reports.tables import layouts, tables

    results = read_records(args.records)
    for table in layouts.default_tables():
        tables.render(table, args.scale, results, args.out)


def run_figure04(args: argparse.Namespace) -> None:
    """Render attention maps over k, and how often a dictionary selects each token."""
    from reports.figures import figure04

    figure04.render(args.record, args.out)


def run_visual(args: argparse.Namespace) -> None:
    """Render crops before and after restoration, with a slider."""
    from reports.collect import read_results
    from reports.figures import visual

    results = read_results(args.results)
    visual.render(args.scale, visual.visuals(args.records, results), args.out)


def run_claims(args: argparse.Namespace) -> None:
    """Render which sentences of the paper hold, by its own tables and by ours."""
    from reports.claims import claims
    from reports.collect import read_results

    print(claims.summary(claims.render(args.scale, read_results(args.results), args.out)))


def run_ablations(args: argparse.Namespace) -> None:
    """Render one thing changed at a time, compared over images and seeds, and figures 3, 5, 10."""
    from reports.collect import read_results
    from reports.pages import ablations

    print(ablations.summary(ablations.render(args.scale, read_results(args.results), args.out)))


def run_index(args: argparse.Namespace) -> None:
    """Render what became of every printed number, what is missing, and what was measured."""
    from reports.pages import index

    out = args.out / "index.html"
    index.render(args.scale, args.results, out, args.visual, args.activation)


def run_pages(args: argparse.Namespace) -> None:
    """Render Figure 4, crops, claims, ablations and the index in one process."""
    if args.activation:
        run_figure04(argparse.Namespace(record=args.activation, out=args.out))
    run_visual(argparse.Namespace(**vars(args), records=args.visual))
    run_claims(args)
    run_ablations(args)
    run_index(args)


def run_crate(args: argparse.Namespace) -> None:
    """Write records, weights and scores of a finished run as an RO-Crate, with what made each."""
    from reports.crate import write_crate

    print(f"{args.out}: {write_crate(args.results, args.out)} files")


def run_accepted(args: argparse.Namespace) -> None:
    """Render the tables, claims, ablations and index of a <scale>-<machine>.csv.gz."""
    from reports.pages import accepted

    accepted.render(args.accepted, args.out)
    print(f"{args.accepted.name}: {args.out}/index.html")
