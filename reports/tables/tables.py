"""Render one table of the paper, printed beside measured, as HTML, CSV, Markdown and LaTeX.

python -m reports.tables.tables table10 RECORD.json ... --scale smoke --out reports
"""

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from scipy.special import stdtrit

from reports.collect import means, read_records
from reports.tables import complexity, efficiency, memory
from reports.tables.latex import as_latex
from reports.tables.layouts import arrange, column_of, columns_of, header, layouts, ranks
from reports.tables.text import SYMBOLS, as_csv, as_markdown, difference, number, printed
from reports.tables.verdicts import MEASURED, Verdict, coverage, judge_table
from semanir.errors import one_line_errors
from semanir.files import write_text
from semanir.names import known_name
from semanir.paths import ROOT
from semanir.plan.cells import cells
from semanir.plan.models import get_scale

TEMPLATES = ROOT / "reports" / "templates"

MEANINGS = {
    "match": "measured at full size under the named protocol, within the cell's tolerance",
    "differs": "measured at full size under the named protocol, outside the tolerance",
    "better than printed": "outside the tolerance on the good side, as suspicious as a miss",
    "scaled down": "measured by a tiny network, or on photographs that stand in for the printed "
    "set; never a reproduction",
    "synthetic data": "measured on synthetic degradations that stand in for real pairs; not "
    "comparable",
    "quoted": "printed value only; the cell says why",
    "no data": "photographs or a run are missing; the cell says which",
    "no weights": "nobody released weights for it",
    "no hardware": "printed for hardware or a setting that nobody can repeat",
}

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


def environment() -> jinja2.Environment:
    """Jinja2 with autoescape; templates never fetch anything. `symbols`: verdict -> its symbol."""
    found = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    found.globals |= {"symbols": SYMBOLS}
    return found


def intervals(verdicts: Sequence[Verdict], scores: pd.DataFrame) -> dict[int, tuple[float, float]]:
    """Ends of the 95 % interval of a measured mean, by the verdict's place in the table.

    Student's t over the images of one set, each the mean over its seeds: how much the number would
    move with other photographs of the kind. None for a mean of several sets, for a single image,
    or where an image is restored without any error.
    """
    key = ["model", "task", "level", "dataset", "metric"]
    of_images = scores[scores["image"] != ""]
    by_image = of_images.groupby([*key, "image"])["value"].mean()
    by_set = by_image.groupby(key).agg(["mean", "std", "size"])
    found = {}
    for place, verdict in enumerate(verdicts):
        where = tuple(verdict.facts.get(name) for name in key)
        if where not in by_set.index:
            continue
        mean, spread, images = by_set.loc[where]
        half = stdtrit(images - 1, 0.975) * spread / math.sqrt(images) if images > 1 else math.nan
        if math.isfinite(half):
            found[place] = (float(mean - half), float(mean + half))
    return found


def provenance(verdict: Verdict, ends: tuple[float, float] | None) -> str:
    """What stands behind a cell: its name, then a fact a line, "name: value"."""
    cell, facts = verdict.cell, verdict.facts
    unit = f" {cell.unit}" if cell.unit else ""
    shown: dict[str, Any] = {"printed": f"{printed(verdict)}{unit} ({cell.source})"}
    if verdict.measured is not None:
        shown |= {
            "measured": f"{verdict.measured:.6g}{unit}",
            "difference": f"{difference(verdict)}{unit}" if difference(verdict) else None,
            "95 % interval over images": f"{ends[0]:.6g} to {ends[1]:.6g}{unit}" if ends else None,
            "scale": facts.get("scale"),
            "on": f"{facts.get('dataset')}, {facts.get('images', 0):.0f} images"
            if "dataset" in facts
            else None,
            "protocol": facts.get("protocol"),
            **{shown: _score(verdict, name) for name, shown in OTHER_METRICS.items()},
            "network": _network(facts),
            "seeds": facts["seeds"],
            "spread over seeds": f"{verdict.spread:.3g}" if verdict.spread else None,
            "machine": ", ".join(
                str(facts[key]) for key in ("machine", "instruction_set") if key in facts
            ),
            "commit": f"{facts.get('commit')}, source {facts.get('source')}",
            "record": facts.get("record"),
        }
    shown |= {"verdict": verdict.verdict, "reason": verdict.reason or None}
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


