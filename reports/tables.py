"""Render one table of the paper, printed beside measured, as HTML, CSV, Markdown and LaTeX.

python -m reports.tables table10 --scale smoke --out reports RECORD.json ...
"""

import argparse
import csv
import io
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import jinja2

from data_prep.errors import one_line_errors
from data_prep.files import write_text
from data_prep.names import pick
from reports import complexity, efficiency, memory
from reports.collect import collect
from reports.layouts import column_of, layouts
from reports.verdicts import MEASURED, Verdict, coverage, judge_table
from semanir.plan import cells, get_scale

TEMPLATES = Path(__file__).parent / "templates"
FIELDS = [
    *("table", "row", "column", "method", "task", "dataset", "setting", "metric", "unit"),
    *("printed", "measured", "difference", "verdict", "reason", "scale", "measured_on", "images"),
    *("seeds", "spread", "ssim_matlab", "ssim_zero_padded", "protocol", "network", "record"),
    "source",
]


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
    "psnr_transweather_legacy": "PSNR by TransWeather's own code (known bug)",
}


def environment() -> jinja2.Environment:
    """Jinja2 with autoescape; templates never fetch anything."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )


def number(verdict: Verdict) -> str:
    """The measured value with the decimals of the printed one; empty if nothing was measured."""
    return "" if verdict.measured is None else f"{verdict.measured:.{verdict.decimals}f}"


def difference(verdict: Verdict) -> str:
    """Signed difference with one decimal more than printed, so that 0.004 does not read as 0."""
    if verdict.difference is None:
        return ""
    text = f"{verdict.difference:+.{verdict.decimals + (verdict.decimals > 0)}f}"
    return text if float(text) else text.lstrip("+-")


def printed(verdict: Verdict) -> str:
    return {"dash": "–", "oom": "OOM"}.get(verdict.cell.kind, verdict.cell.value)


def provenance(verdict: Verdict) -> str:
    """What stands in the tooltip of a cell, a fact a line."""
    unit = f" {verdict.cell.unit}" if verdict.cell.unit else ""
    lines = [f"printed {printed(verdict)}{unit} ({verdict.cell.source})"]
    if verdict.measured is not None:
        facts = verdict.facts
        shown = {
            "measured": f"{verdict.measured:.6g}{unit}",
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
        lines += [f"{name}: {value}" for name, value in shown.items() if value is not None]
    return "\n".join([*lines, f"verdict: {verdict.verdict}", *filter(None, [verdict.reason])])


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
    return f"zero-padded {padded}" if verdict.cell.metric == "SSIM" else f"SSIM {matlab} · {padded}"


def _score(verdict: Verdict, name: str) -> str | None:
    decimals = 2 if name.startswith("psnr") else 4
    return f"{verdict.scores[name]:.{decimals}f}" if name in verdict.scores else None


def grid(
    verdicts: Sequence[Verdict],
) -> tuple[list[tuple[str, ...]], dict[str, dict[Any, Verdict]]]:
    """Columns in printed order, and row label -> column -> verdict."""
    columns: dict[tuple[str, ...], None] = {}
    rows: dict[str, dict[Any, Verdict]] = {}
    for verdict in verdicts:
        column = column_of(verdict.cell)
        columns[column] = None
        rows.setdefault(verdict.cell.row, {})[column] = verdict
    return list(columns), rows


def header(columns: list[tuple[str, ...]]) -> list[list[tuple[str, int]]]:
    """Header lines, outermost first: (label, how many columns it spans)."""
    lines = []
    for depth in range(len(columns[0])):
        groups = groupby(columns, key=lambda column: column[: depth + 1])
        lines.append([(path[-1], len(list(group))) for path, group in groups])
    return lines


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


def as_csv(table: str, scale: str, verdicts: Sequence[Verdict]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, FIELDS, lineterminator="\n")
    writer.writeheader()
    for verdict in verdicts:
        cell, facts = verdict.cell, verdict.facts
        images = facts.get("images")
        writer.writerow(
            {
                **{name: getattr(cell, name) for name in FIELDS if hasattr(cell, name)},
                "column": " ".join(filter(None, column_of(cell))),
                "printed": printed(verdict),
                "measured": "" if verdict.measured is None else f"{verdict.measured:.6f}",
                "difference": difference(verdict),
                "verdict": verdict.verdict,
                "reason": verdict.reason,
                "scale": scale,
                "measured_on": facts.get("dataset", ""),
                "images": f"{images:.0f}" if images else "",
                "seeds": facts.get("seeds", ""),
                "spread": "" if verdict.spread is None else f"{verdict.spread:.6f}",
                **{
                    name: f"{verdict.scores[name]:.6f}" if name in verdict.scores else ""
                    for name in ("ssim_matlab", "ssim_zero_padded")
                },
                "protocol": facts.get("protocol", ""),
                "network": facts.get("network", ""),
                "record": facts.get("record", ""),
            }
        )
    return out.getvalue()


def short(verdict: Verdict | None) -> str:
    """A cell as plain text: "28.12 | 27.01 (-1.110) differs", or the printed value alone."""
    if verdict is None:
        return ""
    if verdict.verdict not in MEASURED:
        return printed(verdict)
    change = f" ({difference(verdict)})" if verdict.difference is not None else ""
    return f"{printed(verdict)} / {number(verdict)}{change} {verdict.verdict}"


def as_text(kind: str, context: dict[str, Any]) -> str:
    columns, rows = context["columns"], context["rows"]
    head = ["", *(" ".join(filter(None, column)) for column in columns)]
    body = [[name, *(short(row.get(column)) for column in columns)] for name, row in rows.items()]
    line = context["coverage"]
    substitutes = [
        f"{used} stands in for {', '.join(meant)}." for used, meant in context["stand_ins"].items()
    ]
    stamp = " ".join([context["stamp"], *substitutes])
    known = [f"{', '.join(methods)}: {text}" for text, methods in context["notes"].items()]
    legend = "A cell reads: printed / measured (difference) verdict; printed alone where quoted."
    note = " ".join([legend, *known])
    if kind == "md":
        ruler = ["---"] * len(head)
        lines = [
            "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"
            for row in (head, ruler, *body)
        ]
        return "\n".join(
            [f"# {context['title']}", "", f"> {stamp}", "", line, "", note, "", *lines, ""]
        )
    rows_tex = [" & ".join(map(_tex, row)) + r" \\" for row in (head, *body)]
    return "\n".join(
        [
            f"% {stamp}",
            f"% {line}",
            r"\begin{table}\centering\scriptsize",
            r"\begin{tabular}{l" + "r" * len(columns) + "}",
            rows_tex[0] + r" \hline",
            *rows_tex[1:],
            r"\end{tabular}",
            rf"\caption{{{_tex(context['title'])}. {_tex(stamp)} {_tex(line)}. {_tex(note)}}}",
            r"\end{table}",
            "",
        ]
    )


_TEX = {"σ": r"$\sigma$", "×": r"$\times$", "†": r"\dag ", "–": "--", "ö": r"\"o", "#": r"\#"}
_TEX |= {"_": r"\_", "%": r"\%", "&": r"\&", "$": r"\$", "{": r"\{", "}": r"\}"}
_TEX |= {"^": r"\textasciicircum{}", "~": r"\~{}", "\\": r"\textbackslash{}"}


def _tex(text: str) -> str:
    return "".join(_TEX.get(character, character) for character in text)


def render(table: str, scale: str, records: Sequence[Path], out: Path) -> None:
    """Write out/<table>.html, .csv, .md and .tex from the records of the runs it needs."""
    pick(table, layouts(), "table")
    results = collect(records)
    verdicts = judge_table(cells(table), scale, results)
    columns, rows = grid(verdicts)
    context = {
        "table": table,
        "title": layouts()[table]["title"],
        "scale": scale,
        "stamp": get_scale(scale)["stamp"],
        "coverage": coverage(verdicts),
        "stand_ins": stand_ins(verdicts),
        "notes": notes(verdicts),
        "columns": columns,
        "header": header(columns),
        "rows": rows,
        "section": SECTIONS[table](cells(table), results) if table in SECTIONS else None,
        "prints_ssim": any(verdict.cell.metric == "SSIM" for verdict in verdicts),
    }
    helpers = {f.__name__: f for f in (number, difference, printed, provenance, both_ssims)}
    page = environment().get_template("table.html.j2").render(**context, **helpers)
    write_text(out / f"{table}.html", page)
    write_text(out / f"{table}.csv", as_csv(table, scale, verdicts))
    write_text(out / f"{table}.md", as_text("md", context))
    write_text(out / f"{table}.tex", as_text("tex", context))


@one_line_errors
def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m reports.tables", description=__doc__)
    parser.add_argument("table", help="for example table10")
    parser.add_argument("records", nargs="*", type=Path, help="records of the runs it needs")
    parser.add_argument("--scale", default="smoke")
    parser.add_argument("--out", type=Path, default=Path("reports"))
    args = parser.parse_args(argv)
    render(args.table, args.scale, args.records, args.out)


if __name__ == "__main__":
    main()
