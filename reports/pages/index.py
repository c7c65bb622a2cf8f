"""The index: what of the paper holds, what became of every number, and how to get the rest.

Numbers come from results alone. Records add pictures only: those of semanir.evaluate.visual,
and the one of Figure 4.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from reports import legend
from reports.claims.claims import read_claims
from reports.evidence import Evidence, by_rank, judge_cells, of_ablations
from reports.figures import figure04, visual
from reports.pages.missing import gaps
from reports.pages.search import places
from reports.pages.template import write_page
from reports.pages.verdict_box import box, headlines, read_ledger
from reports.tables import stand_ins
from reports.tables.layouts import default_tables, layouts
from reports.tables.verdicts import JudgedCell, count_verdicts
from semanir import paths
from semanir.plan import price_table
from semanir.plan.cells import cells
from semanir.plan.models import trained_models
from semanir.plan.plan import Plan
from semanir.plan.progress import unfinished
from semanir.plan.record import read_record
from semanir.plan.trainings import trainings_priced

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
        "resolved": sum(counted.get(name, 0) for name in legend.AS_PRINTED),
        "match": counted.get("match", 0),
        "stand_ins": stand_ins.count(judged),
        "parts": counted,
    }


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


def tally(ledger: pd.DataFrame) -> dict[str, int]:
    """Verdict by our measurement -> how many of the paper's claims have it; findings are none."""
    counted = Counter(ledger.loc[ledger["kind"] == "claim", "verdict"])
    names = [verdict.name for verdict in legend.CLAIM_VERDICTS]
    return {name: counted[name] for name in dict.fromkeys([*names, *counted]) if counted[name]}


def render(
    evidence: Sequence[Evidence],
    out: Path,
    visual_records: Sequence[Path] = (),
    activation: Path | None = None,
) -> None:
    """Write the page of the best evidence there is.

    evidence: of `gather`, the run that is rendered first. visual_records: of
    semanir.evaluate.visual, of which the first SHOWN are shown.
    """
    here = evidence[0]
    of_tables = {name: judge_cells(cells(name), evidence) for name in default_tables()}
    judged = [cell for of_table in of_tables.values() for cell in of_table]
    summaries = [summary(name, of_table) for name, of_table in of_tables.items()]
    ledger = read_ledger(out.parent)
    write_page(
        out,
        "index.html.j2",
        here=here,
        evidence=by_rank(evidence),
        tables=summaries,
        totals=totals(summaries),
        box=box(judged),
        headlines=headlines(ledger),
        gaps=gaps(judged),
        places=places(judged, read_claims()),
        price_head=price_table.HEAD,
        prices=price_table.rows(trainings_priced(Plan("paper"))),
        unfinished=len(unfinished(Path(paths.RESULTS.format(scale=here.scale)).parent)),
        claims=tally(ledger),
        ablations=of_ablations(evidence)[0],
        gains=gains(here.results).to_dict("records"),
        makers=makers(pd.concat([one.by_image for one in evidence])),
        maps=figure04.maps(read_record(activation)) if activation else "",
        visuals=visual.visuals(visual_records[:SHOWN], here.by_image),
        more=max(len(visual_records) - SHOWN, 0),
    )
