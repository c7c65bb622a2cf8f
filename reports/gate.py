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
import re
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import t as student

from data_prep.errors import InputError, one_line_errors
from data_prep.files import write_text
from data_prep.names import pick
from reports.collect import METRICS, read_results
from semanir.plan import scales, trained_models

ACCEPTED = Path(__file__).parent / "accepted"
CELL = ["task", "model", "dataset", "level", "metric"]
KEY = ["task", "model", "dataset", "level", "seed", "metric", "image"]

FAILURES = ("missing", "no number", "changed", "worse", "no gain")
NOTES = ("better", "uncertain", "new")
VERDICTS = (*FAILURES, *NOTES, "reported", "passed")

CONFIDENCE = 0.95
FEWEST = 3  # pairs that an interval needs
# a network that learnt nothing fails even where it gained less than the tolerance
LEAST_GAIN = 0.5  # share of the accepted gain over the input
SMALL_GAIN = 0.01  # dB; less than that is rounding, nothing to be kept
ROUNDING = 1e-9  # what sums of decimals may be off


@dataclass(frozen=True)
class Kind:
    """How the metrics of a kind are compared.

    decimals: of accepted values; candidates are rounded alike. trained: tolerance of the mean for
    networks that the scale trains; untrained: of every image for everything else. None: reported.
    """

    decimals: int
    trained: float | None
    untrained: float | None


KINDS = {
    # dB. Another order of rounding (other kernels, another instruction set) moves a network trained
    # at the smoke scale by up to 0.016 dB, another seed by 0.3; evaluation alone by 2e-5
    "psnr": Kind(4, trained=0.05, untrained=0.001),
    "ssim": Kind(5, trained=0.002, untrained=0.0001),
    "count": Kind(0, trained=0, untrained=0),
    "other": Kind(3, trained=None, untrained=None),
}
COUNTS = ("params", "stages", "layers_per_stage", "multiply_adds", "bias", "dictionary", "floats")


def kind_of(metric: str) -> str:
    """A name of KINDS."""
    if metric in METRICS:
        return metric.partition("_")[0]
    return "count" if metric in COUNTS or metric.startswith("FLOPs") else "other"


@dataclass(frozen=True)
class Line:
    """One cell, compared; means over its n pairs, NaN without any."""

    task: str
    model: str
    dataset: str
    level: str
    metric: str
    verdict: str
    reason: str = ""
    n: int = 0
    accepted: float = np.nan
    candidate: float = np.nan
    difference: float = np.nan
    moved: bool = False  # any pair differs
    interval: tuple[float, float] | None = None

    @property
    def name(self) -> str:
        """What a line is about, as messages name it."""
        place = " ".join(filter(None, [self.dataset, self.level]))
        where = ", ".join(filter(None, [self.task, place]))
        return f"{self.model}{f' on {where}' if where else ''}: {self.metric}"

    @property
    def fails(self) -> bool:
        return self.verdict in FAILURES

    @property
    def conclusion(self) -> str:
        return f"{self.verdict} ({self.reason})" if self.reason else self.verdict

    @property
    def numbers(self) -> list[str]:
        """n, accepted, candidate, difference, interval; empty where there is none."""
        decimals = KINDS[kind_of(self.metric)].decimals
        means = [("", self.accepted), ("", self.candidate), ("+", self.difference)]
        told = ["" if np.isnan(x) else f"{x:{sign}.{decimals}f}" for sign, x in means]
        interval = " .. ".join(f"{end:+.{decimals}f}" for end in self.interval or ())
        return [str(self.n), *told, interval]


# --- comparing -----------------------------------------------------------------------------------


def compare(accepted: pd.DataFrame, candidate: pd.DataFrame) -> list[Line]:
    """A line per cell of either table, failures first, in the order of VERDICTS, then by name.

    accepted, candidate: columns KEY and value, each key once.
    """
    pairs = accepted.merge(
        candidate, on=KEY, how="outer", suffixes=("_accepted", "_candidate"), indicator="side"
    )
    pairs = pairs.rename(columns={"value_accepted": "accepted", "value_candidate": "candidate"})

    # a blind network's input is that of the same level: strip the training level off the task
    pairs["family"] = pairs["task"].str.rsplit("-", n=1).str[0]
    place = ["family", "dataset", "level", "image"]
    of_input = pairs[(pairs["model"] == "input") & (pairs["metric"] == "psnr")]
    inputs = of_input.groupby(place)[["accepted", "candidate"]].mean().add_suffix("_input")
    pairs = pairs.join(inputs, on=place)

    lines = [_compare_cell(cell, rows) for cell, rows in pairs.groupby(CELL, sort=True)]
    return sorted(lines, key=lambda line: VERDICTS.index(line.verdict))


