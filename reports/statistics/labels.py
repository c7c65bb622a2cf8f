"""What comparisons are called."""

import re

from reports.statistics.comparison import Comparison
from semanir.plan.models import trained_models


def label(one: Comparison) -> str:
    """What an ablation changes; of both models where none is what the other one changes."""
    entry = trained_models().get(one.model, {})
    if one.against == entry.get("weights_of", entry.get("of")):
        return changes(one.model)
    return f"{changes(one.model)}, against {changes(one.against)}"


def changes(model: str) -> str:
    """What an ablation changes, with the value of its switch: "window: 8"; of others their name.

    Of the difference of two models, "one - other", both in brackets.
    """
    names = [_changes(one) for one in model.split(" - ")]
    return names[0] if len(names) == 1 else " minus ".join(f"({name})" for name in names)


def _changes(model: str) -> str:
    text = str(trained_models().get(model, {}).get("changes", model))
    value = re.fullmatch(r".*-(?:k|window)?([0-9]+|mask|gather|fused)", model)
    return f"{text}: {value[1]}" if value and text != model else text
