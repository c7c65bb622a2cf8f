"""Figures as SVG inside a page: no script, no outer file, readable on light and dark ground.

matplotlib takes half a second to import, and most pages have no figure: it waits for the first one.
"""

import io
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLORS = ("#3b73c4", "#d98324", "#3f9b5b", "#b5495b")
COLUMNS = 4
STYLE: Any = {
    "svg.fonttype": "none",  # text stays text
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
}


def panels(number: int, width: float = 9, height: float = 3.4) -> "Figure":
    """`number` axes, four in a row at most; width of a row and height of axes in inches."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib.figure import Figure  # after the choice of what draws

    rows = -(-number // COLUMNS)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width, height * rows), layout="constrained")
        axes = figure.subplots(rows, min(number, COLUMNS), squeeze=False)
        for unused in axes.flat[number:]:
            figure.delaxes(unused)
    return figure


def inline(figure: "Figure", title: str) -> str:
    """The <svg> element; black becomes the colour of the page's text. title: what it shows."""
    import matplotlib

    for axes in figure.axes:
        legend = axes.get_legend()
        if legend is not None:
            legend.set_frame_on(False)  # a white box would hide light text
    # names within a figure are hashes, salted by its title: figures of a page share none
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": title}):
        out = io.StringIO()
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None, "Title": title})
    text = out.getvalue()
    text = text[text.index("<svg") :].replace("#000000", "currentColor")
    # HTML needs neither, and a page that holds no address loads none
    text = re.sub(r"<metadata>.*?</metadata>|\sxmlns(:\w+)?=\"[^\"]*\"", "", text, flags=re.DOTALL)
    # groups are called alike in every figure of a page, and nothing refers to them
    text = re.sub(r'<g id="[^"]*"', "<g", text)
    # text without a fill of its own is black, which is not written out
    attributes = f'role="img" aria-label="{title}" fill="currentColor"'
    return text.replace("<svg ", f"<svg {attributes} ", 1)


def alone(svg: str) -> str:
    """An inline <svg> element as a file of its own, black on a white ground."""
    name = "http" + "://www.w3.org/2000/svg"
    root = f'<svg xmlns="{name}" color="#000" style="background: #fff" '
    return svg.replace("<svg ", root, 1)