def _compare_cell(cell: tuple[str, str, str, str, str], rows: pd.DataFrame) -> Line:
    *_, metric = cell
    kind = KINDS[kind_of(metric)]
    quality = metric in METRICS
    trained = quality and cell[1] in trained_models()
    tolerance = kind.trained if trained else kind.untrained
    expected = rows[rows["side"] != "right_only"]
    if expected.empty:
        return Line(*cell, verdict="new", n=len(rows), candidate=float(rows["candidate"].mean()))

    # numbers of what can be compared
    both = expected[expected["candidate"].notna()]
    one, other = (both[side].round(kind.decimals) for side in ("accepted", "candidate"))
    d = minus(other, one)
    if both.empty:
        line = Line(*cell, verdict="missing", accepted=float(expected["accepted"].mean()))
    else:
        line = Line(
            *cell,
            verdict="passed",
            n=len(d),
            accepted=float(one.mean()),
            candidate=float(other.mean()),
            difference=mean(d),
            interval=interval(d) if trained else (mean(d), mean(d)) if quality else None,
            moved=bool(d.any()),
        )
    if tolerance is None:
        return replace(line, verdict="reported", reason="not measured" if both.empty else "")

    # what cannot be compared
    absent, broken = (
        expected[expected["side"] == "left_only"],
        expected[(expected["side"] == "both") & expected["candidate"].isna()],
    )
    for verdict, found in (("missing", absent), ("no number", broken)):
        if len(found):
            return replace(line, verdict=verdict, reason=_pairs(found, expected))

    # what moved
    if not trained:
        at = int(np.argmax(abs(d)))
        if abs(d[at]) > tolerance + ROUNDING:
            which = _pairs(both.iloc[[at]], both)
            reason = f"{which} by {d[at]:+.{kind.decimals}f}" if which else ""
            return replace(line, verdict="changed", reason=reason)
    elif line.difference < -tolerance - ROUNDING:
        proven = line.interval is None or line.interval[1] < 0
        verdict = "worse" if proven else "uncertain"
        line = replace(line, verdict=verdict, reason=f"tolerance {tolerance:g}")
    elif line.difference > tolerance + ROUNDING:
        line = replace(line, verdict="better", reason="accept it anew?")
    if trained and metric == "psnr" and line.verdict != "worse":
        line = _check_gain(line, both)
    extra = len(rows) - len(expected)
    return replace(line, reason=f"{extra} more measured") if extra and not line.reason else line


def _check_gain(line: Line, both: pd.DataFrame) -> Line:
    """`line`, or a failure if the network keeps too little of its accepted gain over the input."""
    accepted, candidate = (
        mean(minus(both[side], both[f"{side}_input"])) for side in ("accepted", "candidate")
    )
    if not accepted > SMALL_GAIN or candidate >= LEAST_GAIN * accepted:
        return line
    if np.isnan(candidate):
        return replace(line, verdict="no gain", reason="its input was not measured")
    reason = f"gains {candidate:.3f} dB over its input, accepted {accepted:.3f}"
    return replace(line, verdict="no gain", reason=reason)


def minus(one: pd.Series, other: pd.Series) -> NDArray[np.float64]:
    """one - other, 0 where both are the same infinity."""
    x, y = one.to_numpy(np.float64), other.to_numpy(np.float64)
    return np.subtract(x, y, out=np.zeros_like(x), where=x != y)


def mean(d: NDArray[np.float64]) -> float:
    """The mean; -inf if any is, whatever the others."""
    return -np.inf if (d == -np.inf).any() else float(d.mean())


def interval(d: NDArray[np.float64]) -> tuple[float, float] | None:
    """Student's interval for the mean of paired differences; None for fewer than FEWEST."""
    if len(d) < FEWEST:
        return None
    if not np.isfinite(d).all():
        return mean(d), mean(d)
    half = float(student.ppf((1 + CONFIDENCE) / 2, len(d) - 1) * d.std(ddof=1) / len(d) ** 0.5)
    return mean(d) - half, mean(d) + half


def _pairs(found: pd.DataFrame, of: pd.DataFrame) -> str:
    """Names of some of a cell's pairs, by image; by seed too if there are several."""
    if not any(found["image"]):
        return ""
    seeds = of["seed"].nunique() > 1
    names = [f"{p.image} seed {p.seed}" if seeds else p.image for p in found.itertuples()]
    if len(found) == len(of) > 1:
        return f"all {len(of)} images"
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


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


def accept(scale: str, path: Path) -> str:
    """Write the accepted file of a scale from a results.csv; returns the difference as a text."""
    target = ACCEPTED / f"{pick(scale, scales(), 'scale')}.csv"
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


# --- showing -------------------------------------------------------------------------------------

HEADINGS = (*CELL, "n", "accepted", "candidate", "difference", "interval at 95 %", "verdict")


def summary(lines: Sequence[Line]) -> str:
    """The last line: passed or failed, and how many cells of each verdict."""
    counted = Counter(line.verdict for line in lines)
    told = ", ".join(f"{counted[name]} {name}" for name in VERDICTS if counted[name])
    failed = any(line.fails for line in lines)
    return f"gate {'FAILED' if failed else 'passed'}: {len(lines)} cells: {told}"


