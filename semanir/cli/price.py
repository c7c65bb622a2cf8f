"""What the networks of a scale cost, before they start.

  semanir price --scale paper
  semanir price --scale mini --without urban100 bsd100

One step of every kind of training and one restoration are timed here, on one core or the GPU.
Downloads: semanir data sizes
"""

# torch is imported where it is used: help answers at once
import argparse
import json
from dataclasses import asdict
from typing import Any

from semanir.cli import options
from semanir.plan.plan import Plan


def add(commands: Any) -> None:
    """The arguments of `semanir price`."""
    command = options.verb(
        commands,
        "price",
        run_price,
        "what a scale costs, before it starts",
        __doc__,
        options.scale("paper"),
        options.without(),
        options.noncommercial(),
    )
    command.add_argument(
        "--systems",
        nargs="*",
        default=[],
        metavar="MODEL",
        help="released systems that are evaluated (default: those of the scale)",
    )
    command.add_argument("--json", action="store_true", help="print one JSON list")


def run_price(args: argparse.Namespace) -> None:
    """Print the prices as a table or JSON."""
    without, systems = tuple(args.without), tuple(args.systems)
    plan = Plan(args.scale, without, systems, args.accept_noncommercial)

    import torch

    from semanir.measure.price import prices, report

    torch.set_num_threads(1)  # as the workflow trains
    priced = prices(plan)
    if args.json:
        print(json.dumps([asdict(price) for price in priced], indent=1))
    else:
        print(report(priced, args.scale))
