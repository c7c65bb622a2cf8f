"""Download, prepare and degrade sets of photographs: `python -m data_prep --help`."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from data_prep.datasets import datasets, entry_of, prepared_sets
from data_prep.degrade import degrade_set
from data_prep.download import LOCK, download, forget
from data_prep.inventory import check, sizes
from data_prep.prepare import prepare
from semanir.errors import one_line_errors
from semanir.names import known_name


@one_line_errors
def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m data_prep", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    command = commands.add_parser("check", help="what is present, verified, missing")

    command = commands.add_parser("sizes", help="what a full download costs, before it starts")
    command.add_argument("--scale", default="mini", help="smoke, mini or paper")

    command = commands.add_parser("download", help="fetch datasets to data/raw/, or resume that")
    command.add_argument("dataset", nargs="+", help="for example set5 or bsds500_test")
    command.add_argument(
        "--mirror", help="folder or server that is asked first, or A,B; default $SEMANIR_MIRROR"
    )

    command = commands.add_parser("forget", help="record a new version of what changed")
    command.add_argument("name", help="as the error names it, for example manga109")
    command.add_argument("--lock", type=Path, default=LOCK, help=f"default {LOCK}")

    command = commands.add_parser("prepare", help="verify and decode a set of datasets.yaml")
    command.add_argument("dataset", help="for example embedded_rgb")
    command.add_argument(
        "out", type=Path, help="folder to fill, for example data/sets/embedded_rgb"
    )

    command = commands.add_parser("degrade", help="degrade a prepared set at one level of a task")
    command.add_argument("task", help="task of tasks.yaml, for example denoise_gray")
    command.add_argument("level", help="level of the task, for example sigma50")
    command.add_argument("clean", type=Path, help="prepared set")
    command.add_argument("out", type=Path, help="folder to fill")

    args = parser.parse_args(argv)
    if args.command == "check":
        print(check())
    elif args.command == "sizes":
        print(sizes(args.scale))
    elif args.command == "download":
        known = dict.fromkeys([*datasets(), *prepared_sets()])
        names = [known_name(name, known, "dataset") for name in args.dataset]
        for name in dict.fromkeys(n if n in datasets() else entry_of(n) for n in names):
            download(name, mirror=args.mirror)
    elif args.command == "forget":
        for key in forget(args.name, args.lock):
            print(f"{key}: the next download is recorded anew")
    elif args.command == "prepare":
        prepare(args.dataset, args.out)
    else:
        degrade_set(args.task, args.level, args.clean, args.out)


if __name__ == "__main__":
    main()
