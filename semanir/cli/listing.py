"""Networks, tasks, shipped weights and back ends, on one screen and without torch."""

import argparse
from pathlib import Path
from typing import Any

from data_prep.tasks import BLIND, families
from semanir.attention.backends import CHOICES
from semanir.cli import options
from semanir.errors import InputError
from semanir.inference.shipped import TASKS, facts, shipped
from semanir.network.config import PRESETS


def add(commands: Any) -> None:
    """`semanir list` takes no arguments."""
    summary = "networks, tasks, shipped weights, back ends"
    options.verb(commands, "list", run_list, summary, __doc__)


def run_list(args: argparse.Namespace) -> None:
    """Print the lists."""
    print(listing())


def listing() -> str:
    """Networks, tasks, shipped weights and back ends; one screen."""
    lines = ["networks"]
    lines += [f"  {name:16} {preset.size}  {preset.purpose}" for name, preset in PRESETS.items()]
    lines += ["", "tasks (restore --task)"]
    for name, (groups, option, _) in TASKS.items():
        levels = families()[groups[0]]["levels"].values()
        told = f"--{option} {'|'.join(map(str, levels))}" if option else ""
        blind = BLIND in families()[groups[0]]["networks"]
        told += ", or none for all levels" if option and blind else ""
        kinds = {families()[group]["channels"] for group in groups}
        told_kinds = "grey, colour" if kinds == {1, 3} else "colour"
        lines.append(f"  {name:10} {told_kinds:13} {told}".rstrip())
    lines += ["", "shipped weights"]
    lines += [f"  {name:24} {_short(path)}" for name, path in shipped().items()] or ["  none"]
    lines += ["", "attention back ends (restore --backend)"]
    lines += [f"  {name:16} {description}" for name, description in CHOICES.items()]
    return "\n".join(lines)


def _short(path: Path) -> str:
    try:
        channels = facts(path)["config"]["channels"]
    except (InputError, KeyError, TypeError):
        return "broken; install the package again"
    kind = "grey" if channels == 1 else "colour"
    return f"{kind}, {path.stat().st_size / 2**20:.1f} MiB"
