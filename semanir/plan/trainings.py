"""What the trainings of a plan answer for and cost, and which of them a budget pays for.

Counted work alone: never imports torch. Rule of a budget: the network of Figure 4 first, then by
printed cells per device day, each that what is left pays for; those that answer for no cell last,
cheapest first.
"""

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from semanir.errors import InputError
from semanir.plan.cells import QUALITY, Cell, cells, paper_tables
from semanir.plan.models import trained_models
from semanir.plan.runs import Run
from semanir.plan.work import counted, step_of

if TYPE_CHECKING:
    from semanir.plan.plan import Plan

SPEED = 20e12  # floating-point operations a second that a device is taken to sustain
HOURS = {"d": 24, "h": 1, "": 24}
FLOAT = 4  # bytes
MOMENTS = 2  # that an optimizer keeps of every parameter, at most

Network = tuple[str, str]  # (model, task)


@dataclass(frozen=True)
class PricedTraining:
    """A network of a scale: the cells it answers for, and what training it costs.

    run: the first of its seeds; all others hold for all seeds together. cells: numbers that the
    paper prints, each of one network alone; those of further print count none. devices: that one
    training runs on. device_days: at SPEED, of one device. memory: bytes on each device. disk:
    bytes of weights, and of states until they are finished. The last three are None where work.csv
    lacks its kind of step. paid: whether the budget of the plan, if any, pays for it.
    """

    run: Run
    seeds: tuple[int, ...]
    cells: tuple[Cell, ...]
    iterations: int
    batch: int
    devices: int
    device_days: float | None
    memory: int | None
    disk: int | None
    paid: bool = True

    @property
    def network(self) -> Network:
        return self.run.model, self.run.task

    @property
    def cells_per_day(self) -> float:
        return len(self.cells) / self.device_days if self.device_days else 0.0

    @property
    def tables(self) -> dict[str, int]:
        """Table -> how many of its cells the network answers for."""
        counted = dict.fromkeys((cell.table for cell in self.cells), 0)
        for cell in self.cells:
            counted[cell.table] += 1
        return counted


def trainings_priced(plan: "Plan") -> list[PricedTraining]:
    """Every network that a plan would train without a budget, in the order of the rule above."""
    whole = replace(plan, budget=None)
    seeds: dict[Network, dict[int, None]] = {}
    for run in whole.evaluations():
        if run.trained:
            one = run.training
            seeds.setdefault((one.model, one.task), {})[one.seed] = None
    answered = _cells_of(whole)
    priced = [
        _priced(whole, Run(plan.scale, task, model, next(iter(of))), tuple(of), answered)
        for (model, task), of in seeds.items()
    ]
    shown = (whole.figure_run.model, whole.figure_run.task)
    priced.sort(key=lambda one: _rank(one, shown))
    paid = _paid(priced, plan.budget, shown)
    return [replace(one, paid=one.network in paid) for one in priced]


def _cells_of(plan: "Plan") -> dict[Network, list[Cell]]:
    answered: dict[Network, list[Cell]] = {}
    for table in paper_tables():
        for cell in cells(table):
            planned = plan.answer(cell) if cell.metric in QUALITY else None
            if planned and planned.model in trained_models() and plan.has_sets(planned):
                model = trained_models()[planned.model].get("weights_of", planned.model)
                answered.setdefault((model, planned.task), []).append(cell)
    return answered


def _priced(
    plan: "Plan", run: Run, seeds: tuple[int, ...], answered: dict[Network, list[Cell]]
) -> PricedTraining:
    recipe = plan.recipe(run.task, run.model)
    devices = max(1, plan.entry.get("gpus", 0))
    work = counted().get(step_of(plan, run.task, run.model))
    days = memory = disk = None
    if work:
        operations = 2 * work.multiply_adds * recipe["batch"] * recipe["iterations"]
        days = len(seeds) * operations / SPEED / 86400
        kept = 1 + MOMENTS + bool(recipe.get("average"))  # of every parameter
        items = -(-recipe["batch"] // (recipe.get("accumulate", 1) * devices))
        memory = work.bytes_besides + items * work.bytes_item + FLOAT * kept * work.parameters
        disk = len(seeds) * FLOAT * (1 + kept) * work.parameters
    of = tuple(answered.get((run.model, run.task), ()))
    steps = recipe["iterations"]
    return PricedTraining(run, seeds, of, steps, recipe["batch"], devices, days, memory, disk)


def _rank(one: PricedTraining, shown: Network) -> tuple[bool, float, float, Network]:
    days = float("inf") if one.device_days is None else one.device_days
    return one.network != shown, -one.cells_per_day, days, one.network


# --- budget --------------------------------------------------------------------------------------


def _paid(priced: list[PricedTraining], budget: float | None, shown: Network) -> set[Network]:
    """The networks that a budget in device days pays for, of those in the order of the rule."""
    if budget is None:
        return {one.network for one in priced}
    paid, left = set(), budget
    for one in priced:
        if one.device_days is not None and one.device_days <= left:
            paid.add(one.network)
            left -= one.device_days
        elif one.network == shown:
            what = f"the network of Figure 4, {' on '.join(shown)}, which comes first"
            if one.device_days is None:
                raise InputError(f"no price of {what}; run python -m semanir.measure.work")
            raise InputError(
                f"budget {budget:.3g}d does not pay for {what}; give {one.device_days:.3g}d or more"
            )
    return paid


def unpaid(plan: "Plan") -> frozenset[Network]:
    """The (model, task) of networks that the budget of a plan does not pay for."""
    return frozenset(one.network for one in trainings_priced(plan) if not one.paid)


def parse_budget(text: str) -> float | None:
    """Device days that a text such as 20d, 12h or 1.5 means, None for ""; InputError."""
    found = re.fullmatch(r"(\d+\.?\d*|\.\d+)\s*([dh]?)", text.strip())
    if not text.strip():
        return None
    if not found or float(found[1]) == 0:
        raise InputError(f"budget {text!r} is no time; give device days or hours, as 20d or 12h")
    return float(found[1]) * HOURS[found[2]] / 24
