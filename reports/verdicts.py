"""Printed cell against measurement: difference, verdict, coverage."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from semanir.plan import QUALITY, Answer, Cell, answer, get_model, get_scale, trained_models

MEASURED = ("match", "differs", "better than printed", "scaled down")
COLUMN_OF_METRIC = {"PSNR": "psnr", "SSIM": "ssim_matlab"}
UNIT = {"params": 1e6}  # printed in millions
TOLERANCE = {"PSNR": 0.02, "SSIM": 0.0006}  # dB; released weights under the exact protocol


@dataclass(frozen=True)
class Verdict:
    """A printed cell with its measurement. measured and difference are in the cell's unit."""

    cell: Cell
    verdict: str
    reason: str = ""
    measured: float | None = None
    spread: float | None = None
    difference: float | None = None
    other_ssim: float | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def decimals(self) -> int:
        return len(self.cell.value.partition(".")[2])


def judge_table(cells: Iterable[Cell], scale: str, results: pd.DataFrame) -> list[Verdict]:
    """A verdict for every printed cell, in printed order."""
    return [judge(cell, answer(cell, scale), scale, results) for cell in cells]


def judge(cell: Cell, place: Answer, scale: str, results: pd.DataFrame) -> Verdict:
    """The verdict of one cell, given where its measurement should be.

    Numbers of networks trained at a scale below `paper`, or measured on photographs that stand in
    for the printed set, are "scaled down"; where the set differs no difference is formed.
    """
    if place.verdict:
        return Verdict(cell, place.verdict, place.reason)
    found = _find(place, COLUMN_OF_METRIC.get(place.metric, place.metric), results)
    if found.empty:
        return Verdict(cell, "no data", "no record of this run was given")
    measured = found["value"].mean() / UNIT.get(cell.metric, 1)
    printed = float(cell.value)
    facts = found.iloc[0].dropna().to_dict() | {"seeds": len(found)}
    spread = float(found["value"].std()) if len(found) > 1 else None

    if cell.metric in QUALITY:
        other = _find(place, "ssim_zero_padded", results)["value"].mean()
        other_ssim = float(other) if cell.metric == "SSIM" else None
        stand_in = place.dataset != cell.dataset.lower()
        if stand_in or (place.model in trained_models() and scale != "paper"):
            reason = get_scale(scale)["stamp"]
            if stand_in:
                reason += f" {place.dataset} stands in for {cell.dataset}."
            difference = None if stand_in else measured - printed
            return Verdict(
                cell, "scaled down", reason, measured, spread, difference, other_ssim, facts
            )
        verdict = _compare(measured - printed, TOLERANCE[cell.metric])
        return Verdict(cell, verdict, "", measured, spread, measured - printed, other_ssim, facts)

    # counts: equal to every printed digit, or not
    half_digit = 0.5 * 10 ** -len(cell.value.partition(".")[2])
    verdict = "match" if abs(measured - printed) <= half_digit * (1 + 1e-9) else "differs"
    note = get_model(place.model).get("note", "")
    return Verdict(cell, verdict, note, measured, spread, measured - printed, None, facts)


def coverage(verdicts: Iterable[Verdict]) -> str:
    """One line: how many of the printed numbers are measured, and how many of those match."""
    numbers = [verdict for verdict in verdicts if verdict.cell.kind == "number"]
    counted = Counter(verdict.verdict for verdict in numbers)
    measured = sum(counted[name] for name in MEASURED)
    rest = ", ".join(f"{count} {name}" for name, count in counted.most_common() if name != "match")
    line = f"{measured} of {len(numbers)} cells measured, {counted['match']} match"
    return f"{line} ({rest})" if rest else line


def _find(place: Answer, metric: str, results: pd.DataFrame) -> pd.DataFrame:
    wanted = {"model": place.model, "level": place.level, "metric": metric}
    if place.task:
        wanted |= {"task": place.task, "dataset": place.dataset}
    chosen = pd.Series(True, index=results.index)
    for column, value in wanted.items():
        chosen &= results[column] == value
    return results[chosen]


def _compare(difference: float, tolerance: float) -> str:
    if abs(difference) <= tolerance + 1e-9:
        return "match"
    return "better than printed" if difference > 0 else "differs"
