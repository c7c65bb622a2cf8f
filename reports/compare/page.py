"""Pages of compared results: two beside each other, and a file over its commits."""

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
from tabulate import tabulate

from reports.collect import METRICS
from reports.compare import history
from reports.compare.pairs import GROUPS, ROW, by_group, equal_weights, group_of, match
from reports.compare.sides import Side
from reports.gate.compare import KINDS, kind_of
from reports.pages.template import write_page
from semanir.files import replacing, write_text

FACTS = ("scale", "machine", "torch", "commit", "date")
SUMMARY = ("group", "rows", "equal", "mean", "largest", "ratio", "at", "only_one", "only_other")


def number(value: float | None, metric: str, sign: str = "") -> str:
    """A value with the decimals of its metric; "" where there is none. sign: "+" shows it."""
    if value is None or math.isnan(value):
        return ""
    if metric not in METRICS and value != round(value):
        return f"{value:{sign}.4g}"
    text = f"{value:{sign}.{KINDS[kind_of(metric)].decimals if metric in METRICS else 0}f}"
    return text.lstrip("+-") if float(text) == 0 else text


def render(one: Side, other: Side, out: Path) -> str:
    """Write compare.html, .csv and .md; returns the summary as a table."""
    lines = match(one.scores, other.scores)
    summary = by_group(lines)
    paired = lines[lines["side"] == "both"]
    groups = paired["metric"].map(group_of)
    both = {
        group: _sorted(paired[groups == group]).to_dict("records")
        for group in GROUPS
        if (groups == group).any()
    }
    with replacing(out / "compare.csv") as partial:
        lines.to_csv(partial, index=False)
    write_page(
        out / "compare.html",
        "compare.html.j2",
        sides=(one, other),
        facts=FACTS,
        weights=equal_weights(one.scores, other.scores),
        summary=summary,
        both=both,
        alone={side: lines[lines["side"] == side].to_dict("records") for side in ("one", "other")},
        scores=METRICS,
        site=_in_site(out),
        number=number,
    )
    text = as_table(summary)
    heading = f"# Two results\n\nA: {one.name}\n\nB: {other.name}, the difference is B less A\n\n"
    scored = paired[paired["metric"].isin(METRICS)]
    write_text(out / "compare.md", f"{heading}{text}\n\n{_rows(_sorted(scored))}\n")
    return text


def _in_site(out: Path) -> bool:
    """Whether the other pages lie beside these, so that links to them lead somewhere."""
    return (out / "index.html").is_file()


def as_table(summary: list[dict[str, Any]]) -> str:
    """The lines of `by_group` as a table in Markdown."""
    rows = [
        [
            *(line[name] for name in SUMMARY[:3]),
            *(number(line[name], line["group"], "+") for name in ("mean", "largest")),
            "" if line["ratio"] is None else f"{line['ratio']:.4g}",
            *(line[name] for name in SUMMARY[6:]),
        ]
        for line in summary
    ]
    head = ["metric", "rows in both", "equal", "mean difference", "largest", "farthest ratio", "of"]
    return tabulate(rows, [*head, "A alone", "B alone"], "github", disable_numparse=True)


def _sorted(rows: pd.DataFrame) -> pd.DataFrame:
    """The largest differences first; rows without any in their order."""
    far = -rows["difference"].abs()
    return rows.loc[far.sort_values(kind="stable").index]


def _rows(rows: pd.DataFrame) -> str:
    shown = [
        [
            *(row[name] for name in ROW),
            *(number(row[name], row["metric"]) for name in ("one", "other")),
            *(number(row["difference"], row["metric"], "+"), number(row["spread"], row["metric"])),
            row["images"],
        ]
        for row in rows.to_dict("records")
    ]
    head = ["network", "task", "set", "level", "metric", "A", "B", "B - A", "spread", "images"]
    return tabulate(shown, head, "github", disable_numparse=True)


def render_history(path: Path, out: Path) -> str:
    """Write history.html and .csv of an accepted file; returns the versions as a table."""
    found = history.versions(path)
    made = history.steps(found)
    lines = [
        {
            **{name: getattr(step.version, name) for name in ("commit", "date", "subject")},
            **{name: value for name, value in asdict(step).items() if name != "version"},
        }
        for step in made
    ]
    with replacing(out / "history.csv") as partial:
        pd.DataFrame(lines).to_csv(partial, index=False)
    write_page(
        out / "history.html",
        "history.html.j2",
        name=path.name,
        steps=made,
        unread=[one for one in found if one.side is None],
        figure=history.figure(found),
        site=_in_site(out),
    )
    names = ("commit", "date", "rows", "new", "gone", "moved", "largest", "at")
    return tabulate([[line[name] for name in names] for line in lines], names, "github")
