"""Results against accepted ones: the scores of the same images and seeds, cell by cell."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reports.collect import METRICS, WEIGHTS
from reports.gate.spreads import CELL, Spread, Spreads
from semanir.plan.models import get_model, trained_models

KEY = ["task", "model", "dataset", "level", "seed", "metric", "image"]

FAILURES = ("missing", "no number", "changed", "worse", "no gain")
WARNINGS, NOTICES = ("better", "uncertain"), ("new",)
NOTES = (*WARNINGS, *NOTICES)
VERDICTS = (*FAILURES, *NOTES, "reported", "passed")

CONFIDENCE = 0.95
CHANCE = 0.001  # of calling a cell worse where chance of training alone moved it, at most
# a network that learnt nothing fails even where it gained less than the tolerance
LEAST_GAIN = 0.5  # share of the accepted gain over the input
SMALL_GAIN = 0.01  # dB; less than that is rounding, nothing to be kept
ROUNDING = 1e-9  # what sums of decimals may be off


@dataclass(frozen=True)
class Kind:
    """How the metrics of a kind are compared.

    decimals: of accepted values; candidates are rounded alike. trained: tolerance of the mean for
    networks that were trained anew; untrained: of every image for everything else. None: reported.
    """

    decimals: int
    trained: float | None
    untrained: float | None


KINDS = {
    # dB. How far another order of rounding moves a network that is trained anew: see
    # reports.gate.spreads. Evaluation alone moves by 2e-5
    "psnr": Kind(4, trained=0.05, untrained=0.001),
    "ssim": Kind(5, trained=0.002, untrained=0.0001),
    "count": Kind(0, trained=0, untrained=0),
    "other": Kind(3, trained=None, untrained=None),
}
COUNTS = (
    *("params", "stages", "layers_per_stage"),
    *("multiply_adds", "eval_multiply_adds", "bias", "dictionary", "floats"),
)


def kind_of(metric: str) -> str:
    """A name of KINDS."""
    if metric in METRICS:
        return metric.partition("_")[0]
    return "count" if metric in COUNTS or metric.startswith("FLOPs") else "other"


@dataclass(frozen=True)
class ComparedCell:
    """One cell, compared; means over its n images and seeds, NaN without any."""

    task: str
    model: str
    dataset: str
    level: str
    metric: str
    verdict: str
    reason: str = ""
    n: int = 0
    accepted: float = np.nan
    candidate: float = np.nan
    difference: float = np.nan
    moved: bool = False  # any image differs
    interval: tuple[float, float] | None = None

    @property
    def name(self) -> str:
        """What a line is about, as messages name it."""
        place = " ".join(filter(None, [self.dataset, self.level]))
        where = ", ".join(filter(None, [self.task, place]))
        return f"{self.model}{f' on {where}' if where else ''}: {self.metric}"

    @property
    def fails(self) -> bool:
        return self.verdict in FAILURES

    @property
    def conclusion(self) -> str:
        return f"{self.verdict} ({self.reason})" if self.reason else self.verdict

    @property
    def numbers(self) -> list[str]:
        """n, accepted, candidate, difference, interval; empty where there is none."""
        decimals = KINDS[kind_of(self.metric)].decimals
        means = [("", self.accepted), ("", self.candidate), ("+", self.difference)]
        texts = ["" if np.isnan(x) else f"{x:{sign}.{decimals}f}" for sign, x in means]
        interval = " .. ".join(f"{end:+.{decimals}f}" for end in self.interval or ())
        return [str(self.n), *texts, interval]


def compare(
    accepted: pd.DataFrame, candidate: pd.DataFrame, spreads: Spreads | None = None
) -> list[ComparedCell]:
    """A line per cell of either table, failures first, in the order of VERDICTS, then by name.

    accepted, candidate: columns KEY and value, each key once. spreads: how far chance moves what is
    trained anew; without, no drop can be told from it.
    """
    scores = accepted.merge(
        candidate, on=KEY, how="outer", suffixes=("_accepted", "_candidate"), indicator="side"
    )
    scores = scores.rename(columns={"value_accepted": "accepted", "value_candidate": "candidate"})

    # a blind network's input is that of the same level: strip the training level off the task
    scores["family"] = scores["task"].str.rsplit("-", n=1).str[0]
    place = ["family", "dataset", "level", "image"]
    of_input = scores[(scores["model"] == "input") & (scores["metric"] == "psnr")]
    inputs = of_input.groupby(place)[["accepted", "candidate"]].mean().add_suffix("_input")
    scores = scores.join(inputs, on=place)

    same = scores[(scores["metric"] == WEIGHTS) & (scores["accepted"] == scores["candidate"])]
    weights = set(zip(same["task"], same["model"], same["seed"], strict=True))
    lines = []
    for cell, rows in scores.groupby(CELL, sort=True):
        trained = cell[-1] in METRICS and not _same_weights(cell, rows, weights)
        spread = spreads.get(cell) if spreads and trained else None
        lines.append(_compare_cell(cell, rows, trained, spread))
    return sorted(lines, key=lambda line: VERDICTS.index(line.verdict))


def _same_weights(
    cell: tuple[str, ...], rows: pd.DataFrame, weights: set[tuple[str, str, str]]
) -> bool:
    """Whether a cell involves no training that differs, weights: of equal trainings, by seed."""
    task, model, *_ = cell
    if model not in trained_models():
        return True
    trainee = get_model(model).get("weights_of", model)
    seeds = rows["seed"][rows["side"] != "right_only"]
    return all((task, trainee, seed) in weights for seed in seeds)


def _compare_cell(
    cell: tuple[str, str, str, str, str], rows: pd.DataFrame, trained: bool, spread: Spread | None
) -> ComparedCell:
    *_, metric = cell
    kind = KINDS[kind_of(metric)]
    quality = metric in METRICS
    tolerance = kind.trained if trained else kind.untrained
    expected = rows[rows["side"] != "right_only"]
    if expected.empty:
        verdict = "new" if tolerance is not None else "reported"
        return ComparedCell(
            *cell, verdict=verdict, n=len(rows), candidate=float(rows["candidate"].mean())
        )

    # numbers of what can be compared
    both = expected[expected["candidate"].notna()]
    one, other = (both[side].round(kind.decimals) for side in ("accepted", "candidate"))
    d = minus(other, one)
    seeds = both["seed"].nunique()
    if both.empty:
        line = ComparedCell(*cell, verdict="missing", accepted=float(expected["accepted"].mean()))
    else:
        line = ComparedCell(
            *cell,
            verdict="passed",
            n=len(d),
            accepted=float(one.mean()),
            candidate=float(other.mean()),
            difference=mean(d),
            interval=interval(d, spread, seeds) if trained else (mean(d),) * 2 if quality else None,
            moved=bool(d.any()),
        )
    if tolerance is None:
        return replace(line, verdict="reported", reason="not measured" if both.empty else "")

    # what cannot be compared
    absent, broken = (
        expected[expected["side"] == "left_only"],
        expected[(expected["side"] == "both") & expected["candidate"].isna()],
    )
    for verdict, lacking in (("missing", absent), ("no number", broken)):
        if len(lacking):
            return replace(line, verdict=verdict, reason=_images(lacking, expected))

    # what moved
    if not trained:
        at = int(np.argmax(abs(d)))
        if abs(d[at]) > tolerance + ROUNDING:
            which = _images(both.iloc[[at]], both)
            reason = f"{which} by {d[at]:+.{kind.decimals}f}" if which else ""
            return replace(line, verdict="changed", reason=reason)
    elif line.difference < -tolerance - ROUNDING:
        # where nobody measured what chance makes, the tolerance alone decides
        chance = spread.half_width(seeds, 1 - 2 * CHANCE) if spread else 0.0
        verdict = "worse" if line.difference < -chance else "uncertain"
        reason = f"tolerance {tolerance:g}" if chance <= tolerance else f"by chance {chance:.3f}"
        line = replace(line, verdict=verdict, reason=reason)
    elif line.difference > tolerance + ROUNDING:
        line = replace(line, verdict="better", reason="accept it anew?")
    if trained and metric == "psnr" and line.verdict != "worse":
        line = _check_gain(line, both)
    extra = len(rows) - len(expected)
    return replace(line, reason=f"{extra} more measured") if extra and not line.reason else line


def _check_gain(line: ComparedCell, both: pd.DataFrame) -> ComparedCell:
    """`line`, or a failure if the network keeps too little of its accepted gain over the input."""
    accepted, candidate = (
        mean(minus(both[side], both[f"{side}_input"])) for side in ("accepted", "candidate")
    )
    if not accepted > SMALL_GAIN or candidate >= LEAST_GAIN * accepted:
        return line
    if np.isnan(candidate):
        return replace(line, verdict="no gain", reason="its input was not measured")
    reason = f"gains {candidate:.3f} dB over its input, accepted {accepted:.3f}"
    return replace(line, verdict="no gain", reason=reason)


def minus(one: pd.Series, other: pd.Series) -> NDArray[np.float64]:
    """one - other, 0 where both are the same infinity."""
    x, y = one.to_numpy(np.float64), other.to_numpy(np.float64)
    return np.subtract(x, y, out=np.zeros_like(x), where=x != y)


def mean(d: NDArray[np.float64]) -> float:
    """The mean; -inf if any is, whatever the others."""
    return -np.inf if (d == -np.inf).any() else float(d.mean())


def interval(
    d: NDArray[np.float64], spread: Spread | None, seeds: int
) -> tuple[float, float] | None:
    """Where the difference would lie after other trainings of as many seeds; None if unknown."""
    if not np.isfinite(d).all():
        return mean(d), mean(d)
    if not d.any():  # the same training
        return 0.0, 0.0
    if spread is None:
        return None
    half = spread.half_width(seeds, CONFIDENCE)
    return mean(d) - half, mean(d) + half


def _images(rows: pd.DataFrame, of: pd.DataFrame) -> str:
    """Names of some of a cell's images; with their seed if there are several."""
    if not any(rows["image"]):
        return ""
    seeds = of["seed"].nunique() > 1
    names = [f"{row.image} seed {row.seed}" if seeds else row.image for row in rows.itertuples()]
    if len(rows) == len(of) > 1:
        return f"all {len(of)} images"
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
