"""How far chance moves a trained network: measured spreads of the mean score of a cell.

semanir gate spread --scale smoke --results FIRST.csv SECOND.csv

Each results.csv has the same trainings, of one seed or several, computed in another way: on another
machine, or with another instruction set, so that rounding differs and nothing else. Written to
reports/spreads/<scale>.csv, a line per cell (task, model, set, level, metric):

    rounding, rounding_degrees   SD over the files, pooled over seeds, and its degrees of freedom
    seed, seed_degrees           SD over the seeds of the first file

Two means over S seeds of which nothing but rounding differs have a difference of SD sqrt(2 / S)
times that of rounding; where the seeds draw other numbers than before, that of seeds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import stdtrit

from reports.collect import METRICS, origin, read_results
from semanir.errors import InputError
from semanir.files import write_text
from semanir.paths import ROOT
from semanir.plan.models import base_model, trained_models

DATA_FILES: tuple[str, ...] = ("../spreads",)
SPREADS = ROOT / "reports" / "spreads"
CELL = ["task", "model", "dataset", "level", "metric"]
COLUMNS = [*CELL, "rounding", "rounding_degrees", "seed", "seed_degrees"]

Cell = tuple[str, ...]


@dataclass(frozen=True)
class Spread:
    """Standard deviation from training to training, and the degrees of freedom it is known with."""

    sd: float
    degrees: int

    def half_width(self, seeds: int, level: float) -> float:
        """What a difference of two means over `seeds` stays within, in `level` of all cases."""
        quantile = float(stdtrit(self.degrees, (1 + level) / 2))
        return quantile * self.sd * (2 / seeds) ** 0.5


class Spreads:
    """The spreads of a scale's cells; of other models than measured, that of what they change."""

    def __init__(self, lines: pd.DataFrame, redrawn: bool = False) -> None:
        """lines: COLUMNS. redrawn: whether seeds draw other numbers than before.

        Where no other rounding was measured, other seeds stand for it, which move a training more.
        """
        self._of_cell: dict[Cell, Spread] = {}
        for kind in ("seed",) if redrawn else ("seed", "rounding"):
            known = lines[lines[f"{kind}_degrees"] > 0]
            for *cell, sd, degrees in known[[*CELL, kind, f"{kind}_degrees"]].itertuples(
                index=False, name=None
            ):
                self._of_cell[tuple(cell)] = Spread(float(sd), int(degrees))

    def get(self, cell: Cell) -> Spread | None:
        """The spread of a cell, None where it is not known."""
        task, model, *place = cell
        return self._of_cell.get(cell) or self._of_cell.get((task, base_model(model), *place))


def read_spreads(scale: str, redrawn: bool = False) -> Spreads:
    """The measured spreads of a scale; none where nobody measured them."""
    path = SPREADS / f"{scale}.csv"
    if not path.is_file():
        return Spreads(pd.DataFrame(columns=COLUMNS), redrawn)
    names = dict.fromkeys(CELL, "str")
    return Spreads(pd.read_csv(path, comment="#", keep_default_na=False, dtype=names), redrawn)


def measure(roundings: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Spreads from results of the same trainings, one frame for each way of rounding."""
    parts = []
    for number, results in enumerate(roundings):
        chosen = results["metric"].isin(METRICS) & results["model"].isin(list(trained_models()))
        means = results[chosen].groupby([*CELL, "seed"], sort=False)["value"].mean()
        parts.append(means.reset_index().assign(rounding=number))
    rows = []
    for cell, group in pd.concat(parts).groupby(CELL):
        table = group.pivot(index="seed", columns="rounding", values="value")
        first = table.reindex(columns=[0])
        rows.append([*cell, *_pooled(table.to_numpy()), *_pooled(first.to_numpy().T)])
    return pd.DataFrame(rows, columns=COLUMNS)


def _pooled(values: NDArray[np.float64]) -> tuple[float, int]:
    """Standard deviation within rows without their NaN, and degrees of freedom; 0, 0 if none."""
    counts = np.isfinite(values).sum(1)
    rows, degrees = values[counts > 1], int((counts[counts > 1] - 1).sum())
    if not degrees:
        return 0.0, 0
    squares = ((rows - np.nanmean(rows, axis=1, keepdims=True)) ** 2).sum(where=np.isfinite(rows))
    return float((squares / degrees) ** 0.5), degrees


def write_spreads(scale: str, paths: Sequence[Path]) -> str:
    """Measure and write the spreads of a scale; returns what was done as a text."""
    frames = [read_results(path, scale) for path in paths]
    every = pd.concat(frames)
    spreads = measure(frames)
    if not (spreads["rounding_degrees"] + spreads["seed_degrees"]).any():
        raise InputError("a spread needs two seeds, or two results.csv of the same seeds")
    made = origin(every)
    head = [
        "Measured spreads. Written by `semanir gate spread`, never by hand.",
        f"machines: {made['machine']}",
        f"commit: {made['commit']}",
    ]
    target = SPREADS / f"{scale}.csv"
    target.parent.mkdir(exist_ok=True)
    body = spreads.to_csv(index=False, float_format="%.6f", lineterminator="\n")
    write_text(target, "".join(f"# {line}\n" for line in head) + body)
    return f"{scale}: spreads of {len(spreads)} cells"
