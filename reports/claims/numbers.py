"""All printed numbers as one frame, with what was measured of them: what forms are evaluated on."""

from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from typing import Any

import pandas as pd

from reports.evidence import Evidence, judge_cells
from reports.legend import AS_PRINTED
from reports.tables.layouts import cell_id, column_of
from semanir.plan.cells import COUNTED, Cell, cells, tables
from semanir.plan.models import is_ours


def frame(evidence: Sequence[Evidence]) -> pd.DataFrame:
    """A line a printed number: what it is called, and what is known of it.

    Columns: those of `printed_numbers`, measured, verdict, decimals. measured is NaN but for
    networks at full size on the printed photographs.
    """
    rows = []
    for table in tables():
        for judged in judge_cells(cells(table), evidence):
            if judged.cell.kind == "number":
                measured = judged.measured if judged.verdict in AS_PRINTED else None
                rows.append((measured, judged.verdict, judged.decimals))
    found = pd.DataFrame(rows, columns=["measured", "verdict", "decimals"])
    return printed_numbers().join(found.astype({"measured": float}))


@cache
def printed_numbers() -> pd.DataFrame:
    """What numbers are called: fields of Cell, cell_id, name, printed, fitted."""
    rows = []
    for cell in (cell for table in tables() for cell in cells(table) if cell.kind == "number"):
        column = " ".join(filter(None, column_of(cell)))
        values: dict[str, Any] = {"name": f"{cell.row}, {column}", "printed": float(cell.value)}
        values |= {"fitted": is_fitted(cell), "cell_id": cell_id(cell)}
        rows.append(asdict(cell) | values)
    return pd.DataFrame(rows)


def is_fitted(cell: Cell) -> bool:
    """Whether our network was fitted to the printed number: a count of parameters or stages."""
    return is_ours(cell.method) and cell.metric in COUNTED and cell.metric != "FLOPs"
