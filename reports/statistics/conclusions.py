"""What is concluded of all comparisons of some results: better, worse, equal, or nothing.

Two tests each: that there is a difference, and that it is smaller than a margin (two one-sided
tests). The p values of all comparisons that have an interval are adjusted together, after Benjamini
and Hochberg (1995): of the conclusions on a page at most 5 % are false on average. A network beside
itself is no part of that, and numbers that are repeated count once. No conclusion is drawn from one
seed or one image, whatever they show.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import false_discovery_control

from reports.evidence import Evidence
from reports.legend import BETTER, EQUAL, UNDECIDED, WORSE
from reports.statistics.comparison import ALPHA, Comparison, Crossed, by_model, compare
from semanir.plan.models import trained_models

# dB; as large as the smallest gain by a window that the paper reports for Set12 (Table 5), and five
# times the last digit of its tables
MARGIN = 0.05


@dataclass(frozen=True)
class Conclusion:
    """The name of one of CONCLUSIONS, and the two adjusted p values that it rests on.

    differs: of no difference; equal: of a difference of `margin` dB or more. 1 without an interval.
    identical: the scores are the same, and the p values those of this comparison alone.
    """

    name: str
    margin: float
    differs: float
    equal: float
    identical: bool = False

    def __str__(self) -> str:
        if self.name != EQUAL.name:
            return self.name
        return "equal (identical)" if self.identical else f"equal within {self.margin:g} dB"


class Family:
    """Comparisons that are judged together, such as all that a page shows."""

    def __init__(self, comparisons: Sequence[Comparison]) -> None:
        self.comparisons = comparisons
        self._number = {_cell_of(one): number for number, one in enumerate(comparisons)}
        self._cache: dict[tuple[str, float], NDArray[np.float64]] = {}

    def find(self, model: str, against: str) -> list[Comparison]:
        """All comparisons of two models, turned where they stand the other way round."""
        return [
            one if one.model == model else one.turned
            for one in self.comparisons
            if {one.model, one.against} == {model, against}
        ]

    def conclude(self, one: Comparison, margin: float = MARGIN) -> Conclusion:
        """What follows for a comparison of the family, either way round; `margin` in dB.

        A difference that is certain, and certainly smaller than the margin, is equal.
        """
        differs = self._adjusted(Crossed.p_differs, one, 0.0)
        equal = self._adjusted(Crossed.p_equal, one, margin)
        if equal <= ALPHA:
            verdict = EQUAL
        elif differs <= ALPHA:
            verdict = BETTER if one.mean > 0 else WORSE
        else:
            verdict = UNDECIDED
        return Conclusion(verdict.name, margin, differs, equal, one.identical)

    def p_exceeds(self, one: Comparison, margin: float) -> float:
        """Adjusted p of "the difference is within a margin in dB", up or down."""
        return self._adjusted(Crossed.p_differs, one, margin)

    def p_as_good(self, one: Comparison, margin: float) -> float:
        """Adjusted p of "`one.model` is worse by a margin in dB or more"."""
        stored = self.comparisons[self._number[_cell_of(one)]]
        same = stored.model == one.model
        return self._adjusted(Crossed.p_not_worse if same else Crossed.p_not_better, one, margin)

    def _adjusted(
        self, test: Callable[[Crossed, float], Any], one: Comparison, margin: float
    ) -> float:
        key = (test.__name__, margin)
        if key not in self._cache:
            values = np.array([test(other.crossed, margin) for other in self.comparisons])
            self._cache[key] = self._adjust(values)
        return float(self._cache[key][self._number[_cell_of(one)]])

    @cached_property
    def tested(self) -> dict[Hashable, list[int]]:
        """What is adjusted together: numbers that were measured -> the comparisons that have them.

        Comparisons without an interval and of a network with itself are none of it.
        """
        found: dict[Hashable, list[int]] = {}
        for number, one in enumerate(self.comparisons):
            if one.known and not one.identical:
                found.setdefault(_numbers_of(one), []).append(number)
        return found

    def _adjust(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """p values of all comparisons, adjusted where they are `tested`, each of these once."""
        groups = list(self.tested.values())
        if groups:
            adjusted = false_discovery_control([values[same[0]] for same in groups])
            for same, value in zip(groups, adjusted, strict=True):
                values[same] = value
        return values


def _numbers_of(one: Comparison) -> Hashable:
    """The same for comparisons of one task, set and level whose differences are the same."""
    squares = (one.crossed.of_seeds, one.crossed.of_images, one.crossed.rest)
    numbers = (*one.by_seed.items(), one.mean, *map(float, squares))
    return one.task, one.dataset, one.level, one.images, *numbers


def _cell_of(one: Comparison) -> tuple[str, str, str, frozenset[str]]:
    return one.task, one.dataset, one.level, frozenset((one.model, one.against))


def compare_all(runs: Iterable[Evidence], claims: Iterable[dict[str, Any]]) -> Family:
    """Every ablation of models.yaml against what it changes, then what the claims ask for besides.

    Where inference alone changes that is the model whose weights it takes. runs: the best first.
    Two models are compared on a task in the first run that has an interval for them there, or else
    in the first that has both; never in two runs together.
    """
    wanted = [
        (model, entry.get("weights_of", entry["of"]))
        for model, entry in trained_models().items()
        if "of" in entry
    ]
    forms = [claim.get("measured", {}) for claim in claims]
    wanted += [(form["ablation"], form["against"]) for form in forms if "ablation" in form]
    # of two models once, whichever way round they are asked for again
    first = {frozenset(models): models for models in reversed(wanted)}
    once = [models for models in dict.fromkeys(wanted) if first[frozenset(models)] == models]
    in_runs = [
        (by_model(run.by_image), {"scale": run.scale, "machine": run.machine}) for run in runs
    ]
    found: dict[tuple[tuple[str, str], str], list[Comparison]] = {}
    for models, (psnr, made) in product(once, in_runs):
        of_task: dict[str, list[Comparison]] = {}
        for one in compare(psnr, *models):
            of_task.setdefault(one.task, []).append(replace(one, **made))
        for task, places in of_task.items():
            before = found.get((models, task), [])
            if not before or _known(places) > _known(before):
                found[models, task] = places
    return Family([one for places in found.values() for one in places])


def _known(comparisons: Iterable[Comparison]) -> bool:
    return any(one.known for one in comparisons)
