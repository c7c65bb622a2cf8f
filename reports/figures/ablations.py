"""Figures 3, 5 and 10 and the differences of all ablations: their numbers, and the drawings."""

import re

import pandas as pd

from data_prep.tasks import BLIND, MULTI
from reports.figures import plots
from reports.legend import BETTER, WORSE
from reports.statistics.comparison import Comparison
from reports.statistics.conclusions import MARGIN, Family
from semanir.plan.models import base_model, get_model, trained_models
from semanir.plan.plan import Plan


def label(one: Comparison) -> str:
    """What an ablation changes; both models where none is what the other one changes."""
    entry = trained_models().get(one.model, {})
    if one.against == entry.get("weights_of", entry.get("of")):
        return changes(one.model)
    return f"{one.model} against {one.against}"


def changes(model: str) -> str:
    """What an ablation changes, with the value of its switch: "window 8"."""
    entry = get_model(model)
    value = re.fullmatch(r".*-(?:k|window)?([0-9]+|mask|gather|fused)", model)
    number = re.fullmatch(r".*window([0-9]+)", model) or value
    return f"{entry['changes']}: {number[1]}" if number else entry["changes"]


def over_k(results: pd.DataFrame, scale: str) -> pd.DataFrame:
    """PSNR of the random-k and the fixed-k network over k at inference: a line per seed and set.

    Of the seeds those with the most k: a mean over more seeds at one k would bend the curve.
    multiply_adds: of restoring one image at that k, which the records state the size of.
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
    columns = ["task", "dataset", "level", "training", "k", "seed", "value"]
    if not curves:
        return pd.DataFrame(columns=columns)
    counted = results[results["metric"] == "eval_multiply_adds"]
    counted = counted[["task", "model", "value"]].drop_duplicates(["task", "model"])
    counted = counted.rename(columns={"value": "multiply_adds"})
    both = pd.concat(curves).merge(counted, how="left", on=["task", "model"])
    both = both[[*columns, "multiply_adds"]].rename(columns={"value": "psnr"})
    trainings = both.groupby("task")["training"].nunique()
    both = both[both["task"].isin(trainings[trainings == 2].index)]
    curve = ["task", "dataset", "level", "training"]
    settings = both.groupby([*curve, "seed"])["k"].transform("nunique")
    both = both.assign(settings=settings)
    both = both[both["settings"] == both.groupby(curve)["settings"].transform("max")]
    both = both.drop(columns="settings")
    return both.drop_duplicates().sort_values(columns[:-1], ignore_index=True)


def over_levels(results: pd.DataFrame) -> pd.DataFrame:
    """PSNR of the networks trained for many levels, and of their input, at every level.

    Of a family the network for all of Figure 5's levels where one was trained, else the blind one.
    """
    end = rf"-(?:{BLIND}|{MULTI})$"
    chosen = results["task"].str.contains(end) & (results["metric"] == "psnr")
    chosen &= results["model"].isin(["semanir-u", "input"])
    chosen &= results["level"].str.fullmatch(r"[a-z]+[0-9]+")
    rows = results[chosen].assign(
        family=lambda frame: frame["task"].str.replace(end, "", regex=True),
        number=lambda frame: frame["level"].str.extract(r"(\d+)$")[0].astype(int),
    )
    multi = rows["task"].str.endswith(f"-{MULTI}")
    rows = rows[multi | ~rows["family"].isin(rows["family"][multi])]
    shown = rows.loc[rows["model"] != "input", ["family", "dataset"]].drop_duplicates()
    rows = rows.merge(shown)  # no input without a network beside it
    columns = ["family", "dataset", "level", "number", "model", "seed", "value"]
    return rows[columns].rename(columns={"value": "psnr"}).sort_values(columns[:-1])


def over_steps(results: pd.DataFrame) -> pd.DataFrame:
    """PSNR on the held-out photographs over the iterations of super-resolution at scale 2."""
    chosen = (results["metric"] == "holdout_psnr") & (results["task"] == "sr-x2")
    rows = results[chosen]
    rows = rows[rows["model"].map(base_model) == rows["model"]]  # no ablations
    rows = rows.assign(step=rows["level"].str.extract(r"step=(\d+)")[0].astype("Int64"))
    columns = ["model", "seed", "step", "value"]
    return rows[columns].rename(columns={"value": "psnr"}).sort_values(columns[:-1])


# --- drawings --------------------------------------------------------------------------------


def forest(family: Family) -> str:
    """Mean differences with their intervals, a dot for every seed, as one SVG.

    Of those that have an interval: the others are in the table and in Figure 3.
    """
    known = [one for one in family.comparisons if one.known]
    if not known:
        return ""
    figure = plots.panels(1, height=1 + 0.26 * len(known))
    (axes,) = figure.axes
    for row, one in enumerate(reversed(known)):
        conclusion = family.conclude(one).name
        color = {BETTER.name: plots.COLORS[2], WORSE.name: plots.COLORS[3]}.get(
            conclusion, plots.COLORS[0]
        )
        axes.plot([one.low, one.high], [row, row], color=color, linewidth=2)
        axes.plot(list(one.by_seed.values()), [row] * len(one.by_seed), "o", ms=3, color=color)
        axes.plot([one.mean], [row], "|", ms=10, mew=2, color=color)
    axes.axvspan(-MARGIN, MARGIN, color="#000000", alpha=0.08, linewidth=0)
    axes.axvline(0, color="#000000", linewidth=0.8)
    axes.set_yticks(range(len(known)))
    axes.set_yticklabels([f"{label(one)} ({one.dataset})" for one in reversed(known)])
    axes.set_xlabel("PSNR against the model that is changed [dB]")
    return plots.inline(figure, "Differences of every ablation")


def curves(rows: pd.DataFrame) -> str:
    """Figure 3: a panel per task and set, a line per way of training, bands over seeds."""
    if rows.empty:
        return ""
    groups = list(rows.groupby(["task", "dataset", "level"], sort=False))
    figure = plots.panels(len(groups), width=max(5, 3.2 * min(len(groups), plots.COLUMNS)))
    for axes, ((task, dataset, level), group) in zip(figure.axes, groups, strict=True):
        for color, (training, line) in zip(plots.COLORS, group.groupby("training"), strict=False):
            over = line.groupby("k")["psnr"].agg(["mean", "min", "max"])
            axes.plot(over.index, over["mean"], "o-", ms=3, color=color, label=f"{training} k")
            size = line.groupby("k")["multiply_adds"].mean() / group["multiply_adds"].max()
            if size.notna().all():  # records of before have no counts
                axes.scatter(over.index, over["mean"], s=400 * size**2, color=color, alpha=0.25)
            axes.fill_between(over.index, over["min"], over["max"], color=color, alpha=0.15)
        title = f"{task}, {dataset}" if level in task else f"{task} {level}, {dataset}"
        axes.set_title(title, fontsize=8)
        axes.ticklabel_format(axis="y", useOffset=False)
        axes.margins(0.12)  # circles at the ends stay whole
        axes.set_xlabel("k at inference")
        axes.set_xticks(sorted(group["k"].unique()))
    figure.axes[0].set_ylabel("PSNR [dB]")
    figure.axes[0].legend()
    return plots.inline(figure, "PSNR over k at inference")


def levels(rows: pd.DataFrame) -> str:
    """Figure 5: a panel per task, a line per set, dashed for the input."""
    if rows.empty:
        return ""
    groups = list(rows.groupby("family", sort=False))
    figure = plots.panels(len(groups), width=max(5, 3 * len(groups)))
    for axes, (family, group) in zip(figure.axes, groups, strict=True):
        for color, (dataset, of_set) in zip(plots.COLORS, group.groupby("dataset"), strict=False):
            for model, style in (("semanir-u", "o-"), ("input", "--")):
                line = of_set[of_set["model"] == model].groupby("number")["psnr"].mean()
                label = dataset if model == "semanir-u" else f"{dataset}, input"
                axes.plot(line.index, line, style, ms=4, color=color, label=label)
        axes.set_title(str(family))
        axes.set_xlabel("sigma" if "denoise" in str(family) else "quality factor")
        axes.set_xticks(sorted(group["number"].unique()))
        axes.legend(fontsize=7)
    figure.axes[0].set_ylabel("PSNR [dB]")
    return plots.inline(figure, "One model for many levels")


def convergence(rows: pd.DataFrame) -> str:
    """Figure 10: a line per model, the mean over seeds."""
    if rows.empty:
        return ""
    figure = plots.panels(1, width=5)
    (axes,) = figure.axes
    for color, (model, line) in zip(plots.COLORS, rows.groupby("model"), strict=False):
        mean = line.groupby("step")["psnr"].mean()
        axes.plot(mean.index.astype(int), mean, "o-", ms=4, color=color, label=str(model))
    axes.set(xlabel="iteration", ylabel="PSNR on held-out photographs [dB]")
    axes.legend()
    return plots.inline(figure, "PSNR over the training")
