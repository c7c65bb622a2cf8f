"""What keeps printed numbers from being measured as printed, and the commands that get them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from data_prep.datasets import datasets, downloads, entry_of
from data_prep.inventory import download_size, human
from reports.remedies import Remedy, remedy
from reports.tables.layouts import default_tables
from reports.tables.verdicts import JudgedCell
from semanir import paths
from semanir.plan.plan import Plan
from semanir.plan.runs import Run
from semanir.plan.trainings import trainings_priced


@dataclass
class Gap:
    """Printed numbers that are not measured as printed for one reason; each is in exactly one.

    command: gets them; "" where none does. tables: in which they stand, in printed order.
    trainings: that the command makes, where nothing was trained before. device_days: that they
    take at 20 TFLOP/s, None if that was not counted. size: of the downloads;
    by_hand: how many sets have no size, most of which a person has to get.
    """

    reason: str
    command: str = ""
    count: int = 0
    tables: list[str] = field(default_factory=list)
    trainings: int = 0
    iterations: int = 0
    device_days: float | None = 0.0
    bytes: int = 0
    by_hand: int = 0

    @property
    def size(self) -> str:
        """The downloads as people read them."""
        known = human(self.bytes) if self.bytes else ""
        other = f"{self.by_hand} of unknown size" if self.by_hand else ""
        return " and ".join(filter(None, [known, other])) or "nothing"


def gaps(judged: Iterable[JudgedCell]) -> list[Gap]:
    """The reasons why printed numbers are not measured as printed, in the order of their cost.

    Those with a command first: by iterations of training, then by downloads. A number measured by
    a small network, or on other photographs alone, is missing as well.
    """
    found: dict[Remedy, Gap] = {}
    systems: dict[Remedy, set[str]] = {}
    for one in judged:
        needed = remedy(one)
        if needed is None:
            continue
        # systems that are asked for in the same way share a command
        shared = replace(needed, system="")
        gap = found.setdefault(shared, Gap(needed.reason))
        gap.count += 1
        gap.tables += [one.cell.table] if one.cell.table not in gap.tables else []
        systems.setdefault(shared, set()).update(filter(None, [needed.system]))
    for shared, gap in found.items():
        if shared.scale:
            gap.command = shared.command(systems[shared])
            _cost(gap, shared)
    return sorted(
        found.values(), key=lambda gap: (not gap.command, gap.iterations, gap.bytes, -gap.count)
    )


def _cost(gap: Gap, shared: Remedy) -> None:
    plan = Plan(shared.scale)
    of_tables = plan.runs(default_tables())
    if shared.target == "all":
        runs = plan.evaluations()
    elif shared.target == paths.SYSTEMS.format(scale=shared.scale):
        runs = [run for run in of_tables if not run.trained]
    else:
        runs = plan.runs([Path(shared.target).stem])
    trained = trainings(runs)
    gap.trainings = len(trained)
    gap.iterations = sum(plan.recipe(run.task, run.model)["iterations"] for run in trained)
    gap.device_days = device_days(trained)
    sizes = [download_size(datasets()[name])[0] for name in _sets(plan, runs)]
    gap.bytes = sum(size for size in sizes if size is not None)
    gap.by_hand = sizes.count(None)


def trainings(runs: Iterable[Run]) -> list[Run]:
    """The trainings behind some runs, each once."""
    return list(dict.fromkeys(run.training for run in runs if run.trained))


def device_days(trained: Iterable[Run]) -> float | None:
    """What trainings take together, by their counted work; None where one was not counted."""
    days = [_days(run.scale).get((run.model, run.task)) for run in trained]
    return None if None in days else sum(filter(None, days))


@cache
def _days(scale: str) -> dict[tuple[str, str], float | None]:
    """(model, task) -> device days of one seed."""
    return {
        one.network: one.device_days and one.device_days / len(one.seeds)
        for one in trainings_priced(Plan(scale))
    }


def _sets(plan: Plan, runs: Sequence[Run]) -> list[str]:
    """The entries of datasets.yaml that some runs download."""
    prepared = [name for run in runs for name, _ in plan.evaluation_sets(run.task, run.model)]
    prepared += [name for run in trainings(runs) for name in plan.recipe(run.task)["datasets"]]
    entries = {entry_of(name) for name in prepared}
    entries |= {datasets()[name].get("from", name) for name in entries}
    return [name for name in downloads(plan.scale) if name in entries]
