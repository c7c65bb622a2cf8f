"""What the networks of a scale cost, before they start.

  semanir price --scale paper --counted
  semanir price --scale paper --counted --budget 20d
  semanir price --scale mini --without urban100 bsd100

First the trainings, from counted work: printed cells that each answers for, device days, memory,
disk, in the order in which a budget is spent. Then, unless --counted, what this machine takes: one
step of every kind of training and one restoration are timed, on one core or the GPU.
Downloads: semanir data sizes
"""

# torch and cv2 are imported where it is used: help answers at once
import argparse
import json
from dataclasses import asdict
from typing import Any

from semanir.cli import options
from semanir.plan.plan import Plan
from semanir.plan.trainings import SPEED, parse_budget, trainings_priced


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
    command.add_argument(
        "--budget", default="", metavar="TIME", help="device days or hours of trainings: 20d, 12h"
    )
    command.add_argument("--counted", action="store_true", help="time nothing: answers at once")
    command.add_argument("--json", action="store_true", help="print one JSON list")


def run_price(args: argparse.Namespace) -> None:
    """Print the prices as a table or JSON."""
    without, systems = tuple(args.without), tuple(args.systems)
    budget = parse_budget(args.budget)
    plan = Plan(args.scale, without, systems, args.accept_noncommercial, budget)
    if args.counted and args.json:
        entries = [asdict(one) | {"tables": one.tables} for one in trainings_priced(plan)]
        return print(json.dumps(entries, indent=1))
    if not args.json:
        print(trainings(plan), flush=True)
    if args.counted:
        return

    import torch

    from semanir.measure.price import prices, report

    torch.set_num_threads(1)  # as the workflow trains
    priced = prices(plan)
    if args.json:
        print(json.dumps([asdict(price) for price in priced], indent=1))
    else:
        print(f"\n{report(priced, args.scale)}")


def trainings(plan: Plan) -> str:
    """The trainings of a plan as a table, its sums and its budget."""
    from data_prep.inventory import columns, human
    from semanir.plan.price_table import HEAD, rows

    priced = trainings_priced(plan)
    if not priced:
        return f"The {plan.scale} scale trains nothing."
    paid = [one for one in priced if one.paid]
    days = sum(one.device_days or 0 for one in paid)
    answered, cells = (sum(len(one.cells) for one in some) for some in (paid, priced))
    lines_of_text = [
        columns([list(HEAD), *rows(priced)]),
        "",
        f"{len(paid)} of {len(priced)} networks, {answered} of {cells} cells of the paper that "
        f"need training: {days:.1f} device days,",
        f"counted, on devices that sustain {SPEED / 1e12:g} TFLOP/s (2 operations a multiply-add).",
        f"Disk of trainings: {human(sum(one.disk or 0 for one in paid))}. Memory is that of "
        "float32.",
    ]
    if plan.budget is not None:
        lines_of_text += [
            f"Budget: {plan.budget:g} device days. Figure 4's network first, then by cells per day,"
            " what is paid for."
        ]
    unknown = sum(one.device_days is None for one in priced)
    if unknown:
        lines_of_text += [f"Not counted: {unknown}; run python -m semanir.measure.work"]
    return "\n".join(lines_of_text)
