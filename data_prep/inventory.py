"""What is there, what is missing and what it would cost to fetch: two tables for the terminal."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tabulate import tabulate

from data_prep.datasets import RAW, datasets, downloads, prepared_sets, remote_files
from data_prep.mirror import address
from data_prep.prepare import clean_files
from data_prep.raw_files import images_below, load_listing
from semanir.errors import InputError

SPEED = 100e6 / 8  # bytes a second behind the quoted download times: 100 Mbit/s
WIDEST = 44  # characters of a licence before it is cut; datasets.yaml has it whole


def check(raw: Path = RAW) -> str:
    """A line per entry: present, verified, images, bytes, licence, and how to get what is missing.

    Every file is held against its SHA-256, so this reads all data once.
    """
    lines = [("dataset", "present", "verified", "images", "size", "licence", "missing")]
    for name, entry in datasets().items():
        licence = entry["licence"]
        licence = licence if len(licence) <= WIDEST else f"{licence[: WIDEST - 1]}…"
        present, verified, size, missing = _state(name, entry, raw)
        images = f"{entry['images']:,}" if entry["images"] else "-"
        on_disk = "-" if size is None else human(size)
        lines.append((name, present, verified, images, on_disk, licence, missing))
    return columns(lines)


def sizes(scale: str, raw: Path = RAW) -> str:
    """What a full download for a scale costs: bytes, time at 100 Mbit/s, what nobody has stated."""
    lines = [("dataset", "images", "size", "first source", "remark")]
    total, unknown, packed = 0, [], False
    for name in downloads(scale):
        entry = datasets()[name]
        size, remark = download_size(entry)
        remotes = remote_files(entry["sources"][0])
        host = urlsplit(address(remotes[0].urls[0])).netloc if remotes else "-"
        if (raw / name / "files.json").is_file():
            remark = "already here"
        elif size is None:
            unknown.append(name)
        else:
            total += size
            packed |= "archives" in entry["sources"][0]
        lines.append((name, f"{entry['images']:,}", human(size), host, remark))
    if len(lines) == 1:
        return f"The {scale} scale needs no download."
    text = f"To fetch: {human(total)}, {_duration(total / SPEED)} at 100 Mbit/s"
    if unknown:
        text += f", besides {', '.join(unknown)}, whose size is not known"
    text += ". Unpacking needs about as much again." if packed else "."
    return f"{columns(lines)}\n{text}"


def download_size(entry: dict[str, Any]) -> tuple[int | None, str]:
    """(bytes of an entry's first source or None if unknown, how good the number is)."""
    source = entry["sources"][0]
    if "by_hand" in source:
        return None, "by hand"
    exact = [remote.bytes for remote in remote_files(source)]
    if None not in exact:
        return sum(filter(None, exact)), ""
    rough = [a.get("bytes") or a.get("about_bytes") for a in source["archives"].values()]
    return (None, "not stated") if None in rough else (sum(filter(None, rough)), "about")


def human(size: int | None) -> str:
    """Bytes as people read them: 14.6 MB."""
    if size is None:
        return "?"
    if size < 1000:
        return f"{size} B"
    value = size / 1000
    for unit in ("kB", "MB", "GB"):
        if value < 999.95:
            return f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def columns(lines: Sequence[Sequence[str]]) -> str:
    """Lines of text in aligned columns, the first line as a header."""
    text = tabulate(lines[1:], headers=lines[0], tablefmt="simple", disable_numparse=True)
    return "\n".join(line.rstrip() for line in text.splitlines())


def _state(name: str, entry: dict[str, Any], raw: Path) -> tuple[str, str, int | None, str]:
    """(present, verified, bytes, what is missing and how to get it)."""
    try:
        if "folder" in entry:
            paths = list(clean_files(prepared_sets()[name]).values())
        else:
            paths = list(load_listing(raw / entry.get("from", name)).values())
    except InputError as error:
        folder = raw / entry.get("from", name)
        if "folder" in entry or (folder / "files.json").is_file():
            return "yes", "NO", None, str(error)
        count = len(images_below(folder))
        return f"{count} files" if count else "no", "-", None, _how_to_get(name, entry)
    return "yes", "yes", sum(path.stat().st_size for path in paths), ""


def _how_to_get(name: str, entry: dict[str, Any]) -> str:
    if "from" in entry:
        return f"semanir data download {entry['from']}, of which it is made"
    if "by_hand" in entry["sources"][0]:
        return f"{entry['sources'][0]['by_hand']} into data/raw/{name}"
    size, _ = download_size(entry)
    return f"semanir data download {name} ({human(size)})"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
