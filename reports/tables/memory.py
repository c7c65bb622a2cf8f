"""Table 1: printed GPU memory, a model that fits it, and how memory grows in what we measured."""

from collections.abc import Sequence
from math import log2
from typing import Any

import numpy as np
import pandas as pd

from reports import collect
from reports.figures.plots import COLORS, inline, panels
from semanir.plan.cells import Cell

GIB = 2**30
CONTEXT = 0.25  # GiB of the fitted model that do not depend on N and k
# the paper states neither the batch nor the other sweep's value: with these the model fits
SWEEPS = {"N": {"B": 4, "k": 128}, "k": {"B": 512, "N": 512}}
OURS = {
    "Triton": ("triton", "triton-gather", "fused"),
    "Torch-Gather": ("gather",),
    "Torch-Mask": ("mask",),
}
NAMES = {
    "fused": "our fused kernel",
    "triton": "our Triton kernel (blocks)",
    "triton-gather": "our Triton kernel (gather)",
}
ALIKE = 0.15  # difference of two exponents that is called the same growth


def section(cells: Sequence[Cell], results: pd.DataFrame) -> dict[str, Any]:
    """What templates/table01.html.j2 shows below the printed table."""
    printed = {(cell.setting, cell.method): cell for cell in cells}
    numbers = [cell for cell in cells if cell.kind == "number"]
    fits = {method: fit(numbers, method) for method in OURS}
    errors = {
        method: np.mean(
            [abs(model(c, fits) / float(c.value) - 1) for c in numbers if c.method == method]
        )
        for method in OURS
    }
    settings = list(dict.fromkeys(cell.setting for cell in cells))
    parts = []
    for one in (results, *collect.accepted_evidence()):
        memory = measured(one)
        if not memory:
            continue
        first = next(iter(memory.values()))
        parts.append(
            {
                "backends": list(dict.fromkeys(backend for _, backend in memory)),
                "batches": {setting: row["B"] for (setting, _), row in memory.items()},
                "measured": memory,
                "device": first["device"],
                "machine": first["machine"],
                "commit": first["commit"],
                "growth": growth(numbers, memory),
                "plot": plot(numbers, fits, memory),
            }
        )
    return {
        "fits": fits,
        "fit_errors": errors,
        "settings": settings,
        "printed": {s: {m: printed[s, m].value or "OOM" for m in OURS} for s in settings},
        "parts": parts,
        "context": CONTEXT,
        "sweeps": SWEEPS,
    }


def measured(results: pd.DataFrame) -> dict[tuple[str, str], dict[str, Any]]:
    """(setting, back end) -> {bytes (None: skipped), predicted, B, device, machine, commit}."""
    memory: dict[tuple[str, str], dict[str, Any]] = {}
    for row in results[results["metric"].str.startswith("memory_")].to_dict("records"):
        kind, value = row["metric"].removeprefix("memory_"), float(row["value"])
        place = memory.setdefault(
            (row["level"], row["model"]),
            {"bytes": None, "B": int(row["batch"]), "device": "cpu"}
            | {name: row[name] for name in ("machine", "commit")},
        )
        if kind == "predicted":
            place["predicted"] = value
        else:
            place |= {"bytes": value, "device": kind}
    return memory


# --- the model: GiB = CONTEXT + B N^2 c + B N k s -------------------------------------------------


def sizes(setting: str) -> tuple[int, int, int]:
    """B, N and k of a printed row, "N=512" or "k=32", with what the paper leaves out assumed."""
    name, _, value = setting.partition("=")
    all_sizes = SWEEPS[name] | {name: int(value)}
    return all_sizes["B"], all_sizes["N"], all_sizes["k"]


