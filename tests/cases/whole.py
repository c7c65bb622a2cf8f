"""Whether what a workflow has made is whole, and equal to what an undisturbed one has made."""

import csv
import io
import json
import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from safetensors.numpy import load

FOLDERS = ("data", "results", "reports")
# a log is written line by line; a state is there until its training has ended; the lock file grows
NO_PRODUCT = ("log.jsonl", "state.pt", "lock.json")
# fields of records and columns of results.csv that tell the time of the work, and its course
CLOCK = ("created", "seconds_this_time", "iterations_this_time")
TIMES = ("train_seconds",)  # rows of such a time, which are left out where it rounds to 0


def made(folder: Path) -> list[Path]:
    """What a workflow has put below a copy under its final name; what is hidden is not final."""
    found = [path for name in FOLDERS for path in sorted((folder / name).rglob("*"))]
    inside = ((path, path.relative_to(folder)) for path in found)
    return [
        name
        for path, name in inside
        if path.is_file()
        and name.suffix in KINDS
        and not any(part.startswith(".") for part in name.parts)
    ]


def faults(folder: Path, reference: Path, before: set[Path]) -> Iterator[str]:
    """What is wrong with files made below `folder`, a line each, whenever one looks.

    Every file is whole, and each that the undisturbed run has, but NO_PRODUCT, is equal to it.
    before: what is there without any work.
    """
    for name in made(folder):
        if name in before:
            continue
        try:
            data = (folder / name).read_bytes()
        except FileNotFoundError:  # replaced or removed by a job that runs
            continue
        try:
            KINDS[name.suffix](data)
        except Exception as error:  # each reader has its own
            yield f"{name} is not whole: {type(error).__name__}: {error}"
            continue
        known = reference / name
        if name.name in NO_PRODUCT or not known.is_file():
            continue
        if comparable(name, data) != comparable(name, known.read_bytes()):
            yield f"{name} differs from that of the undisturbed run"


def missing(folder: Path, reference: Path) -> list[str]:
    """What the undisturbed run has made and this one has not, or the other way round."""
    here, there = (set(map(str, made(each))) for each in (folder, reference))
    return [f"only one run has {name}" for name in sorted(here ^ there)]


def comparable(name: Path, data: bytes) -> Any:
    """The content of a file without CLOCK and TIMES."""
    if name.suffix == ".json":
        return _timeless(json.loads(data))
    if name.suffix == ".csv":
        rows = csv.DictReader(_without_remarks(data))
        return [_timeless(row) for row in rows if row.get("metric") not in TIMES]
    return data


def _without_remarks(data: bytes) -> Iterator[str]:
    return (line for line in io.StringIO(data.decode()) if not line.startswith("#"))


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _timeless(part) for key, part in value.items() if key not in CLOCK}
    return [_timeless(part) for part in value] if isinstance(value, list) else value


def _lines(data: bytes) -> None:
    json.loads("[" + ",".join(data.decode().splitlines()[:-1]) + "]")  # the last may be cut


def _table(data: bytes) -> None:
    rows = list(csv.reader(_without_remarks(data)))
    if len(rows) < 2 or {len(row) for row in rows} != {len(rows[0])} or data[-1:] != b"\n":
        raise ValueError(f"{len(rows)} rows of {sorted({len(row) for row in rows})} columns")


def _archive(data: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if broken := archive.testzip():
            raise ValueError(broken)


def _picture(data: bytes) -> None:
    with Image.open(io.BytesIO(data)) as image:
        image.load()


def _ends_with(pattern: bytes) -> Callable[[bytes], None]:
    def check(data: bytes) -> None:
        if not re.search(pattern, data[-200:]):
            raise ValueError(f"ends with {data[-20:]!r}")

    return check


KINDS: dict[str, Callable[[bytes], Any]] = {
    ".json": json.loads,
    ".jsonl": _lines,
    ".csv": _table,
    ".safetensors": load,
    ".pt": _archive,
    ".zip": _archive,
    ".png": _picture,
    ".npy": lambda data: np.load(io.BytesIO(data)),
    ".html": _ends_with(rb"</html>\s*$"),
    ".svg": _ends_with(rb"</svg>\s*$"),
    ".md": _ends_with(rb"\n$"),
    ".tex": _ends_with(rb"\n$"),
}
