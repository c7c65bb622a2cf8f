"""Tasks, their levels and the sets they are evaluated on, read from tasks.yaml."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from semanir.files import read_yaml
from semanir.names import known_name

BLIND = "blind"  # one network for all levels of the tables
MULTI = "multi"  # one network for these and the further levels of Figure 5
DATA_FILES: tuple[str, ...] = ("tasks.yaml",)  # beside this module; part of its source hash


@dataclass(frozen=True)
class Task:
    """A task at one level, or over many with one model ("blind", "multi").

    name "denoise_gray-sigma50" or "denoise_gray-blind"; family "denoise_gray"; levels: level name
    -> value given to the degradation, a name of data_prep.degradations.DEGRADATIONS; channels 1 or
    3; gray: how colour becomes grey, "full" or "y"; degrades: "patch", "image" or "region", how
    training degrades; seed "0", or "name" where each photograph has a seed of its own; synthetic:
    the paper has real pairs here.
    """

    name: str
    family: str
    levels: dict[str, Any]
    channels: int
    gray: str
    degradation: str
    degrades: str
    seed: str
    synthetic: bool
    _protocol: str

    def protocol(self, level: str) -> str:
        """The protocol of semanir.evaluate.metrics that scores this level."""
        return self._protocol.format(level=level)

    @property
    def upscale(self) -> int | None:
        """Enlargement of a super-resolution task, None for tasks that keep the size."""
        return int(next(iter(self.levels.values()))) if self.family == "sr" else None


@cache
def families() -> dict[str, dict[str, Any]]:
    """The entries of tasks.yaml by family, e.g. "denoise_gray"; its head explains the fields."""
    return read_yaml(Path(__file__).parent / DATA_FILES[0])


def all_levels(family: str) -> dict[str, Any]:
    """The levels of the tables, and those that only Figure 5 has."""
    entry = families()[family]
    return {**entry["levels"], **entry.get("figure_levels", {})}


def task_names() -> list[str]:
    """Every task at each of its levels, blind and multi, as far as the paper has such networks."""
    return [
        f"{family}-{level}"
        for family, entry in families().items()
        for level in [
            *(entry["levels"] if "level" in entry["networks"] else []),
            *([BLIND] if BLIND in entry["networks"] else []),
            *([MULTI] if "figure_levels" in entry else []),
        ]
    ]


def get_task(name: str) -> Task:
    """Task by name; UnknownNameError names the nearest valid ones."""
    known_name(name, task_names(), "task")
    family, _, level = name.rpartition("-")
    entry = families()[family]
    several = {BLIND: entry["levels"], MULTI: all_levels(family)}
    return Task(
        name=name,
        family=family,
        levels=several.get(level) or {level: entry["levels"][level]},
        channels=entry["channels"],
        gray=entry.get("gray", "full"),
        degradation=entry["degradation"],
        degrades=entry["degrades"],
        seed=str(entry["seed"]),
        synthetic=entry.get("synthetic", False),
        _protocol=entry["protocol"],
    )
