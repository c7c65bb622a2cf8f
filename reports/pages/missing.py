"""What keeps printed numbers from being measured, and the command that gets them."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from baselines.registry import released_systems
from reports.tables.verdicts import JudgedCell
from semanir.plan.answers import Answer
from semanir.plan.cells import Cell
from semanir.plan.models import get_model, get_scale, model_of_method, scales
from semanir.plan.plan import Plan

ALL = "snakemake --cores 4 all"


@dataclass
class Gap:
    """Printed numbers that are missing for one reason.

    command: gets them; "" where none does. tables: in which they stand, in printed order.
    """

    reason: str
    command: str = ""
    count: int = 0
    tables: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Remedy:
    """How a cell is measured: options of --config, but for the systems, which share one command."""

    reason: str
    options: tuple[str, ...] | None = None  # None: no command helps
    system: str = ""


def gaps(judged: Iterable[JudgedCell], scale: str) -> list[Gap]:
    """The reasons why printed numbers are not measured as printed, those with a command first.

    A number measured on photographs that stand in for the printed ones is missing as well. Where no
    command helps (quoted, no hardware, no weights) the reason stands alone.
    """
    by_remedy: dict[Remedy, Gap] = {}
    systems: dict[Remedy, set[str]] = {}
    for one in judged:
        remedy = _remedy(one, scale) if one.cell.kind == "number" else None
        if remedy is None:
            continue
        shared = Remedy(remedy.reason, remedy.options)
        gap = by_remedy.setdefault(shared, Gap(remedy.reason))
        gap.count += 1
        gap.tables += [one.cell.table] if one.cell.table not in gap.tables else []
        systems.setdefault(shared, set()).update(filter(None, [remedy.system]))
    for remedy, gap in by_remedy.items():
        if remedy.options is not None:
            gap.command = _command(remedy.options, systems[remedy])
    return sorted(by_remedy.values(), key=lambda gap: (not gap.command, -gap.count))


def _remedy(judged: JudgedCell, scale: str) -> Remedy | None:
    """How a number is measured that is not measured on its own photographs; None where it is."""
    cell, place = judged.cell, Plan(scale).answer(judged.cell)
    best = _best_scale(cell, scale)
    if judged.measured is not None:
        if not judged.stand_in:
            return None
        reason = f"measured on photographs that stand in for the set; the {best} scale reads it"
        return Remedy(reason, _scale_option(best))
    if not place.verdict:
        if place.task and place.model in released_systems():
            return _released(place, best)
        return Remedy("planned at this scale, but not in the results", _scale_option(scale))
    entry = get_model(model_of_method()[cell.method])
    if entry.get("noncommercial") and "quoted" not in entry:
        reason = "counted on a network that is licensed for non-commercial use"
        return Remedy(reason, (*_scale_option(scale), "accept_noncommercial=true"))
    if best:
        return Remedy(f"{judged.reason}; the {best} scale has it", _scale_option(best))
    return Remedy(judged.reason)


def _scale_option(scale: str) -> tuple[str, ...]:
    return () if scale == "smoke" else (f"scale={scale}",)


def _released(place: Answer, scale: str) -> Remedy:
    """A system whose released weights nobody asked for."""
    entry, options = get_model(place.model), _scale_option(scale)
    reason = "released weights that are evaluated when asked for"
    if "by_hand" in entry["weights"]:
        reason += ", got by hand"
        options += ("weights_dir=FOLDER",)
    if entry.get("noncommercial"):
        reason += ", licensed for non-commercial use"
        options += ("accept_noncommercial=true",)
    return Remedy(reason, options, place.model)


def _best_scale(cell: Cell, scale: str) -> str:
    """The first scale that measures a cell on the printed set, else this one if it measures it."""
    answers = {name: Plan(name).answer(cell) for name in dict.fromkeys([scale, *scales()])}
    real = [name for name, place in answers.items() if not place.verdict and not place.stand_in]
    if real:
        return real[0]
    return "" if answers[scale].verdict else scale


def _command(options: Iterable[str], systems: set[str]) -> str:
    """`snakemake ... all` with --config; systems in the order of baselines/models.yaml."""
    options = list(options)
    if systems:
        # naming systems replaces those of the scale, which are to stay
        scale = next((o.partition("=")[2] for o in options if o.startswith("scale=")), "smoke")
        wanted = systems | set(get_scale(scale)["systems"])
        options.append(f"systems={','.join(n for n in released_systems() if n in wanted)}")
    return " ".join([ALL, *(["--config", *options] if options else [])])
