"""Hold results against what they say they are, those of other machines too.

  semanir report verify results
  semanir report verify results/smoke --sample 3
  semanir report verify reports/accepted/smoke.csv

Of a folder every record: its place, the source hash of this code, protocols and their versions, the
plan of its scale, photographs and weights by SHA-256 as far as they are there; and every line of a
results.csv against its record. --sample N restores N images of N evaluations again and compares
their PSNR. Of an accepted file: names, sets, protocols, number of images, ranges, where it was
measured.

Exit status: 0 nothing disagrees; 1 something does, a line each; 2 bad input.
"""

# torch and pandas are imported where they are used: help answers at once
import argparse
import os
import sys
from pathlib import Path
from typing import Any

from data_prep.tasks import get_task
from semanir.arguments import whole
from semanir.cli import options
from semanir.cli.evaluate import restorer_of
from semanir.errors import InputError
from semanir.plan.plan import Plan

SHOWN = 20  # reasons that are told of what was skipped


def add(commands: Any) -> None:
    """The arguments of `semanir report verify`, among those of `semanir report`."""
    command = options.verb(
        options.verbs_of(commands, "report"),
        "verify",
        run_verify,
        "hold records or accepted files against code, plan, weights",
        __doc__,
        options.noncommercial(),
    )
    command.add_argument("paths", nargs="+", type=Path, help="folders of results, accepted files")
    command.add_argument(
        "--sample", type=whole(0), default=0, metavar="N", help="score N images of N records again"
    )


def run_verify(args: argparse.Namespace) -> None:
    """Print what disagrees, a line each."""
    for path in args.paths:
        if not path.exists():
            raise InputError(f"no {path}; name a folder of results, or an accepted file")
    faults = [
        line
        for path in args.paths
        for line in (_of_folder(path, args) if path.is_dir() else _of_accepted(path))
    ]
    print("\n".join(faults) or "Nothing disagrees.")
    if faults:
        sys.exit(1)


def _of_folder(root: Path, args: argparse.Namespace) -> list[str]:
    from reports.results_check import disagreements, results_below
    from semanir.measure.verify import verify

    found = verify(root, args.sample, lambda run: _restorer(run, args.accept_noncommercial))
    print(f"{root}: {found.records} records, {found.scored} images scored again")
    reasons: dict[str, int] = {}
    for _, reason in found.skipped:
        reasons[reason] = reasons.get(reason, 0) + 1
    for reason, count in list(reasons.items())[:SHOWN]:
        print(f"  not looked at in {count}: {reason}")
    if len(reasons) > SHOWN:
        print(f"  and {len(reasons) - SHOWN} more reasons")
    of_fault: dict[str, list[Path]] = {}
    for path, fault in found.faults:
        of_fault.setdefault(fault, []).append(path)
    lines = [f"{_named(paths)}: {fault}" for fault, paths in of_fault.items()]
    return lines + [f"{csv}: {told}" for csv in results_below(root) for told in disagreements(csv)]


def _named(paths: list[Path]) -> str:
    others = f" and {len(paths) - 1} more, all in {_common(paths)}" if len(paths) > 1 else ""
    return f"{paths[0]}{others}"


def _common(paths: list[Path]) -> str:
    return os.path.commonpath([path.parent for path in paths])


def _restorer(run: Any, noncommercial: bool) -> Any:
    plan = Plan(run.scale, noncommercial=noncommercial)
    return restorer_of(plan, run, get_task(run.task), threads=1)


def _of_accepted(path: Path) -> list[str]:
    from reports.accepted_check import faults
    from semanir.evaluate.metrics import PROTOCOLS

    versions = {name: protocol.version for name, protocol in PROTOCOLS.items()}
    return [f"{path}: {fault}" for fault in faults(path, versions)]
