"""Ablations: models that differ from one of the paper's in one thing. Never imports torch.

An entry of models.yaml with `of` is one, or several where it has a `sweep`.
"""

from typing import Any


def expand(entries: dict[str, Any]) -> dict[str, Any]:
    """The entries with every sweep spelled out, one entry per value.

    {"u-at": {"sweep": {"k": [8, 16]}}} becomes u-at-k8 and u-at-k16, each with the switch k;
    u-window becomes u-window8. Where the entry has weights of its own it is trained with that k.
    """
    expanded: dict[str, Any] = {}
    for name, entry in entries.items():
        if "sweep" not in entry:
            expanded[name] = entry
            continue
        rest = {key: value for key, value in entry.items() if key != "sweep"}
        ((switch, values),) = entry["sweep"].items()
        for value in values:
            label = value if isinstance(value, str) or name.endswith(switch) else f"{switch}{value}"
            one = {**rest, "switches": {**rest.get("switches", {}), switch: value}}
            if switch == "k" and "weights_of" not in entry:
                one["recipe"] = {**rest.get("recipe", {}), "topk": [value]}
            expanded[f"{name}{'' if name.endswith(switch) else '-'}{label}"] = one
    return expanded
