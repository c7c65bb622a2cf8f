"""One table of the paper, printed beside measured, as HTML, CSV, Markdown and LaTeX."""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from scipy.special import stdtrit

from reports import legend
from reports.collect import means
from reports.pages.template import write_page
from reports.tables import complexity, efficiency, memory
from reports.tables.latex import as_latex
from reports.tables.layouts import arrange, column_of, columns_of, header, layouts, ranks
from reports.tables.text import as_csv, as_markdown, difference, number, printed, released
from reports.tables.verdicts import JudgedCell, count_verdicts, coverage, judge_table
from semanir.files import write_text
from semanir.names import known_name
from semanir.plan.cells import cells
from semanir.plan.models import get_scale

# what a page shows below its table: templates/<table>.html.j2
SECTIONS = {
    "table01": memory.section,
    "table03": efficiency.section,
    "table12": complexity.section,
}

OTHER_METRICS = {
    "ssim_matlab": "SSIM matlab",
    "ssim_zero_padded": "SSIM zero-padded",
    "ssim_matlab_3d": "SSIM matlab 3-D (of an RGB array)",
    "psnr_rgb": "PSNR on RGB",
    "psnr_tiled": "PSNR in tiles",
    "psnr_grey_full_range": "PSNR, grey photographs on 0 to 255 (MATLAB scripts)",
    "psnr_transweather_legacy": "PSNR by TransWeather's own code (known bug)",
}


def intervals(judged: Sequence[JudgedCell], scores: pd.DataFrame) -> dict[int, tuple[float, float]]:
    """Ends of the 95 % interval of a measured mean, by the cell's place in the table.

    Student's t over the images of one set, each the mean over its seeds: how much the number would
    move with other photographs of the kind. None for a mean of several sets, for a single image,
    or where an image is restored without any error.
    """
    key = ["model", "task", "level", "dataset", "metric"]
    of_images = scores[scores["image"] != ""]
    by_image = of_images.groupby([*key, "image"])["value"].mean()
    by_set = by_image.groupby(key).agg(["mean", "std", "size"])
    ends = {}
    for place, one in enumerate(judged):
        where = tuple(one.facts.get(name) for name in key)
        if where not in by_set.index:
            continue
        mean, spread, images = by_set.loc[where]
        half = stdtrit(images - 1, 0.975) * spread / math.sqrt(images) if images > 1 else math.nan
        if math.isfinite(half):
            ends[place] = (float(mean - half), float(mean + half))
    return ends


def provenance(judged: JudgedCell, ends: tuple[float, float] | None) -> str:
    """What stands behind a cell: its name, then a fact a line, "name: value"."""
    cell, facts = judged.cell, judged.facts
    unit = f" {cell.unit}" if cell.unit else ""
    shown: dict[str, Any] = {"printed": f"{printed(judged)}{unit} ({cell.source})"}
    if judged.measured is not None:
        shown |= {
            "measured": f"{judged.measured:.6g}{unit}",
            "difference": f"{difference(judged)}{unit}" if difference(judged) else None,
            "95 % interval over images": f"{ends[0]:.6g} to {ends[1]:.6g}{unit}" if ends else None,
            "scale": facts.get("scale"),
            "on": f"{facts.get('dataset')}, {facts.get('images', 0):.0f} images"
            if "dataset" in facts
            else None,
            "protocol": facts.get("protocol"),
            **{shown: _score(judged, name) for name, shown in OTHER_METRICS.items()},
            "network of the release scale, same images": released(judged) or None,
            "network": _network(facts),
            "seeds": facts["seeds"],
            "spread over seeds": f"{judged.spread:.3g}" if judged.spread else None,
            "machine": ", ".join(
                str(facts[key]) for key in ("machine", "instruction_set") if key in facts
            ),
            "commit": f"{facts.get('commit')}, source {facts.get('source')}",
            "record": facts.get("record"),
        }
    shown |= {"verdict": judged.verdict, "reason": judged.reason or None}
    name = cell.method if "places" in layouts()[cell.table] else cell.row
    lines = [f"{name}, {' '.join(filter(None, column_of(cell)))}"]
    lines += [f"{name}: {value}" for name, value in shown.items() if value is not None]
    # a line break in a machine's name would read as another fact
    return "\n".join(" ".join(line.split()) for line in lines)


