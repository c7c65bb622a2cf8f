"""Render tables, figures, claims and the index of what was measured.

  semanir report results results/smoke/results.csv results/smoke/eval/sr-x2/input/seed0.json
  semanir report table table10 results/smoke/eval/sr-x2/input/seed0.json --out reports
  semanir report claims --results results/smoke/results.csv

`snakemake all` runs them in order. A results.csv has a line for every score of every image; pages
are made of it, a table of the records that it needs, and of what else there is: other scales that
were run here, and accepted results that come with the project.
"""

# pandas, jinja2 and matplotlib are imported where they are used: help answers at once
import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from semanir.cli import options
from semanir.errors import InputError

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

    two = page("compare", run_compare, "two results, or a file over its commits", _out())
    two.add_argument(
        "files", nargs="*", type=Path, help="A and B: results.csv or accepted, .csv(.gz)"
    )
    two.add_argument("--history", type=Path, help="an accepted file, over the commits of git")

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

    fast = page("speed", run_speed, "back ends beside dense attention, and growth", _out())
    fast.add_argument("--bench", type=Path, help="record of semanir bench --scale")
    fast.add_argument("--growth", type=Path, help="record of semanir bench --growth --scale")

    crate = page("crate", run_crate, "a finished run as an RO-Crate")
    crate.add_argument("results", type=Path, help="results/SCALE of a finished run")
    crate.add_argument("--out", type=Path, required=True, help="a .zip, or a folder, to write")


def _out() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument(
        "--out", type=Path, default=Path("reports"), help="folder (default reports)"
    )
    return parser


def _evidence(args: argparse.Namespace) -> Any:
    from reports.collect import read_results
    from reports.evidence import gather

    return gather(args.scale, read_results(args.results, args.scale))


def run_results(args: argparse.Namespace) -> None:
    """Write a results.csv: one line for every score of every image, and for counts and times."""
    from reports.collect import write_results

    write_results(args.records, args.output)


def run_table(args: argparse.Namespace) -> None:
    """Render a table, printed beside measured, as HTML, CSV, Markdown and LaTeX."""
    from reports.collect import read_records
    from reports.evidence import gather
    from reports.tables import tables

    tables.render(args.table, gather(args.scale, read_records(args.records)), args.out)


def run_tables(args: argparse.Namespace) -> None:
    """Render the tables of reports/tables/layouts.yaml that are not on demand."""
    from reports.collect import read_records
    from reports.evidence import gather
    from reports.tables import layouts, tables

    evidence = gather(args.scale, read_records(args.records))
    for table in layouts.default_tables():
        tables.render(table, evidence, args.out)


def run_figure04(args: argparse.Namespace) -> None:
    """Render attention maps over k, and how often a dictionary selects each token."""
    from reports.figures import figure04

    figure04.render(args.record, args.out)


def run_visual(args: argparse.Namespace) -> None:
    """Render crops before and after restoration, with a slider."""
    from reports.collect import read_results
    from reports.figures import visual

    results = read_results(args.results, args.scale)
    visual.render(args.scale, visual.visuals(args.records, results), args.out)


def run_claims(args: argparse.Namespace) -> None:
    """Render which sentences of the paper hold, by its own tables and by ours."""
    from reports.claims import claims

    print(claims.summary(claims.render(_evidence(args), args.out)))


def run_compare(args: argparse.Namespace) -> None:
    """Render two machines, commits or scales against each other; or how a file came to be."""
    from reports.compare import page, sides

    if len(args.files) != (0 if args.history else 2):
        raise InputError(f"{len(args.files)} files given; give A.csv B.csv, or --history FILE")
    args.out.mkdir(parents=True, exist_ok=True)
    if args.history:
        print(page.render_history(args.history, args.out))
    else:
        one, other = map(sides.read_side, args.files)
        print(page.render(one, other, args.out))


def run_ablations(args: argparse.Namespace) -> None:
    """Render one thing changed at a time, compared over images and seeds, and figures 3, 5, 10."""
    from reports.pages import ablations

    print(ablations.summary(ablations.render(_evidence(args), args.out)))


def run_index(args: argparse.Namespace) -> None:
    """Render what of the paper holds, what became of every number, and how to get the rest.

    Puts the tables that lie in the folder into one all_tables.csv.
    """
    from reports.pages import index
    from reports.tables import all_tables

    all_tables.write(args.out)
    index.render(_evidence(args), args.out / "index.html", args.visual, args.activation)


def run_pages(args: argparse.Namespace) -> None:
    """Render Figure 4, crops, claims, ablations and the index in one process."""
    if args.activation:
        run_figure04(argparse.Namespace(record=args.activation, out=args.out))
    run_visual(argparse.Namespace(**vars(args), records=args.visual))
    run_claims(args)
    run_ablations(args)
    run_index(args)


def run_speed(args: argparse.Namespace) -> None:
    """Render bars against dense attention, share of the peak and growth, of every machine.

    Records of other machines come with the project.
    """
    from reports.pages import speed

    print(speed.summary(speed.render(args.bench, args.growth, args.out)))


def run_crate(args: argparse.Namespace) -> None:
    """Write records, weights and scores of a finished run as an RO-Crate, with what made each."""
    from reports.crate import write_crate

    print(f"{args.out}: {write_crate(args.results, args.out)} files")
