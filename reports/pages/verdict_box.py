"""What of the paper holds, in one box: counted from judged cells and claims alone."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from reports.collect import BROKEN
from reports.legend import AS_PRINTED
from reports.pages.missing import device_days, trainings
from reports.tables import stand_ins
from reports.tables.verdicts import JudgedCell, in_our_favour
from semanir.errors import InputError, remake
from semanir.plan.cells import COUNTED, QUALITY
from semanir.plan.models import is_ours
from semanir.plan.plan import Plan
from semanir.plan.runs import Run

# what the paper is known for -> the claim that stands for it, of reports/claims/entries/
HEADLINES = {
    "State of the art": "state-of-the-art",
    "Attention linear in tokens": "linear-in-tokens",
    "One dictionary shared by a stage": "sharing-keeps-quality",
    "Random top-k in training": "random-better-at-small-k",
    "Faster than HAT": "faster-than-hat",
}


@dataclass(frozen=True)
class Headline:
    """A headline claim: its id on the page of claims, and its verdicts by print and by ours."""

    name: str
    id: str
    printed: str
    verdict: str


@dataclass(frozen=True)
class Box:
    """How many printed numbers there are, and what became of them.

    own: PSNR and SSIM of SemanIR, of which `reproduced` match; `small` were measured by smaller
    networks. `trainings`, `iterations` and `device_days`: what those take that are not measured at
    full size. other: PSNR and SSIM of other systems and of inputs, as printed: match, higher,
    lower. counts: parameters, multiply-adds, stages; `fitted` of the matches are of networks that
    we fitted to them, and `in_favour` of those that differ speak for SemanIR.
    stand_ins: numbers measured on photographs that stand in for printed ones, each once.
    """

    numbers: int
    resolved: int
    own: int
    reproduced: int
    small: int
    trainings: int
    iterations: int
    device_days: float | None
    other: int
    match: int
    higher: int
    lower: int
    counts: int
    counts_match: int
    fitted: int
    counts_differ: int
    in_favour: int
    stand_ins: int


def box(judged: Sequence[JudgedCell]) -> Box:
    """The box of some judged cells."""
    numbers = [one for one in judged if one.cell.kind == "number"]
    scores = [one for one in numbers if one.cell.metric in QUALITY]
    own = [one for one in scores if is_ours(one.cell.method)]
    other = Counter(one.verdict for one in scores if not is_ours(one.cell.method))
    counts = [one for one in numbers if one.cell.metric in COUNTED]
    of_counts = Counter(one.verdict for one in counts)
    fitted = sum(one.verdict == "match" and is_ours(one.cell.method) for one in counts)
    needed = paper_trainings(one for one in own if one.verdict not in AS_PRINTED)
    plan = Plan("paper")
    return Box(
        numbers=len(numbers),
        resolved=sum(one.verdict in AS_PRINTED for one in numbers),
        own=len(own),
        reproduced=sum(one.verdict == "match" for one in own),
        small=sum(one.verdict == "scaled down" for one in own),
        trainings=len(needed),
        iterations=sum(plan.recipe(run.task, run.model)["iterations"] for run in needed),
        device_days=device_days(needed),
        other=other.total(),
        match=other["match"],
        higher=other["better than printed"],
        lower=other["differs"],
        counts=len(counts),
        counts_match=of_counts["match"],
        fitted=fitted,
        counts_differ=of_counts["differs"],
        in_favour=sum(map(in_our_favour, counts)),
        stand_ins=stand_ins.count(judged),
    )


def paper_trainings(judged: Iterable[JudgedCell]) -> list[Run]:
    """The trainings of the paper scale that some cells of ours need, each once."""
    answers = [Plan("paper").answer(one.cell) for one in judged]
    return trainings(Run("paper", one.task, one.model, 0) for one in answers if one.task)


def read_ledger(folder: Path) -> pd.DataFrame:
    """claims.csv of a folder by id, empty where there is none. InputError names a broken one."""
    path = folder / "claims.csv"
    if not path.is_file():
        return pd.DataFrame(columns=["kind", "printed", "verdict"])
    try:
        return pd.read_csv(path, dtype=str).set_index("id")[["kind", "printed", "verdict"]]
    except (KeyError, *BROKEN):
        raise InputError(f"{path} has no column verdict; {remake(path)}") from None


def headlines(ledger: pd.DataFrame) -> list[Headline]:
    """The headline claims that a ledger has, in the order of HEADLINES."""
    return [
        Headline(name, claim, ledger.loc[claim, "printed"], ledger.loc[claim, "verdict"])
        for name, claim in HEADLINES.items()
        if claim in ledger.index
    ]
