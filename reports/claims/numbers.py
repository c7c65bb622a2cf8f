"""All printed numbers as one frame, with what was measured of them: what forms are evaluated on."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd

from reports.evidence import Evidence, judge_cells
from reports.legend import AS_PRINTED
from reports.tables.layouts import cell_id, column_of
from semanir.plan.cells import COUNTED, Cell, cells, tables
from semanir.plan.models import is_ours


def frame(evidence: Sequence[Evidence]) -> pd.DataFrame:
    """A line a printed number: what it is called, and what is known of it.

    Columns: fields of Cell, cell_id, name, printed, measured, verdict, decimals, fitted.
    measured is NaN but for networks at full size on the printed photographs.
    """
    rows = []
    for table in tables():
        for judged in judge_cells(cells(table), evidence):
            if judged.cell.kind == "number":
                measured = judged.measured if judged.verdict in AS_PRINTED else None
                values: dict[str, Any] = {"printed": float(judged.cell.value), "measured": measured}
                values |= {"verdict": judged.verdict, "decimals": judged.decimals}
                values |= {"fitted": is_fitted(judged.cell), "cell_id": cell_id(judged.cell)}
                column = " ".join(filter(None, column_of(judged.cell)))
                values |= {"name": f"{judged.cell.row}, {column}"}
                rows.append(asdict(judged.cell) | values)
    return pd.DataFrame(rows).astype({"measured": float})


def is_fitted(cell: Cell) -> bool:
    """Whether our network was fitted to the printed number: a count of parameters or stages."""
    return is_ours(cell.method) and cell.metric in COUNTED and cell.metric != "FLOPs"
