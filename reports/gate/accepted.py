"""The accepted results: found, read, written, and listed where they are of another machine.

accepted/<scale>.csv is what the gate holds new results against: a line per score, nothing else.
accepted/<scale>-<machine>.csv.gz is the results.csv of a run, for pages where that scale was not
run (`python -m reports.accepted_pages`); the gate takes it as a reference, too.
"""

import gzip
import io
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from reports.collect import read_results
from reports.gate.paired import FAILURES, KEY, KINDS, compare, kind_of
from reports.gate.text import table
from semanir.errors import InputError
from semanir.files import replacing, visible, write_text
from semanir.names import known_name
from semanir.paths import ROOT
from semanir.plan.models import scales

ACCEPTED = ROOT / "reports" / "accepted"


def find_reference(name: str) -> Path:
    """The accepted file that `name` means: a file, or a scale. InputError if there is none."""
    if Path(name).is_file():
        return Path(name)
    if Path(name).suffix or len(Path(name).parts) > 1:
        raise InputError(
            f"no accepted results {name}; give a file, or a scale: {', '.join(scales())}"
        )
    path = ACCEPTED / f"{known_name(name, scales(), 'scale')}.csv"
    if not path.is_file():
        raise InputError(
            f"nothing is accepted at the {name} scale; run snakemake --cores 4 all --config "
            f"scale={name}, then python -m reports.gate.gate accept --scale {name} --results "
            f"results/{name}/results.csv"
        )
    return path


def read_accepted(path: Path) -> tuple[dict[str, str], pd.DataFrame]:
    """Head (machine, torch, ...) and lines, columns KEY and value, of an accepted file.

    A file of a machine (<scale>-<machine>.csv.gz) holds results as they are.
    """
    if path.suffix == ".gz":
        results = read_results(path)
        scale = path.name.partition("-")[0]
        return head(scale, results), _keyed(results, scale, path)
    try:
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    except UnicodeDecodeError:
        raise InputError(
            f"{path} is no text; python -m reports.gate.gate accept writes such"
        ) from None
    told = [line[1:].partition(":") for line in lines if line.startswith("#")]
    found = {name.strip(): text.strip() for name, colon, text in told if colon}
    body = "".join(line for line in lines if not line.startswith("#"))
    try:
        frame = pd.read_csv(io.StringIO(body), dtype="str", keep_default_na=False)
        missing = [name for name in (*KEY, "accepted") if name not in frame]
        if missing or frame.empty:
            what = f"no column {missing[0]}" if missing else "no lines"
            raise InputError(
                f"{path} has {what}; python -m reports.gate.gate accept writes such files"
            )
        frame["value"] = frame["accepted"].astype(np.float64)
        if frame["value"].isna().any():
            raise ValueError("nan")
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise InputError(f"broken accepted results {path}: {error}") from None
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"{path}: {error}; every line needs an accepted value") from None
    return found, _unique(frame[[*KEY, "value"]], path)


def read_candidate(path: Path, scale: str) -> pd.DataFrame:
    """The lines of a results.csv, columns KEY and value; InputError if another scale is in it."""
    return _keyed(read_results(path), scale, path)


def _keyed(results: pd.DataFrame, scale: str, path: Path) -> pd.DataFrame:
    others = sorted(set(results["scale"]) - {scale})
    if others:
        raise InputError(f"{path} holds results of the {others[0]} scale, {scale} is asked for")
    text = results[KEY].astype("object")
    text = text.where(text.notna(), "").astype("str")
    return _unique(text.assign(value=results["value"]), path)


def _unique(frame: pd.DataFrame, path: Path) -> pd.DataFrame:
    twice = frame[frame.duplicated(KEY)]
    if len(twice):
        which = ", ".join(filter(None, twice.iloc[0][KEY]))
        raise InputError(
            f"{path} holds {len(twice)} lines twice, such as {which}; collect its records anew by "
            "python -m reports.collect"
        )
    return frame


def accept(scale: str, path: Path, machine: str = "") -> str:
    """Write the accepted file of a scale from a results.csv; returns the difference as a text.

    machine: a name that goes into the file's, for results that are shown where none are made: all
    of them, compressed.
    """
    known_name(scale, scales(), "scale")
    if not re.fullmatch("[a-z0-9-]*", machine):
        raise InputError(f"--machine {machine}: lower-case letters, digits and hyphens alone")
    target = ACCEPTED / (f"{scale}-{machine}.csv.gz" if machine else f"{scale}.csv")
    candidate = read_candidate(path, scale).sort_values(KEY, ignore_index=True)
    broken = candidate[candidate["value"].isna()]
    if len(broken):
        which = ", ".join(filter(None, broken.iloc[0][KEY]))
        raise InputError(f"{path} holds {len(broken)} values that are no number, such as {which}")
    if candidate.empty:
        raise InputError(f"{path} has no lines; a gate without references would always pass")
    before = read_accepted(target)[1] if target.is_file() else candidate[:0]

    if machine:
        with replacing(target) as partial:  # no time within: the same results are the same file
            partial.write_bytes(gzip.compress(path.read_bytes(), mtime=0))
    else:
        write_text(target, _as_accepted(candidate, head(scale, read_results(path))))

    lines = [line for line in compare(before, candidate) if line.verdict != "reported"]
    moved = [line for line in lines if line.moved or line.verdict in (*FAILURES, "new")]
    if before.empty:
        return f"{scale}: {len(lines)} cells accepted, all new"
    return f"{table(moved)}{scale}: {len(moved)} of {len(lines)} cells differ"


def _as_accepted(lines: pd.DataFrame, told: dict[str, str]) -> str:
    written = [
        f"{value:.{KINDS[kind_of(metric)].decimals}f}"
        for metric, value in zip(lines["metric"], lines["value"], strict=True)
    ]
    body = lines[KEY].assign(accepted=written).to_csv(index=False, lineterminator="\n")
    first = "# Accepted results. Written by `python -m reports.gate.gate accept`, never by hand.\n"
    return first + "".join(f"# {name}: {text}\n" for name, text in told.items()) + body


def head(scale: str, results: pd.DataFrame) -> dict[str, str]:
    """Where accepted values come from, and what is tolerated."""
    machines = results[["machine", "instruction_set"]].dropna().drop_duplicates()
    known = [f"{m.machine}, {m.instruction_set}" for m in machines.itertuples()]
    tolerances = [
        f"{name} {kind.trained:g} trained, {kind.untrained:g} untrained"
        for name, kind in KINDS.items()
        if kind.trained is not None and kind.untrained is not None
    ]
    return {
        "scale": scale,
        "machine": "; ".join(known),
        "torch": "; ".join(results["torch"].dropna().unique()),
        "commit": "; ".join(results["commit"].dropna().unique()),
        "date": results["created"].dropna().max()[:10],
        "tolerances": "; ".join(tolerances),
    }


# --- results of other machines --------------------------------------------------------------------


@dataclass(frozen=True)
class Committed:
    """Results of a named machine, and what is said about where they are from."""

    name: str
    scale: str
    source: str
    path: Path


def committed(folder: Path | None = None) -> list[Committed]:
    """The files that carry a machine in their name, sorted."""
    found = []
    for path in visible((folder or ACCEPTED).glob("*-*.csv.gz")):
        told, _ = read_accepted(path)
        source = f"Measured on {told['machine']}, {told['date']}, commit {told['commit']}"
        found.append(Committed(path.name.removesuffix(".csv.gz"), told["scale"], source, path))
    return found
