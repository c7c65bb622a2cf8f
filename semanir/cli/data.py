"""Download, verify, prepare and degrade sets of photographs.

  semanir data sizes --scale mini
  semanir data download set5 bsds500_test
  semanir data check

The workflow does all of it where a table needs it; these are its steps by hand.
"""

# data_prep is imported where it is used: help answers at once, and only a download opens requests
import argparse
from pathlib import Path
from typing import Any

from semanir.cli import options
from semanir.names import known_name


def add(commands: Any) -> None:
    """The arguments of `semanir data` and of each of its actions."""
    data = commands.add_parser(
        "data",
        help="download, verify and prepare photographs",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = data.add_subparsers(dest="action", metavar="ACTION", required=True)

    options.verb(actions, "check", run_check, "what is present, verified, missing", None)

    summary = "what a full download costs, before it starts"
    options.verb(actions, "sizes", run_sizes, summary, None, options.scale("mini"))

    summary = "fetch datasets to data/raw/, or resume that"
    action = options.verb(actions, "download", run_download, summary, None, options.mirror())
    action.add_argument("dataset", nargs="+", help="for example set5 or bsds500_test")

    summary = "record a new version of what changed"
    action = options.verb(actions, "forget", run_forget, summary, None)
    action.add_argument("name", help="as the error names it, for example manga109")
    action.add_argument("--lock", type=Path, metavar="FILE", help="default data/lock.json")

    summary = "verify and decode a set of datasets.yaml"
    action = options.verb(actions, "prepare", run_prepare, summary, None)
    action.add_argument("dataset", help="for example embedded_rgb")
    action.add_argument("out", type=Path, help="folder to fill, e.g. data/sets/embedded_rgb")

    summary = "degrade a prepared set at one level of a task"
    action = options.verb(actions, "degrade", run_degrade, summary, None)
    action.add_argument("task", help="task of tasks.yaml, for example denoise_gray")
    action.add_argument("level", help="level of the task, for example sigma50")
    action.add_argument("clean", type=Path, help="prepared set")
    action.add_argument("out", type=Path, help="folder to fill")


def run_check(args: argparse.Namespace) -> None:
    """Print a line per dataset: present, verified, and how to get what is missing."""
    from data_prep.inventory import check

    print(check())


def run_sizes(args: argparse.Namespace) -> None:
    """Print what has to be downloaded for a scale."""
    from data_prep.inventory import sizes

    print(sizes(args.scale))


def run_download(args: argparse.Namespace) -> None:
    """Download datasets by their names or by those of their prepared sets."""
    from data_prep.datasets import datasets, entry_of, prepared_sets
    from data_prep.download import download

    known = dict.fromkeys([*datasets(), *prepared_sets()])
    names = [known_name(name, known, "dataset") for name in args.dataset]
    for name in dict.fromkeys(name if name in datasets() else entry_of(name) for name in names):
        download(name, mirror=args.mirror)


def run_forget(args: argparse.Namespace) -> None:
    """Take recorded sums out of the lock."""
    from data_prep.lock import LOCK, forget

    for key in forget(args.name, args.lock or LOCK):
        print(f"{key}: the next download is recorded anew")


def run_prepare(args: argparse.Namespace) -> None:
    """Make a prepared set."""
    from data_prep.prepare import prepare

    prepare(args.dataset, args.out)


def run_degrade(args: argparse.Namespace) -> None:
    """Make a degraded set."""
    from data_prep.degrade import degrade_set

    degrade_set(args.task, args.level, args.clean, args.out)
