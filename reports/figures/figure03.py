"""Figures 3, 8, 9, 11 and 12: PSNR over k at inference, with random and fixed k in training."""

import re
from typing import TYPE_CHECKING

import pandas as pd

from reports.figures import plots
from reports.statistics.conclusions import MARGIN
from semanir.plan.plan import Plan

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PRINTED = (
    "Printed (Fig. 3, 8, 9, 11): with k fixed at 512 in training PSNR falls as k at inference gets "
    "smaller, most of all at 64; with random k it is stable, and better at small k; beyond 384 "
    "nothing is gained. For super-resolution (Fig. 12) random k is as stable on BSD100, Set14 "
    "and Urban100; on Set5 and Manga109 fixed k is best. The curves are printed "
    "without numbers; circles are as large as the FLOPs."
)
MEASURED = (
    "Differences in PSNR to the same network at the largest k, whose own PSNR stands above each "
    f"panel: mean over seeds, bands from the lowest to the highest. Grey: within {MARGIN:g} dB. "
    "All panels of a row have one axis. Pale marks grow with the multiply-adds of restoring one "
    "image."
)
TITLE = "Figures 3, 8, 9, 11 and 12: k at inference"
# task family: the printed figures of it
FIGURES = {
    "denoise_color": "Figures 3 (a) and 9",
    "denoise_gray": "Figures 3 (b) and 11",
    "jpeg_color": "Figures 3 (c) and 8",
    "jpeg_gray": "Figure 3 (d)",
    "sr": "Figure 12",
}
TRAININGS = ("random", "fixed")
CURVE = ["task", "dataset", "level", "training"]


def over_k(results: pd.DataFrame, scale: str) -> pd.DataFrame:
    """PSNR of the random-k and the fixed-k network over k at inference: a line per seed and set.

    Of the seeds those with the most k: a mean over more seeds at one k would bend the curve.
    difference: to the same training at the largest k, dB. multiply_adds: of restoring one image at
    that k, which the records state the size of.
    """
    curves = []
    for training, base in (
        *(("random", "semanir-u"), ("fixed", "semanir-u-fixed")),
        *(("random", "semanir-b"), ("fixed", "semanir-b-fixed")),
    ):
        largest = results[(results["model"] == base) & (results["metric"] == "psnr")]
        pattern = re.compile(rf"{base}-at-k(\d+)")
        for name, group in results[results["metric"] == "psnr"].groupby("model"):
            k = pattern.fullmatch(str(name))
            if k:
                curves.append(group.assign(training=training, k=int(k[1])))
        tasks = {task for part in curves for task in part["task"]}
        for task, group in largest[largest["task"].isin(tasks)].groupby("task"):
            at = max(Plan(scale).recipe(str(task))["topk"])
            curves.append(group.assign(training=training, k=at))
    columns = [*CURVE, "k", "seed", "value"]
    if not curves:
        return pd.DataFrame(columns=[*columns[:-1], "psnr", "multiply_adds", "difference"])
    counted = results[results["metric"] == "eval_multiply_adds"]
    counted = counted[["task", "model", "value"]].drop_duplicates(["task", "model"])
    counted = counted.rename(columns={"value": "multiply_adds"})
    both = pd.concat(curves).merge(counted, how="left", on=["task", "model"])
    both = both[[*columns, "multiply_adds"]].rename(columns={"value": "psnr"})
    trainings = both.groupby("task")["training"].nunique()
    both = both[both["task"].isin(trainings[trainings == 2].index)]
    settings = both.groupby([*CURVE, "seed"])["k"].transform("nunique")
    both = both.assign(settings=settings)
    both = both[both["settings"] == both.groupby(CURVE)["settings"].transform("max")]
    both = both.drop(columns="settings").drop_duplicates()
    both = both.sort_values(columns[:-1], ignore_index=True)
    # sorted by k: the last of a seed is the largest
    largest = both.groupby([*CURVE, "seed"])["psnr"].transform("last")
    return both.assign(difference=both["psnr"] - largest)


def draw(rows: pd.DataFrame) -> str:
    """Rows of panels, one for each task family: a panel per task and set, a line per training.

    Differences to the largest k share an axis within a family; bands go over seeds.
    """
    if rows.empty:
        return ""
    families = dict(list(rows.groupby(rows["task"].str.rsplit("-", n=1).str[0], sort=False)))
    figure, parts = plots.stack(len(_panels(part)) for part in families.values())
    for (family, group), part in zip(families.items(), parts, strict=True):
        printed, called = FIGURES.get(str(family), "Ours"), plots.FAMILIES.get(str(family), family)
        part.suptitle(f"{printed}: {called}", x=0.01, ha="left")
        for number, (axes, panel) in enumerate(zip(part.axes, _panels(group), strict=True)):
            _panel(axes, *panel)
            axes.set_ylabel("" if number % plots.COLUMNS else "PSNR against the largest k [dB]")
        low, high = group["difference"].min(), group["difference"].max()
        edge = 0.1 * max(high - low, 4 * MARGIN)
        part.axes[0].set_ylim(min(low, -2 * MARGIN) - edge, max(high, 2 * MARGIN) + edge)
    figure.axes[0].legend()
    return plots.inline(figure, TITLE)


def _panels(rows: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """(title, rows) of each task, set and level."""
    return [
        (f"{dataset} {level}", group)
        for (_, dataset, level), group in rows.groupby(CURVE[:3], sort=False)
    ]


def _panel(axes: "Axes", title: str, rows: pd.DataFrame) -> None:
    axes.axhspan(-MARGIN, MARGIN, color="#000000", alpha=0.08, linewidth=0)
    axes.axhline(0, color="#000000", linewidth=0.6)
    most = rows["multiply_adds"].max()
    at_largest = []
    for training, style in zip(TRAININGS, plots.styles(), strict=False):
        line = rows[rows["training"] == training]
        if line.empty:
            continue
        plots.band(axes, line.assign(x=line["k"]), "difference", style, f"{training} k")
        points = line.groupby("k")[["difference", "multiply_adds"]].mean()
        share = points["multiply_adds"] / most
        if share.notna().all():  # records of before have no counts
            circles = 260 * share**2
            axes.scatter(points.index, points["difference"], circles, alpha=0.2, **style)
        mean = line.loc[line["k"] == line["k"].max(), "psnr"].mean()
        at_largest.append(f"{training} {mean:.2f}")
    axes.set_title(f"{title} ({plots.seeds(rows)})\n{', '.join(at_largest)} dB at the largest k")
    axes.margins(x=0.12)  # circles at the ends stay whole
    axes.set_xlabel("k at inference")
    axes.set_xticks(sorted(rows["k"].unique()))
