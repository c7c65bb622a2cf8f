"""Render the ablations: one thing changed at a time, compared over images and seeds.

python -m reports.ablations --scale mini --results results/mini/results.csv --out reports

Writes ablations.html, ablations.csv (every comparison), and three figures as SVG and CSV: figure03
(PSNR over k at inference), figure05 (one model, many levels) and figure10 (convergence).
"""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from data_prep.tasks import BLIND, MULTI
from reports.claims.claims import claims
from reports.claims.conclusions import MARGIN, Conclusion, Family, compare_all
from reports.collect import means, read_results
from reports.figures import plots
from reports.statistics import ALPHA, Comparison
from reports.tables.tables import environment
from semanir.errors import one_line_errors
from semanir.files import replacing, write_text
from semanir.plan.models import base_model, get_model, get_scale, trained_models
from semanir.plan.plan import Plan

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


def costs(results: pd.DataFrame, model: str, task: str) -> dict[str, float | None]:
    """{multiply_adds: of one image, seconds: of a training} of a model, means over its seeds."""
    rows = results[results["task"] == task]
    of_image = rows[(rows["model"] == model) & (rows["metric"] == "eval_multiply_adds")]
    trainee = get_model(model).get("weights_of", model)
    training = rows[(rows["model"] == trainee) & (rows["metric"] == "train_seconds")]
    found = {"multiply_adds": of_image["value"], "seconds": training["value"]}
    return {name: float(values.mean()) if len(values) else None for name, values in found.items()}


def over_k(results: pd.DataFrame, scale: str) -> pd.DataFrame:
    """PSNR of the random-k and the fixed-k network over k at inference: a line per seed and set.

    Of the seeds those with the most k: a mean over more seeds at one k would bend the curve.
    multiply_adds: of restoring one image at that k, which the records state the size of.
    """
    found = []
    for training, base in (
        *(("random", "semanir-u"), ("fixed", "semanir-u-fixed")),
        *(("random", "semanir-b"), ("fixed", "semanir-b-fixed")),
    ):
        largest = results[(results["model"] == base) & (results["metric"] == "psnr")]
        pattern = re.compile(rf"{base}-at-k(\d+)")
        for name, group in results[results["metric"] == "psnr"].groupby("model"):
            k = pattern.fullmatch(str(name))
            if k:
                found.append(group.assign(training=training, k=int(k[1])))
        tasks = {task for part in found for task in part["task"]}
        for task, group in largest[largest["task"].isin(tasks)].groupby("task"):
            at = max(Plan(scale).recipe(str(task))["topk"])
            found.append(group.assign(training=training, k=at))
    columns = ["task", "dataset", "level", "training", "k", "seed", "value"]
    if not found:
        return pd.DataFrame(columns=columns)
    counted = results[results["metric"] == "eval_multiply_adds"]
    counted = counted[["task", "model", "value"]].drop_duplicates(["task", "model"])
    counted = counted.rename(columns={"value": "multiply_adds"})
    both = pd.concat(found).merge(counted, how="left", on=["task", "model"])
    both = both[[*columns, "multiply_adds"]].rename(columns={"value": "psnr"})
    pairs = both.groupby("task")["training"].nunique()
    both = both[both["task"].isin(pairs[pairs == 2].index)]
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
    found = results[chosen].assign(
        family=lambda frame: frame["task"].str.replace(end, "", regex=True),
        number=lambda frame: frame["level"].str.extract(r"(\d+)$")[0].astype(int),
    )
    multi = found["task"].str.endswith(f"-{MULTI}")
    found = found[multi | ~found["family"].isin(found["family"][multi])]
    shown = found.loc[found["model"] != "input", ["family", "dataset"]].drop_duplicates()
    found = found.merge(shown)  # no input without a network beside it
    columns = ["family", "dataset", "level", "number", "model", "seed", "value"]
    return found[columns].rename(columns={"value": "psnr"}).sort_values(columns[:-1])


def over_steps(results: pd.DataFrame) -> pd.DataFrame:
    """PSNR on the held-out photographs over the iterations of super-resolution at scale 2."""
    chosen = (results["metric"] == "holdout_psnr") & (results["task"] == "sr-x2")
    found = results[chosen]
    found = found[found["model"].map(base_model) == found["model"]]  # no ablations
    found = found.assign(step=found["level"].str.extract(r"step=(\d+)")[0].astype("Int64"))
    columns = ["model", "seed", "step", "value"]
    return found[columns].rename(columns={"value": "psnr"}).sort_values(columns[:-1])


def shares(results: pd.DataFrame, one: Comparison) -> dict[str, float | None]:
    """`costs` of a model divided by those of the model it is compared with; none of differences."""
    if " - " in one.model:
        return {"multiply_adds": None, "seconds": None}
    ours, others = (costs(results, model, one.task) for model in (one.model, one.against))
    return {
        name: value / other if value and (other := others[name]) else None
        for name, value in ours.items()
    }


