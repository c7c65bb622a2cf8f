"""Tasks and their levels, read from tasks.yaml."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from data_prep.names import pick

BLIND = "blind"


@dataclass(frozen=True)
class Task:
    """A task at one level, or over all its levels with one model ("blind").

    name "denoise_gray-sigma50" or "denoise_gray-blind"; family "denoise_gray"; levels: level name
    -> value given to the degradation.
    """

    name: str
    family: str
    levels: dict[str, float]
    channels: int
    degradation: str
    degrades: str
    _protocol: str

    def protocol(self, level: str) -> str:
        return self._protocol.format(level=level)

    @property
    def upscale(self) -> int | None:
        """Enlargement of a super-resolution task, None for tasks that keep the size."""
        return int(next(iter(self.levels.values()))) if self.family == "sr" else None


@cache
def families() -> dict[str, dict[str, Any]]:
    return yaml.safe_load((Path(__file__).parent / "tasks.yaml").read_text(encoding="utf-8"))


def task_names() -> list[str]:
    """Every task at each of its levels, and blind where the paper has it."""
    return [
        f"{family}-{level}"
        for family, entry in families().items()
        for level in [*entry["levels"], *([BLIND] if entry["blind"] else [])]
    ]


def get_task(name: str) -> Task:
    """Task by name; UnknownNameError names the nearest valid ones."""
    pick(name, task_names(), "task")
    family, _, level = name.rpartition("-")
    entry = families()[family]
    levels = entry["levels"] if level == BLIND else {level: entry["levels"][level]}
    return Task(
        name,
        family,
        levels,
        entry["channels"],
        entry["degradation"],
        entry["degrades"],
        entry["protocol"],
    )