def table(lines: Iterable[Line], colour: bool = False) -> str:
    """Aligned columns for a terminal, a heading and a line per cell; empty without cells."""
    texts = [[getattr(line, name) for name in CELL] + line.numbers for line in lines]
    if not texts:
        return ""
    ends = [(line.conclusion, line.verdict) for line in lines]
    widths = [max(map(len, column)) for column in zip(HEADINGS[:-1], *texts, strict=True)]
    aligned = []
    for row, (end, verdict) in zip([HEADINGS[:-1], *texts], [("verdict", ""), *ends], strict=True):
        padded = [
            text.ljust(width) if number < len(CELL) else text.rjust(width)
            for number, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        code = "31" if verdict in FAILURES else "33" if verdict in NOTES else ""
        aligned.append(
            "  ".join([*padded, f"\033[{code}m{end}\033[0m" if colour and code else end])
        )
    return "\n".join(aligned) + "\n"


def markdown(lines: Sequence[Line], title: str) -> str:
    """A summary for people: what is worth a look in a table, the rest folded away."""
    told = [line for line in lines if line.fails or line.verdict in NOTES]
    rest = [line for line in lines if line not in told]
    parts = [f"## Gate: {_plain(title)}", summary(lines)]
    if told:
        parts.append(_markdown_table(told))
    if rest:
        folded = f"<details><summary>The other {len(rest)} cells</summary>"
        parts += [folded, _markdown_table(rest), "</details>"]
    return "\n\n".join(parts) + "\n"


def _markdown_table(lines: Sequence[Line]) -> str:
    rows = [HEADINGS, ["---"] * len(CELL) + ["---:"] * 5 + ["---"]]
    rows += [
        [*(_plain(getattr(line, name)) for name in CELL), *line.numbers, _plain(line.conclusion)]
        for line in lines
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _plain(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return re.sub(r"([\\`*_\[\]<>|#~])", r"\\\1", " ".join(text.split()))


def junit(lines: Sequence[Line], title: str) -> str:
    """JUnit XML, a test case per cell; what is not enforced is skipped."""
    failed, skipped = (
        sum(line.fails for line in lines),
        sum(line.verdict == "reported" for line in lines),
    )
    counts = {"tests": len(lines), "failures": failed, "errors": 0, "skipped": skipped}
    told = {name: str(count) for name, count in counts.items()} | {"time": "0"}
    root = ElementTree.Element("testsuites", {"name": _xml(title), **told})
    suite = ElementTree.SubElement(root, "testsuite", {"name": _xml(title), **told})
    for line in lines:
        # readers tell cases apart by name alone, so it holds all of the cell
        where = {"classname": _xml(f"gate.{line.task or 'counts'}"), "name": _xml(line.name)}
        case = ElementTree.SubElement(suite, "testcase", {**where, "time": "0"})
        text = _xml(detail(line))
        if line.fails:
            failure = {"type": line.verdict, "message": _xml(line.conclusion)}
            ElementTree.SubElement(case, "failure", failure).text = text
        elif line.verdict == "reported":
            ElementTree.SubElement(case, "skipped", {"message": "reported, not enforced"})
        if not line.fails:
            ElementTree.SubElement(case, "system-out").text = text
    ElementTree.indent(root)
    xml: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return xml.decode() + "\n"


def _xml(text: str) -> str:
    """Without the characters that XML 1.0 cannot hold, escaped or not."""
    return re.sub("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text)


def detail(line: Line) -> str:
    """One line of text: the cell, its numbers, its verdict."""
    n, *numbers, between = line.numbers
    accepted, candidate, difference = (text or "none" for text in numbers)
    change = f"{candidate}, accepted {accepted} ({difference}, n = {n}"
    return f"{line.name} {change}{f', {between}' * bool(between)}): {line.conclusion}"


def annotations(lines: Iterable[Line]) -> list[str]:
    """GitHub workflow commands for what is worth a look; GitHub shows ten of a level and step."""
    commands = []
    for level, verdicts in (("error", FAILURES), ("warning", NOTES[:2]), ("notice", NOTES[2:])):
        found = [line for line in lines if line.verdict in verdicts]
        shown = found if len(found) <= 10 else found[:9]
        for line in shown:
            title = _command(f"gate: {line.verdict}").replace(":", "%3A").replace(",", "%2C")
            commands.append(f"::{level} title={title}::{_command(detail(line))}")
        if len(found) > len(shown):
            commands.append(f"::{level} title=gate::{len(found) - 9} more, see the summary")
    return commands


def _command(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


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
    args = parser.parse_args(argv)
    if args.command == "accept":
        print(accept(args.scale, args.results))
        return
    sys.exit(check(args))


if __name__ == "__main__":
    main()
