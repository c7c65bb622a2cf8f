"""Cells of a table as plain text, and whole tables as CSV and Markdown."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from reports.legend import MEASURED, OF_CELL
from reports.tables.layouts import cell_id, column_of
from reports.tables.verdicts import JudgedCell
from semanir.plan.cells import Cell

FIELDS = [
    *("id", "table", "row", "column", "method", "task", "dataset", "setting", "metric", "unit"),
    *("printed", "measured", "difference", "verdict", "reason", "scale", "machine", "made"),
    *("measured_on", "images", "seeds", "spread", "low", "high", "ssim_matlab"),
    *("ssim_zero_padded", "protocol", "network", "record", "stand_in", "stand_in_set"),
    *("stand_in_scale", "source"),
]

LEGEND = (
    "A cell reads: printed / measured (difference) verdict; printed alone where nothing was "
    "measured. Best printed values are bold, second best {second}."
)


def number(judged: JudgedCell) -> str:
    """The measured value with the decimals of the printed one; empty if nothing was measured."""
    return "" if judged.measured is None else f"{judged.measured:.{judged.decimals}f}"


def where(judged: JudgedCell) -> str:
    """What a measurement is worth, and from where: "mini, epyc-avx512" or "smoke, here"."""
    return f"{judged.scale}, {judged.machine or 'here'}"


def difference(judged: JudgedCell) -> str:
    """Signed difference with one decimal more than printed, so that 0.004 does not read as 0."""
    if judged.difference is None:
        return ""
    text = f"{judged.difference:+.{judged.decimals + (judged.decimals > 0)}f}"
    return text if float(text) else text.lstrip("+-")


def printed(judged: JudgedCell) -> str:
    return {"dash": "–", "oom": "OOM"}.get(judged.cell.kind, judged.cell.value)


def stamp_of(context: dict[str, Any]) -> str:
    """The stamps of the scales that measured something, empty where none did."""
    return " ".join(context["stamps"])


def notes_of(context: dict[str, Any]) -> list[str]:
    return [f"{', '.join(methods)}: {text}" for text, methods in context["notes"].items()]


def as_csv(
    verdicts: Sequence[JudgedCell], intervals: Mapping[Cell, tuple[float, float] | None]
) -> str:
    """A line a printed cell; intervals: ends of the 95 % interval, where there is one."""
    out = io.StringIO()
    writer = csv.DictWriter(out, FIELDS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(as_row(judged, intervals.get(judged.cell)) for judged in verdicts)
    return out.getvalue()


def as_row(judged: JudgedCell, ends: tuple[float, float] | None = None) -> dict[str, str]:
    """A printed cell and its best measurement as text; keys are FIELDS."""
    cell, facts, near = judged.cell, judged.facts, judged.near
    images = facts.get("images")
    machine = (str(facts[name]) for name in ("machine", "instruction_set") if name in facts)
    scores = {name: judged.scores.get(name) for name in ("ssim_matlab", "ssim_zero_padded")}
    row = {name: getattr(cell, name) for name in FIELDS if hasattr(cell, name)}
    row |= {
        "id": cell_id(cell),
        "column": " ".join(filter(None, column_of(cell))),
        "printed": printed(judged),
        "measured": _exact(judged.measured),
        "difference": difference(judged),
        "verdict": judged.verdict,
        "reason": judged.reason,
        "scale": judged.scale if facts else "",
        "machine": ", ".join(machine),
        "made": (judged.machine or "here") if facts else "",
        "measured_on": facts.get("dataset", ""),
        "images": f"{images:.0f}" if images else "",
        "seeds": str(facts.get("seeds", "")),
        "spread": _exact(judged.spread),
        "low": _exact(ends[0] if ends else None),
        "high": _exact(ends[1] if ends else None),
        **{name: _exact(score) for name, score in scores.items()},
        "protocol": facts.get("protocol", ""),
        "network": facts.get("network", ""),
        "record": "; ".join(facts.get("records", ())),
        "stand_in": _exact(near.measured if near else None),
        "stand_in_set": near.facts["dataset"] if near else "",
        "stand_in_scale": near.scale if near else "",
    }
    return row


def _exact(value: float | None) -> str:
    return "" if value is None else f"{value:.6f}"


def as_markdown(context: dict[str, Any]) -> str:
    """The table under its title; groups of rows are led by a row with their name."""
    head = ["", *(" ".join(filter(None, column)) for column in context["columns"])]
    body = [head, ["---"] * len(head)]
    for group in context["groups"]:
        body += [[f"**{group.label}**"] + [""] * (len(head) - 1)] if group.label else []
        body += [[row.label, *(short(v, context) for v in row.cells)] for row in group.rows]
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in body]
    note = " ".join([LEGEND.format(second="italic"), *notes_of(context)])
    stamp = f"> {stamp_of(context)}" if stamp_of(context) else ""
    parts = filter(None, [f"# {context['title']}", stamp, context["coverage"], note])
    return "\n".join([line for part in parts for line in (part, "")] + [*lines, ""])


def short(judged: JudgedCell | None, context: dict[str, Any]) -> str:
    """A cell in one line: "28.12 / 27.01 (-1.110) ≠ differs", or the printed value alone."""
    if judged is None:
        return ""
    mark = ("", "**", "*")[context["ranks"].get(judged.cell, 0)]
    value = f"{mark}{printed(judged)}{mark}"
    value = f"{judged.cell.method} {value}" if context["names_methods"] else value
    if judged.verdict not in MEASURED:
        return value
    change = f" ({difference(judged)})" if judged.difference is not None else ""
    verdict = OF_CELL[judged.verdict]
    return f"{value} / {number(judged)}{change} {verdict.symbol} {verdict.name}{of_scale(judged)}"


def of_scale(judged: JudgedCell) -> str:
    """ ", mini" behind a measured number that is not as printed, else ""."""
    return "" if OF_CELL[judged.verdict].as_printed else f", {judged.scale}"
