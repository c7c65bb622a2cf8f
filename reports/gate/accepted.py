"""The accepted results that the gate holds new ones against: read and written.

accepted/<scale>.csv has a line per score, nothing else. accepted/<scale>-<machine>.csv.gz is the
results.csv of a run, for pages where that scale was not run (`semanir report accepted`); the gate
takes it as accepted results, too.
"""

import gzip
import io
import re
from pathlib import Path

import numpy as np
import pandas as pd

from reports import collect
from reports.collect import check_scale, origin, read_results
from reports.gate.compare import FAILURES, KEY, KINDS, compare, kind_of
from reports.gate.text import table
from semanir.errors import InputError
from semanir.files import replacing, write_text
from semanir.names import known_name
from semanir.plan.models import scales

WRITER = "semanir gate accept writes such files"


def find_accepted(name: str) -> Path:
    """The accepted file that `name` means: a file, or a scale. InputError if there is none."""
    if Path(name).is_file():
        return Path(name)
    if Path(name).suffix or len(Path(name).parts) > 1:
        raise InputError(
            f"no accepted results {name}; give a file, or a scale: {', '.join(scales())}"
        )
    path = collect.ACCEPTED / f"{known_name(name, scales(), 'scale')}.csv"
    if not path.is_file():
        raise InputError(
            f"nothing is accepted at the {name} scale; run snakemake --cores 4 all --config "
            f"scale={name}, then semanir gate accept --scale {name} --results "
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
        return _head(scale, results), _keyed(results, scale, path)
    try:
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    except UnicodeDecodeError:
        raise InputError(f"{path} is no text; {WRITER}") from None
    comments = [line[1:].partition(":") for line in lines if line.startswith("#")]
    head = {name.strip(): text.strip() for name, colon, text in comments if colon}
    body = "".join(line for line in lines if not line.startswith("#"))
    try:
        frame = pd.read_csv(io.StringIO(body), dtype="str", keep_default_na=False)
        missing = [name for name in (*KEY, "accepted") if name not in frame]
        if missing or frame.empty:
            what = f"no column {missing[0]}" if missing else "no lines"
            raise InputError(f"{path} has {what}; {WRITER}")
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
    return _keyed(read_results(path), scale, path)


def _keyed(results: pd.DataFrame, scale: str, path: Path) -> pd.DataFrame:
    check_scale(results, scale, path)
    text = results[KEY].astype("object")
    text = text.where(text.notna(), "").astype("str")
    return _unique(text.assign(value=results["value"]), path)


def _unique(frame: pd.DataFrame, path: Path) -> pd.DataFrame:
    twice = frame[frame.duplicated(KEY)]
    if len(twice):
        which = ", ".join(filter(None, twice.iloc[0][KEY]))
        raise InputError(
            f"{path} holds {len(twice)} lines twice, such as {which}; collect its records anew by "
            "semanir report results"
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
    target = collect.ACCEPTED / (f"{scale}-{machine}.csv.gz" if machine else f"{scale}.csv")
    candidate = read_candidate(path, scale).sort_values(KEY, ignore_index=True)
    broken = candidate[candidate["value"].isna()]
    if len(broken):
        which = ", ".join(filter(None, broken.iloc[0][KEY]))
        raise InputError(f"{path} holds {len(broken)} values that are no number, such as {which}")
    if candidate.empty:
        raise InputError(f"{path} has no lines; a gate that expects nothing would always pass")
    before = read_accepted(target)[1] if target.is_file() else candidate[:0]

    if machine:
        with replacing(target) as partial:  # no time within: the same results are the same file
            partial.write_bytes(gzip.compress(path.read_bytes(), mtime=0))
    else:
        write_text(target, _as_accepted(candidate, _head(scale, read_results(path))))

    lines = [line for line in compare(before, candidate) if line.verdict != "reported"]
    moved = [line for line in lines if line.moved or line.verdict in (*FAILURES, "new")]
    if before.empty:
        return f"{scale}: {len(lines)} cells accepted, all new"
    return f"{table(moved)}{scale}: {len(moved)} of {len(lines)} cells differ"


def _as_accepted(lines: pd.DataFrame, head: dict[str, str]) -> str:
    written = [
        f"{value:.{KINDS[kind_of(metric)].decimals}f}"
        for metric, value in zip(lines["metric"], lines["value"], strict=True)
    ]
    body = lines[KEY].assign(accepted=written).to_csv(index=False, lineterminator="\n")
    first = "# Accepted results. Written by `semanir gate accept`, never by hand.\n"
    return first + "".join(f"# {name}: {text}\n" for name, text in head.items()) + body


def _head(scale: str, results: pd.DataFrame) -> dict[str, str]:
    """Where accepted values come from, and what is tolerated."""
    tolerances = [
        f"{name} {kind.trained:g} trained, {kind.untrained:g} untrained"
        for name, kind in KINDS.items()
        if kind.trained is not None and kind.untrained is not None
    ]
    return {"scale": scale, **origin(results), "tolerances": "; ".join(tolerances)}
