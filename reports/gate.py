"""Fail when PSNR dropped: measured results against the accepted ones, image by image.

python -m reports.gate check --reference smoke --candidate results/smoke/results.csv
python -m reports.gate accept --scale smoke --results results/smoke/results.csv

`check` compares every cell (task, model, set, level, metric) of reports/accepted/<scale>.csv, or of
another such file, with the candidate. The images and seeds of a cell are paired, since photographs
differ by many dB where a change moves each of them alike. With d the mean of the n differences
candidate - accepted, and s their standard deviation (of n - 1), the interval at 95 % is

    d - t s / sqrt(n) .. d + t s / sqrt(n)    t: 0.975 quantile of Student's t, n - 1 degrees

Fewer than 3 pairs have none. What involves no training (inputs, released weights, counts) involves
no chance: its interval has no width, and every single image must stay within the tolerance.

    fails      missing     not measured, all images or some
               no number   measured as NaN
               changed     moved without training, up or down, or a count that differs
               worse       d is below -tolerance, and the interval below zero or none
               no gain     keeps less than LEAST_GAIN of its accepted gain over the input
    passes     better      d is above the tolerance: look at it, then accept it anew
               uncertain   d is below -tolerance, but the interval holds zero
               new         nothing is accepted yet
               reported    times, memory, crops of single pictures: not enforced
               passed

Exit code: 0 passed, 1 a cell fails, 2 bad input.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from data_prep.errors import one_line_errors
from data_prep.files import write_text
from reports.gate_text import annotations, junit, markdown, summary, table
from reports.paired import compare
from reports.reference import accept, find_reference, read_accepted, read_candidate


def check(args: argparse.Namespace) -> int:
    """Compare, write and print what is asked for; the exit code."""
    outputs = [path for path in (args.junit, args.markdown) if path]
    for path in outputs:  # a report of an earlier run must not outlive bad input
        path.unlink(missing_ok=True)
    reference = find_reference(args.reference)
    told, accepted = read_accepted(reference)
    scale = told.get("scale", reference.stem)
    lines = compare(accepted, read_candidate(args.candidate, scale))

    title = f"{scale} against {reference.name}"
    page = markdown(lines, title)
    if args.junit:
        write_text(args.junit, junit(lines, title))
    if args.markdown:
        write_text(args.markdown, page)
    if os.environ.get("GITHUB_STEP_SUMMARY"):
        with Path(os.environ["GITHUB_STEP_SUMMARY"]).open("a", encoding="utf-8") as file:
            file.write(page)
    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    print(table(lines, colour), end="")
    if args.github or os.environ.get("GITHUB_ACTIONS") == "true":
        print("\n".join(annotations(lines)))
    print(summary(lines))
    return int(any(line.fails for line in lines))


@one_line_errors
def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m reports.gate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    checking = commands.add_parser("check", help="compare results with accepted ones")
    checking.add_argument("--reference", default="smoke", help="an accepted CSV, or a scale")
    checking.add_argument("--candidate", type=Path, required=True, help="results.csv to check")
    checking.add_argument("--junit", type=Path, help="JUnit XML to write")
    checking.add_argument("--markdown", type=Path, help="Markdown summary to write")
    checking.add_argument(
        "--github", action="store_true", help="print annotations; as if GITHUB_ACTIONS=true"
    )
    accepting = commands.add_parser("accept", help="make results the accepted ones")
    accepting.add_argument("--scale", default="smoke", help="whose accepted file is written")
    accepting.add_argument("--results", type=Path, required=True, help="results.csv of the scale")
    accepting.add_argument(
        "--machine",
        default="",
        help="its name in the file's: results to show, see reports.committed",
    )
    given = list(sys.argv[1:] if argv is None else argv)
    if given and given[0].startswith("--") and given[0] != "--help":
        given.insert(0, "check")  # what the command is for needs no name
    args = parser.parse_args(given)
    if args.command == "accept":
        print(accept(args.scale, args.results, args.machine))
        return
    sys.exit(check(args))


if __name__ == "__main__":
    main()
