"""One table of the paper, printed beside measured, as HTML, CSV, Markdown and LaTeX."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from reports import legend
from reports.claims.claims import read_claims
from reports.claims.links import claims_about, claims_of_table
from reports.claims.numbers import printed_numbers
from reports.evidence import RANKS, Evidence, judge_cells, judge_here, pooled
from reports.pages.template import write_page
from reports.tables import complexity, efficiency, memory
from reports.tables.images import Images, interval, strip
from reports.tables.latex import as_latex
from reports.tables.layouts import (
    arrange,
    cell_id,
    columns_of,
    header,
    layouts,
    ranks,
)
from reports.tables.provenance import COMMANDS, provenance
from reports.tables.stand_ins import on_stand_ins
from reports.tables.text import as_csv, as_markdown, difference, number, printed, where
from reports.tables.verdicts import JudgedCell, count_verdicts, coverage
from semanir.files import write_text
from semanir.names import known_name
from semanir.plan.cells import QUALITY, cells
from semanir.plan.models import get_scale

# what a page shows below its table: templates/<table>.html.j2
SECTIONS = {
    "table01": memory.section,
    "table03": efficiency.section,
    "table12": complexity.section,
}


def notes(judged: Iterable[JudgedCell]) -> dict[str, list[str]]:
    """What a reader must know about measured counts -> the methods it is said of."""
    methods_of: dict[str, list[str]] = {}
    for one in judged:
        if one.verdict in ("match", "differs") and one.reason:
            methods = methods_of.setdefault(one.reason, [])
            methods += [one.cell.method] if one.cell.method not in methods else []
    return methods_of


def stamps(judged: Iterable[JudgedCell]) -> list[str]:
    """What is said of the scales whose numbers are no reproduction, best first."""
    small = (one for one in judged if one.verdict not in legend.AS_PRINTED)
    found = {one.scale for one in small if one.measured is not None}
    return [get_scale(name)["stamp"] for name in RANKS if name in found]


def arranged(judged: Sequence[JudgedCell]) -> dict[str, Any]:
    """The judged cells of a table in rows and columns, and what is counted of them."""
    columns = columns_of(one.cell for one in judged)
    return {
        "coverage": coverage(judged),
        "counts": count_verdicts(judged),
        "stamps": stamps(judged),
        "notes": notes(judged),
        "columns": columns,
        "header": header(columns),
        "groups": arrange(judged),
    }


def view(judged: Sequence[JudgedCell], images: Images) -> dict[str, Any]:
    """What the page shows of cells: in place, with provenance and a strip of single images."""
    extra = on_stand_ins(judged)
    labels = [one.cell.dataset for one in extra]
    shown = [*judged, *extra]
    scores = {one.cell: images.of(one) for one in shown if one.cell.metric in QUALITY}
    ends = {cell: interval(values) for cell, values in scores.items()}
    units = {"PSNR": "dB", "SSIM": ""}
    return arranged(shown) | {
        "near_names": tuple(labels),
        "stand_ins": {name: labels.count(name) for name in dict.fromkeys(labels)},
        "tips": {one.cell: provenance(one, ends.get(one.cell)) for one in shown},
        "strips": {
            one.cell: strip(scores[one.cell], images.of_input(one), units[one.cell.metric])
            for one in shown
            if scores.get(one.cell) is not None
        },
        "measured": any(one.measured is not None for one in shown),
        "explained": [name for name in legend.OF_CELL if name in {one.verdict for one in shown}],
        "intervals": ends,
    }


def of_all(views: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What a page says once for all its views: the legend and notes, and what there is to show."""
    methods_of: dict[str, dict[str, None]] = {}
    for shown in views:
        for note, methods in shown["notes"].items():
            methods_of.setdefault(note, {}).update(dict.fromkeys(methods))
    explained = {name for shown in views for name in shown["explained"]}
    return {
        "notes": methods_of,
        "explained": [name for name in legend.OF_CELL if name in explained],
        **{name: any(one[name] for one in views) for name in ("counts", "stand_ins", "measured")},
    }


def render(table: str, evidence: Sequence[Evidence], out: Path) -> None:
    """Write out/<table>.html, .csv, .md and .tex.

    evidence: of `gather`, the run that is rendered first. The page shows the best of it, and has a
    switch to that run alone where others say more.
    """
    layout = layouts()[known_name(table, layouts(), "table")]
    judged, here = (judge(cells(table), evidence) for judge in (judge_cells, judge_here))
    images = Images(evidence)
    best = view(judged, images)
    views = {"best": best}
    if any(_shows(one) != _shows(other) for one, other in zip(judged, here, strict=True)):
        views["here"] = view(here, images)
    context = {
        "table": table,
        "title": layout["title"],
        "corner": layout.get("corner", "Method"),
        "scale": evidence[0].scale,
        "ranks": ranks(judged),
        # a row of such a table holds other methods in every column, so there is nothing to sort
        "names_methods": "places" in layout,
    }
    alone = context | arranged(judged)
    copies = {"Markdown": as_markdown(alone), "LaTeX": as_latex(alone)}
    section = SECTIONS.get(table)
    helpers = {f.__name__: f for f in (number, difference, printed, where, cell_id)}
    write_page(
        out / f"{table}.html",
        "table.html.j2",
        views=views,
        section=section(cells(table), pooled(evidence)) if section else None,
        commands=COMMANDS,
        quality=QUALITY,
        copies=copies,
        claims=claims_of_table(read_claims(), table),
        claims_of=claims_about(read_claims(), printed_numbers(), table),
        **of_all(list(views.values())),
        **context,
        **helpers,
    )
    write_text(out / f"{table}.csv", as_csv(judged, best["intervals"]))
    write_text(out / f"{table}.md", copies["Markdown"])
    write_text(out / f"{table}.tex", copies["LaTeX"])


def _shows(judged: JudgedCell) -> tuple[Any, ...]:
    near = judged.near and judged.near.measured
    return judged.measured, judged.verdict, near, judged.scale if judged.facts else ""
