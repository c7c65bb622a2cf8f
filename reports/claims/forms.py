"""The forms of a claim: arithmetic, a rank, a relation of rows, a trend, a count, a reproduction.

Each is evaluated on one column of the numbers that `reports.claims.claims.frame` makes: printed
ones, or measured ones. A claim about two models is judged by their comparisons.
"""

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from reports.legend import BETTER, EQUAL, FAILS, HOLDS, UNDECIDED, UNMEASURED, Verdict
from reports.statistics.conclusions import MARGIN, Family
from semanir.errors import InputError

PLACE = ["table", "task", "dataset", "setting", "metric"]
SHOWN = 8  # exceptions that a detail names


class NotMeasuredError(Exception):
    """A form lacks values; the message says which."""


def evaluate(
    form: dict[str, Any], numbers: pd.DataFrame, column: str, results: pd.DataFrame
) -> tuple[bool, str]:
    """(whether a form holds on the `column` of numbers, with which values).

    Raises NotMeasuredError where values are missing, InputError for a form that picks no cell.
    """
    kinds = {"value": _value, "rank": _rank, "relation": _relation, "trend": _trend}
    for kind, function in kinds.items():
        if kind in form:
            return function(form, numbers, column, results)
    return _count(form, numbers) if "count" in form else _reproduced(form, numbers)


def needs_values(form: dict[str, Any]) -> bool:
    """Whether a form is about numbers of the tables or ours; pure arithmetic and counts are not."""
    if "count" in form:
        return False
    return "value" not in form or any(isinstance(c, dict) for c in form.get("cells", {}).values())


def matching(numbers: pd.DataFrame, wanted: dict[str, Any]) -> pd.DataFrame:
    """The rows whose fields have the wanted values (one, or any of a list)."""
    chosen = pd.Series(True, index=numbers.index)
    for name, value in wanted.items():
        chosen &= numbers[name].isin(value if isinstance(value, list) else [value])
    cells = numbers[chosen]
    if cells.empty:
        raise InputError(f"no printed number has {wanted}")
    return cells


def _known(cells: pd.DataFrame, column: str) -> pd.DataFrame:
    missing = cells[cells[column].isna()]
    if len(missing):
        count = f"{len(cells) - len(missing)} of {len(cells)} numbers measured at full size"
        raise NotMeasuredError(f"{count} on the printed photographs; not {_name(missing.iloc[0])}")
    return cells


def _value(
    form: dict[str, Any], numbers: pd.DataFrame, column: str, results: pd.DataFrame
) -> tuple[bool, str]:
    names: dict[str, float] = {}
    for name, wanted in form.get("cells", {}).items():
        if not isinstance(wanted, dict):
            names[name] = wanted
        elif "table" in wanted:
            names[name] = float(_known(matching(numbers, wanted), column)[column].mean())
        else:
            chosen = pd.Series(True, index=results.index)
            for field, value in wanted.items():
                chosen &= results[field] == value
            if not chosen.any():
                raise NotMeasuredError(f"no result of {', '.join(map(str, wanted.values()))}")
            names[name] = float(results[chosen]["value"].mean())
    value = float(pd.eval(form["value"], local_dict=names, engine="python"))
    unit = f" {form['unit']}" if "unit" in form else ""
    if "equals" in form:
        decimals = len(form["equals"].partition(".")[2])
        holds = abs(value - float(form["equals"])) <= 0.5 * 10**-decimals + 1e-9
        return holds, f"{value:.{decimals + 1}f}{unit}, stated {form['equals']}"
    limits = [f"{word} {form[word]:g}" for word in ("above", "below") if word in form]
    holds = value > form.get("above", -float("inf")) and value < form.get("below", float("inf"))
    return holds, f"{value:.4g}{unit}, stated {' and '.join(limits)}"


