"""The forms of a claim: arithmetic, a rank, a relation of rows, a trend, a count, a reproduction.

Each is evaluated on one column of the numbers of `reports.claims.numbers`: printed ones, or
measured ones. Claims about two models are judged in `reports.claims.two_models`.
"""

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import pandas as pd

from reports.collect import METRICS
from reports.evidence import COSTS
from reports.tables.layouts import table_name
from semanir.errors import InputError
from semanir.plan.models import trained_models

PLACE = ["table", "task", "dataset", "setting", "metric"]
ONE = ["scale", "machine", "dataset"]  # of results that are compared with each other
HARDWARE = "V100"  # the paper's, of Tables 1 and 3
SHOWN = 8  # exceptions that a detail names


class NotMeasuredError(Exception):
    """A form lacks values; the message says which."""


def evaluate(
    form: dict[str, Any], numbers: pd.DataFrame, column: str, runs: Sequence[pd.DataFrame]
) -> tuple[bool, str]:
    """(whether a form holds on the `column` of numbers, with which values).

    runs: means of the results of runs, the best first.

    Raises NotMeasuredError where values are missing, InputError for a form that picks no cell.
    """
    kinds = {"value": _value, "rank": _rank, "relation": _relation, "trend": _trend}
    for kind, function in kinds.items():
        if kind in form:
            return function(form, numbers, column, runs)
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


def cells_of(form: dict[str, Any], numbers: pd.DataFrame) -> pd.DataFrame:
    """The printed numbers that a form names, without the rivals of a rank."""
    filters = [form[part] for part in ("cells", "left", "right", "reproduced") if part in form]
    if "value" in form:
        filters = [wanted for wanted in form.get("cells", {}).values() if isinstance(wanted, dict)]
    parts = [matching(numbers, wanted) for wanted in filters if not _of_results(wanted)]
    return numbers[numbers.index.isin([index for part in parts for index in part.index])]


def of_small_networks(rows: pd.DataFrame) -> bool:
    """Whether results are scores of networks that were trained below the paper's scale."""
    small = rows["model"].isin(trained_models()) & (rows["task"] != "") & (rows["scale"] != "paper")
    return bool(small.any())


def of_other_hardware(rows: pd.DataFrame) -> bool:
    """Whether results are times or memory that were not measured on the paper's kind of GPU."""
    costs = rows["metric"].str.contains(COSTS)
    return bool((costs & ~rows["machine"].str.contains(HARDWARE, na=False)).any())


