"""Which tables are rendered, and how their rows and columns are named and arranged."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from semanir.files import read_yaml
from semanir.plan.cells import Cell

if TYPE_CHECKING:  # the Snakefile imports this module, and does without pandas
    from reports.tables.verdicts import JudgedCell

DATA_FILES: tuple[str, ...] = ("layouts.yaml",)

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
STAND_IN = "stand-in"  # kind of a cell for what was measured on other photographs than printed


@dataclass(frozen=True)
class Head:
    """A cell of the table header. column: which column it names, None where it spans several."""

    label: str
    columns: int
    lines: int
    column: int | None


@dataclass(frozen=True)
class Row:
    """A row's label, and a judged cell for every column, None where nothing is printed."""

    label: str
    cells: "list[JudgedCell | None]"


@dataclass(frozen=True)
class Group:
    """Rows that the paper prints as one block; label "" where a table has a single block."""

    label: str
    rows: list[Row]


@cache
def layouts() -> dict[str, dict[str, Any]]:
    return read_yaml(Path(__file__).parent / "layouts.yaml")


def default_tables() -> list[str]:
    """The tables that `all` renders and the index lists."""
    return [table for table, layout in layouts().items() if not layout.get("on_demand")]


def table_name(table: str) -> str:
    """table07 -> Table 7; of a table that the paper does not number its own name."""
    number = table.removeprefix("table")
    return f"Table {int(number)}" if number.isdigit() else table


def report_labels(table: str) -> dict[str, str]:
    """What the report of Snakemake calls a table: its title, or its name if it has no entry."""
    return {"table": layouts().get(table, {}).get("title", table)}


def column_of(cell: Cell) -> tuple[str, ...]:
    """Labels of the column a cell stands in, outermost first; metric alone for untitled columns."""
    labels = tuple(label(getattr(cell, field)) for field in layouts()[cell.table]["columns"])
    if not any(labels):
        labels = ("",) * (len(labels) - 1) + (label(cell.metric),)
    if cell.kind == STAND_IN and not _names_sets(cell.table):
        labels = (*labels[:-1], f"{labels[-1]}, {cell.dataset}")
    return labels


def _names_sets(table: str) -> bool:
    """Whether the columns of a table, or the groups of its rows, are the sets."""
    return "dataset" in (*layouts()[table]["columns"], layouts()[table].get("group"))


def label(name: str | bool) -> str:
    """A value of the CSVs as readers know it: sigma50 -> σ=50, x2 -> ×2."""
    if isinstance(name, bool):
        return "one network for all levels" if name else "one network per level"
    for prefix, shown in (("sigma", "σ="), ("qf", "QF "), ("x", "×")):
        if name.startswith(prefix) and name[len(prefix) :].isdigit():
            return shown + name[len(prefix) :]
    return LABELS.get(name, name)


def cell_id(cell: Cell) -> str:
    """The id of a cell on its page: its table, row and column, "table10-ipt-x2-set5-psnr"."""
    text = " ".join([cell.table, cell.row, *column_of(cell)]).lower()
    for sign, word in (("†", "blind "), ("×", "x"), ("σ=", "sigma")):
        text = text.replace(sign, word)
    return re.sub("[^a-z0-9]+", "-", text).strip("-")


def columns_of(cells: Iterable[Cell]) -> list[tuple[str, ...]]:
    """The columns of a table in printed order; those of stand-ins behind what they belong to."""
    columns: list[tuple[str, ...]] = []
    for cell in cells:
        column, fields = column_of(cell), layouts()[cell.table]["columns"]
        if column in columns:
            continue
        place = len(columns)
        if cell.kind == STAND_IN and "dataset" in fields:
            lead = fields.index("dataset")
            place = 1 + max(n for n, other in enumerate(columns) if other[:lead] == column[:lead])
        columns.insert(place, column)
    return columns


def arrange(judged: "Sequence[JudgedCell]") -> list[Group]:
    """The judged cells of one table as its printed rows, in printed order."""
    columns = columns_of(one.cell for one in judged)
    groups: dict[str, dict[str, dict[tuple[str, ...], JudgedCell]]] = {}
    filled = dict.fromkeys(columns, 0)
    placed: dict[str, tuple[str, str]] = {}
    for one in judged:
        column, method = column_of(one.cell), one.cell.method
        group, row = _place(one.cell, filled[column])
        if one.cell.kind == STAND_IN and "places" in layouts()[one.cell.table]:
            group, row = placed[method]  # where the method itself is printed
        placed.setdefault(method, (group, row))
        filled[column] += 1
        groups.setdefault(group, {}).setdefault(row, {})[column] = one
    return [
        Group(
            name if len(groups) > 1 else "",
            [Row(row, [cells.get(column) for column in columns]) for row, cells in rows.items()],
        )
        for name, rows in groups.items()
    ]


def _place(cell: Cell, above: int) -> tuple[str, str]:
    """Group and row of a cell that has so many cells of its column above it."""
    layout = layouts()[cell.table]
    for group, rows in layout.get("places", {}).items():
        if above < rows:
            return group, str(above + 1)
        above -= rows
    name = getattr(cell, layout["group"]) if "group" in layout else ""
    return label(name if isinstance(name, bool) else name.partition("=")[0]), cell.row


def header(columns: list[tuple[str, ...]]) -> list[list[Head]]:
    """Header lines, outermost first. A column with one label alone has it over all lines."""
    depth = len(columns[0])
    alone = [sum(map(bool, labels)) == 1 for labels in columns]
    lines: list[list[Head]] = []
    for level in range(depth):
        line: list[Head] = []
        paths = [
            (place if alone[place] else None, labels[: level + 1])
            for place, labels in enumerate(columns)
        ]
        for _, same in groupby(range(len(columns)), key=paths.__getitem__):
            first, *others = same
            if not alone[first]:
                leaf = first if level == depth - 1 else None
                line.append(Head(columns[first][level], 1 + len(others), 1, leaf))
            elif level == 0:
                line.append(Head("".join(columns[first]), 1, depth, first))
        lines.append(line)
    return lines


def ranks(judged: "Sequence[JudgedCell]") -> dict[Cell, int]:
    """Printed cells that are best (1) or second best (2) of the printed methods, ties included.

    Methods compete in PSNR and SSIM on the same set at the same level, networks for all levels
    among themselves; fewer than three are no competition.
    """
    values: dict[tuple[str | bool, ...], dict[Cell, float]] = {}
    for cell in (one.cell for one in judged):
        if cell.metric in ("PSNR", "SSIM") and cell.kind == "number":
            place = (cell.task, cell.dataset, cell.setting, cell.metric, cell.single_model)
            values.setdefault(place, {})[cell] = float(cell.value)
    places: dict[Cell, int] = {}
    for rivals in values.values():
        top = sorted(set(rivals.values()), reverse=True)[:2] if len(rivals) > 2 else []
        places |= {cell: top.index(value) + 1 for cell, value in rivals.items() if value in top}
    return places
