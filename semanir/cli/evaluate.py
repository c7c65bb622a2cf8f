"""Evaluate one model of a scale on one task.

  semanir evaluate --task denoise_gray-sigma50 --model semanir-u
  semanir evaluate --task sr-x4 --model semanir-s --what visual
  semanir evaluate --task denoise_color-blind --model semanir-u --what activation

scores      of every image in all metrics: results/SCALE/eval/TASK/MODEL/seedK.json
visual      crops before and after, of the images that gain most, the median and least:
            results/SCALE/visual/...
activation  where the network looks, as Figure 4 shows it: results/SCALE/activation/...

Photographs, weights and, for visual, the scores must be there: snakemake makes them.
"""

# torch is imported where it is used: help answers at once
import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_prep.tasks import Task, get_task
from semanir.arguments import whole
from semanir.cli import options
from semanir.errors import InputError
from semanir.files import check_writable, sha256
from semanir.plan.models import RELEASED, get_model
from semanir.plan.plan import Plan
from semanir.plan.record import origin, read_record, write_record
from semanir.plan.runs import Run

if TYPE_CHECKING:
    from semanir.inference.restorer import Restorer

OF_WHAT = {"tile": "scores", "self_ensemble": "scores", "systems": "visual"}  # options by --what


def add(commands: Any) -> None:
    """The arguments of `semanir evaluate`."""
    command = options.verb(
        commands,
        "evaluate",
        run_evaluate,
        "score one model on the test sets of a task",
        __doc__,
        options.run(),
        options.scale(),
        options.cpu_threads(),
        options.without(),
        options.noncommercial(),
    )
    command.add_argument("--what", choices=RECORDS, default="scores", help="default scores")
    command.add_argument("--tile", type=whole(1), help="scores: in tiles of this side as well")
    command.add_argument(
        "--self-ensemble",
        action="store_true",
        help="scores: as the mean over eight positions as well (networks trained here)",
    )
    command.add_argument(
        "--systems", nargs="*", default=[], metavar="MODEL", help="visual: others shown beside it"
    )


def run_evaluate(args: argparse.Namespace) -> None:
    """Measure what --what says, and write its record."""
    task = get_task(args.task)
    plan = Plan(args.scale, tuple(args.without), noncommercial=args.accept_noncommercial)
    run = Run(args.scale, task.name, args.model, args.seed)
    get_model(run.model)
    for model in args.systems:
        get_model(model)
    shown = run.trained or (args.what == "visual" and run.model == RELEASED)
    if args.what != "scores" and not shown:
        raise InputError(
            f"{run.model} is not trained here; --what {args.what} is of networks that are"
        )
    for option, of in OF_WHAT.items():
        if getattr(args, option) and args.what != of:
            name = option.replace("_", "-")
            raise InputError(f"--{name} belongs to --what {of}, not to {args.what}; leave it out")
    if args.self_ensemble and not (run.trained or run.model == RELEASED):
        raise InputError(
            f"{run.model} is not trained here; --self-ensemble is of networks that are"
        )
    sets = plan.evaluation_sets(task.name, run.model)
    if not sets:
        raise InputError(f"no set is left to evaluate {args.task} on at the {args.scale} scale")
    RECORDS[args.what](plan, run, task, sets, args)


def restorer_of(plan: Plan, run: Run, task: Task, threads: int) -> "Restorer":
    """What restores images for a run of a plan."""
    from semanir.evaluate import systems

    if run.model == RELEASED:
        return systems.TrainedRestorer(run.weights, task, threads, RELEASED)
    if run.trained:
        preset, switches = plan.network(run.model)
        return systems.TrainedRestorer(run.weights, task, threads, preset, **switches)
    return systems.restorer_of(run.model, task, threads, plan.noncommercial)


def _scores(
    plan: Plan, run: Run, task: Task, sets: tuple[tuple[str, str], ...], args: argparse.Namespace
) -> None:
    from semanir.evaluate.evaluation import evaluate

    check_writable(Path(run.record))
    weights = Path(run.weights)
    digest = sha256(weights) if weights.is_file() else None
    restorer = restorer_of(plan, run, task, args.threads)
    made_of = origin("evaluate", plan.evaluation_files(run))
    ensemble = restorer.in_ensemble() if args.self_ensemble else None  # type: ignore[attr-defined]
    body = evaluate(restorer, task, sets, args.tile, ensemble)
    body["weights_sha256"] = digest
    write_record(Path(run.record), "eval", run.identity, made_of, **body)
    for dataset, level in sets:
        psnr = [
            row["psnr"]
            for row in body["scores"]
            if (row["dataset"], row["level"]) == (dataset, level)
        ]
        mean = sum(psnr) / len(psnr)
        print(f"{run.model} on {run.task}, {dataset} {level}: mean PSNR {mean:.2f} dB")


def _visual(
    plan: Plan, run: Run, task: Task, sets: tuple[tuple[str, str], ...], args: argparse.Namespace
) -> None:
    from semanir.evaluate.visual import compare

    check_writable(Path(run.visual))
    record, of_input = read_record(Path(run.record)), read_record(Path(run.of_input.record))
    made_of = origin("visual", plan.evaluation_files(run))
    others = {
        model: partial(restorer_of, plan, Run(run.scale, run.task, model, 0), task, args.threads)
        for model in args.systems
    }
    body = compare(
        task,
        record,
        of_input,
        restorer_of(plan, run, task, args.threads),
        restorer_of(plan, run.of_input, task, args.threads),
        others,
    )
    write_record(Path(run.visual), "visual", run.identity, made_of, **body)
    images = ", ".join(one["image"] for one in body["shown"])
    print(f"{run.task} {run.model}: {images} of {body['dataset']}, {run.visual}")


def _activation(
    plan: Plan, run: Run, task: Task, sets: tuple[tuple[str, str], ...], args: argparse.Namespace
) -> None:
    import torch

    from semanir.evaluate.activation import activation_of_set

    _, switches = plan.network(run.model)
    check_writable(Path(run.activation))
    made_of = origin("activation", plan.evaluation_files(run))
    torch.set_num_threads(args.threads)
    body = activation_of_set(run.weights, task, *sets[0], **switches)
    write_record(Path(run.activation), "activation", run.identity, made_of, **body)
    print(f"{run.task} {run.model}: attention on {body['image']}, {run.activation}")


RECORDS = {"scores": _scores, "visual": _visual, "activation": _activation}
