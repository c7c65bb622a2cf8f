"""What was measured on photographs that stand in for the printed ones: once, in a column of its own."""

from collections.abc import Iterable
from dataclasses import replace

from reports.tables.layouts import EMBEDDED, layouts
from reports.tables.verdicts import JudgedCell
from semanir.plan.cells import Cell

STAND_IN = "stand-in"  # the kind of such a cell: nothing is printed there


def on_stand_ins(judged: Iterable[JudgedCell]) -> list[JudgedCell]:
    """Every measurement on stand-ins once, in a cell of its own beside the printed ones.

    Its reason names the printed sets that it stands in for, and its verdict is never a match.
    """
    once: dict[Cell, JudgedCell] = {}
    meant: dict[Cell, list[str]] = {}
    for one in judged:
        if one.near is not None:
            cell = _cell(one.cell)
            once.setdefault(cell, one.near)
            meant.setdefault(cell, []).append(one.cell.dataset)
    return [
        replace(one, cell=cell, reason=f"{_what(one)} instead of {', '.join(meant[cell])}")
        for cell, one in once.items()
    ]


def _cell(printed: Cell) -> Cell:
    row = printed.row
    if "dataset" not in layouts()[printed.table]["columns"]:
        row = row.replace(printed.dataset, "").strip()  # the rows are the sets
    changes = {"row": row, "dataset": EMBEDDED, "value": "", "kind": STAND_IN}
    return replace(printed, **changes, source="")


def _what(one: JudgedCell) -> str:
    pairs = "synthetic pairs of " if one.verdict == "synthetic data" else ""
    return f"{pairs}{one.facts['dataset']}"


def count(judged: Iterable[JudgedCell]) -> int:
    """How many different numbers were measured on stand-ins, whatever they stand in for.

    One network scored on one set at one level by one metric is one, in however many tables it is.
    """
    names = ("model", "task", "dataset", "level", "metric")
    near = (one.near.facts for one in judged if one.near is not None)
    return len({tuple(facts[name] for name in names) for facts in near})
