"""What single photographs say behind a measured mean: its interval, and a strip of differences."""

import math
from collections.abc import Iterable
from functools import cached_property

import pandas as pd
from markupsafe import Markup
from scipy.special import stdtrit

from reports.evidence import Evidence
from reports.tables.verdicts import JudgedCell

KEY = ["model", "task", "level", "dataset", "metric"]
WIDTH, HEIGHT, EDGE = 320, 44, 8  # of the strip, in CSS pixels


class Images:
    """Scores of single photographs in some evidence, each the mean over its seeds."""

    def __init__(self, evidence: Iterable[Evidence]) -> None:
        self.evidence = {(one.scale, one.machine): one for one in evidence}

    @cached_property
    def _scores(self) -> dict[tuple[str, ...], pd.Series]:
        found = {}
        for place, one in self.evidence.items():
            rows = one.by_image[one.by_image["image"] != ""]
            by_image = rows.groupby([*KEY, "image"], sort=False)["value"].mean()
            for key, values in by_image.groupby(level=KEY, sort=False):
                found[*place, *key] = values.droplevel(KEY)
        return found

    def of(self, judged: JudgedCell) -> pd.Series | None:
        """Scores by image of a measured cell; None of a count, or of a mean over several sets."""
        facts = judged.facts
        place = (facts.get("scale"), judged.machine, *(facts.get(name) for name in KEY))
        return self._scores.get(place)

    def of_input(self, judged: JudgedCell) -> pd.Series | None:
        """Scores of the degraded input on the same photographs; None where that is the cell."""
        facts = judged.facts
        family = str(facts.get("task", "")).rpartition("-")[0]
        wanted = tuple(facts.get(name) for name in ("level", "dataset", "metric"))
        for (scale, machine, model, task, *place), values in self._scores.items():
            same = (scale, machine) == (facts.get("scale"), judged.machine)
            if same and model == "input" != facts["model"] and tuple(place) == wanted:
                if task.rpartition("-")[0] == family:
                    return values
        return None


def interval(values: pd.Series | None) -> tuple[float, float] | None:
    """Ends of the 95 % interval of the mean over the photographs of one set, by Student's t.

    How much the number would move with other photographs of the kind; not with another training.
    None for a single photograph, or where one is restored without any error.
    """
    if values is None or len(values) < 2:
        return None
    half = stdtrit(len(values) - 1, 0.975) * values.std() / math.sqrt(len(values))
    return (values.mean() - half, values.mean() + half) if math.isfinite(half) else None


def strip(values: pd.Series | None, inputs: pd.Series | None, unit: str = "dB") -> Markup | None:
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
    return Markup(
        f'<figure class="strip"><svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
        f'height="{HEIGHT}" role="img" aria-label="{told}"><path class="zero" d="M{x(0)} 0v28"/>'
        f'<path class="image" d="{marks}"/>{"".join(ends)}</svg>'
        f"<figcaption>{told}</figcaption></figure>"
    )
