"""What comparisons are called."""

import re

from reports.statistics.comparison import Comparison
from semanir.plan.models import get_model, trained_models


def label(one: Comparison) -> str:
    """What an ablation changes; both models where none is what the other one changes."""
    entry = trained_models().get(one.model, {})
    if one.against == entry.get("weights_of", entry.get("of")):
        return changes(one.model)
    return f"{one.model} against {one.against}"


def changes(model: str) -> str:
    """What an ablation changes, with the value of its switch: "window 8"."""
    entry = get_model(model)
    value = re.fullmatch(r".*-(?:k|window)?([0-9]+|mask|gather|fused)", model)
    number = re.fullmatch(r".*window([0-9]+)", model) or value
    return f"{entry['changes']}: {number[1]}" if number else entry["changes"]
