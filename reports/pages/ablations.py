"""The page of ablations: one thing changed at a time, compared over images and seeds.

Written are ablations.html, ablations.csv (every comparison), and three figures as SVG and CSV:
figure03 (PSNR over k at inference), figure05 (one model, many levels) and figure10 (convergence).
"""

from pathlib import Path
from typing import Any

import pandas as pd

from reports.claims.claims import read_claims
from reports.collect import means
from reports.figures import plots
from reports.figures.ablations import (
    convergence,
    curves,
    forest,
    label,
    levels,
    over_k,
    over_levels,
    over_steps,
)
from reports.pages.template import write_page
from reports.statistics.comparison import ALPHA, Comparison
from reports.statistics.conclusions import MARGIN, Conclusion, Family, compare_all
from semanir.files import replacing, write_text
from semanir.plan.models import get_model, get_scale

PRINTED_TREND = (
    "Printed (Fig. 3, 8, 9, 11): with k fixed at 512 in training PSNR falls as k at inference gets "
    "smaller, most of all at 64; with random k it is stable, and better at small k; beyond 384 "
    "nothing is gained. For super-resolution (Fig. 12) random k is as stable on BSD100, Set14 "
    "and Urban100; on Set5 and Manga109 fixed k is best. The curves are printed "
    "without numbers; circles are as large as the FLOPs."
)
PRINTED_LEVELS = (
    "Printed (Fig. 5): one model for several levels; PSNR falls with the noise level and rises "
    "with the quality factor on every set."
)
PRINTED_CONVERGENCE = (
    "Printed (Fig. 10): the PSNR of SemanIR-S and SemanIR-B on Set5 at scale 2 rises over the "
    "training and levels off."
)


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


def render(scale: str, by_image: pd.DataFrame, out: Path, source: str = "") -> Family:
    """Write the page, its comparisons as CSV, and the figures as SVG and CSV.

    source: where results come from that were not made here.
    """
    results = means(by_image)
    family = compare_all(by_image, read_claims())
    concluded = [(one, family.conclude(one)) for one in family.comparisons]
    with replacing(out / "ablations.csv") as partial:
        pd.DataFrame([row(*both) for both in concluded]).to_csv(partial, index=False)
    drawn = {}
    for name, numbers, draw in (
        ("figure03", over_k(results, scale), curves),
        ("figure05", over_levels(results), levels),
        ("figure10", over_steps(results), convergence),
    ):
        drawn[name] = draw(numbers)
        with replacing(out / f"{name}.csv") as partial:
            numbers.to_csv(partial, index=False)
        if drawn[name]:
            write_text(out / f"{name}.svg", plots.alone(drawn[name]))
    costly = results[results["metric"].isin(["eval_multiply_adds", "train_seconds"])]
    write_page(
        out / "ablations.html",
        "ablations.html.j2",
        stamp=get_scale(scale)["stamp"],
        scale=scale,
        source=source,
        comparisons=[
            (label(one), one, shares(costly, one), conclusion) for one, conclusion in concluded
        ],
        tested=sum(one.known for one, _ in concluded),
        forest=forest(family),
        **drawn,
        trend=PRINTED_TREND,
        printed_levels=PRINTED_LEVELS,
        printed_convergence=PRINTED_CONVERGENCE,
        confidence=round(100 * (1 - ALPHA)),
        margin=MARGIN,
    )
    return family


def summary(family: Family) -> str:
    """What was concluded of every comparison, a line each."""
    return "\n".join(
        f"{label(one)}: {one.text}: {family.conclude(one)}" for one in family.comparisons
    )


def row(one: Comparison, conclusion: Conclusion) -> dict[str, Any]:
    """A comparison as a line of the CSV; interval and p empty where there are none."""
    names = ("task", "dataset", "level", "model", "against", "images", "by_seed", "mean")
    numbers = {"low": one.low, "high": one.high, "p": float(one.crossed.p_differs())}
    numbers |= {"adjusted_p": conclusion.differs, "adjusted_p_equal": conclusion.equal}
    known = numbers if one.known else dict.fromkeys(numbers)
    return {name: getattr(one, name) for name in names} | known | {"conclusion": str(conclusion)}
