"""Which measurement answers for a printed cell, or why none does. Never imports torch or pandas."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from baselines.registry import check_licence, variant_for, weights_for
from data_prep.datasets import in_scale
from data_prep.tasks import BLIND, families
from semanir.errors import InputError
from semanir.names import known_name
from semanir.plan.cells import QUALITY, Cell
from semanir.plan.models import base_model, get_model, model_of_method, trained_models

if TYPE_CHECKING:
    from semanir.plan.plan import Plan


@dataclass(frozen=True)
class Answer:
    """Where the measurement of a cell is found in the results, or why there is none.

    datasets: the prepared sets whose mean answers for the cell, usually one. verdict is "" where a
    measurement is planned, else one of the verdicts without a number ("quoted", "not run",
    "no weights"), with the reason. stand_in: the sets are not those that the paper prints.
    """

    model: str = ""
    task: str = ""
    datasets: tuple[str, ...] = ()
    level: str = ""
    metric: str = ""
    verdict: str = ""
    reason: str = ""
    stand_in: bool = False


def answer(plan: "Plan", cell: Cell) -> Answer:
    """Which measurement answers for a printed cell under a plan, or why none does."""
    if cell.kind != "number":
        return Answer(verdict="quoted", reason="nothing measurable is printed here")
    model = model_of_method().get(cell.method)
    if model is None:
        raise InputError(f"{cell.table}: no entry of a models.yaml answers for {cell.method!r}")
    entry = get_model(model)
    for key in ("quoted", "no_hardware"):
        if key in entry:
            return Answer(verdict=key.replace("_", " "), reason=entry[key])
    if cell.metric == "runtime":
        reason = "printed for a V100; ratios measured on a CPU stand below the table"
        return Answer(verdict="no hardware", reason=reason)
    if cell.metric not in QUALITY:
        return _count(plan, cell, model, entry)
    return _score(plan, cell, model, entry)


def input_task(cell: Cell, level: str) -> str:
    """The task of the run that scores the degraded input of a cell, at all levels in one run."""
    return _task_name(cell, "input", level)


def _count(plan: "Plan", cell: Cell, model: str, entry: dict[str, Any]) -> Answer:
    try:
        check_licence(model, plan.noncommercial)
    except InputError as error:
        return Answer(verdict="quoted", reason=str(error))
    level, flops = cell.setting, entry.get("flops", {})
    if cell.metric == "params":
        level = variant_for(entry, cell.setting, cell.task)
        if cell.single_model and f"{level}-{BLIND}" in entry["variants"]:
            level += f"-{BLIND}"
    elif cell.metric == "FLOPs":
        level = next((name for name in (cell.setting, cell.task) if name in flops), "")
    return Answer(model=model, level=level, metric=cell.metric)


def _score(plan: "Plan", cell: Cell, model: str, entry: dict[str, Any]) -> Answer:
    level, _, variant = _level(cell).partition(" ")
    if not level:
        return Answer(verdict="not run", reason=f"no run is planned for {cell.setting!r} yet")
    task = _task_name(cell, model, level)
    if variant:
        model = f"{model}-{variant}"
        if all(run.model != model or run.task != task for run in plan.ablation_runs):
            return Answer(verdict="not run", reason=f"no ablation of the {plan.scale} scale")
    if "network" in entry and weights_for(model, task) is None:
        return Answer(verdict="no weights", reason=f"no weights for {task} were released")
    trained = model in trained_models()
    if trained and (reason := _not_trained(plan, cell, model, task, level)):
        return Answer(verdict="not run", reason=reason)
    printed_sets = _printed_sets(cell)
    stand_in = plan.entry.get("stand_in", {}).get(cell.task)
    if trained and (own := plan.trained_stand_in(cell.task)):
        # one of the printed sets answers for itself alone
        if own in families()[cell.task]["sets"].values() and printed_sets != (own,):
            reason = f"networks of the {plan.scale} scale do not see {cell.dataset}"
            return Answer(verdict="not run", reason=reason)
        stand_in = own
    if not stand_in and not all(in_scale(name, plan.scale) for name in printed_sets):
        reason = f"{cell.dataset} is no part of the {plan.scale} scale"
        return Answer(verdict="not run", reason=reason)
    return Answer(
        model,
        task,
        (stand_in,) if stand_in else printed_sets,
        level,
        cell.metric,
        stand_in=bool(stand_in) and printed_sets != (stand_in,),
    )


def _not_trained(plan: "Plan", cell: Cell, model: str, task: str, level: str) -> str:
    """Why a scale trains no such network, "" where it does."""
    if base_model(model) not in plan.entry["networks"]:
        return f"{model} is not trained at the {plan.scale} scale"
    levels = plan.entry.get("trained_levels", {}).get(cell.task)
    if levels and task.rpartition("-")[2] not in levels:
        return f"the {plan.scale} scale trains no network for {level} alone"
    return ""


def _level(cell: Cell) -> str:
    """The level a printed cell was measured at, with the ablation it shows ("sigma25 window8").

    "" where its setting is no level of the task.
    """
    family = families()[cell.task]
    if cell.setting:
        return cell.setting if cell.setting.partition(" ")[0] in family["levels"] else ""
    if levels := family.get("level_of"):
        return str(levels[known_name(cell.dataset, levels, f"set of {cell.task}")])
    return next(iter(family["levels"])) if len(family["levels"]) == 1 else ""


def _task_name(cell: Cell, model: str, level: str) -> str:
    """The task of the run that answers: one network for all levels where row or task says so.

    The degraded input is scored at all levels in one run, whatever row asks for it.
    """
    networks = families()[cell.task]["networks"]
    for_all = cell.single_model or model == "input" or "level" not in networks
    return f"{cell.task}-{BLIND if for_all and BLIND in networks else level}"


def _printed_sets(cell: Cell) -> tuple[str, ...]:
    sets = families()[cell.task]["sets"]
    names = sets[known_name(cell.dataset, sets, f"set of {cell.task}")]
    return tuple(names) if isinstance(names, list) else (names,)
