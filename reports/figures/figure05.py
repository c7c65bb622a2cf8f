"""Figure 5: one network for many levels of degradation."""

import pandas as pd

from data_prep.tasks import BLIND, MULTI
from reports.figures import plots

PRINTED = (
    "Printed (Fig. 5): one model for several levels; PSNR falls with the noise level and rises "
    "with the quality factor on every set."
)
MEASURED = "Dashed: the degraded input."
TITLE = "Figure 5: one network for many levels"


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


def draw(rows: pd.DataFrame) -> str:
    """A panel per task, a line per set, dashed for the input; one axis of PSNR for all."""
    if rows.empty:
        return ""
    groups = list(rows.groupby("family", sort=False))
    styles = dict(zip(sorted(rows["dataset"].unique()), plots.styles(), strict=False))
    figure = plots.panels(len(groups), width=max(4, 3.1 * len(groups)), shared=True)
    for axes, (family, group) in zip(figure.axes, groups, strict=True):
        for dataset, of_set in group.groupby("dataset"):
            style = styles[dataset]
            for model, line in of_set.groupby("model"):
                mean = line.groupby("number")["psnr"].mean()
                if model == "input":
                    axes.plot(mean.index, mean, "--", color=style["color"], lw=1.2, label="input")
                else:
                    axes.plot(mean.index, mean, "-", ms=4, **style, label=str(dataset))
        axes.set_title(plots.FAMILIES.get(str(family), str(family)))
        noise = "denoise" in str(family)
        axes.set_xlabel("sigma of the noise [of 255]" if noise else "JPEG quality factor")
        axes.set_xticks(sorted(group["number"].unique()))
        axes.legend()
    figure.axes[0].set_ylabel("PSNR [dB]")
    figure.suptitle(f"{TITLE} ({plots.seeds(rows)})", x=0.01, ha="left")
    return plots.inline(figure, TITLE)
