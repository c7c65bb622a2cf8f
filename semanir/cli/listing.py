"""Networks, tasks, shipped weights and back ends, on one screen and without torch."""

import argparse
from pathlib import Path
from typing import Any

from data_prep.tasks import BLIND, families
from semanir.cli import options
from semanir.errors import InputError
from semanir.inference.shipped import TASKS, facts, shipped

# what `list` says of things that live in modules importing torch; a test holds both equal
NETWORKS = {
    "semanir-s": "11.9 M  super-resolution x2, x3, x4",
    "semanir-b": "19.9 M  super-resolution x2, x3, x4",
    "semanir-u": "25.8 M  all other tasks",
    "semanir-s-tiny": "0.04 M  super-resolution, for tests",
    "semanir-b-tiny": "0.06 M  super-resolution, for tests",
    "semanir-u-tiny": "0.07 M  all other tasks, for tests",
    "semanir-u-small": "0.43 M  all other tasks; of the shipped weights",
}
BACKENDS = {
    "auto": "fused or triton where they can and win, else mask",
    "reference": "float64, for tests",
    "mask": "dense scores, masked",
    "gather": "keys and values copied together",
    "fused": "the dictionary's keys alone; compiled C++ for CPUs, needs g++",
    "triton": "blocks of queries over their keys, for NVIDIA GPUs",
    "triton-gather": "a program per query, for NVIDIA GPUs",
}


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
    lines += [f"  {name:16} {told}" for name, told in NETWORKS.items()]
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
    lines += [f"  {name:16} {told}" for name, told in BACKENDS.items()]
    return "\n".join(lines)


def _short(path: Path) -> str:
    try:
        channels = facts(path)["config"]["channels"]
    except (InputError, KeyError, TypeError):
        return "broken; install the package again"
    kind = "grey" if channels == 1 else "colour"
    return f"{kind}, {path.stat().st_size / 2**20:.1f} MiB"
