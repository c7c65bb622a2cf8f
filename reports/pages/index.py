"""The index: what became of every printed number, what is missing, and what was measured.

Numbers come from results.csv alone. Records add pictures only: those of semanir.evaluate.visual,
and the one of Figure 4.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from reports import legend
from reports.collect import BROKEN, Accepted, accepted_results, means, read_results
from reports.figures import figure04, visual
from reports.pages.missing import gaps
from reports.pages.template import write_page
from reports.tables.layouts import default_tables, layouts
from reports.tables.verdicts import JudgedCell, count_verdicts, judge_table
from semanir.errors import InputError, remake
from semanir.plan.cells import cells, tables
from semanir.plan.models import get_scale, trained_models
from semanir.plan.record import read_record

SHOWN = 4  # images on the index; visual.html has all
MADE_BY = ["machine", "instruction_set", "threads", "torch", "commit"]


def gains(results: pd.DataFrame) -> pd.DataFrame:
    """PSNR of every trained model beside that of its input: columns value, input, gain (dB).

    Mean over seeds; sorted as the results are. Infinite where a restored set equals its target.
    """
    psnr = results[results["metric"] == "psnr"]
    place = ["task", "dataset", "level"]
    changed = [name for name, entry in trained_models().items() if "of" in entry]
    psnr = psnr[~psnr["model"].isin(changed)]  # ablations have a page of their own
    is_input = psnr["model"] == "input"
    # a blind network's input is that of the same level: strip the training level off the task
    psnr = psnr.assign(family=psnr["task"].str.rsplit("-", n=1).str[0])
    key = ["family", "dataset", "level"]
    inputs = psnr[is_input].groupby(key)["value"].mean().rename("input")
    models = psnr[~is_input].groupby(["family", *place, "model"])["value"].mean().reset_index()
    joined = models.join(inputs, on=key)
    return joined.assign(gain=joined["value"] - joined["input"])


def summary(table: str, judged: Sequence[JudgedCell]) -> dict[str, Any]:
    """Counts of one table's printed numbers by what became of them.

    parts: verdict -> how many, in the order of the legend, those that occur.
    """
    counted = count_verdicts(judged)
    return {
        "name": table,
        "title": layouts()[table]["title"],
        "numbers": sum(counted.values()),
        "measured": sum(counted.get(name, 0) for name in legend.MEASURED),
        "match": counted.get("match", 0),
        "parts": counted,
    }


def brief(one: Accepted) -> dict[str, Any]:
    """Accepted results in a line: name, scale, source, numbers measured, and those that match."""
    results = means(read_results(one.path))
    of_tables = [summary(t, judge_table(cells(t), one.scale, results)) for t in default_tables()]
    counted = {name: sum(entry[name] for entry in of_tables) for name in ("measured", "match")}
    return {"name": one.name, "scale": one.scale, "source": one.source, **counted}


def totals(summaries: Sequence[dict[str, Any]]) -> dict[str, int]:
    """Verdict -> how many printed numbers have it, over all tables that are rendered."""
    counted: Counter[str] = Counter()
    for entry in summaries:
        counted.update(entry["parts"])
    return {
        verdict.name: counted[verdict.name] for verdict in legend.VERDICTS if counted[verdict.name]
    }


def makers(results: pd.DataFrame) -> list[dict[str, Any]]:
    """Where and with which code the results were measured: a line per combination of MADE_BY.

    Columns MADE_BY ("" where a record says nothing), records, first and last (dates).
    """
    groups = results.groupby(MADE_BY, dropna=False, sort=False)
    lines = groups.agg(
        records=("record", "nunique"), first=("created", "min"), last=("created", "max")
    ).reset_index()
    lines = lines.sort_values("records", ascending=False, kind="stable")
    lines[MADE_BY] = lines[MADE_BY].astype("object").where(lines[MADE_BY].notna(), "")
    for name in ("first", "last"):
        lines[name] = lines[name].astype(str).str[:10]
    return lines.to_dict("records")


def timings(results: pd.DataFrame) -> list[dict[str, Any]]:
    """Median times [ms] of the networks timed in turns, with their ratio to the first of a group.

    A group is of one machine's one run: times are never compared across machines.
    """
    key = ["task", "level", "model", "machine", "threads"]
    timed = results[results["metric"].isin(["median_ms", "ratio"])]
    wide = timed.pivot_table(
        index=key, columns="metric", values="value", dropna=False, observed=True, sort=False
    ).reset_index()
    return [] if timed.empty else wide.dropna(subset=["median_ms"]).to_dict("records")


def counted(results: pd.DataFrame) -> list[dict[str, Any]]:
    """Parameters and multiply-adds counted on full-size networks: model, level, metric, value."""
    counts = results[results["metric"].isin(["params", "FLOPs"])]
    return counts[["model", "level", "metric", "value"]].to_dict("records")


def claims(folder: Path) -> dict[str, int]:
    """Verdict by our measurement -> how many of the paper's claims have it, of claims.csv.

    Findings are no claims. Empty where none were rendered. InputError names a file without them.
    """
    path = folder / "claims.csv"
    if not path.is_file():
        return {}
    try:
        ledger = pd.read_csv(path, dtype=str)
        counted = Counter(ledger.loc[ledger["kind"] == "claim", "verdict"])
    except (KeyError, *BROKEN):
        raise InputError(f"{path} has no column verdict; {remake(path)}") from None
    names = [verdict.name for verdict in legend.CLAIM_VERDICTS]
    return {name: counted[name] for name in dict.fromkeys([*names, *counted]) if counted[name]}


def render(
    scale: str,
    results_path: Path,
    out: Path,
    visual_records: Sequence[Path] = (),
    activation: Path | None = None,
    source: str = "",
) -> None:
    """Write the page.

    visual_records: of semanir.evaluate.visual, of which the first SHOWN are shown. source: where
    results come from that were not made here; their page lies one folder deeper.
    """
    by_image = read_results(results_path)
    results = means(by_image)
    judged = {name: judge_table(cells(name), scale, results) for name in default_tables()}
    summaries = [summary(name, of_table) for name, of_table in judged.items()]
    printed = [c for name in tables() if name.startswith("table") for c in cells(name)]
    elsewhere = [] if source else [brief(one) for one in accepted_results() if one.scale != scale]
    write_page(
        out,
        "index.html.j2",
        scale=scale,
        stamp=get_scale(scale)["stamp"],
        source=source,
        results=results_path,
        tables=summaries,
        totals=totals(summaries),
        numbers=sum(cell.kind == "number" for cell in printed),
        measured=sum(entry["measured"] for entry in summaries),
        match=sum(entry["match"] for entry in summaries),
        gaps=gaps((cell for of_table in judged.values() for cell in of_table), scale),
        claims=claims(out.parent),
        accepted=elsewhere,
        gains=gains(results).to_dict("records"),
        makers=makers(by_image),
        timings=timings(results),
        counts=counted(results),
        maps=figure04.maps(read_record(activation)) if activation else "",
        visuals=visual.visuals(visual_records[:SHOWN], by_image),
        more=max(len(visual_records) - SHOWN, 0),
    )
