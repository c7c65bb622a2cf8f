"""Prepare and degrade sets of photographs: `python -m data_prep --help`."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from data_prep.datasets import prepare
from data_prep.degraded import degrade_set
from data_prep.errors import one_line_errors


@one_line_errors
def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m data_prep", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    command = commands.add_parser("prepare", help="verify and decode a dataset of datasets.yaml")
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
    if args.command == "prepare":
        prepare(args.dataset, args.out)
    else:
        degrade_set(args.task, args.level, args.clean, args.out)


if __name__ == "__main__":
    main()
