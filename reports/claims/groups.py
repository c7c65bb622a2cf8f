"""How the page of claims is arranged: by topic, what is undecided folded; and what is counted."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reports.legend import (
    BY_CONSTRUCTION,
    CLAIM_VERDICTS,
    FAILS,
    FAILS_ELSEWHERE,
    FAILS_SCALED_DOWN,
    HOLDS,
    HOLDS_ELSEWHERE,
    HOLDS_SCALED_DOWN,
    NOTHING,
    UNDECIDED,
    UNMEASURED,
    UNPRINTED,
)

if TYPE_CHECKING:
    from reports.claims.claims import Judged

FINDINGS = "Findings"
# a sentence of several claims is as good as the worst of them
WORST_FIRST = (
    *(FAILS, FAILS_ELSEWHERE, FAILS_SCALED_DOWN, UNDECIDED, UNMEASURED, UNPRINTED),
    *(HOLDS_SCALED_DOWN, HOLDS_ELSEWHERE, BY_CONSTRUCTION, HOLDS, NOTHING),
)


@dataclass(frozen=True)
class Group:
    """Entries of a topic, or the findings.

    shown: measured, or contradicted by the paper's own tables; folded: the others.
    """

    title: str
    id: str
    shown: "list[Judged]"
    folded: "list[Judged]"

    @property
    def folded_hold(self) -> int:
        """How many of the folded hold by the paper's own tables."""
        return sum(one.printed == HOLDS.name for one in self.folded)


@dataclass(frozen=True)
class Sentence:
    """What holds of a sentence that several claims are parts of: all of them, or it does not."""

    part: int
    parts: int
    printed: str
    verdict: str


def by_topic(ledger: "Sequence[Judged]", topics: Iterable[str]) -> list[Group]:
    """The claims of each topic, then the findings; topics without any are left out."""
    groups = [(title, [one for one in ledger if one.topic == title]) for title in topics]
    groups.append((FINDINGS, [one for one in ledger if one.kind == "finding"]))
    return [
        Group(
            title,
            title.lower().replace(" ", "-"),
            [one for one in entries if decided(one)],
            [one for one in entries if not decided(one)],
        )
        for title, entries in groups
        if entries
    ]


def decided(one: "Judged") -> bool:
    """Whether something was measured, or the paper's own tables contradict it."""
    unmeasured = one.verdict in (UNMEASURED.name, NOTHING.name)
    return not unmeasured or one.printed == FAILS.name


def sentences(ledger: "Sequence[Judged]") -> dict[str, Sentence]:
    """By claim, the sentence that it is a part of; none for a sentence that is one claim."""
    found = {}
    for text in dict.fromkeys(one.text for one in ledger):
        parts = [one for one in ledger if one.text == text]
        verdicts = [worst(getattr(one, side) for one in parts) for side in ("printed", "verdict")]
        for number, one in enumerate(parts, 1):
            if len(parts) > 1:
                found[one.id] = Sentence(number, len(parts), *verdicts)
    return found


def worst(verdicts: Iterable[str]) -> str:
    """The verdict of claims together: all must hold."""
    order = [verdict.name for verdict in WORST_FIRST]
    return min(verdicts, key=order.index)


def tally(verdicts: Iterable[str]) -> dict[str, int]:
    """Verdict -> how often it occurs, in the order of CLAIM_VERDICTS."""
    counted = Counter(verdicts)
    names = [verdict.name for verdict in CLAIM_VERDICTS]
    return {name: counted[name] for name in names if counted[name]}


def tallies(ledger: "Iterable[Judged]") -> dict[str, tuple[str, dict[str, int]]]:
    """Of the claims: side -> (its title, verdict -> how many)."""
    claims = [one for one in ledger if one.kind == "claim"]
    return {
        "printed": ("by the paper's own tables", tally(one.printed for one in claims)),
        "measured": ("measured", tally(one.verdict for one in claims)),
    }


def counts(ledger: "Iterable[Judged]") -> dict[str, int]:
    """Kind -> how many entries."""
    return dict(Counter(one.kind for one in ledger))
