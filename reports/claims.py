"""Render the claims ledger: which sentences of the paper hold, by its own tables and by ours.

python -m reports.claims --scale smoke --results results/smoke/results.csv --out reports

A claim (reports/claims/*.yaml) is a form over cells: arithmetic, a rank among rivals, a relation of
rows, a trend. The same form is evaluated twice, on the printed values and on the measured ones; a
claim over ablations is judged by reports.statistics. No verdict is written by hand.
"""

import argparse
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import jsonschema
import pandas as pd

from data_prep.errors import InputError, one_line_errors
from data_prep.files import read_yaml, replacing, visible, write_text
from reports import statistics
from reports.collect import elsewhere, means, read_results
from reports.tables import environment
from reports.verdicts import judge_table
from semanir.models import get_scale
from semanir.plan import cells, tables

HERE = Path(__file__).parent
HOLDS, FAILS, OPEN = "holds", "does not hold", "inconclusive"
UNMEASURED, UNPRINTED = "not measured at this scale", "not printed"
NOTHING = "nothing to measure"  # arithmetic of the paper
VERDICTS = (HOLDS, FAILS, OPEN, UNMEASURED, UNPRINTED, NOTHING)
AS_PRINTED = ("match", "differs", "better than printed")  # measured at full size, own photographs
PLACE = ["table", "task", "dataset", "setting", "metric"]
SHOWN = 8  # exceptions that a detail names


class NotMeasuredError(Exception):
    """A form lacks values; the message says which."""


@dataclass(frozen=True)
class Judged:
    """A claim with both verdicts. `printed`: by the paper's own tables; `verdict`: by ours."""

    id: str
    place: str
    text: str
    printed: str
    printed_detail: str
    verdict: str
    detail: str
    note: str


@cache
def claims() -> tuple[dict[str, Any], ...]:
    """Every claim, in the order of the files and of the paper. InputError names a broken one."""
    schema = read_yaml(HERE / "claims.schema.yaml")
    validator = jsonschema.Draft202012Validator(schema)
    found: list[dict[str, Any]] = []
    for path in visible((HERE / "claims").glob("*.yaml")):
        entries = read_yaml(path, list)
        problem = jsonschema.exceptions.best_match(validator.iter_errors(entries))
        if problem is not None:
            place = ".".join(map(str, problem.absolute_path))
            raise InputError(f"claims/{path.name}, {place}: {problem.message}")
        found += entries
    repeated = [name for name, n in Counter(claim["id"] for claim in found).items() if n > 1]
    if repeated:
        raise InputError(f"two claims are called {repeated[0]}")
    return tuple(found)


def frame(scale: str, results: pd.DataFrame) -> pd.DataFrame:
    """All printed numbers: the fields of the cells, printed, measured (NaN) and their verdict."""
    rows = []
    for table in tables():
        for judged in judge_table(cells(table), scale, results):
            if judged.cell.kind == "number":
                measured = judged.measured if judged.verdict in AS_PRINTED else None
                values: dict[str, Any] = {"printed": float(judged.cell.value), "measured": measured}
                values |= {"verdict": judged.verdict, "decimals": judged.decimals}
                rows.append(asdict(judged.cell) | values)
    return pd.DataFrame(rows).astype({"measured": float})


def judge(
    claim: dict[str, Any], numbers: pd.DataFrame, results: pd.DataFrame, by_image: pd.DataFrame
) -> Judged:
    """Both verdicts of a claim. results: means; by_image: the scores behind them."""
    printed, printed_detail = UNPRINTED, ""
    if "printed" in claim:
        holds, printed_detail = evaluate(claim["printed"], numbers, "printed", results)
        printed = HOLDS if holds else FAILS
    form = claim.get("measured", claim.get("printed"))
    if form is None or "reason" in form:
        verdict, detail = UNMEASURED, form["reason"] if form else ""
    elif "ablation" in form:
        verdict, detail = statistics.judge_claim(form, by_image)
        verdict = {"": UNMEASURED, "yes": HOLDS, "no": FAILS, "open": OPEN}[verdict]
    elif not _has_cells(form):
        verdict, detail = NOTHING, ""
    else:
        try:
            holds, detail = evaluate(form, numbers, "measured", results)
            verdict = HOLDS if holds else FAILS
        except NotMeasuredError as error:
            verdict, detail = UNMEASURED, str(error)
    facts = (claim["id"], claim["place"], claim["text"])
    return Judged(*facts, printed, printed_detail, verdict, detail, claim.get("note", ""))


def _has_cells(form: dict[str, Any]) -> bool:
    return "value" not in form or any(isinstance(c, dict) for c in form.get("cells", {}).values())


# --- forms -----------------------------------------------------------------------------------


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
    return _reproduced(form, numbers)


def pick_cells(numbers: pd.DataFrame, wanted: dict[str, Any]) -> pd.DataFrame:
    """The rows whose fields have the wanted values (one, or any of a list)."""
    chosen = pd.Series(True, index=numbers.index)
    for name, value in wanted.items():
        chosen &= numbers[name].isin(value if isinstance(value, list) else [value])
    found = numbers[chosen]
    if found.empty:
        raise InputError(f"no printed number has {wanted}")
    return found