def both_ssims(verdict: Verdict) -> str:
    """SSIM under both conventions, to stand in the cell: the other one beside a printed SSIM."""
    matlab, padded = (_score(verdict, f"ssim_{name}") for name in ("matlab", "zero_padded"))
    if matlab is None or padded is None:
        return ""
    if verdict.cell.metric == "SSIM":
        return f"zero-padded {padded}"
    # a narrow column breaks between the two, never within one
    return f"SSIM\N{NO-BREAK SPACE}{matlab} ·\N{NO-BREAK SPACE}{padded}"


def _score(verdict: Verdict, name: str) -> str | None:
    decimals = 2 if name.startswith("psnr") else 4
    return f"{verdict.scores[name]:.{decimals}f}" if name in verdict.scores else None


def stand_ins(verdicts: Sequence[Verdict]) -> dict[str, list[str]]:
    """Which set was measured -> the printed sets it stands in for."""
    found: dict[str, list[str]] = {}
    for verdict in verdicts:
        used, meant = verdict.facts.get("dataset", ""), verdict.cell.dataset
        if verdict.stand_in and meant not in found.setdefault(used, []):
            found[used].append(meant)
    return found


def notes(verdicts: Sequence[Verdict]) -> dict[str, list[str]]:
    """What a reader must know about measured counts -> the methods it is said of."""
    found: dict[str, list[str]] = {}
    for verdict in verdicts:
        if verdict.verdict in ("match", "differs") and verdict.reason:
            methods = found.setdefault(verdict.reason, [])
            methods += [verdict.cell.method] if verdict.cell.method not in methods else []
    return found


def counts(verdicts: Sequence[Verdict]) -> dict[str, int]:
    """How many printed numbers have each verdict, in the order of SYMBOLS."""
    found = [verdict.verdict for verdict in verdicts if verdict.cell.kind == "number"]
    return {name: found.count(name) for name in SYMBOLS if name in found}


def render(table: str, scale: str, scores: pd.DataFrame, out: Path, source: str = "") -> None:
    """Write out/<table>.html, .csv, .md and .tex.

    scores: of `read_records`; source: where they come from that were not made here.
    """
    layout = layouts()[known_name(table, layouts(), "table")]
    results = means(scores)
    verdicts = judge_table(cells(table), scale, results)
    ends = intervals(verdicts, scores)
    columns = columns_of(cells(table))
    context = {
        "table": table,
        "title": layout["title"],
        "corner": layout.get("corner", "Method"),
        "scale": scale,
        "stamp": get_scale(scale)["stamp"],
        "source": source,
        "coverage": coverage(verdicts),
        "counts": counts(verdicts),
        "meanings": MEANINGS,
        "stand_ins": stand_ins(verdicts),
        "notes": notes(verdicts),
        "columns": columns,
        "header": header(columns),
        "groups": arrange(verdicts),
        "ranks": ranks(verdicts),
        # a row of such a table holds other methods in every column, so there is nothing to sort
        "names_methods": "places" in layout,
        "tips": {v.cell: provenance(v, ends.get(place)) for place, v in enumerate(verdicts)},
        "section": SECTIONS[table](cells(table), results) if table in SECTIONS else None,
        "prints_ssim": any(verdict.cell.metric == "SSIM" for verdict in verdicts),
        "measured": any(verdict.verdict in MEASURED for verdict in verdicts),
    }
    helpers = {f.__name__: f for f in (number, difference, printed, both_ssims)}
    page = environment().get_template("table.html.j2").render(**context, **helpers)
    write_text(out / f"{table}.html", page)
    write_text(out / f"{table}.csv", as_csv(scale, verdicts, ends))
    write_text(out / f"{table}.md", as_markdown(context))
    write_text(out / f"{table}.tex", as_latex(context))


@one_line_errors
def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m reports.tables.tables", description=__doc__)
    parser.add_argument("table", help="for example table10")
    parser.add_argument("records", nargs="*", type=Path, help="records of the runs it needs")
    parser.add_argument("--scale", default="smoke")
    parser.add_argument("--out", type=Path, default=Path("reports"))
    args = parser.parse_args(argv)
    render(args.table, args.scale, read_records(args.records), args.out)


if __name__ == "__main__":
    main()
