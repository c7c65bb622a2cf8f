"""Comparisons of one ablation on one task, in a line: on several sets there are several."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from reports.legend import CONCLUSIONS, UNDECIDED, Verdict
from reports.statistics.comparison import Comparison, signed
from reports.statistics.conclusions import Conclusion, Family
from reports.statistics.labels import label


@dataclass(frozen=True)
class Ablation:
    """An ablation on a task, compared on one set and level or on several.

    Numbers are text: of several places the smallest and the largest.
    """

    label: str
    task: str
    places: tuple[tuple[Comparison, Conclusion], ...]

    @property
    def known(self) -> bool:
        """Whether a place has an interval, so that something could be concluded."""
        return any(one.known for one, _ in self.places)

    @property
    def verdict(self) -> Verdict:
        """What is concluded on every place; inconclusive where they differ."""
        names = {conclusion.name for _, conclusion in self.places}
        found = [verdict for verdict in CONCLUSIONS if names == {verdict.name}]
        return found[0] if found else UNDECIDED

    @property
    def conclusion(self) -> str:
        """ "better", or "1 better, 2 inconclusive"."""
        counted = Counter(str(conclusion) for _, conclusion in self.places)
        if len(counted) == 1:
            return next(iter(counted))
        return ", ".join(f"{number} {name}" for name, number in counted.items())

    @property
    def mean(self) -> str:
        """Mean difference in dB."""
        return self._range(signed, (one.mean for one, _ in self.places))

    @property
    def interval(self) -> str:
        """ "-0.012 to +0.034": of several places what all their intervals lie within."""
        known = [one for one, _ in self.places if one.known]
        if not known:
            return ""
        ends = min(one.low for one in known), max(one.high for one in known)
        return " to ".join(map(signed, ends))

    @property
    def scale(self) -> str:
        """The scale that it was run at; one alone, as it is compared in one run."""
        return self.places[0][0].scale

    @property
    def machine(self) -> str:
        """That of the run; "" for this one."""
        return self.places[0][0].machine

    @property
    def seeds(self) -> str:
        return self._range(str, (len(one.by_seed) for one, _ in self.places))

    @property
    def images(self) -> str:
        return self._range(str, (one.images for one, _ in self.places))

    @staticmethod
    def _range(text: Callable[[Any], str], values: Iterable[Any]) -> str:
        ends = sorted(values)
        return " to ".join(dict.fromkeys([text(ends[0]), text(ends[-1])]))


def ablations(family: Family) -> list[Ablation]:
    """The comparisons of a family by what is changed and by task, in their order."""
    places: dict[tuple[str, str], list[tuple[Comparison, Conclusion]]] = {}
    for one in family.comparisons:
        key = (label(one), one.task)
        places.setdefault(key, []).append((one, family.conclude(one)))
    return [Ablation(*key, tuple(some)) for key, some in places.items()]
