"""What was measured on photographs that stand in for printed ones: once, in its own column."""

from collections.abc import Iterable
from dataclasses import replace

from reports.tables.layouts import STAND_IN, layouts
from reports.tables.verdicts import JudgedCell
from semanir.plan.cells import Cell


def on_stand_ins(judged: Iterable[JudgedCell]) -> list[JudgedCell]:
    """Every measurement on stand-ins once, in a cell of its own beside the printed ones.

    Its reason names the printed sets that it stands in for, and its verdict is never a match.
    """
    once: dict[Cell, JudgedCell] = {}
    meant: dict[Cell, list[str]] = {}
    for one in judged:
        if one.near is not None:
            cell = _cell(one.cell, one.near.facts["dataset"])
            once.setdefault(cell, one.near)
            meant.setdefault(cell, []).append(one.cell.dataset)
    return [
        replace(one, cell=cell, reason=f"{_what(one)} instead of {', '.join(meant[cell])}")
        for cell, one in once.items()
    ]


def set_label(name: str) -> str:
    """The name of a prepared set as readers know it."""
    return "embedded photographs" if name.startswith("embedded_") else name


def _cell(printed: Cell, measured_on: str) -> Cell:
    row = printed.row
    if layouts()[printed.table].get("group") == "dataset":
        row = row.replace(printed.dataset, "").strip()
    dataset = set_label(measured_on)
    return replace(printed, row=row, dataset=dataset, value="", kind=STAND_IN, source="")


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
