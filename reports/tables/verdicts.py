"""Printed cell against measurement: difference, verdict of reports.legend, coverage."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd

from data_prep.tasks import families
from reports import legend
from semanir.plan.answers import Answer
from semanir.plan.cells import COUNTED, QUALITY, Cell
from semanir.plan.models import (
    RELEASED,
    get_model,
    get_scale,
    is_ours,
    model_of_method,
    own_models,
)
from semanir.plan.plan import Plan

COLUMN_OF_METRIC = {"PSNR": "psnr", "SSIM": "ssim_matlab"}
UNIT = {"params": 1e6, "FLOPs": 1e9}  # printed in millions and in 10^9
TOLERANCE = {"PSNR": 0.02, "SSIM": 0.0006}  # dB; released weights under the exact protocol


Rows = dict[tuple[str, str], list[dict[str, Any]]]


@dataclass(frozen=True)
class JudgedCell:
    """A printed cell with its measurement. measured and difference are in the cell's unit.

    scores: every metric of the same images by its name in the results, whatever the cell prints.
    scale, machine: what the measurement is worth (reports.evidence); machine "" is this one.
    stand_in: measured on other photographs than the printed ones. near: such a measurement, where
    there is none on the printed photographs. others: further measurements, best first.
    """

    cell: Cell
    verdict: str
    reason: str = ""
    measured: float | None = None
    spread: float | None = None
    difference: float | None = None
    scores: dict[str, float] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    stand_in: bool = False
    scale: str = ""
    machine: str = ""
    near: "JudgedCell | None" = None
    others: "tuple[JudgedCell, ...]" = ()

    @property
    def decimals(self) -> int:
        if not self.cell.value:  # a cell for a measurement alone
            return {"SSIM": 4}.get(self.cell.metric, 2)
        return len(self.cell.value.partition(".")[2])


def judge_table(cells: Iterable[Cell], scale: str, results: pd.DataFrame) -> list[JudgedCell]:
    """What a scale's results say of every printed cell, in printed order. results: means."""
    return [own for own, *_ in measurements(cells, scale, by_place(results))]


def measurements(
    cells: Iterable[Cell], scale: str, rows: Rows, machine: str = ""
) -> list[list[JudgedCell]]:
    """For every cell what the run of the scale says that answers for it.

    rows: of the means of the run, see `by_place`.

    In cells of ours followed by what the network that comes with the project reaches, if it was
    evaluated: that is worth the release scale, wherever it was evaluated.
    """
    free, accepted = Plan(scale), Plan(scale, noncommercial=True)
    # what was counted of a system is shown: whoever counted it had accepted its licence
    counted = {
        row["model"] for row in chain.from_iterable(rows.values()) if row["metric"] in COUNTED
    }
    found = []
    for cell in cells:
        model = model_of_method().get(cell.method)
        place = (accepted if model in counted else free).answer(cell)
        of_cell = [replace(judge(cell, place, scale, rows), scale=scale, machine=machine)]
        if one := _released(cell, place, rows):
            of_cell.append(replace(one, scale="release", machine=machine))
        found.append(of_cell)
    return found


def _released(cell: Cell, place: Answer, rows: Rows) -> JudgedCell | None:
    """What the network that comes with the project reaches on the images of a cell of ours.

    None where the cell asks for a network that is changed, as by its window.
    """
    if cell.metric not in QUALITY or not place.datasets:
        return None
    if place.model not in get_scale("release")["networks"]:
        return None
    for row in rows.get((RELEASED, place.level), []):
        # one network for this level, or for all
        if row["task"].rpartition("-")[0] == cell.task:
            where = replace(place, model=RELEASED, task=row["task"])
            one = judge(cell, where, "release", rows)
            return one if one.measured is not None else None
    return None


def by_place(results: pd.DataFrame) -> Rows:
    """The rows of each (model, level): pandas takes a millisecond to pick some for a cell."""
    places: Rows = {}
    for row in results.to_dict("records"):
        places.setdefault((row["model"], row["level"]), []).append(row)
    return places


