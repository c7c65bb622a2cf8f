"""What `semanir bench` measured, as bars and curves of one machine."""

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Any

from reports.figures import plots
from reports.tables.complexity import evaluate
from semanir.plan.cells import cells

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WHAT = {"forward": "forward", "forward_backward": "with backward"}
LAYERS = {"layers": "", "stage_layers": "photograph, "}  # of random tokens, of a stage's
DENSE = "dense"  # what all others are held against: SDPA with the position bias
SIZES = {"window": "M", "k": "k", "heads": "h", "channels": "C"}  # what a sweep changes
LINEAR = 0.1  # difference from the first size that still counts as linear

Bars = dict[str, dict[str, float]]  # case -> system -> value


def times_faster(bench: Mapping[str, Any], what: str) -> Bars:
    """Time of DENSE divided by that of every other back end and peer. what: of WHAT."""
    return {
        case: {name: row[what][DENSE] / time for name, time in row[what].items() if name != DENSE}
        for case, row in _cases(bench)
    }


def shares(bench: Mapping[str, Any], what: str) -> Bars:
    """Part of the machine's peak; empty for a record that has none. what: of WHAT."""
    return {case: dict(row["share"][what]) for case, row in _cases(bench) if "share" in row}


def _cases(bench: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{where}N={row['N']} k={row['K']}", row)
        for key, where in LAYERS.items()
        for row in bench.get(key, [])
    ]


def bars(of_what: Mapping[str, Bars], title: str, ylabel: str, base: float = 0) -> str:
    """A panel for each of WHAT with a group of bars for each case; "" without any.

    base: where bars start; on 1 they have a logarithmic axis. Dense peers are hatched. DENSE, which
    is in some figures only, has the last colour: all others keep theirs.
    """
    of_what = {what: values for what, values in of_what.items() if values}
    if not of_what:
        return ""
    groups = [group for values in of_what.values() for group in values.values()]
    every = sorted({name: None for group in groups for name in group}, key=DENSE.__eq__)
    color = dict(zip(every, cycle(plots.COLORS), strict=False))
    figure = plots.panels(len(of_what), width=11, height=3.6)
    for axes, (what, values) in zip(figure.axes, of_what.items(), strict=True):
        shown = list(dict.fromkeys(name for group in values.values() for name in group))
        width = 0.8 / len(shown)
        for number, name in enumerate(shown):
            points = [
                (at, group[name]) for at, group in enumerate(values.values()) if name in group
            ]
            axes.bar(
                [at + (number - (len(shown) - 1) / 2) * width for at, _ in points],
                [value - base for _, value in points],
                width, bottom=base, color=color[name], label=name, hatch=_hatch(name),
            )  # fmt: skip
        if base:
            axes.set_yscale("log", base=2)
            axes.axhline(base, color="#000000", linewidth=0.8)
            axes.yaxis.set_major_formatter("{x:g}")
        axes.set_xticks(range(len(values)), [case.replace(" ", "\n") for case in values])
        axes.set(title=WHAT[what], ylabel=ylabel)
        axes.tick_params(axis="x", labelsize=7)
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=7)
    return plots.inline(figure, title)


def _hatch(name: str) -> str:
    return "//" if name.startswith((DENSE, "flex")) else ""


# --- growth ----------------------------------------------------------------------------------


def formulas() -> dict[str, str]:
    """Form of attention -> its time complexity as Table 12 prints it."""
    return {c.method: c.value for c in cells("table12") if c.metric == "time_complexity"}


def sweeps(growth: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Sweep -> its settings {size, time, formula, counted}: each by form, against the first."""
    found: dict[str, list[dict[str, Any]]] = {}
    known = formulas()
    for row in growth["layers"]:
        printed = {
            f: evaluate(known[f], {s: row[s] for s in "HWChMk"}) for f in row["milliseconds"]
        }
        values = {"time": row["milliseconds"], "formula": printed, "counted": row["multiply_adds"]}
        lines = found.setdefault(row["sweep"], [])
        lines.append({"size": row[SIZES[row["sweep"]]], "absolute": values})
    for lines in found.values():
        first = lines[0]["absolute"]
        for line in lines:
            for name, by_form in line["absolute"].items():
                line[name] = {form: value / first[name][form] for form, value in by_form.items()}
    return found


def pictures(growth: Mapping[str, Any], title: str) -> str:
    """Seconds and memory of restoring over megapixels, each beside what linear growth would be."""
    rows = growth["pictures"]
    sizes, first = [row["megapixels"] for row in rows], rows[0]
    known = [row for row in rows if row["bytes"] is not None]
    figure = plots.panels(2 if known else 1, width=9)
    seconds, *memory = figure.axes
    line = [size * first["seconds"] / first["megapixels"] for size in sizes]
    _curve(seconds, sizes, [row["seconds"] for row in rows], line, "linear")
    seconds.set(xscale="log", yscale="log", xlabel="megapixels", ylabel="seconds")
    for axes in memory:
        held = [row["bytes"] / 2**20 for row in known]
        _curve(axes, [row["megapixels"] for row in known], held, [held[0]] * len(held), "constant")
        axes.set(
            xscale="log",
            xlabel="megapixels",
            ylabel="MiB beside the pictures",
            ylim=(0, 1.3 * max(held)),
        )
    for axes in figure.axes:
        axes.xaxis.set_major_formatter("{x:g}")
        axes.legend()
    return plots.inline(figure, title)


def _curve(
    axes: "Axes", x: Sequence[float], y: Sequence[float], expected: Sequence[float], name: str
) -> None:
    axes.plot(x, expected, "--", color="#000000", linewidth=0.8, label=name)
    axes.plot(x, y, "-", label="measured", **plots.styles()[0])


def layers(growth: Mapping[str, Any], title: str) -> str:
    """A panel for each sweep: time and the formula of Table 12 against the first setting."""
    found = sweeps(growth)
    figure = plots.panels(len(found), width=11, height=2.9)
    for axes, (sweep, lines) in zip(figure.axes, found.items(), strict=True):
        sizes = [line["size"] for line in lines]
        for form, style in zip(lines[0]["time"], plots.styles(), strict=False):
            axes.plot(sizes, [line["time"][form] for line in lines], "-", label=form, **style)
            printed = [line["formula"][form] for line in lines]
            axes.plot(sizes, printed, "--", color=style["color"], label=f"{form}, formula")
        axes.set(xscale="log", xlabel=f"{sweep} ({SIZES[sweep]})")
        axes.set_yscale("log", base=2)
        axes.set_xticks(sizes, [str(size) for size in sizes], minor=False)
        axes.minorticks_off()
        axes.yaxis.set_major_formatter("{x:g}")
    figure.axes[0].set_ylabel("against the first")
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return plots.inline(figure, title)
