"""Networks, tasks, shipped weights, back ends and scales, on one screen."""

# torch is imported where it is used: help answers at once
import argparse
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from data_prep.tasks import BLIND, families
from semanir.attention.backends import CHOICES
from semanir.cli import options
from semanir.errors import InputError
from semanir.inference.shipped import TASKS, facts, shipped
from semanir.network.config import PRESETS
from semanir.plan.models import scales


def add(commands: Any) -> None:
    """`semanir list` takes no arguments."""
    summary = "networks, tasks, shipped weights, back ends, scales"
    options.verb(commands, "list", run_list, summary, __doc__)


def run_list(args: argparse.Namespace) -> None:
    """Print the lists."""
    backends = [f"{name:16} {description}" for name, description in CHOICES.items()]
    weights = [f"{name:24} {_about_weights(path)}" for name, path in shipped().items()]
    sections = {
        "networks": _networks(),
        "tasks (restore --task)": _tasks(),
        "shipped weights": weights or ["none"],
        "attention back ends (restore --backend)": backends,
        "scales (train --scale)": _scales(),
    }
    for number, (title, lines) in enumerate(sections.items()):
        print("\n" * bool(number) + title)
        for line in lines:
            print(f"  {line}".rstrip())


def _networks() -> Iterator[str]:
    for name, preset in PRESETS.items():
        yield f"{name:16} {preset.size}  {preset.purpose}"


def _tasks() -> Iterator[str]:
    for name, (groups, option, _) in TASKS.items():
        family = families()[groups[0]]
        level = f"--{option} {'|'.join(map(str, family['levels'].values()))}" if option else ""
        level += ", or none for all levels" if option and BLIND in family["networks"] else ""
        channels = {families()[group]["channels"] for group in groups}
        yield f"{name:10} {'grey, colour' if channels == {1, 3} else 'colour':13} {level}"


def _scales() -> Iterator[str]:
    for name, entry in scales().items():
        what = entry["stamp"].partition(": ")[2]
        yield f"{name:10} {textwrap.shorten(what, 66, placeholder=' ...')}"


def _about_weights(path: Path) -> str:
    try:
        about = facts(path)
        kind = "grey" if about["config"]["channels"] == 1 else "colour"
        scores = about.get("scores", [])
        first = [one for one in scores if one["dataset"] == scores[0]["dataset"]]
        shown = first[len(first) // 2] if first else None
    except (InputError, KeyError, TypeError):
        return "broken; install the package again"
    if shown is None:
        return kind
    gain = f"{shown['input']:.2f} -> {shown['psnr']:.2f} dB"
    return f"{kind:7} {shown['dataset']} {shown['level']}: {gain}"