def _rank(
    form: dict[str, Any], numbers: pd.DataFrame, column: str, results: pd.DataFrame
) -> tuple[bool, str]:
    """Whether fewer than `rank` rivals are as good or better: a tie is no lead."""
    cells = _known(matching(numbers, form["cells"]), column)
    ours = re.compile(form.get("ours", "SemanIR.*"))
    place = PLACE if form.get("across_groups") else [*PLACE, "single_model"]
    sign = -1 if form.get("smaller") else 1
    exceptions = []
    for cell in cells.to_dict("records"):
        same = numbers[
            (numbers[place] == pd.Series({name: cell[name] for name in place})).all(axis=1)
        ]
        rivals = _known(same[~same["method"].map(lambda name: bool(ours.fullmatch(name)))], column)
        as_good = rivals[sign * rivals[column] > sign * cell[column] - 1e-9]
        if len(as_good) + 1 > form["rank"]:
            best = as_good.sort_values(column, ascending=sign < 0, kind="stable")
            names = ", ".join(f"{row.method} {_number(row, column)}" for row in best.itertuples())
            exceptions.append(f"{_where(cell)}: {_text(cell, column)} not ahead of {names}")
    held = len(cells) - len(exceptions)
    holds = held > len(cells) / 2 if form.get("most") else not exceptions
    return holds, _counted(held, len(cells), exceptions)


RELATIONS = {
    ">": lambda one, other: one > other + 1e-9,
    "<": lambda one, other: one < other - 1e-9,
    ">=": lambda one, other: one > other - 1e-9,
    "<=": lambda one, other: one < other + 1e-9,
    "==": lambda one, other: abs(one - other) < 1e-9,
    "!=": lambda one, other: abs(one - other) >= 1e-9,
}


def _relation(
    form: dict[str, Any], numbers: pd.DataFrame, column: str, results: pd.DataFrame
) -> tuple[bool, str]:
    per = form.get("per", PLACE)
    left, right = (_known(matching(numbers, form[side]), column) for side in ("left", "right"))
    both = left.merge(right, on=per, suffixes=("", "_right"))
    if both.empty:
        raise InputError(f"no two numbers agree in {', '.join(per)}")
    decimals = both[["decimals", "decimals_right"]].min(axis=1)
    if column == "measured" and form["relation"] in ("==", "!="):
        both = both.assign(  # as printed
            measured=[round(v, d) for v, d in zip(both["measured"], decimals, strict=True)],
            measured_right=[
                round(v, d) for v, d in zip(both["measured_right"], decimals, strict=True)
            ],
        )
    exceptions = [
        f"{_where(row)}: {row['method']} {_text(row, column)}, "
        f"{row.get('method_right', row['method'])} {row[f'{column}_right']:.{row['decimals']}f}"
        for row in both.to_dict("records")
        if not RELATIONS[form["relation"]](row[column], row[f"{column}_right"])
    ]
    return not exceptions, _counted(len(both) - len(exceptions), len(both), exceptions)


def _trend(
    form: dict[str, Any], numbers: pd.DataFrame, column: str, results: pd.DataFrame
) -> tuple[bool, str]:
    cells = _known(matching(numbers, form["cells"]), column)
    per = form.get("per", ["table", "task", "dataset", "metric", "method", "single_model"])
    sign = 1 if form["trend"] == "up" else -1
    exceptions, steps = [], 0
    for _, group in cells.groupby(per, sort=False):
        along = group.assign(along=group["setting"].map(_last_number)).sort_values("along")
        rows = along.to_dict("records")
        for one, other in pairwise(rows):
            steps += 1
            if sign * other[column] <= sign * one[column] + 1e-9:
                names = f"{one['setting']} {_text(one, column)}, {other['setting']}"
                exceptions.append(f"{one['dataset']}: {names} {_text(other, column)}")
    return not exceptions, _counted(steps - len(exceptions), steps, exceptions, "steps")


