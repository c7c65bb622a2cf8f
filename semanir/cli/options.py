"""Options that several verbs share, each a parent of their parsers."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from semanir.arguments import seed, threads


def _parent(*names: str, **options: Any) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument(*names, **options)
    return parser


def scale(default: str = "smoke") -> argparse.ArgumentParser:
    """--scale, an entry of semanir/plan/scales.yaml."""
    return _parent("--scale", default=default, help=f"of scales.yaml (default {default})")


def run(model: str = "", required: bool = True) -> argparse.ArgumentParser:
    """--task, --model and --seed: which run of a scale. model: what is taken without --model.

    required: whether --task is, to the parser.
    """
    parser = _parent("--task", required=required, help="for example denoise_gray-sigma50 or sr-x2")
    default = f" (default: {model})" if model else ""
    parser.add_argument(
        "--model", required=not model, help=f"semanir-u or another of a models.yaml{default}"
    )
    parser.add_argument("--seed", type=seed, default=0, help="default 0")
    return parser


def cpu_threads(default: int = 1) -> argparse.ArgumentParser:
    """--threads of the CPU."""
    return _parent(
        "--threads", type=threads, default=default, help=f"of the CPU (default {default})"
    )


def results(out: str = "reports") -> argparse.ArgumentParser:
    """--results and --out of what is rendered from a results.csv."""
    parser = _parent("--results", type=Path, required=True, help="results.csv of the scale")
    parser.add_argument("--out", type=Path, default=Path(out), help=f"folder (default {out})")
    return parser


def without() -> argparse.ArgumentParser:
    """--without, datasets that cannot be had."""
    return _parent(
        "--without", nargs="*", default=[], metavar="DATASET", help="datasets.yaml: left out"
    )


def noncommercial() -> argparse.ArgumentParser:
    """--accept-noncommercial, for systems that are licensed so."""
    return _parent(
        "--accept-noncommercial",
        action="store_true",
        help="use systems that are licensed for non-commercial use",
    )


def mirror() -> argparse.ArgumentParser:
    """--mirror, asked before the addresses of the registry."""
    return _parent(
        "--mirror", help="folder or server that is asked first, or A,B (default $SEMANIR_MIRROR)"
    )


def verb(
    commands: Any,
    name: str,
    run: Callable[[argparse.Namespace], None],
    summary: str,
    description: str | None,
    *parents: argparse.ArgumentParser,
) -> argparse.ArgumentParser:
    """A parser of `semanir NAME` that calls `run`; description: the docstring of its module."""
    command: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary,
        description=description,
        parents=parents,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(run=run)
    return command


def verbs_of(commands: Any, name: str) -> Any:
    """Where the verbs of a verb are added, those of `semanir report` for example."""
    actions = commands.choices[name]._actions
    return next(one for one in actions if isinstance(one, argparse._SubParsersAction))
