"""Table 12 and Eq. 4-7: the printed formulas evaluated, beside counted multiply-adds."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from semanir.errors import InputError
from semanir.plan.cells import Cell

SYMBOLS = ("H", "W", "C", "h", "M", "k")
LAYERS = 6  # of a stage (Eq. 4)
# Eq. 7's setting: a map of 64x64, k = 512; M^2 = (7x7)x(16x16) is that of a window of 112 tokens
PRINTED = {"H": 64, "W": 64, "k": 512, "M": 112}
SETTINGS = [PRINTED, *({"H": 64, "W": 64, "k": k, "M": m} for m in (7, 16, 32) for k in (64, 512))]


def evaluate(formula: str, symbols: Mapping[str, float]) -> float:
    """The value of a formula as the paper writes it: "4HWC^2 + 2h(M)^2 HWC".

    Factors that stand side by side are multiplied. Raises InputError on anything else.
    """
    tokens = re.findall(r"\d+|[A-Za-z]|[()+^-]|\S", formula)
    python = ""
    for before, token in zip(["+", *tokens], tokens, strict=False):
        if not re.fullmatch(r"\d+|[()+^-]", token) and token not in symbols:
            raise InputError(f"cannot read {token!r} in the formula {formula!r}")
        factors = re.fullmatch(r"\w|\d+|\)", before) and re.fullmatch(r"\w|\d+|\(", token)
        python += "*" * bool(factors) + ("**" if token == "^" else token)
    return float(eval(python, {"__builtins__": {}}, dict(symbols)))  # of checked tokens only


def section(cells: Sequence[Cell], results: pd.DataFrame) -> dict[str, Any]:
    """What templates/table12.html.j2 shows below the printed table."""
    return {"lines": lines(cells, results), "equations": [equations(s) for s in SETTINGS]}


def lines(cells: Sequence[Cell], results: pd.DataFrame) -> list[dict[str, Any]]:
    """One line a counted setting: sizes, counted, formulas evaluated, and their ratios."""
    formulas = {(cell.method, cell.metric): cell.value for cell in cells}
    counted: dict[tuple[str, str], dict[str, float]] = {}
    wanted = results["metric"].isin(["multiply_adds", "floats", "bias", "dictionary"])
    for row in results[wanted].to_dict("records"):
        counted.setdefault((row["model"], row["level"]), {})[row["metric"]] = float(row["value"])
    made = []
    for (form, level), counts in counted.items():
        symbols = {name: int(value) for name, value in re.findall(r"(\w)=(\d+)", level)}
        time, space = (
            evaluate(formulas[form, f"{what}_complexity"], symbols) for what in ("time", "space")
        )
        made.append(
            {"form": form, **{name: symbols.get(name) for name in SYMBOLS}, **counts}
            | {"time": time, "time_ratio": counts["multiply_adds"] / time}
            | {"space": space, "space_ratio": counts["floats"] / space}
        )
    return sorted(made, key=lambda line: [str(line["form"]), *(line[s] or 0 for s in SYMBOLS)])


def equations(setting: Mapping[str, int]) -> dict[str, Any]:
    """Eq. 4, 5 and the bracket of Eq. 6 (all divided by HWC, the projections left out).

    own: the same with the dictionary that the method builds, M^2 instead of HW for each token.
    """
    h, w, k, m = (setting[name] for name in ("H", "W", "k", "M"))
    windows, sparse = 2 * LAYERS * m * m, 2 * LAYERS * k
    return {
        **setting,
        "windows": windows,
        "sparse": sparse + h * w,
        "bracket": windows - sparse - h * w,
        "own": windows - sparse - min(m, h) * min(m, w),
        "fits": m <= min(h, w) and k < m * m,
    }
