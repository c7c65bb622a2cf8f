"""Figure 4: attention maps over k, and how often a dictionary selects each token.

Written are figure04.html, and the maps as figure04.svg and figure04.csv.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from reports.figures.plots import COLORS, alone, inline, panels
from reports.pages.template import write_page
from semanir.files import replacing, write_text
from semanir.plan.models import get_scale
from semanir.plan.record import broken_record, read_record

TITLE = "Figure 4: attention of one query region"


def maps(record: dict[str, Any]) -> str:
    """The query region on its photograph, then what it attends to: all keys, then growing k."""
    crop = np.array(record["crop"], dtype=np.uint8)
    (y, x), side = record["query"], record["region"]
    names = ["all", *(name for name in record["maps"] if name != "all")]
    figure = panels(1 + len(names), width=9, height=2.9, across=3)
    first, *rest = figure.axes
    first.imshow(crop, cmap="gray")
    first.set_title("(a) query region")
    for letter, axes, name in zip("bcdefgh", rest, names, strict=False):
        shown = axes.imshow(np.array(record["maps"][name]), cmap="magma", vmin=0)
        axes.set_title(f"({letter}) all keys" if name == "all" else f"({letter}) k = {name}")
        figure.colorbar(shown, ax=axes, shrink=0.8, label="attention weight")
    for axes in (first, *rest):
        axes.add_patch(_box(x, y, side))
        axes.set(xticks=[], yticks=[])
    figure.suptitle(TITLE, x=0.01, ha="left")
    return inline(figure, TITLE)


def numbers(record: dict[str, Any]) -> pd.DataFrame:
    """The maps, a line for each token: columns keys ("all" or k), y, x, weight."""
    parts = []
    for name, weights in record["maps"].items():
        weight = np.array(weights)
        y, x = np.indices(weight.shape).reshape(2, -1)
        parts.append(pd.DataFrame({"keys": name, "y": y, "x": x, "weight": weight.ravel()}))
    return pd.concat(parts, ignore_index=True)


def _box(x: int, y: int, side: int) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((x - 0.5, y - 0.5), side, side, fill=False, edgecolor="#30d060", linewidth=1.5)


def histograms(record: dict[str, Any]) -> str:
    """A panel per stage: share of tokens by in-degree, for each similarity."""
    stages = list(dict.fromkeys(row["stage"] for row in record["stages"]))
    figure = panels(len(stages), width=12, height=2.8)
    edges = record["bins"]
    labels = [_interval(low, high) for low, high in zip(edges, [*edges[1:], None], strict=True)]
    for axes, stage in zip(figure.axes, stages, strict=True):
        rows = [row for row in record["stages"] if row["stage"] == stage]
        last = max(int(np.flatnonzero(row["histogram"])[-1]) for row in rows) + 1
        for place, (row, color) in enumerate(zip(rows, COLORS, strict=False)):
            share = np.array(row["histogram"][:last]) / sum(row["histogram"])
            axes.bar(
                np.arange(last) + 0.28 * (place - 1), share, 0.28, color=color,
                label=row["similarity"],
            )  # fmt: skip
        axes.set_xticks(range(last), labels[:last], rotation=60)
        axes.set_title(f"stage {stage}, k = {rows[0]['k']} of {rows[0]['N']}")
        axes.set_xlabel("times selected")
    figure.axes[0].set_ylabel("share of tokens")
    figure.axes[-1].legend()
    return inline(figure, "How often the dictionary of each stage selects a token")


def _interval(low: int, high: int | None) -> str:
    if high is None:
        return f"{low}+"
    return str(low) if high == low + 1 else f"{low}-{high - 1}"


def render(record_path: Path, out: Path) -> None:
    """Write out/figure04.html, .svg and .csv."""
    record = read_record(record_path)
    try:
        context = {"record": record, "stamp": get_scale(record["identity"]["scale"])["stamp"]}
        context |= {"maps": maps(record), "histograms": histograms(record)}
        weights = numbers(record)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise broken_record(record_path, error) from None
    with replacing(out / "figure04.csv") as partial:
        weights.to_csv(partial, index=False)
    write_text(out / "figure04.svg", alone(context["maps"]))
    write_page(out / "figure04.html", "figure04.html.j2", **context)
