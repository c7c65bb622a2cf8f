"""Which tables are rendered and how their rows and columns are named."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml

from semanir.plan import Cell

LABELS = {
    "denoise_color": "Color",
    "denoise_gray": "Grayscale",
    "params": "#P [M]",
    "FLOPs": "multiply-adds [G]",
    "runtime": "runtime [ms]",
    "stages": "stages",
    "layers_per_stage": "layers per stage",
    "down": "down stages",
    "up": "up stages",
    "final": "final stage",
    "time_complexity": "time",
    "space_complexity": "space",
}


@cache
def layouts() -> dict[str, dict[str, Any]]:
    path = Path(__file__).parent / "layouts.yaml"
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def default_tables() -> list[str]:
    """The tables that `all` renders and the index lists."""
    return [table for table, layout in layouts().items() if not layout.get("on_demand")]


def column_of(cell: Cell) -> tuple[str, ...]:
    """Labels of the column a cell stands in, outermost first; metric alone for untitled columns."""
    labels = tuple(label(getattr(cell, field)) for field in layouts()[cell.table]["columns"])
    return labels if any(labels) else ("",) * (len(labels) - 1) + (label(cell.metric),)


def label(name: str | bool) -> str:
    """A value of the CSVs as readers know it: sigma50 -> σ=50, x2 -> ×2."""
    if isinstance(name, bool):
        return "one network for all levels" if name else "one network per level"
    for prefix, shown in (("sigma", "σ="), ("qf", "QF "), ("x", "×")):
        if name.startswith(prefix) and name[len(prefix) :].isdigit():
            return shown + name[len(prefix) :]
    return LABELS.get(name, name)
