"""The page of ablations: one thing changed at a time, compared over images and seeds.

Written are ablations.html, ablations.csv and .svg (every comparison, and those with an interval),
and three figures as SVG and CSV: figure03 (PSNR over k at inference), figure05 (one model, many
levels) and figure10 (convergence).
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from reports.claims.claims import read_claims
from reports.evidence import Evidence, of_ablations
from reports.figures import figure03, figure05, figure10, forest, plots
from reports.pages.template import write_page
from reports.statistics.ablations import ablations
from reports.statistics.comparison import ALPHA, SAME, Comparison, signed
from reports.statistics.conclusions import MARGIN, Conclusion, Family, compare_all
from reports.statistics.labels import label
from semanir.files import replacing, write_text
from semanir.plan.models import get_model, get_scale

COSTLY = ["eval_multiply_adds", "train_seconds"]


def costs(results: pd.DataFrame, model: str, task: str) -> dict[str, float | None]:
    """{multiply_adds: of one image, seconds: of a training} of a model, means over its seeds."""
    rows = results[results["task"] == task]
    of_image = rows[(rows["model"] == model) & (rows["metric"] == "eval_multiply_adds")]
    trainee = get_model(model).get("weights_of", model)
    training = rows[(rows["model"] == trainee) & (rows["metric"] == "train_seconds")]
    costs = {"multiply_adds": of_image["value"], "seconds": training["value"]}
    return {name: float(values.mean()) if len(values) else None for name, values in costs.items()}


def shares(results: pd.DataFrame, one: Comparison) -> dict[str, float | None]:
    """`costs` of a model divided by those of the model it is compared with; none of differences."""
    if " - " in one.model:
        return {"multiply_adds": None, "seconds": None}
    ours, others = (costs(results, model, one.task) for model in (one.model, one.against))
    return {
        name: value / other if value and (other := others[name]) else None
        for name, value in ours.items()
    }


# --- page ------------------------------------------------------------------------------------


def render(evidence: Sequence[Evidence], out: Path) -> Family:
    """Write the page, its comparisons as CSV, and the figures as SVG and CSV.

    The figures are of the first of `of_ablations`. An SVG that has nothing to show says so.
    """
    runs = of_ablations(evidence)
    first = runs[0]
    scale, results = first.scale, first.results
    family = compare_all(runs, read_claims())
    concluded = [(one, family.conclude(one)) for one in family.comparisons]
    _write_csv(out / "ablations.csv", pd.DataFrame([row(*both) for both in concluded]))
    _write_svg(out / "ablations.svg", drawn := forest.draw(family), "Ablations", scale)
    figures = []
    for name, numbers, figure in (
        ("figure03", figure03.over_k(results, scale), figure03),
        ("figure05", figure05.over_levels(results), figure05),
        ("figure10", figure10.over_steps(results), figure10),
    ):
        _write_csv(out / f"{name}.csv", numbers)
        svg = figure.draw(numbers)
        _write_svg(out / f"{name}.svg", svg, figure.TITLE, scale)
        facts = {"title": figure.TITLE, "printed": figure.PRINTED, "measured": figure.MEASURED}
        figures.append(facts | {"name": name, "svg": svg})
    costly = {
        (one.scale, one.machine): one.results[one.results["metric"].isin(COSTLY)] for one in runs
    }
    rows = ablations(family)
    write_page(
        out / "ablations.html",
        "ablations.html.j2",
        stamp=get_scale(scale)["stamp"],
        scale=scale,
        machine=first.machine,
        source=first.source,
        decided=[one for one in rows if one.known],
        undecided=[one for one in rows if not one.known],
        concluded=Counter((said.name, str(said)) for one, said in concluded if one.known),
        comparisons=len(concluded),
        tested=len(family.tested),
        share=lambda one: shares(costly[one.scale, one.machine], one),
        signed=signed,
        forest=drawn,
        close_up=forest.close_up(family),
        figures=figures,
        confidence=round(100 * (1 - ALPHA)),
        margin=MARGIN,
        same=SAME,
    )
    return family


def _write_csv(path: Path, rows: pd.DataFrame) -> None:
    with replacing(path) as partial:
        rows.to_csv(partial, index=False)


def _write_svg(path: Path, svg: str, title: str, scale: str) -> None:
    text = f"{title}: not measured at the {scale} scale"
    write_text(path, plots.alone(svg or plots.message(text)))


def summary(family: Family) -> str:
    """What was concluded of every comparison, a line each."""
    return "\n".join(
        f"{label(one)}: {one.text}: {family.conclude(one)}" for one in family.comparisons
    )


def row(one: Comparison, conclusion: Conclusion) -> dict[str, Any]:
    """A comparison as a line of the CSV; interval and p empty where there are none."""
    names = ("task", "dataset", "level", "model", "against", "scale", "machine", "images", "mean")
    numbers = {"low": one.low, "high": one.high, "p": float(one.crossed.p_differs())}
    numbers |= {"adjusted_p": conclusion.differs, "adjusted_p_equal": conclusion.equal}
    known = numbers if one.known else dict.fromkeys(numbers)
    seeds = {"seeds": len(one.by_seed)}
    return (
        {name: getattr(one, name) for name in names}
        | seeds
        | known
        | {"conclusion": str(conclusion)}
    )
