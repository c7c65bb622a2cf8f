"""The printed numbers: the CSVs of reports/paper/, cell by cell. Never imports torch or pandas."""

import csv
from dataclasses import dataclass
from functools import cache
from typing import Any

from data_prep.tasks import families
from semanir.files import visible
from semanir.names import known_name
from semanir.paths import ROOT

PAPER = ROOT / "reports" / "paper"
DATA_FILES = ("../../reports/paper",)
QUALITY = ("PSNR", "SSIM")
COUNTED = ("params", "FLOPs", "stages", "layers_per_stage")  # on networks without weights


@dataclass(frozen=True)
class Cell:
    """One printed cell of the paper; fields as in the CSVs of reports/paper/."""

    table: str
    row: str
    method: str
    single_model: bool
    task: str
    dataset: str
    setting: str
    metric: str
    value: str
    unit: str
    kind: str
    source: str


@cache
def tables() -> tuple[str, ...]:
    """Names of all transcribed tables."""
    return tuple(path.stem for path in visible(PAPER.glob("*.csv")))


def paper_tables() -> tuple[str, ...]:
    """Those of the paper itself; the others are of further print, and made on demand."""
    return tuple(name for name in tables() if not name.startswith("extra_"))


@cache
def cells(table: str) -> tuple[Cell, ...]:
    """The printed cells of a table, in printed order. UnknownNameError on a wrong name."""
    path = PAPER / f"{known_name(table, tables(), 'table')}.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows: list[dict[str, Any]] = list(csv.DictReader(file))
    for row in rows:
        if row["task"]:
            known_name(row["task"], families(), f"task in {path.name}")
        row["single_model"] = row["single_model"] == "yes"
    return tuple(Cell(**row) for row in rows)
