"""Figure 10: the course of the trainings for super-resolution at scale 2."""

import pandas as pd

from reports.figures import plots
from semanir.plan.models import base_model

PRINTED = (
    "Printed (Fig. 10): the PSNR of SemanIR-S and SemanIR-B on Set5 at scale 2 rises over the "
    "training and levels off."
)
MEASURED = (
    "Ours on photographs kept out of training, at every validation of the training; bands from the "
    "lowest to the highest seed."
)
TITLE = "Figure 10: convergence of super-resolution at scale 2"
FEWEST = 8  # validations that show a course; of fewer nothing is drawn


def over_steps(results: pd.DataFrame) -> pd.DataFrame:
    """PSNR on the held-out photographs over the iterations of super-resolution at scale 2.

    Of the networks that were validated at FEWEST steps or more.
    """
    chosen = (results["metric"] == "holdout_psnr") & (results["task"] == "sr-x2")
    rows = results[chosen]
    rows = rows[rows["model"].map(base_model) == rows["model"]]  # no ablations
    rows = rows.assign(step=rows["level"].str.extract(r"step=(\d+)")[0].astype("Int64"))
    rows = rows[rows.groupby("model")["step"].transform("nunique") >= FEWEST]
    columns = ["model", "seed", "step", "value"]
    return rows[columns].rename(columns={"value": "psnr"}).sort_values(columns[:-1])


def draw(rows: pd.DataFrame) -> str:
    """A line per model through the mean of its seeds at every validation, a band over seeds."""
    if rows.empty:
        return ""
    figure = plots.panels(1, width=3.8, height=3.2)
    (axes,) = figure.axes
    for style, (model, line) in zip(plots.styles(), rows.groupby("model"), strict=False):
        plots.band(axes, line.assign(x=line["step"].astype(int)), "psnr", style, str(model))
    axes.set(xlabel="iterations", ylabel="PSNR of held-out photographs, Y channel [dB]")
    axes.legend()
    axes.set_title(f"{TITLE}\n({plots.seeds(rows)})")
    return plots.inline(figure, TITLE)