def judge(cell: Cell, place: Answer, scale: str, rows: Rows) -> JudgedCell:
    """The verdict of one cell, given where its measurement should be.

    Numbers of networks trained at a scale below `paper`, or measured on photographs that stand in
    for the printed set, are "scaled down"; where also the degradation stands in for real pairs they
    are "synthetic data". Where the set differs no difference is formed.
    """
    if place.verdict:
        return JudgedCell(cell, place.verdict, place.reason)
    near = _rows_of(place, rows)
    wanted = COLUMN_OF_METRIC.get(place.metric, place.metric)
    scored = [row for row in near if row["metric"] == wanted]
    missing = sorted(set(place.datasets) - {row["dataset"] for row in scored})
    if not scored or missing:
        what = f" on {', '.join(missing)}" if missing else ""
        hint = ""
        if place.task and "weights" in get_model(place.model):
            hint = f"; --config systems={place.model} evaluates its released weights"
        return JudgedCell(cell, "not run", f"no record of {place.model}{what} was given{hint}")
    by_seed = list(_means(scored, "seed").values())  # over the sets of an average
    measured = float(np.mean(by_seed)) / UNIT.get(cell.metric, 1)
    facts = {name: value for name, value in scored[0].items() if not pd.isna(value)}
    facts |= {"seeds": len(by_seed), "records": sorted({row["record"] for row in scored})}
    facts["seed_numbers"] = sorted({int(r["seed"]) for r in scored if pd.notna(r["seed"])})
    if place.datasets:
        of_one_seed = (row for row in scored if row["seed"] == scored[0]["seed"])
        facts["images"] = sum(row["images"] for row in of_one_seed)
        facts["dataset"] = ", ".join(place.datasets)
    spread = float(np.std(by_seed, ddof=1)) if len(by_seed) > 1 else None
    difference = None if place.stand_in else measured - float(cell.value)

    if cell.metric not in QUALITY:
        # counts: equal to every printed digit, or not
        half_digit = 0.5 * 10 ** -len(cell.value.partition(".")[2])
        verdict = "match" if abs(difference or 0) <= half_digit * (1 + 1e-9) else "differs"
        note = "flops_note" if cell.metric == "FLOPs" else "note"
        reason = get_model(place.model).get(note, "")
    elif place.stand_in or (place.model in own_models() and scale != "paper"):
        verdict, reason = "scaled down", get_scale(scale)["stamp"]
        if place.stand_in:
            reason += f" {place.datasets[0]} stands in for {cell.dataset}."
        if place.stand_in and families()[cell.task].get("synthetic"):
            verdict = "synthetic data"
            reason += " Synthetic degradation instead of real pairs, not comparable."
    else:
        verdict, reason = _compare(measured - float(cell.value), TOLERANCE[cell.metric]), ""
    scores = _means(near, "metric") if cell.metric in QUALITY else {}
    return JudgedCell(
        cell, verdict, reason, measured, spread, difference, scores, facts, place.stand_in
    )


def in_our_favour(one: JudgedCell) -> bool:
    """Whether a count differs in SemanIR's favour: its own smaller, or another's larger.

    A count of parameters or multiply-adds; more stages are neither better nor worse.
    """
    if one.verdict != "differs" or one.cell.metric not in UNIT or one.difference is None:
        return False
    return (one.difference < 0) == is_ours(one.cell.method)


def count_verdicts(judged: Iterable[JudgedCell]) -> dict[str, int]:
    """How many printed numbers have each verdict that occurs, in the order of the legend."""
    counted = Counter(one.verdict for one in judged if one.cell.kind == "number")
    return {name: counted[name] for name in legend.OF_CELL if counted[name]}


def coverage(judged: Sequence[JudgedCell]) -> str:
    """One line: how many of the printed numbers are measured, and how many of those match."""
    numbers = [one for one in judged if one.cell.kind == "number"]
    counted = Counter(one.verdict for one in numbers)
    measured = sum(counted[name] for name in legend.MEASURED)
    rest = ", ".join(f"{count} {name}" for name, count in counted.most_common() if name != "match")
    line = f"{measured} of {len(numbers)} numbers measured, {counted['match']} match"
    return f"{line} ({rest})" if rest else line


def _rows_of(place: Answer, rows: Rows) -> list[dict[str, Any]]:
    near = rows.get((place.model, place.level), [])
    if not place.task:
        return near
    return [row for row in near if row["task"] == place.task and row["dataset"] in place.datasets]


def _means(rows: Iterable[dict[str, Any]], key: str) -> dict[Any, float]:
    """The mean `value` of the rows that have the same `key`."""
    values: dict[Any, list[float]] = {}
    for row in rows:
        values.setdefault(row[key], []).append(row["value"])
    return {name: float(np.mean(some)) for name, some in values.items()}


def _compare(difference: float, tolerance: float) -> str:
    if abs(difference) <= tolerance + 1e-9:
        return "match"
    return "better than printed" if difference > 0 else "differs"
