"""Figures as SVG inside a page: no script, no outer file, readable on light and dark ground.

matplotlib takes half a second to import, and most pages have no figure: it waits for the first one.
"""

import io
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

# of Okabe and Ito, told apart by the colour-blind; first those that are read on both grounds
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
MARKERS = ("o", "s", "^", "D", "v", "P")  # the same first, second ... curve in every figure
COLUMNS = 4
FAMILIES = {
    "denoise_color": "colour denoising",
    "denoise_gray": "grey denoising",
    "jpeg_color": "colour JPEG",
    "jpeg_gray": "grey JPEG",
    "sr": "super-resolution",
    "demosaick": "demosaicking",
    "deblur": "deblurring",
    "weather": "bad weather",
}
STYLE: Any = {
    "svg.fonttype": "none",  # text stays text
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.titlesize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "figure.titlesize": 10,
}


def styles() -> list[dict[str, Any]]:
    """Colour and marker of the first curve, the second, and so on."""
    return [{"color": c, "marker": m} for c, m in zip(COLORS, MARKERS, strict=True)]


def panels(
    number: int,
    width: float = 9,
    height: float = 3.4,
    across: int = COLUMNS,
    shared: bool = False,
) -> "Figure":
    """`number` axes, `across` in a row at most; width of a row and height of axes in inches.

    shared: one y axis for all.
    """
    across = min(number, across)
    figure = _figure(width, height * -(-number // across))
    _fill(figure, number, across, shared)
    return figure


def stack(
    numbers: Iterable[int], width: float = 3, height: float = 2.5
) -> tuple["Figure", list["SubFigure"]]:
    """A figure of parts below each other, each of some axes that share their y axis.

    width, height: of axes in inches; four stand in a row at most.
    """
    numbers = list(numbers)
    heights = [height * -(-number // COLUMNS) + 0.3 for number in numbers]
    across = min(max(numbers), COLUMNS)
    figure = _figure(max(width * across, 4), sum(heights))
    parts = figure.subfigures(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
    for part, number in zip(parts, numbers, strict=True):
        _fill(part, number, across, shared=True)
    return figure, list(parts)


def _figure(width: float, height: float) -> "Figure":
    import matplotlib

    matplotlib.use("svg")
    from matplotlib.figure import Figure  # after the choice of what draws

    matplotlib.rcParams.update(STYLE)  # what draws later reads them, too
    return Figure(figsize=(width, height), layout="constrained")


def _fill(part: "Figure | SubFigure", number: int, across: int, shared: bool) -> None:
    axes = part.subplots(-(-number // across), across, squeeze=False, sharey=shared)
    for unused in axes.flat[number:]:
        unused.remove()


def band(
    axes: "Axes", rows: pd.DataFrame, value: str, style: dict[str, Any], label: str = ""
) -> None:
    """A line through the mean of `value` at every `x`, a band from the lowest to the highest."""
    over = rows.groupby("x")[value].agg(["mean", "min", "max"])
    axes.plot(over.index, over["mean"], "-", markersize=4, label=label, **style)
    axes.fill_between(over.index, over["min"], over["max"], color=style["color"], alpha=0.15)


def seeds(rows: pd.DataFrame) -> str:
    """How many seeds a figure shows: "1 seed", "mean of 3 seeds"."""
    number = rows["seed"].nunique()
    return "1 seed" if number == 1 else f"mean of {number} seeds"


def inline(figure: "Figure", title: str) -> str:
    """The <svg> element; black becomes the colour of the page's text. title: what it shows."""
    import matplotlib

    for axes in figure.axes:
        legend = axes.get_legend()
        if legend is not None:
            legend.set_frame_on(False)  # a white box would hide light text
    # names within a figure are hashes, salted by its title: figures of a page share none
    with matplotlib.rc_context({"svg.hashsalt": title}):
        out = io.StringIO()
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None, "Title": title})
    text = out.getvalue()
    text = text[text.index("<svg") :].replace("#000000", "currentColor")
    # HTML needs neither, and a page that holds no address loads none
    text = re.sub(r"<metadata>.*?</metadata>|\sxmlns(:\w+)?=\"[^\"]*\"", "", text, flags=re.DOTALL)
    # groups are called alike in every figure of a page, and nothing refers to them
    text = re.sub(r'<g id="[^"]*"', "<g", text)
    # pictures by what they hold: colour bars are alike
    text = re.sub(r'(<image [^>]*?)\sid="[^"]*"', r"\1", text)
    # text without a fill of its own is black, which is not written out
    attributes = f'role="img" aria-label="{title}" fill="currentColor"'
    return text.replace("<svg ", f"<svg {attributes} ", 1)


def alone(svg: str) -> str:
    """An inline <svg> element as a file of its own, black on a white ground."""
    web = "http" + "://www.w3.org/"
    names = f'xmlns="{web}2000/svg" xmlns:xlink="{web}1999/xlink"'
    return svg.replace("<svg ", f'<svg {names} color="#000" style="background: #fff" ', 1)


def message(text: str) -> str:
    """An <svg> element that says why there is no figure."""
    figure = panels(1, width=5, height=1)
    (axes,) = figure.axes
    axes.axis("off")
    axes.text(0.5, 0.5, text, ha="center", va="center")
    return inline(figure, text)
