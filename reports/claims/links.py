"""From a claim to the numbers that decide it, and from a printed number to the claims about it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from reports.claims.forms import cells_of
from reports.tables.layouts import default_tables, table_name

SINGLE = 6  # cells that are linked one by one; of more, their tables
# what shows results that are no printed number
PAGE_OF_METRIC = {
    "multiply_adds": "table12",
    "dictionary": "table12",
    "floats": "table12",
    "median_ms": "table03",
    "forward_ms": "table01",
    "memory_cpu": "table01",
    "memory_cuda": "table01",
}


@dataclass(frozen=True)
class Link:
    """A page of the reports, or a cell of one."""

    text: str
    href: str


def links(claim: dict[str, Any], numbers: pd.DataFrame) -> tuple[Link, ...]:
    """Where the numbers of both forms of a claim stand. numbers: of reports.claims.numbers."""
    found = [one for side in ("printed", "measured") for one in _of_form(claim.get(side), numbers)]
    return tuple(dict.fromkeys(found))


def claims_about(
    claims: Iterable[dict[str, Any]], numbers: pd.DataFrame, table: str
) -> dict[str, list[str]]:
    """Id of a cell of a table -> ids of the claims whose forms name it.

    numbers: of reports.claims.numbers, `printed_numbers` is enough.
    """
    found: dict[str, list[str]] = {}
    for claim in claims:
        forms = [claim[side] for side in ("printed", "measured") if side in claim]
        named = pd.concat([cells_of(form, numbers) for form in forms] or [numbers[:0]])
        for cell in named.loc[named["table"] == table, "cell_id"].unique():
            found.setdefault(cell, []).append(claim["id"])
    return found


def claims_of_table(claims: Iterable[dict[str, Any]], table: str) -> list[str]:
    """Ids of the claims whose forms name cells of a table, in the order of the ledger."""
    return [claim["id"] for claim in claims if table in _tables_named(claim)]


def _tables_named(form: dict[str, Any]) -> set[str]:
    named: set[str] = set()
    for field, value in form.items():
        if field == "table":
            named |= {value} if isinstance(value, str) else set(value)
        elif isinstance(value, dict):
            named |= _tables_named(value)
    return named


def _of_form(form: dict[str, Any] | None, numbers: pd.DataFrame) -> list[Link]:
    if form is None or "reason" in form:
        return []
    if "ablation" in form:
        return [Link("Ablations", "ablations.html")]
    named = cells_of(form, numbers)
    named = named[named["table"].isin(default_tables())]
    if len(named) <= SINGLE:
        found = [
            Link(f"{table_name(row.table)}: {row.name}", f"{row.table}.html#{row.cell_id}")
            for row in named.itertuples()
        ]
    else:
        found = [
            Link(f"{table_name(str(table))}, {len(cells)} numbers", f"{table}.html")
            for table, cells in named.groupby("table", sort=False)
        ]
    wanted = form.get("cells", {}).values() if "value" in form else ()
    for one in wanted:
        page = PAGE_OF_METRIC.get(one.get("metric", "")) if isinstance(one, dict) else None
        found += [Link(table_name(page), f"{page}.html")] if page else []
    return found
