"""The prices of trainings as rows of text, which the command and the index show alike."""

from collections.abc import Iterable

from data_prep.inventory import human
from semanir.plan.trainings import PricedTraining

HEAD = (
    *("training", "seeds", "cells", "of", "cells/day", "devices", "device days"),
    *("memory each", "disk", "days so far", "cells so far"),
)


def rows(priced: Iterable[PricedTraining]) -> list[list[str]]:
    """A row for each network, its columns those of HEAD; what a budget leaves out adds nothing."""
    lines, days, answered = [], 0.0, 0
    for one in priced:
        if one.paid:
            days, answered = days + (one.device_days or 0), answered + len(one.cells)
        so_far = [f"{days:.2f}", str(answered)] if one.paid else ["left out", ""]
        lines.append([*_row(one), *so_far])
    return lines


def _row(one: PricedTraining) -> list[str]:
    return [
        f"{one.run.task}/{one.run.model}",
        str(len(one.seeds)),
        str(len(one.cells)),
        " ".join(f"{table}:{count}" for table, count in one.tables.items()),
        f"{one.cells_per_day:.3g}" if one.cells else "",
        str(one.devices),
        "?" if one.device_days is None else f"{one.device_days:.3g}",
        human(one.memory),
        human(one.disk),
    ]
