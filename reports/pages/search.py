"""What the index is searched for: every printed cell and every claim, with its address."""

import re
from collections.abc import Iterable
from typing import Any

from reports.tables.layouts import cell_id, column_of, table_name
from reports.tables.text import number, printed
from reports.tables.verdicts import JudgedCell


def places(judged: Iterable[JudgedCell], claims: Iterable[dict[str, Any]]) -> list[tuple[str, str]]:
    """(what it says, address within the site), cells before claims."""
    found = [(_cell(one), f"{one.cell.table}.html#{cell_id(one.cell)}") for one in judged]
    for claim in claims:
        # a page that holds no address of the network loads none
        text = re.sub(r"\S*://\S*", "…", " ".join((claim.get("quote") or claim["text"]).split()))
        found.append((f"{claim['id']}: {text}", f"claims.html#{claim['id']}"))
    return found


def _cell(one: JudgedCell) -> str:
    column = " ".join(filter(None, column_of(one.cell)))
    measured = f", measured {number(one)}" if number(one) else ""
    said = f"printed {printed(one)}{measured}, {one.verdict}"
    return f"{table_name(one.cell.table)}: {one.cell.row}, {column}: {said}"
