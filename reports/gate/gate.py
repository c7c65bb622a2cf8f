"""Fail when PSNR dropped: measured results against the accepted ones, image by image.

python -m reports.gate.gate check --reference smoke --candidate results/smoke/results.csv
python -m reports.gate.gate accept --scale smoke --results results/smoke/results.csv
python -m reports.gate.gate spread --scale smoke --results FIRST.csv SECOND.csv ...

`check` compares every cell (task, model, set, level, metric) of reports/accepted/<scale>.csv, or of
another such file, with the candidate. The images and seeds of a cell are paired, since photographs
differ by many dB where a change moves each of them alike; d is the mean of the n differences
candidate - accepted.

What involves no training involves no chance: inputs, released weights, counts, and networks whose
training gave the same weights to the last bit. Every single image must stay within the tolerance.

A network that was trained anew differs by chance: another machine rounds otherwise, and training
makes more of it. `spread` measured by how much (reports/spreads/<scale>.csv, a standard deviation s
for each cell). With S seeds the interval at 95 % is

    d - t s sqrt(2 / S) .. d + t s sqrt(2 / S)     t: 0.975 quantile of Student's t

and a drop fails where it is larger than the tolerance and than chance makes it in one cell of a
thousand (0.999 quantile). Where s was not measured the tolerance alone decides. With --redrawn, for
a change of what a seed draws, s is that of seeds.

    fails      missing     not measured, all images or some
               no number   measured as NaN
               changed     moved without training, up or down, or a count that differs
               worse       d is below -tolerance, and below what chance explains
               no gain     keeps less than LEAST_GAIN of its accepted gain over the input
    passes     better      d is above the tolerance: look at it, then accept it anew
               uncertain   d is below -tolerance, but chance may be why
               new         nothing is accepted yet
               reported    times, memory, weights, crops of single pictures: not enforced
               passed

Exit code: 0 passed, 1 a cell fails, 2 bad input. Rates of error: docs/statistics.md.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from reports.gate.accepted import accept, find_reference, read_accepted, read_candidate
from reports.gate.paired import compare
from reports.gate.spreads import read_spreads, write_spreads
from reports.gate.text import annotations, junit, markdown, summary, table
from semanir.errors import one_line_errors
from semanir.files import write_text


def check(args: argparse.Namespace) -> int:
    """Compare, write and print what is asked for; the exit code."""
    outputs = [path for path in (args.junit, args.markdown) if path]
    for path in outputs:  # a report of an earlier run must not outlive bad input
        path.unlink(missing_ok=True)
    reference = find_reference(args.reference)
    told, accepted = read_accepted(reference)
    scale = told.get("scale", reference.stem)
    spreads = read_spreads(scale, args.redrawn)
    lines = compare(accepted, read_candidate(args.candidate, scale), spreads)

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
        prog="python -m reports.gate.gate",
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
    checking.add_argument(
        "--redrawn", action="store_true", help="seeds draw other numbers than when accepted"
    )
    accepting = commands.add_parser("accept", help="make results the accepted ones")
    accepting.add_argument("--scale", default="smoke", help="whose accepted file is written")
    accepting.add_argument("--results", type=Path, required=True, help="results.csv of the scale")
    accepting.add_argument(
        "--machine",
        default="",
        help="its name in the file's: results to show, see reports.accepted_pages",
    )
    measuring = commands.add_parser("spread", help="measure how far chance moves trainings")
    measuring.add_argument("--scale", default="smoke", help="whose spreads are written")
    measuring.add_argument(
        "--results", type=Path, nargs="+", required=True, help="results.csv, one for each rounding"
    )
    given = list(sys.argv[1:] if argv is None else argv)
    if given and given[0].startswith("--") and given[0] != "--help":
        given.insert(0, "check")  # what the command is for needs no name
    args = parser.parse_args(given)
    if args.command == "accept":
        print(accept(args.scale, args.results, args.machine))
        return
    if args.command == "spread":
        print(write_spreads(args.scale, args.results))
        return
    sys.exit(check(args))


if __name__ == "__main__":
    main()
