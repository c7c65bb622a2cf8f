"""Time the attention back ends on this machine, beside dense window attention.

  semanir bench
  semanir bench --device cuda --json
"""

# torch is imported where it is used: help answers at once
import argparse
from typing import Any

from semanir.arguments import positive
from semanir.cli import options
from semanir.errors import InputError


def add(commands: Any) -> None:
    """The arguments of `semanir bench`."""
    command = options.verb(
        commands,
        "bench",
        run_bench,
        "time the attention back ends here",
        __doc__,
        options.cpu_threads(2),
    )
    command.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="default cpu")
    command.add_argument(
        "--seconds", type=positive, default=4, help="a comparison (default 4, 1 min in all)"
    )
    command.add_argument("--json", action="store_true", help="print one JSON object")
    command.add_argument("--scale", help="write results/SCALE/cost/attention/bench.json as well")


def run_bench(args: argparse.Namespace) -> None:
    """Print how fast each back end is beside dense window attention, as a table or JSON."""
    import torch

    from semanir.measure import attention

    if args.device == "cuda" and not torch.cuda.is_available():
        raise InputError("--device cuda: torch finds no GPU here; leave it out")
    attention.run_bench(args)