def _network(facts: dict[str, Any]) -> str | None:
    if not facts.get("network"):
        return None
    k = f", k={facts['k']:.0f}" if "k" in facts else ""
    return f"{facts['network']}, {facts['parameters']:,.0f} parameters{k}"


def both_ssims(judged: JudgedCell) -> str:
    """SSIM under both conventions, to stand in the cell: the other one beside a printed SSIM."""
    matlab, padded = (_score(judged, f"ssim_{name}") for name in ("matlab", "zero_padded"))
    if matlab is None or padded is None:
        return ""
    if judged.cell.metric == "SSIM":
        return f"zero-padded {padded}"
    # a narrow column breaks between the two, never within one
    return f"SSIM\N{NO-BREAK SPACE}{matlab} ·\N{NO-BREAK SPACE}{padded}"


def _score(judged: JudgedCell, name: str) -> str | None:
    decimals = 2 if name.startswith("psnr") else 4
    return f"{judged.scores[name]:.{decimals}f}" if name in judged.scores else None


def stand_ins(judged: Iterable[JudgedCell]) -> dict[str, list[str]]:
    """Which set was measured -> the printed sets it stands in for."""
    printed_sets: dict[str, list[str]] = {}
    for one in judged:
        if one.stand_in:
            names = printed_sets.setdefault(one.facts.get("dataset", ""), [])
            names += [one.cell.dataset] if one.cell.dataset not in names else []
    return printed_sets


def notes(judged: Iterable[JudgedCell]) -> dict[str, list[str]]:
    """What a reader must know about measured counts -> the methods it is said of."""
    methods_of: dict[str, list[str]] = {}
    for one in judged:
        if one.verdict in ("match", "differs") and one.reason:
            methods = methods_of.setdefault(one.reason, [])
            methods += [one.cell.method] if one.cell.method not in methods else []
    return methods_of


def render(table: str, scale: str, scores: pd.DataFrame, out: Path, source: str = "") -> None:
    """Write out/<table>.html, .csv, .md and .tex.

    scores: of `read_records`; source: where they come from that were not made here.
    """
    layout = layouts()[known_name(table, layouts(), "table")]
    results = means(scores)
    judged = judge_table(cells(table), scale, results)
    ends = intervals(judged, scores)
    columns = columns_of(cells(table))
    context = {
        "table": table,
        "title": layout["title"],
        "corner": layout.get("corner", "Method"),
        "scale": scale,
        "stamp": get_scale(scale)["stamp"],
        "source": source,
        "coverage": coverage(judged),
        "counts": count_verdicts(judged),
        "stand_ins": stand_ins(judged),
        "notes": notes(judged),
        "columns": columns,
        "header": header(columns),
        "groups": arrange(judged),
        "ranks": ranks(judged),
        # a row of such a table holds other methods in every column, so there is nothing to sort
        "names_methods": "places" in layout,
        "tips": {one.cell: provenance(one, ends.get(place)) for place, one in enumerate(judged)},
        "section": SECTIONS[table](cells(table), results) if table in SECTIONS else None,
        "prints_ssim": any(one.cell.metric == "SSIM" for one in judged),
        "measured": any(one.verdict in legend.MEASURED for one in judged),
        "released_stamp": get_scale("release")["stamp"]
        if any(one.released is not None for one in judged)
        else "",
    }
    helpers = {f.__name__: f for f in (number, difference, printed, released, both_ssims)}
    write_page(out / f"{table}.html", "table.html.j2", **context, **helpers)
    write_text(out / f"{table}.csv", as_csv(scale, judged, ends))
    write_text(out / f"{table}.md", as_markdown(context))
    write_text(out / f"{table}.tex", as_latex(context))
