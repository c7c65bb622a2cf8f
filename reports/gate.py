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
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from data_prep.errors import InputError, one_line_errors
from data_prep.files import write_text
from data_prep.names import pick
from reports.collect import read_results
from reports.gate_text import annotations, junit, markdown, summary, table
from reports.paired import FAILURES, KEY, KINDS, compare, kind_of
from semanir.models import scales

ACCEPTED = Path(__file__).parent / "accepted"


# --- reading and accepting -----------------------------------------------------------------------


def find_reference(name: str) -> Path:
    """The accepted file that `name` means: a file, or a scale. InputError if there is none."""
    if Path(name).is_file():
        return Path(name)
    if Path(name).suffix or len(Path(name).parts) > 1:
        raise InputError(
            f"no accepted results {name}; give a file, or a scale: {', '.join(scales())}"
        )
    path = ACCEPTED / f"{pick(name, scales(), 'scale')}.csv"
    if not path.is_file():
        raise InputError(
            f"nothing is accepted at the {name} scale; run snakemake --cores 4 all --config "
            f"scale={name}, then python -m reports.gate accept --scale {name} --results "
            f"results/{name}/results.csv"
        )
    return path


def read_accepted(path: Path) -> tuple[dict[str, str], pd.DataFrame]:
    """Head (machine, torch, ...) and lines, columns KEY and value, of an accepted file."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    told = [line[1:].partition(":") for line in lines if line.startswith("#")]
    head = {name.strip(): text.strip() for name, colon, text in told if colon}
    body = "".join(line for line in lines if not line.startswith("#"))
    try:
        frame = pd.read_csv(io.StringIO(body), dtype="str", keep_default_na=False)
        missing = [name for name in (*KEY, "accepted") if name not in frame]
        if missing or frame.empty:
            what = f"no column {missing[0]}" if missing else "no lines"
            raise InputError(f"{path} has {what}; python -m reports.gate accept writes such files")
        frame["value"] = frame["accepted"].astype(np.float64)
        if frame["value"].isna().any():
            raise ValueError("nan")
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise InputError(f"broken accepted results {path}: {error}") from None
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"{path}: {error}; every line needs an accepted value") from None
    return head, _unique(frame[[*KEY, "value"]], path)


def read_candidate(path: Path, scale: str) -> pd.DataFrame:
    """The lines of a results.csv, columns KEY and value; InputError if another scale is in it."""
    results = read_results(path)
    others = sorted(set(results["scale"]) - {scale})
    if others:
        raise InputError(f"{path} holds results of the {others[0]} scale, {scale} is asked for")
    return _unique(_keyed(results), path)


def _keyed(results: pd.DataFrame) -> pd.DataFrame:
    text = results[KEY].astype("object")
    return text.where(text.notna(), "").astype("str").assign(value=results["value"])


def _unique(frame: pd.DataFrame, path: Path) -> pd.DataFrame:
    twice = frame[frame.duplicated(KEY)]
    if len(twice):
        which = ", ".join(filter(None, twice.iloc[0][KEY]))
        raise InputError(f"{path} holds {len(twice)} lines twice, such as {which}; delete one")
    return frame


def accept(scale: str, path: Path, machine: str = "") -> str:
    """Write the accepted file of a scale from a results.csv; returns the difference as a text.

    machine: a name that goes into the file's, for results that are shown where none are made.
    """
    name = "-".join(filter(None, [pick(scale, scales(), "scale"), machine]))
    target = ACCEPTED / f"{name}.csv"
    candidate = read_candidate(path, scale).sort_values(KEY, ignore_index=True)
    broken = candidate[candidate["value"].isna()]
    if len(broken):
        which = ", ".join(filter(None, broken.iloc[0][KEY]))
        raise InputError(f"{path} holds {len(broken)} values that are no number, such as {which}")
    if candidate.empty:
        raise InputError(f"{path} has no lines; a gate without references would always pass")
    before = read_accepted(target)[1] if target.is_file() else candidate[:0]

    written = [
        f"{value:.{KINDS[kind_of(metric)].decimals}f}"
        for metric, value in zip(candidate["metric"], candidate["value"], strict=True)
    ]
    body = candidate[KEY].assign(accepted=written).to_csv(index=False, lineterminator="\n")
    head = "".join(f"# {line}\n" for line in _head(scale, read_results(path)))
    write_text(target, head + body)

    lines = [line for line in compare(before, candidate) if line.verdict != "reported"]
    moved = [line for line in lines if line.moved or line.verdict in (*FAILURES, "new")]
    if before.empty:
        return f"{scale}: {len(lines)} cells accepted, all new"
    return f"{table(moved)}{scale}: {len(moved)} of {len(lines)} cells differ"


def _head(scale: str, results: pd.DataFrame) -> list[str]:
    """Where accepted values come from, and what was tolerated when they were accepted."""
    machines = results[["machine", "instruction_set"]].dropna().drop_duplicates()
    told = [f"{m.machine}, {m.instruction_set}" for m in machines.itertuples()]
    tolerances = [
        f"{name} {kind.trained:g} trained, {kind.untrained:g} untrained"
        for name, kind in KINDS.items()
        if kind.trained is not None and kind.untrained is not None
    ]
    return [
        "Accepted results. Written by `python -m reports.gate accept`, never by hand.",
        f"scale: {scale}",
        f"machine: {'; '.join(told)}",
        f"torch: {'; '.join(results['torch'].dropna().unique())}",
        f"commit: {'; '.join(results['commit'].dropna().unique())}",
        f"date: {results['created'].max()[:10]}",
        f"tolerances: {'; '.join(tolerances)}",
    ]


# --- command line --------------------------------------------------------------------------------


def check(args: argparse.Namespace) -> int:
    """Compare, write and print what is asked for; the exit code."""
    outputs = [path for path in (args.junit, args.markdown) if path]
    for path in outputs:  # a report of an earlier run must not outlive bad input
        path.unlink(missing_ok=True)
    reference = find_reference(args.reference)
    head, accepted = read_accepted(reference)
    scale = head.get("scale", reference.stem)
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