def _known(found: pd.DataFrame, column: str) -> pd.DataFrame:
    missing = found[found[column].isna()]
    if len(missing):
        count = f"{len(found) - len(missing)} of {len(found)} numbers measured at full size"
        raise NotMeasuredError(f"{count} on the printed photographs; not {_name(missing.iloc[0])}")
    return found


def _value(
    form: dict[str, Any], numbers: pd.DataFrame, column: str, results: pd.DataFrame
) -> tuple[bool, str]:
    names: dict[str, float] = {}
    for name, wanted in form.get("cells", {}).items():
        if not isinstance(wanted, dict):
            names[name] = wanted
        elif "table" in wanted:
            found = _known(pick_cells(numbers, wanted), column)
            names[name] = float(found[column].mean())
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
    found = _known(pick_cells(numbers, form["cells"]), column)
    ours = re.compile(form.get("ours", "SemanIR.*"))
    place = PLACE if form.get("across_groups") else [*PLACE, "single_model"]
    sign = -1 if form.get("smaller") else 1
    exceptions = []
    for cell in found.to_dict("records"):
        same = numbers[
            (numbers[place] == pd.Series({name: cell[name] for name in place})).all(axis=1)
        ]
        rivals = _known(same[~same["method"].map(lambda name: bool(ours.fullmatch(name)))], column)
        better = rivals[sign * rivals[column] > sign * cell[column] + 1e-9]
        if len(better) + 1 > form["rank"]:
            best = better.sort_values(column, ascending=sign < 0, kind="stable")
            names = ", ".join(f"{row.method} {_number(row, column)}" for row in best.itertuples())
            exceptions.append(f"{_where(cell)}: {_text(cell, column)} behind {names}")
    held = len(found) - len(exceptions)
    holds = held > len(found) / 2 if form.get("most") else not exceptions
    return holds, _counted(held, len(found), exceptions)


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
    left, right = (_known(pick_cells(numbers, form[side]), column) for side in ("left", "right"))
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
    found = _known(pick_cells(numbers, form["cells"]), column)
    per = form.get("per", ["table", "task", "dataset", "metric", "method", "single_model"])
    sign = 1 if form["trend"] == "up" else -1
    exceptions, steps = [], 0
    for _, group in found.groupby(per, sort=False):
        along = group.assign(along=group["setting"].map(_last_number)).sort_values("along")
        rows = along.to_dict("records")
        for one, other in pairwise(rows):
            steps += 1
            if sign * other[column] <= sign * one[column] + 1e-9:
                names = f"{one['setting']} {_text(one, column)}, {other['setting']}"
                exceptions.append(f"{one['dataset']}: {names} {_text(other, column)}")
    return not exceptions, _counted(steps - len(exceptions), steps, exceptions, "steps")


def _reproduced(form: dict[str, Any], numbers: pd.DataFrame) -> tuple[bool, str]:
    found = _known(pick_cells(numbers, form["reproduced"]), "measured")
    exceptions = [
        f"{_name(row)} {_text(row, 'printed')}, measured {row['measured']:.{row['decimals'] + 1}f}"
        for row in found[found["verdict"] != "match"].to_dict("records")
    ]
    return not exceptions, _counted(len(found) - len(exceptions), len(found), exceptions, "numbers")


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


def _where(row: Any) -> str:
    parts = [row["task"] if row["table"] == "table07" else "", row["dataset"], row["setting"]]
    parts.append(row["metric"] if row["metric"] != "PSNR" else "")
    return " ".join(filter(None, parts)).replace("denoise_", "") or row["table"]


def _name(row: Any) -> str:
    return f"{'†' if row['single_model'] else ''}{row['method']} {_where(row)}".strip()


# --- pages -----------------------------------------------------------------------------------


def render(scale: str, by_image: pd.DataFrame, out: Path, source: str = "") -> list[Judged]:
    """Write claims.html and claims.csv.

    source: where results come from that were not made here.
    """
    results = means(by_image)
    numbers = frame(scale, results)
    everywhere = pd.concat([results, *elsewhere()])
    ledger = [judge(claim, numbers, everywhere, by_image) for claim in claims()]
    with replacing(out / "claims.csv") as partial:
        pd.DataFrame(map(asdict, ledger)).to_csv(partial, index=False)
    context = {
        "stamp": get_scale(scale)["stamp"],
        "scale": scale,
        "source": source,
        "claims": ledger,
        "printed": _tally(claim.printed for claim in ledger),
        "measured": _tally(claim.verdict for claim in ledger),
    }
    write_text(out / "claims.html", environment().get_template("claims.html.j2").render(**context))
    return ledger


def _tally(verdicts: Any) -> dict[str, int]:
    counted = Counter(verdicts)
    return {name: counted[name] for name in VERDICTS if counted[name]}


@one_line_errors
def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m reports.claims",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--scale", default="smoke")
    parser.add_argument("--results", type=Path, required=True, help="results.csv of the scale")
    parser.add_argument("--out", type=Path, default=Path("reports"), help="folder")
    args = parser.parse_args(argv)
    ledger = render(args.scale, read_results(args.results), args.out)
    for title, attribute in (("by the paper's own tables", "printed"), ("measured", "verdict")):
        counted = _tally(getattr(claim, attribute) for claim in ledger)
        print(f"{title}: {', '.join(f'{n} {name}' for name, n in counted.items())}")


if __name__ == "__main__":
    main()
