"""What single photographs say behind a measured mean: its interval, and a strip of differences."""

import math
from collections.abc import Iterable

import pandas as pd
from scipy.special import stdtrit

from data_prep.tasks import BLIND
from reports.evidence import SAME, Evidence
from reports.tables.verdicts import JudgedCell

WIDTH, HEIGHT, EDGE = 320, 44, 8  # of the strip, in CSS pixels


class Images:
    """Scores of single photographs in some evidence, each the mean over its seeds."""

    def __init__(self, evidence: Iterable[Evidence]) -> None:
        self._evidence = {(one.scale, one.machine): one for one in evidence}

    def of(self, judged: JudgedCell) -> pd.Series | None:
        """Scores by image of a measured cell; None of a count, or of a mean over several sets."""
        return self._scores(judged).get(tuple(str(judged.facts.get(name)) for name in SAME))

    def of_input(self, judged: JudgedCell) -> pd.Series | None:
        """Scores of the degraded input on the same photographs; None where that is the cell."""
        facts = judged.facts
        if facts.get("model") == "input" or "task" not in facts:
            return None
        # the run that scores it at all levels, or at this one
        family = facts["task"].rpartition("-")[0]
        place = tuple(str(facts.get(name)) for name in ("dataset", "level", "metric"))
        tasks = (f"{family}-{BLIND}", facts["task"])
        found = (self._scores(judged).get(("input", task, *place)) for task in tasks)
        return next((scores for scores in found if scores is not None), None)

    def _scores(self, judged: JudgedCell) -> dict[tuple[str, ...], pd.Series]:
        one = self._evidence.get((judged.facts.get("scale", ""), judged.machine))
        return one.scores if one else {}


def interval(values: pd.Series | None) -> tuple[float, float] | None:
    """Ends of the 95 % interval of the mean over the photographs of one set, by Student's t.

    How much the number would move with other photographs of the kind; not with another training.
    None for a single photograph, or where one is restored without any error.
    """
    if values is None or len(values) < 2:
        return None
    half = stdtrit(len(values) - 1, 0.975) * values.std() / math.sqrt(len(values))
    return (values.mean() - half, values.mean() + half) if math.isfinite(half) else None


def strip(values: pd.Series | None, inputs: pd.Series | None, unit: str = "dB") -> str | None:
    """Differences image by image as SVG: of each photograph to its degraded input, or to the mean.

    None where there are fewer than two, or one is infinite.
    """
    if values is None:
        return None
    differences = values - (values.mean() if inputs is None else inputs)
    differences = differences.dropna()
    if len(differences) < 2 or not differences.map(math.isfinite).all():
        return None
    low, high = min(0.0, differences.min()), max(0.0, differences.max())
    width = high - low or 1.0

    def x(value: float) -> str:
        return f"{EDGE + (WIDTH - 2 * EDGE) * (value - low) / width:.0f}"

    marks = "".join(f"M{x(value)} 6v16" for value in differences)
    mean, what = differences.mean(), "to the mean" if inputs is None else "to its input"
    worst, best = (f"{differences.min():+.{3}g}", f"{differences.max():+.{3}g}")
    told = f"{len(differences)} photographs, each its difference {what}"
    told += f": {worst} to {best} {unit}".rstrip()
    ends = [f'<text x="{x(0)}" y="40" text-anchor="middle">0</text>']
    if inputs is not None:
        ends.append(f'<path class="mean" d="M{x(mean)} 2v24"/>')
    return (
        f'<figure class="strip"><svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
        f'height="{HEIGHT}" role="img" aria-label="{told}"><path class="zero" d="M{x(0)} 0v28"/>'
        f'<path class="image" d="{marks}"/>{"".join(ends)}</svg>'
        f"<figcaption>{told}</figcaption></figure>"
    )
