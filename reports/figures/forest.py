"""The differences of all ablations that have an interval, below each other."""

import textwrap
from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from reports.figures import plots
from reports.legend import BETTER, EQUAL, UNDECIDED, WORSE
from reports.statistics.comparison import ALPHA, Comparison
from reports.statistics.conclusions import MARGIN, Family
from reports.statistics.labels import label

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH, LINE = 3.8, 0.13  # inches; an interval takes a line, and so does each of its text
LETTERS = 66  # of a line
CLOSE = 4 * MARGIN  # dB to both sides that the close-up shows
STYLES: dict[str, dict[str, Any]] = {
    BETTER.name: {"color": plots.COLORS[2], "marker": "^"},
    WORSE.name: {"color": plots.COLORS[1], "marker": "v"},
    EQUAL.name: {"color": plots.COLORS[0], "marker": "s"},
    UNDECIDED.name: {"color": plots.COLORS[3], "marker": "o"},
}


def draw(family: Family) -> str:
    """Every comparison with an interval: the interval, its mean, a dot for every seed."""
    known = [one for one in family.comparisons if one.known]
    said = f"{len(known)} of {len(family.comparisons)} comparisons, those of several seeds"
    return _draw(family, known, "Ablations", said) if known else ""


def close_up(family: Family) -> str:
    """Those of them that lie near zero, larger; "" where that is all of them or none."""
    known = [one for one in family.comparisons if one.known]
    near = [one for one in known if one.low >= -CLOSE and one.high <= CLOSE]
    if not near or len(near) == len(known):
        return ""
    said = f"the {len(near)} whose interval is within {CLOSE:g} dB of zero"
    return _draw(family, near, "Ablations, close up", said)


def _draw(family: Family, shown: Sequence[Comparison], title: str, said: str) -> str:
    names = [family.conclude(one).name for one in shown]
    texts = [[*textwrap.wrap(label(one), LETTERS), _place(one)] for one in shown]
    lines = [0.0, *accumulate(len(text) + 1.2 for text in texts)]  # above each
    figure = plots.panels(1, WIDTH, 1.3 + LINE * lines[-1])
    (axes,) = figure.axes
    axes.axvspan(-MARGIN, MARGIN, color="#000000", alpha=0.1, lw=0, label=f"within {MARGIN:g} dB")
    axes.axvline(0, color="#000000", linewidth=0.6, alpha=0.4)
    for one, name, text, above in zip(shown, names, texts, lines, strict=False):
        axes.text(
            0, above, "\n".join(text), fontsize=7, va="top", linespacing=1.1,
            transform=axes.get_yaxis_transform(),
        )  # fmt: skip
        _interval(axes, above + len(text) + 0.4, one, STYLES[name])
    for name in STYLES:
        if name in names:
            axes.plot([], [], linestyle="", label=name, **STYLES[name])
    axes.set(yticks=[], ylim=(lines[-1] + 0.5, -0.5))
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("difference in PSNR to what it is compared with [dB]")
    axes.set_title(f"{title}: {said}.\n{100 * (1 - ALPHA):.0f} % intervals over seeds and images")
    figure.legend(loc="outside lower center", ncols=3)
    return plots.inline(figure, title)


def _place(one: Comparison) -> str:
    return f"{one.task}, {one.dataset}, {len(one.by_seed)} seeds"


def _interval(axes: "Axes", y: float, one: Comparison, style: dict[str, Any]) -> None:
    seeds = list(one.by_seed.values())
    axes.plot([one.low, one.high], [y, y], color=style["color"], linewidth=2)
    axes.plot(seeds, [y] * len(seeds), "|", ms=8, color=style["color"])
    axes.plot([one.mean], [y], ms=5, **style)
