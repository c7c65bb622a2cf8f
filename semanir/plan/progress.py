"""How far trainings are, read from their folders while they run. Never imports torch or pandas.

A training writes session.json when it starts and deletes it when it has finished; log.jsonl grows
meanwhile. A training runs where its log, or its state, is younger than a few of its usual pauses.
What is no number where one belongs is left out, so that one broken file hides no other training.
"""

import json
import math
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median
from typing import Any

from semanir.errors import InputError
from semanir.files import visible, write_json
from semanir.paths import LOG_FILE, RECORD_FILE, STATE_FILE

SESSION = "session.json"
WRITTEN = (SESSION, LOG_FILE, STATE_FILE)  # while a training runs
PAUSES = 5  # usual times between two lines of the log, after which a training counts as stopped
SHORTEST = 180.0  # seconds: validating and saving take longer than a line
SPEEDS = 5  # last lines of the log whose median is the rate


@dataclass(frozen=True)
class Progress:
    """A training. state: finished, running, stopped. Numbers are None where nothing says them.

    images_per_s: patches that pass. psnr: in dB, mean over the levels of the last validation.
    seconds_left: at that rate, without validating and saving.
    """

    folder: Path
    state: str
    step: int
    iterations: int | None
    images_per_s: float | None
    psnr: float | None
    seconds_left: float | None
    device: str


def announce(folder: Path, iterations: int, batch: int, log_every: int, device: str) -> Path:
    """Write what a starting training does; the file to delete once it has finished."""
    about = {"iterations": iterations, "batch": batch, "log_every": log_every, "device": device}
    write_json(folder / SESSION, about)
    return folder / SESSION


def progress(root: Path, now: float | None = None) -> list[Progress]:
    """Every training at or below a folder, in the order of their paths. InputError: no folder.

    now: seconds since the epoch, that ages are measured to.
    """
    if not root.is_dir():
        raise InputError(f"no folder {root}; name that of a training, or of results")
    folders = {path.parent for name in (*WRITTEN, RECORD_FILE) for path in root.rglob(name)}
    return [_of(folder, time.time() if now is None else now) for folder in visible(folders)]


def unfinished(root: Path) -> list[Progress]:
    """The trainings below a folder that have not finished; none where there is no folder."""
    return [one for one in progress(root) if one.state != "finished"] if root.is_dir() else []


def entries(folder: Path) -> list[dict[str, Any]]:
    """The whole lines of a training's log, of each its numbers and PSNR by level.

    A line that is cut short or broken is left out.
    """
    read = (_line(_parsed(line)) for line in _text(folder / LOG_FILE).splitlines())
    return [line for line in read if isinstance(line.get("step"), int)]


def _of(folder: Path, now: float) -> Progress:
    record, about = _read(folder / RECORD_FILE), _read(folder / SESSION)
    lines = entries(folder)
    step = max((line["step"] for line in lines), default=0)
    speeds = [line["images_per_s"] for line in lines if line.get("images_per_s")][-SPEEDS:]
    rate = median(speeds) if speeds else None
    measured = [line["holdout_psnr"] for line in lines if "holdout_psnr" in line]
    psnr = mean(measured[-1].values()) if measured else None
    if record and not about:
        made, recipe = (_dict(record.get(name)) for name in ("provenance", "recipe"))
        device = made.get("accelerator", "none")
        device = str(made.get("machine", "") if device == "none" else device)
        iterations = _numbers(recipe).get("iterations")
        return Progress(folder, "finished", step, iterations, rate, psnr, 0.0, device)
    said = _numbers(about)
    iterations, batch = said.get("iterations"), said.get("batch")
    left = None
    if iterations and batch and rate:
        left = max(0, iterations - step) * batch / rate
    pause = said.get("log_every", 0) * (batch or 0) / rate if rate else 0.0
    written = filter(None, (_written(folder / name) for name in WRITTEN))
    # a clock that went back leaves files of the future, which say nothing of now
    age = min((abs(now - moment) for moment in written), default=math.inf)
    state = "running" if age < max(SHORTEST, PAUSES * pause) else "stopped"
    return Progress(folder, state, step, iterations, rate, psnr, left, str(about.get("device", "")))


def _line(said: dict[str, Any]) -> dict[str, Any]:
    levels = _numbers(_dict(said.pop("holdout_psnr", None)))
    return _numbers(said) | ({"holdout_psnr": levels} if levels else {})


def _numbers(values: dict[str, Any]) -> dict[str, Any]:
    """Those of some values that are finite numbers of 0 and above."""
    return {
        name: value
        for name, value in values.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf
    }


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _read(path: Path) -> dict[str, Any]:
    return _parsed(_text(path))


def _text(path: Path) -> str:
    """What a file says, "" where there is none any more."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, IsADirectoryError):
        return ""


def _written(path: Path) -> float | None:
    """When a file was written last, None where there is none any more."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return None


def _parsed(text: str) -> dict[str, Any]:
    try:
        return _dict(json.loads(text))
    except ValueError:
        return {}