def results_of(form: dict[str, Any], runs: Iterable[pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Name -> its rows of our results, for the names of a form that are of these.

    All are of one scale, machine and set: the first of the best run that has every name.
    NotMeasuredError where none has says what the best of them lacks.
    """
    wanted = {
        name: cell
        for name, cell in (form.get("cells", {}) if "value" in form else {}).items()
        if isinstance(cell, dict) and _of_results(cell)
    }
    if not wanted:
        return {}
    lacking = list(wanted)
    for run in runs:
        chosen = pd.concat([_chosen(run, cell).assign(name=name) for name, cell in wanted.items()])
        for _, rows in chosen.groupby(ONE, sort=False, dropna=False):
            missing = [name for name in wanted if name not in set(rows["name"])]
            if not missing:
                return {name: rows[rows["name"] == name] for name in wanted}
            lacking = min(lacking, missing, key=len)
    names = ", ".join(" ".join(map(str, wanted[name].values())) for name in lacking)
    raise NotMeasuredError(f"missing results: {names}")


def _of_results(wanted: dict[str, Any]) -> bool:
    """Whether a filter is of our results; one that names a printed table is of its cells."""
    return "table" not in wanted and "model" in wanted


def _chosen(results: pd.DataFrame, wanted: dict[str, Any]) -> pd.DataFrame:
    chosen = pd.Series(True, index=results.index)
    for field, value in wanted.items():
        chosen &= results[field] == value
    return results[chosen]


def _known(cells: pd.DataFrame, column: str) -> pd.DataFrame:
    """The cells; NotMeasuredError where a value is missing says how many are, and which."""
    missing = cells[cells[column].isna()]
    if missing.empty:
        return cells
    names = missing["method"].where(~missing["single_model"], "†" + missing["method"])
    by_table = names.groupby(missing["table"], sort=False).value_counts(sort=False)
    parts = [
        f"{table_name(str(table))} ({', '.join(f'{count} of {name}' for name, count in some)})"
        for table, some in _first(by_table)
    ]
    more = f" and {len(by_table) - SHOWN} further rows" if len(by_table) > SHOWN else ""
    total = f"{len(missing)} of {len(cells)} numbers are missing"
    raise NotMeasuredError(f"{total}: {', '.join(parts)}{more}")


def _first(by_table: pd.Series) -> list[tuple[Any, list[tuple[str, int]]]]:
    """The first SHOWN counts of methods, by table."""
    grouped: dict[Any, list[tuple[str, int]]] = {}
    for (table, name), count in by_table.iloc[:SHOWN].items():
        grouped.setdefault(table, []).append((name, count))
    return list(grouped.items())


def _value(
    form: dict[str, Any], numbers: pd.DataFrame, column: str, runs: Sequence[pd.DataFrame]
) -> tuple[bool, str]:
    _known(cells_of(form, numbers), column)
    ours = results_of(form, runs)
    names: dict[str, float] = {}
    for name, wanted in form.get("cells", {}).items():
        if name in ours:
            names[name] = float(ours[name]["value"].mean())
        else:
            of_cells = isinstance(wanted, dict)
            names[name] = float(matching(numbers, wanted)[column].mean()) if of_cells else wanted
    value = float(pd.eval(form["value"], local_dict=names, engine="python"))
    unit = f" {form['unit']}" if "unit" in form else ""
    where = _run(pd.concat(ours.values())) if ours else ""
    if "equals" in form:
        decimals = len(form["equals"].partition(".")[2])
        holds = abs(value - float(form["equals"])) <= 0.5 * 10**-decimals + 1e-9
        return holds, f"{value:.{decimals + 1}f}{unit}{where}, stated {form['equals']}"
    limits = [f"{word} {form[word]:g}" for word in ("above", "below") if word in form]
    holds = value > form.get("above", -float("inf")) and value < form.get("below", float("inf"))
    return holds, f"{value:.4g}{unit}{where}, stated {' and '.join(limits)}"


def _rank(
    form: dict[str, Any], numbers: pd.DataFrame, column: str, runs: Sequence[pd.DataFrame]
) -> tuple[bool, str]:
    """Whether fewer than `rank` rivals are as good or better: a tie is no lead."""
    cells = matching(numbers, form["cells"])
    ours = re.compile(form.get("ours", "SemanIR.*"))
    place = PLACE if form.get("across_groups") else [*PLACE, "single_model"]
    others = numbers[~numbers["method"].map(lambda name: bool(ours.fullmatch(name)))]
    at_places = pd.MultiIndex.from_frame(others[place]).isin(pd.MultiIndex.from_frame(cells[place]))
    _known(numbers[numbers.index.isin(cells.index.union(others.index[at_places]))], column)
    sign = -1 if form.get("smaller") else 1
    exceptions = []
    for cell in cells.to_dict("records"):
        here = pd.Series({name: cell[name] for name in place})
        rivals = others[(others[place] == here).all(axis=1) & (others["method"] != cell["method"])]
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
    form: dict[str, Any], numbers: pd.DataFrame, column: str, runs: Sequence[pd.DataFrame]
) -> tuple[bool, str]:
    per = form.get("per", PLACE)
    left, right = (matching(numbers, form[side]) for side in ("left", "right"))
    _known(pd.concat([left, right]), column)
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
    form: dict[str, Any], numbers: pd.DataFrame, column: str, runs: Sequence[pd.DataFrame]
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


def _run(rows: pd.DataFrame) -> str:
    """Where results are from: set and scale of scores, the machine of times and memory."""
    first = rows.iloc[0]
    known = first["metric"] in METRICS
    if rows["metric"].str.contains(COSTS).any():
        return f" ({first['machine']})"
    return f" ({first['dataset']}, {first['scale']} scale)" if known else ""


def _where(row: Any) -> str:
    parts = [row["task"] if row["table"] == "table07" else "", row["dataset"], row["setting"]]
    parts.append(row["metric"] if row["metric"] != "PSNR" else "")
    return " ".join(filter(None, parts)).replace("denoise_", "") or row["table"]


def _name(row: Any) -> str:
    return f"{'†' if row['single_model'] else ''}{row['method']} {_where(row)}".strip()