# --- figures ---------------------------------------------------------------------------------


def forest(judged: Family) -> str:
    """Mean differences with their intervals, a dot for every seed, as one SVG.

    Of those that have an interval: the others are in the table and in Figure 3.
    """
    found = [one for one in judged.comparisons if one.known]
    if not found:
        return ""
    figure = plots.panels(1, height=1 + 0.26 * len(found))
    (axes,) = figure.axes
    for row, one in enumerate(reversed(found)):
        color = {"better": plots.COLORS[2], "worse": plots.COLORS[3]}.get(
            judged.conclude(one).name, plots.COLORS[0]
        )
        axes.plot([one.low, one.high], [row, row], color=color, linewidth=2)
        axes.plot(list(one.by_seed.values()), [row] * len(one.by_seed), "o", ms=3, color=color)
        axes.plot([one.mean], [row], "|", ms=10, mew=2, color=color)
    axes.axvspan(-MARGIN, MARGIN, color="#000000", alpha=0.08, linewidth=0)
    axes.axvline(0, color="#000000", linewidth=0.8)
    axes.set_yticks(range(len(found)))
    axes.set_yticklabels([f"{label(one)} ({one.dataset})" for one in reversed(found)])
    axes.set_xlabel("PSNR against the model that is changed [dB]")
    return plots.inline(figure, "Differences of every ablation")


def curves(found: pd.DataFrame) -> str:
    """Figure 3: a panel per task and set, a line per way of training, bands over seeds."""
    if found.empty:
        return ""
    groups = list(found.groupby(["task", "dataset", "level"], sort=False))
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


def levels(found: pd.DataFrame) -> str:
    """Figure 5: a panel per task, a line per set, dashed for the input."""
    if found.empty:
        return ""
    groups = list(found.groupby("family", sort=False))
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


def convergence(found: pd.DataFrame) -> str:
    """Figure 10: a line per model, the mean over seeds."""
    if found.empty:
        return ""
    figure = plots.panels(1, width=5)
    (axes,) = figure.axes
    for color, (model, line) in zip(plots.COLORS, found.groupby("model"), strict=False):
        mean = line.groupby("step")["psnr"].mean()
        axes.plot(mean.index.astype(int), mean, "o-", ms=4, color=color, label=str(model))
    axes.set(xlabel="iteration", ylabel="PSNR on held-out photographs [dB]")
    axes.legend()
    return plots.inline(figure, "PSNR over the training")


# --- page ------------------------------------------------------------------------------------


def render(scale: str, by_image: pd.DataFrame, out: Path, source: str = "") -> Family:
    """Write the page, its comparisons as CSV, and the figures as SVG and CSV.

    source: where results come from that were not made here.
    """
    results = means(by_image)
    judged = compare_all(by_image, claims())
    found = [(one, judged.conclude(one)) for one in judged.comparisons]
    with replacing(out / "ablations.csv") as partial:
        pd.DataFrame([row(one, concluded) for one, concluded in found]).to_csv(partial, index=False)
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
    priced = results[results["metric"].isin(["eval_multiply_adds", "train_seconds"])]
    context: dict[str, Any] = {
        "stamp": get_scale(scale)["stamp"],
        "scale": scale,
        "source": source,
        "comparisons": [(label(one), one, shares(priced, one), said) for one, said in found],
        "tested": sum(one.known for one, _ in found),
        "forest": forest(judged),
        **drawn,
        "trend": PRINTED_TREND,
        "printed_levels": PRINTED_LEVELS,
        "printed_convergence": PRINTED_CONVERGENCE,
        "confidence": round(100 * (1 - ALPHA)),
        "margin": MARGIN,
    }
    page = environment().get_template("ablations.html.j2").render(**context)
    write_text(out / "ablations.html", page)
    return judged


def row(one: Comparison, concluded: Conclusion) -> dict[str, Any]:
    """A comparison as a line of the CSV; interval and p empty where there are none."""
    names = ("task", "dataset", "level", "model", "against", "images", "by_seed", "mean")
    numbers = {"low": one.low, "high": one.high, "p": float(one.crossed.p_differs())}
    numbers |= {"adjusted_p": concluded.differs, "adjusted_p_equal": concluded.equal}
    known = numbers if one.known else dict.fromkeys(numbers)
    return {name: getattr(one, name) for name in names} | known | {"conclusion": str(concluded)}


@one_line_errors
def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m reports.ablations",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--scale", default="smoke")
    parser.add_argument("--results", type=Path, required=True, help="results.csv of the scale")
    parser.add_argument("--out", type=Path, default=Path("reports"), help="folder")
    args = parser.parse_args(argv)
    judged = render(args.scale, read_results(args.results), args.out)
    for one in judged.comparisons:
        print(f"{label(one)}: {one.text}: {judged.conclude(one)}")


if __name__ == "__main__":
    main()
