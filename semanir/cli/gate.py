"""Fail when PSNR dropped: measured results against the accepted ones, image by image.

  semanir gate check --accepted smoke --candidate results/smoke/results.csv
  semanir gate accept --scale smoke --results results/smoke/results.csv
  semanir gate spread --scale smoke --results FIRST.csv SECOND.csv

`check` fails on a drop that neither the tolerance nor chance of training explains, on any change
of what involves no training, and on what is missing. `accept` makes results the accepted ones.
`spread` measures how far chance moves a trained network. docs/gate.md has the rules.

Exit status of check: 0 passed, 1 a cell fails, 2 bad input.
"""

# pandas is imported where it is used: help answers at once
import argparse
import sys
from pathlib import Path
from typing import Any

from semanir.cli import options


def add(commands: Any) -> None:
    """The arguments of `semanir gate`."""
    command = options.verb(
        commands, "gate", run_check, "hold results against accepted ones", __doc__
    )
    gates = command.add_subparsers(dest="gate", metavar="COMMAND", required=True)

    check = options.verb(
        gates, "check", run_check, "compare results with accepted ones", run_check.__doc__
    )
    check.add_argument(
        "--accepted", default="smoke", help="an accepted file, or a scale (default smoke)"
    )
    check.add_argument("--candidate", type=Path, required=True, help="results.csv to check")
    check.add_argument("--junit", type=Path, help="JUnit XML to write")
    check.add_argument("--markdown", type=Path, help="Markdown summary to write")
    check.add_argument(
        "--github", action="store_true", help="print annotations; as if GITHUB_ACTIONS=true"
    )
    check.add_argument(
        "--redrawn", action="store_true", help="seeds draw other numbers than when accepted"
    )

    accept = options.verb(
        gates,
        "accept",
        run_accept,
        "make results the accepted ones",
        run_accept.__doc__,
        options.scale(),
    )
    accept.add_argument("--results", type=Path, required=True, help="results.csv of the scale")
    accept.add_argument(
        "--machine",
        default="",
        help="its name in the file's: results that all pages show",
    )

    spread = options.verb(
        gates,
        "spread",
        run_spread,
        "measure how far chance moves trainings",
        run_spread.__doc__,
        options.scale(),
    )
    spread.add_argument(
        "--results", type=Path, nargs="+", required=True, help="results.csv, one for each rounding"
    )


def run_check(args: argparse.Namespace) -> None:
    """Compare every cell of a results.csv with the accepted one, and print them all."""
    from reports.gate.check import check

    passed = check(
        args.accepted, args.candidate, args.junit, args.markdown, args.github, args.redrawn
    )
    if not passed:
        sys.exit(1)


def run_accept(args: argparse.Namespace) -> None:
    """Write the accepted file of a scale from a results.csv, and print what changed."""
    from reports.gate.accepted import accept

    print(accept(args.scale, args.results, args.machine))


def run_spread(args: argparse.Namespace) -> None:
    """Write reports/spreads/<scale>.csv from results of the same trainings, rounded otherwise."""
    from reports.gate.spreads import write_spreads

    print(write_spreads(args.scale, args.results))
