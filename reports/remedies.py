"""How a printed number is measured as printed, or why nobody can; how a measurement is repeated."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from baselines.registry import released_systems
from reports.legend import AS_PRINTED
from reports.tables.verdicts import JudgedCell
from semanir import paths
from semanir.plan.cells import COUNTED, QUALITY, Cell
from semanir.plan.models import get_model, get_scale, is_ours, model_of_method, scales
from semanir.plan.plan import Plan
from semanir.plan.runs import Run

SNAKEMAKE = "snakemake --cores 4"
ACCEPT = "accept_noncommercial=true"
BY_HAND = "weights_dir=FOLDER"


@dataclass(frozen=True)
class Remedy:
    """How numbers are measured.

    scale: that measures them as printed, "" where no command does. target: what is made. options:
    of --config, besides scale and systems. system: whose released weights are evaluated when asked
    for.
    """

    reason: str
    scale: str = ""
    target: str = "all"
    options: tuple[str, ...] = ()
    system: str = ""

    def command(self, systems: Iterable[str] = ()) -> str:
        """The command, "" without one; systems: those that share it with this one's."""
        if not self.scale:
            return ""
        return " ".join([SNAKEMAKE, self.target, *self.config({self.system, *systems} - {""})])

    def config(self, systems: set[str]) -> list[str]:
        """--config and its options; systems in the order of baselines/models.yaml."""
        named = _scale_option(self.scale) + list(self.options)
        if systems:
            # naming systems replaces those of the scale, which are to stay
            wanted = systems | set(get_scale(self.scale).get("systems", ()))
            named.append(f"systems={','.join(n for n in released_systems() if n in wanted)}")
        return ["--config", *named] if named else []


def remedy(judged: JudgedCell) -> Remedy | None:
    """How a number is measured as printed; None where it is, or where no number is printed."""
    cell = judged.cell
    if cell.kind != "number" or judged.verdict in AS_PRINTED:
        return None
    entry = get_model(model_of_method()[cell.method])
    scale = _scale(cell)
    if not scale:
        if cell.metric in COUNTED and entry.get("noncommercial") and "quoted" not in entry:
            reason = "counted on a network that is licensed for non-commercial use"
            return Remedy(reason, "smoke", options=(ACCEPT,))
        return Remedy(Plan("paper").answer(cell).reason)
    if cell.metric not in QUALITY:
        return Remedy("counted at every scale, but not in the results", scale)
    if is_ours(cell.method):
        reason = "SemanIR's own, by its full-size network trained as printed"
        return Remedy(reason, scale, f"reports/{cell.table}.html")
    model, target = model_of_method()[cell.method], paths.SYSTEMS.format(scale=scale)
    if model not in released_systems() or model in get_scale(scale).get("systems", ()):
        return Remedy(
            f"inputs, and released weights that the {scale} scale evaluates", scale, target
        )
    return _asked_for(model, entry, scale, target)


def _asked_for(model: str, entry: dict[str, Any], scale: str, target: str) -> Remedy:
    """A system whose released weights nobody asked for."""
    reason, options = "released weights that are evaluated when asked for", []
    if "by_hand" in entry.get("weights", {}):
        reason += ", got by hand"
        options.append(BY_HAND)
    if entry.get("noncommercial"):
        reason += ", licensed for non-commercial use"
        options.append(ACCEPT)
    return Remedy(reason, scale, target, tuple(options), model)


@cache
def _scale(cell: Cell) -> str:
    """The first scale that measures a cell as printed, "" if none does."""
    for name in ("paper",) if is_ours(cell.method) and cell.metric in QUALITY else scales():
        place = Plan(name).answer(cell)
        if not place.verdict and not place.stand_in:
            return name
    return ""


def _scale_option(scale: str) -> list[str]:
    return [] if scale == "smoke" else [f"scale={scale}"]


def repeat(judged: JudgedCell) -> str:
    """The command that makes the records of a measurement, all seeds; "" where there is none."""
    facts = judged.facts
    if judged.measured is None:
        return ""
    model, scale = facts["model"], facts["scale"]
    if judged.cell.metric in QUALITY:
        records = [Run(scale, facts["task"], model, seed).record for seed in facts["seed_numbers"]]
    else:
        records = [paths.COUNT.format(scale=scale, model=model)]
    entry = get_model(model)
    options = _scale_option(scale)
    if "by_hand" in entry.get("weights", {}) and judged.cell.metric in QUALITY:
        options.append(BY_HAND)
    if entry.get("noncommercial"):
        options.append(ACCEPT)
    return " ".join([SNAKEMAKE, *records, *(["--config", *options] if options else [])])
