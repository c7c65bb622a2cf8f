"""Printed cell against measurement: difference, verdict, coverage."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from data_prep.tasks import families
from semanir.models import get_model, get_scale, trained_models
from semanir.plan import QUALITY, Answer, Cell, answer

MEASURED = ("match", "differs", "better than printed", "scaled down", "synthetic data")
COLUMN_OF_METRIC = {"PSNR": "psnr", "SSIM": "ssim_matlab"}
UNIT = {"params": 1e6, "FLOPs": 1e9}  # printed in millions and in 10^9
TOLERANCE = {"PSNR": 0.02, "SSIM": 0.0006}  # dB; released weights under the exact protocol


@dataclass(frozen=True)
class Verdict:
    """A printed cell with its measurement. measured and difference are in the cell's unit.

    scores: every metric of the same images by its name in the results, whatever the cell prints.
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

    @property
    def decimals(self) -> int:
        return len(self.cell.value.partition(".")[2])


def judge_table(cells: Iterable[Cell], scale: str, results: pd.DataFrame) -> list[Verdict]:
    """A verdict for every printed cell, in printed order."""
    parts = dict(iter(results.groupby(["model", "level"])))
    none = results[:0]
    places = [(cell, answer(cell, scale)) for cell in cells]
    return [
        judge(cell, place, scale, parts.get((place.model, place.level), none))
        for cell, place in places
    ]


def judge(cell: Cell, place: Answer, scale: str, results: pd.DataFrame) -> Verdict:
    """The verdict of one cell, given where its measurement should be.

    Numbers of networks trained at a scale below `paper`, or measured on photographs that stand in
    for the printed set, are "scaled down"; where also the degradation stands in for real pairs they
    are "synthetic data". Where the set differs no difference is formed.
    """
    if place.verdict:
        return Verdict(cell, place.verdict, place.reason)
    found = _find(place, COLUMN_OF_METRIC.get(place.metric, place.metric), results)
    missing = sorted(set(place.datasets) - set(found["dataset"]))
    if found.empty or missing:
        what = f" on {', '.join(missing)}" if missing else ""
        hint = ""
        if place.task and "weights" in get_model(place.model):
            hint = f"; --config systems={place.model} evaluates its released weights"
        return Verdict(cell, "no data", f"no record of {place.model}{what} was given{hint}")
    by_seed = found.groupby("seed", dropna=False)["value"].mean()  # over the sets of an average
    measured = by_seed.mean() / UNIT.get(cell.metric, 1)
    facts = found.iloc[0].dropna().to_dict() | {"seeds": len(by_seed)}
    facts |= {"dataset": ", ".join(place.datasets)} if place.datasets else {}
    spread = float(by_seed.std()) if len(by_seed) > 1 else None
    difference = None if place.stand_in else measured - float(cell.value)

    if cell.metric not in QUALITY:
        # counts: equal to every printed digit, or not
        half_digit = 0.5 * 10 ** -len(cell.value.partition(".")[2])
        verdict = "match" if abs(difference or 0) <= half_digit * (1 + 1e-9) else "differs"
        note = "flops_note" if cell.metric == "FLOPs" else "note"
        reason = get_model(place.model).get(note, "")
    elif place.stand_in or (place.model in trained_models() and scale != "paper"):
        verdict, reason = "scaled down", get_scale(scale)["stamp"]
        if place.stand_in:
            reason += f" {place.datasets[0]} stands in for {cell.dataset}."
        if place.stand_in and families()[cell.task].get("synthetic"):
            verdict = "synthetic data"
            reason += " Synthetic degradation instead of real pairs, not comparable."
    else:
        verdict, reason = _compare(measured - float(cell.value), TOLERANCE[cell.metric]), ""
    scores = {}
    if cell.metric in QUALITY:
        scores = dict(_find(place, None, results).groupby("metric")["value"].mean())
    return Verdict(
        cell, verdict, reason, measured, spread, difference, scores, facts, place.stand_in
    )


def coverage(verdicts: Iterable[Verdict]) -> str:
    """One line: how many of the printed numbers are measured, and how many of those match."""
    numbers = [verdict for verdict in verdicts if verdict.cell.kind == "number"]
    counted = Counter(verdict.verdict for verdict in numbers)
    measured = sum(counted[name] for name in MEASURED)
    rest = ", ".join(f"{count} {name}" for name, count in counted.most_common() if name != "match")
    line = f"{measured} of {len(numbers)} cells measured, {counted['match']} match"
    return f"{line} ({rest})" if rest else line


def _find(place: Answer, metric: str | None, results: pd.DataFrame) -> pd.DataFrame:
    if results.empty:
        return results
    wanted = {"model": place.model, "level": place.level}
    wanted |= {"metric": metric} if metric else {}
    chosen = pd.Series(True, index=results.index)
    if place.task:
        wanted |= {"task": place.task}
        chosen &= results["dataset"].isin(place.datasets)
    for column, value in wanted.items():
        chosen &= results[column] == value
    return results[chosen]


def _compare(difference: float, tolerance: float) -> str:
    if abs(difference) <= tolerance + 1e-9:
        return "match"
    return "better than printed" if difference > 0 else "differs"
