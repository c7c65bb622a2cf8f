"""The course of trainings: loss, rate and PSNR on held-out photographs over their steps."""

from collections.abc import Mapping, Sequence
from typing import Any

from reports.figures import plots

Log = Sequence[Mapping[str, Any]]
# title, what a line of a log says of it
PANELS = (
    ("loss", "loss"),
    ("learning rate", "lr"),
    ("PSNR on held-out photographs, dB", "holdout_psnr"),
)


def drawn(logs: Mapping[str, Log]) -> str:
    """An SVG file with a line for each training in each panel. logs: name -> lines of a log."""
    figure = plots.panels(len(PANELS), width=11)
    for axes, (title, field) in zip(figure.axes, PANELS, strict=True):
        for place, (name, log) in enumerate(logs.items()):
            points = [(line["step"], _number(line[field])) for line in log if line.get(field)]
            steps, values = zip(*points, strict=True) if points else ((), ())
            axes.plot(steps, values, color=plots.COLORS[place % len(plots.COLORS)], label=name)
        axes.set_title(title)
        axes.set_xlabel("step")
        if field == "loss" and any(log for log in logs.values()):
            axes.set_yscale("log")
    if len(logs) <= len(plots.COLORS):
        figure.axes[0].legend()
    return plots.alone(plots.inline(figure, "Course of trainings"))


def _number(value: Any) -> float:
    """A mean over levels where there are several."""
    return sum(value.values()) / len(value) if isinstance(value, Mapping) else float(value)