def _reproduced(form: dict[str, Any], numbers: pd.DataFrame) -> tuple[bool, str]:
    cells = _known(matching(numbers, form["reproduced"]), "measured")
    exceptions = [
        f"{_name(row)} {_text(row, 'printed')}, measured {row['measured']:.{row['decimals'] + 1}f}"
        for row in cells[cells["verdict"] != "match"].to_dict("records")
    ]
    return not exceptions, _counted(len(cells) - len(exceptions), len(cells), exceptions, "numbers")


def _count(form: dict[str, Any], numbers: pd.DataFrame) -> tuple[bool, str]:
    names = matching(numbers, form["count"])[form["of"]].drop_duplicates()
    left_out = re.compile(form.get("other_than", ""))
    counted = [name for name in names if not left_out.fullmatch(name)]
    holds = len(counted) == int(form["equals"])
    return holds, f"{len(counted)} ({', '.join(counted)}), stated {form['equals']}"


def _last_number(setting: str) -> float:
    return float(re.findall(r"[0-9.]+", setting)[-1])


# --- two models ------------------------------------------------------------------------------


def judge_two_models(form: dict[str, Any], family: Family) -> tuple[Verdict, str]:
    """(the verdict, the numbers) of a claim over two models; UNMEASURED without results.

    expect: "better", "worse", or "as good": better, or equal within `within` dB; it fails if the
    loss is certainly larger. Sets without an interval are named, and decide nothing where others
    have one.
    """
    comparisons = family.find(form["ablation"], form["against"])
    for field in ("task", "dataset"):
        wanted = np.atleast_1d(form.get(field, []))
        comparisons = [
            one for one in comparisons if not len(wanted) or getattr(one, field) in wanted
        ]
    if not comparisons:
        return UNMEASURED, f"{form['ablation']} was not run beside {form['against']}"
    margin = form.get("within", MARGIN)
    known = [one for one in comparisons if one.known]
    unknown = [one for one in comparisons if not one.known]
    verdicts, details = set(), []
    for one in known or unknown:
        conclusion = family.conclude(one, margin)
        exceeds = family.exceeds(one, margin)
        verdicts.add(_as_expected(form["expect"], conclusion.name, one.mean, exceeds))
        details.append(f"{one.text}: {conclusion}")
        if one.known:
            details[-1] += (
                f", adjusted p {conclusion.differs:.2g}, of equality {conclusion.equal:.2g}"
            )
    if known and unknown:
        others = (f"{one.mean:+.3f} dB on {one.dataset} {one.level}" for one in unknown)
        details.append(f"without an interval {', '.join(others)}")
    return verdicts.pop() if len(verdicts) == 1 else UNDECIDED, "; ".join(details)


def _as_expected(expect: str, conclusion: str, mean: float, exceeds: bool) -> Verdict:
    if expect != "as good":
        return {expect: HOLDS, UNDECIDED.name: UNDECIDED}.get(conclusion, FAILS)
    if conclusion in (BETTER.name, EQUAL.name):
        return HOLDS
    return FAILS if mean < 0 and exceeds else UNDECIDED


# --- words -----------------------------------------------------------------------------------


def _counted(held: int, count: int, exceptions: Sequence[str], what: str = "cells") -> str:
    if not exceptions:
        return f"in all {count} {what}"
    more = f"; and {len(exceptions) - SHOWN} more" if len(exceptions) > SHOWN else ""
    return f"in {held} of {count} {what}; not in {'; '.join(exceptions[:SHOWN])}{more}"


def _text(row: Any, column: str) -> str:
    return f"{row[column]:.{row['decimals']}f}"


def _number(row: Any, column: str) -> str:
    return f"{getattr(row, column):.{row.decimals}f}"


def _where(row: Any) -> str:
    parts = [row["task"] if row["table"] == "table07" else "", row["dataset"], row["setting"]]
    parts.append(row["metric"] if row["metric"] != "PSNR" else "")
    return " ".join(filter(None, parts)).replace("denoise_", "") or row["table"]


def _name(row: Any) -> str:
    return f"{'†' if row['single_model'] else ''}{row['method']} {_where(row)}".strip()
