"""Render the index: coverage of every table, and what the trained networks gain over their input.

python -m reports.index --scale smoke --results results/smoke/results.csv --out reports/index.html
"""

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from data_prep.errors import one_line_errors
from data_prep.files import write_text
from reports.collect import means, read_results
from reports.layouts import default_tables, layouts
from reports.tables import environment
from reports.verdicts import MEASURED, judge_table
from semanir.plan import cells, get_scale, tables


def gains(results: pd.DataFrame) -> pd.DataFrame:
    """PSNR of every trained model beside that of its input: columns value, input, gain (dB).

    Mean over seeds; sorted as the results are. Infinite where a restored set equals its target.
    """
    psnr = results[results["metric"] == "psnr"]
    place = ["task", "dataset", "level"]
    is_input = psnr["model"] == "input"
    # a blind network's input is that of the same level: strip the training level off the task
    psnr = psnr.assign(family=psnr["task"].str.rsplit("-", n=1).str[0])
    key = ["family", "dataset", "level"]
    inputs = psnr[is_input].groupby(key)["value"].mean().rename("input")
    models = psnr[~is_input].groupby(["family", *place, "model"])["value"].mean().reset_index()
    joined = models.join(inputs, on=key)
    return joined.assign(gain=joined["value"] - joined["input"])


def summary(table: str, scale: str, results: pd.DataFrame) -> dict[str, Any]:
    """Counts of one table's printed numbers by what became of them."""
    verdicts = [v for v in judge_table(cells(table), scale, results) if v.cell.kind == "number"]
    counted = Counter(verdict.verdict for verdict in verdicts)
    return {
        "name": table,
        "title": layouts()[table]["title"],
        "numbers": len(verdicts),
        "measured": sum(counted[name] for name in MEASURED),
        "match": counted["match"],
        "differ": counted["differs"] + counted["better than printed"],
        "scaled": counted["scaled down"],
        "synthetic": counted["synthetic data"],
    }


@one_line_errors
def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m reports.index", description=__doc__)
    parser.add_argument("--scale", default="smoke")
    parser.add_argument("--results", type=Path, required=True, help="results.csv of the scale")
    parser.add_argument("--out", type=Path, default=Path("reports/index.html"))
    args = parser.parse_args(argv)
    results = means(read_results(args.results))
    printed = [c for name in tables() if name.startswith("table") for c in cells(name)]
    summaries = [summary(table, args.scale, results) for table in default_tables()]
    page = (
        environment()
        .get_template("index.html.j2")
        .render(
            scale=args.scale,
            stamp=get_scale(args.scale)["stamp"],
            tables=summaries,
            numbers=sum(cell.kind == "number" for cell in printed),
            measured=sum(entry["measured"] for entry in summaries),
            match=sum(entry["match"] for entry in summaries),
            gains=gains(results).to_dict("records"),
        )
    )
    write_text(args.out, page)


if __name__ == "__main__":
    main()
