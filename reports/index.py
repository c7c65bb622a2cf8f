"""Render the index: what became of every printed number, what is missing, and what was measured.

python -m reports.index --scale smoke --results results/smoke/results.csv --out reports/index.html

Numbers come from results.csv alone. Records add pictures only: --visual those of semanir.evaluate.visual,
--activation that of Figure 4.
"""

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from reports.claims.claims import VERDICTS
from reports.collect import BROKEN, means, read_results
from reports.figures import figure04
from reports.figures import pictures as visual
from reports.gate.accepted import Committed, committed
from reports.missing import gaps
from reports.tables.layouts import default_tables, layouts
from reports.tables.tables import SYMBOLS, environment
from reports.tables.verdicts import MEASURED, Verdict, judge_table
from semanir.errors import InputError, one_line_errors, remake
from semanir.files import write_text
from semanir.plan.cells import cells, tables
from semanir.plan.models import get_scale, trained_models
from semanir.plan.record import read_record

SHOWN = 4  # comparisons on the index; visual.html has all
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


def summary(table: str, verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """Counts of one table's printed numbers by what became of them.

    parts: verdict -> how many, in the order of the legend, those that occur.
    """
    counted = Counter(v.verdict for v in verdicts if v.cell.kind == "number")
    return {
        "name": table,
        "title": layouts()[table]["title"],
        "numbers": counted.total(),
        "measured": sum(counted[name] for name in MEASURED),
        "match": counted["match"],
        "parts": {name: counted[name] for name in SYMBOLS if counted[name]},
    }


def brief(one: Committed) -> dict[str, Any]:
    """Committed results in a line: name, scale, source, numbers measured, and those that match."""
    results = means(read_results(one.path))
    found = [summary(t, judge_table(cells(t), one.scale, results)) for t in default_tables()]
    counted = {name: sum(entry[name] for entry in found) for name in ("measured", "match")}
    return {"name": one.name, "scale": one.scale, "source": one.source, **counted}


def totals(summaries: Sequence[dict[str, Any]]) -> dict[str, int]:
    """Verdict -> how many printed numbers have it, over all tables that are rendered."""
    counted: Counter[str] = Counter()
    for entry in summaries:
        counted.update(entry["parts"])
    return {name: counted[name] for name in SYMBOLS if counted[name]}


def makers(results: pd.DataFrame) -> list[dict[str, Any]]:
    """Where and with which code the results were measured: a line per combination of MADE_BY.

    Columns MADE_BY ("" where a record says nothing), records, first and last (dates).
    """
    groups = results.groupby(MADE_BY, dropna=False, sort=False)
    found = groups.agg(
        records=("record", "nunique"), first=("created", "min"), last=("created", "max")
    ).reset_index()
    found = found.sort_values("records", ascending=False, kind="stable")
    found[MADE_BY] = found[MADE_BY].astype("object").where(found[MADE_BY].notna(), "")
    for name in ("first", "last"):
        found[name] = found[name].astype(str).str[:10]
    return found.to_dict("records")


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
    found = results[results["metric"].isin(["params", "FLOPs"])]
    return found[["model", "level", "metric", "value"]].to_dict("records")


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
    order = {verdict: place for place, verdict in enumerate(VERDICTS)}
    return dict(sorted(counted.items(), key=lambda item: order.get(item[0], len(order))))


def render(
    scale: str,
    results_path: Path,
    out: Path,
    pictures: Sequence[Path] = (),
    activation: Path | None = None,
    source: str = "",
) -> None:
    """Write the page. pictures: records of semanir.evaluate.visual, of which the first SHOWN are shown.

    source: where results come from that were not made here; their page lies one folder deeper.
    """
    by_image = read_results(results_path)
    results = means(by_image)
    judged = {name: judge_table(cells(name), scale, results) for name in default_tables()}
    summaries = [summary(name, verdicts) for name, verdicts in judged.items()]
    printed = [c for name in tables() if name.startswith("table") for c in cells(name)]
    context = {
        "scale": scale,
        "stamp": get_scale(scale)["stamp"],
        "source": source,
        "results": results_path,
        "symbols": SYMBOLS,
        "tables": summaries,
        "totals": totals(summaries),
        "numbers": sum(cell.kind == "number" for cell in printed),
        "measured": sum(entry["measured"] for entry in summaries),
        "match": sum(entry["match"] for entry in summaries),
        "gaps": gaps((v for verdicts in judged.values() for v in verdicts), scale),
        "claims": claims(out.parent),
        "committed": [] if source else [brief(c) for c in committed() if c.scale != scale],
        "gains": gains(results).to_dict("records"),
        "makers": makers(by_image),
        "timings": timings(results),
        "counts": counted(results),
        "maps": figure04.maps(read_record(activation)) if activation else "",
        "comparisons": visual.comparisons(pictures[:SHOWN], by_image),
        "more": max(len(pictures) - SHOWN, 0),
    }
    write_text(out, environment().get_template("index.html.j2").render(**context))


@one_line_errors
def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m reports.index", description=__doc__)
    parser.add_argument("--scale", default="smoke")
    parser.add_argument("--results", type=Path, required=True, help="results.csv of the scale")
    parser.add_argument("--visual", type=Path, nargs="*", default=[], help="records with pictures")
    parser.add_argument("--activation", type=Path, help="record of Figure 4")
    parser.add_argument("--out", type=Path, default=Path("reports/index.html"))
    args = parser.parse_args(argv)
    render(args.scale, args.results, args.out, args.visual, args.activation)


if __name__ == "__main__":
    main()
