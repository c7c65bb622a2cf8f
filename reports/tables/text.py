"""Cells of a table as plain text, and whole tables as CSV and Markdown."""

import csv
import io
from collections.abc import Sequence
from typing import Any

from reports.legend import MEASURED, OF_CELL
from reports.tables.layouts import column_of
from reports.tables.verdicts import JudgedCell

FIELDS = [
    *("table", "row", "column", "method", "task", "dataset", "setting", "metric", "unit"),
    *("printed", "measured", "difference", "verdict", "reason", "scale", "measured_on", "images"),
    *("seeds", "spread", "low", "high", "ssim_matlab", "ssim_zero_padded", "protocol", "network"),
    *("released", "record", "source"),
]

LEGEND = (
    "A cell reads: printed / measured (difference) verdict; printed alone where nothing was "
    "measured. Best printed values are bold, second best {second}."
)


def number(judged: JudgedCell) -> str:
    """The measured value with the decimals of the printed one; empty if nothing was measured."""
    return "" if judged.measured is None else f"{judged.measured:.{judged.decimals}f}"


def released(judged: JudgedCell) -> str:
    """What the network of the release scale reaches, "" where it was not measured."""
    return "" if judged.released is None else f"{judged.released:.{judged.decimals}f}"


def difference(judged: JudgedCell) -> str:
    """Signed difference with one decimal more than printed, so that 0.004 does not read as 0."""
    if judged.difference is None:
        return ""
    text = f"{judged.difference:+.{judged.decimals + (judged.decimals > 0)}f}"
    return text if float(text) else text.lstrip("+-")


def printed(judged: JudgedCell) -> str:
    return {"dash": "–", "oom": "OOM"}.get(judged.cell.kind, judged.cell.value)


def stamp_of(context: dict[str, Any]) -> str:
    """The scale's stamp, and which sets stand in for which."""
    substitutes = [
        f"{used} stands in for {', '.join(meant)}." for used, meant in context["stand_ins"].items()
    ]
    return " ".join([context["stamp"], *substitutes])


def notes_of(context: dict[str, Any]) -> list[str]:
    return [f"{', '.join(methods)}: {text}" for text, methods in context["notes"].items()]


def as_csv(
    scale: str,
    verdicts: Sequence[JudgedCell],
    interval: dict[int, tuple[float, float]],
) -> str:
    """A line a printed cell. interval: ends of the 95 % interval, by the verdict's place."""
    out = io.StringIO()
    writer = csv.DictWriter(out, FIELDS, lineterminator="\n")
    writer.writeheader()
    for place, judged in enumerate(verdicts):
        cell, facts = judged.cell, judged.facts
        images = facts.get("images")
        ends = interval.get(place)
        writer.writerow(
            {
                **{name: getattr(cell, name) for name in FIELDS if hasattr(cell, name)},
                "column": " ".join(filter(None, column_of(cell))),
                "printed": printed(judged),
                "measured": "" if judged.measured is None else f"{judged.measured:.6f}",
                "difference": difference(judged),
                "verdict": judged.verdict,
                "reason": judged.reason,
                "scale": scale,
                "measured_on": facts.get("dataset", ""),
                "images": f"{images:.0f}" if images else "",
                "seeds": facts.get("seeds", ""),
                "spread": "" if judged.spread is None else f"{judged.spread:.6f}",
                "low": f"{ends[0]:.6f}" if ends else "",
                "high": f"{ends[1]:.6f}" if ends else "",
                **{
                    name: f"{judged.scores[name]:.6f}" if name in judged.scores else ""
                    for name in ("ssim_matlab", "ssim_zero_padded")
                },
                "protocol": facts.get("protocol", ""),
                "network": facts.get("network", ""),
                "released": "" if judged.released is None else f"{judged.released:.6f}",
                "record": facts.get("record", ""),
            }
        )
    return out.getvalue()


def as_markdown(context: dict[str, Any]) -> str:
    """The table under its title; groups of rows are led by a row with their name."""
    head = ["", *(" ".join(filter(None, column)) for column in context["columns"])]
    body = [head, ["---"] * len(head)]
    for group in context["groups"]:
        body += [[f"**{group.label}**"] + [""] * (len(head) - 1)] if group.label else []
        body += [[row.label, *(short(v, context) for v in row.cells)] for row in group.rows]
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in body]
    note = " ".join([LEGEND.format(second="italic"), *notes_of(context)])
    parts = [f"# {context['title']}", f"> {stamp_of(context)}", context["coverage"], note]
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
    small = f", {released(judged)} release scale" if released(judged) else ""
    verdict = OF_CELL[judged.verdict]
    return f"{value} / {number(judged)}{change} {verdict.symbol} {verdict.name}{small}"