def fit(cells: Sequence[Cell], method: str) -> tuple[float, float]:
    """c and s in bytes, with the least squared relative error over the printed numbers."""
    rows = [(*sizes(c.setting), float(c.value)) for c in cells if c.method == method]
    b, n, k, gib = np.array(rows).T
    terms = np.stack([b * n * n, b * n * k], 1) / (GIB * gib[:, None])
    (c, s), *_ = np.linalg.lstsq(terms, (gib - CONTEXT) / gib, rcond=None)
    return float(c), float(s)


def model(cell: Cell, fits: dict[str, tuple[float, float]]) -> float:
    """GiB of a printed cell by the model."""
    b, n, k = sizes(cell.setting)
    c, s = fits[cell.method]
    return CONTEXT + b * n * (n * c + k * s) / GIB


# --- growth ---------------------------------------------------------------------------------------


def growth(
    numbers: Sequence[Cell], memory: dict[tuple[str, str], dict[str, Any]]
) -> list[dict[str, Any]]:
    """Exponents p of memory ~ N^p and k^p, printed and measured, with a verdict on both.

    shown_as: the verdict of reports.legend whose colour and symbol it has.
    In N between the two largest sizes; in k between the smallest and the largest that has a number
    in print. CONTEXT, which grows with neither, is taken off the printed values first.
    """
    lines = []
    for name in ("N", "k"):
        for method, backends in OURS.items():
            points = {
                c.setting: float(c.value) - CONTEXT
                for c in numbers
                if c.method == method and c.setting.startswith(f"{name}=")
            }
            ends = list(points)[-2:] if name == "N" else [next(iter(points)), list(points)[-1]]
            printed = exponent(ends, [points[end] for end in ends])
            for backend in backends:
                held = [memory.get((end, backend), {}).get("bytes") for end in ends]
                ours = [float(size) for size in held if size is not None]
                if len(ours) < 2:
                    continue
                got = exponent(ends, ours)
                if abs(got - printed) <= ALIKE:
                    verdict, shown_as = "same growth", "match"
                elif got < printed:
                    verdict, shown_as = "grows less", "better than printed"
                else:
                    verdict, shown_as = "grows more", "differs"
                lines.append(
                    {"in": name, "method": method, "backend": NAMES.get(backend, backend)}
                    | {"between": " and ".join(ends), "printed": printed, "measured": got}
                    | {"verdict": verdict, "shown_as": shown_as}
                )
    return lines


def exponent(settings: Sequence[str], values: Sequence[float]) -> float:
    low, high = (int(setting.partition("=")[2]) for setting in settings)
    return log2(values[1] / values[0]) / log2(high / low)


# --- plot -----------------------------------------------------------------------------------------


def plot(
    numbers: Sequence[Cell],
    fits: dict[str, tuple[float, float]],
    memory: dict[tuple[str, str], dict[str, Any]],
) -> str:
    """Printed points on the model's curves, measured points, over N and over k."""
    figure = panels(2)
    for axes, name in zip(figure.axes, ("N", "k"), strict=True):
        for color, (method, backends) in zip(COLORS, OURS.items(), strict=False):
            cells = [c for c in numbers if c.method == method and c.setting.startswith(f"{name}=")]
            x = [int(c.setting[2:]) for c in cells]
            axes.plot(
                x, [float(c.value) for c in cells], "o", color=color, label=f"{method}, printed"
            )
            axes.plot(x, [model(c, fits) for c in cells], "-", color=color, linewidth=0.8)
            for marker, backend in zip("x+^", backends, strict=False):
                own = sorted(
                    (int(setting[2:]), row["bytes"] / GIB)
                    for (setting, which), row in memory.items()
                    if which == backend and setting.startswith(f"{name}=") and row["bytes"]
                )
                if own:
                    label = f"{NAMES.get(backend, backend)}, measured"
                    axes.plot(*zip(*own, strict=True), f"{marker}--", color=color, label=label)
        axes.set(xscale="log", yscale="log", xlabel=name, ylabel="GiB")
        axes.set_xscale("log", base=2)
    figure.axes[1].legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return inline(
        figure, "Memory of the attention back ends over N and over k, printed and measured"
    )
