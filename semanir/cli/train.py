"""Train one network of a scale on one task, and resume that after any end.

  semanir train --task denoise_gray-sigma50 --model semanir-u
  semanir train --task sr-x4 --model semanir-s --scale paper --workers 7
  semanir train --task sr-x3 --model semanir-s --scale release --minutes 30 --init x2.safetensors

Writes results/SCALE/train/TASK/MODEL/seedK/: weights.safetensors, train.json, log.jsonl (loss,
rate, gradient norm, k, PSNR on held-out photographs) and, until it has finished, state.pt. The
photographs must be there: snakemake makes them, and runs this verb.
"""

# torch is imported where it is used: help answers at once
import argparse
from pathlib import Path
from typing import Any

from data_prep.tasks import get_task
from semanir.arguments import positive, whole
from semanir.cli import options
from semanir.errors import InputError
from semanir.files import check_writable
from semanir.plan.plan import Plan
from semanir.plan.record import write_record
from semanir.plan.runs import Run
from semanir.plan.source_hash import source_hash


def add(commands: Any) -> None:
    """The arguments of `semanir train`."""
    command = options.verb(
        commands,
        "train",
        run_train,
        "train one network on one task",
        __doc__,
        options.run(),
        options.scale(),
        options.cpu_threads(),
    )
    command.add_argument(
        "--workers", type=whole(0, 1024), default=0, help="that prepare patches (default 0)"
    )
    command.add_argument(
        "--minutes", type=positive, help="that it may take; sets iterations (default: the recipe's)"
    )
    command.add_argument("--lr", type=positive, help="highest rate (default: the recipe's)")
    command.add_argument(
        "--init", type=Path, metavar="FILE", help="weights to start from (default: random)"
    )


def run_train(args: argparse.Namespace) -> None:
    """Train, write weights and record, print the PSNR on held-out photographs."""
    plan, task = Plan(args.scale), get_task(args.task)
    preset, switches = plan.network(args.model)
    run = Run(args.scale, task.name, args.model, args.seed)
    if run.training != run:
        raise InputError(
            f"{run.model} has the weights of {run.training.model}; train that: "
            f"semanir train --scale {run.scale} --task {run.task} --model {run.training.model}"
        )
    weights = Path(run.weights)
    check_writable(weights)

    import torch

    from semanir.train import budget
    from semanir.train.recipe import Recipe, make_recipe
    from semanir.train.training import Training, make_training, train_network

    torch.set_num_threads(args.threads)  # 1 is reproducible
    data = [
        (Path(clean), Path(degraded) if degraded else None)
        for clean, degraded in plan.training_sets(task.name)
    ]

    def make(recipe: Recipe) -> Training:
        training = make_training(
            preset,
            task,
            recipe,
            data,
            weights.parent,
            args.seed,
            code=source_hash("train"),
            init=args.init,
            **switches,
        )
        training.workers = args.workers
        return training

    changes = {"lr": args.lr} if args.lr else {}
    recipe = make_recipe(plan.recipe(task.name, args.model) | changes)
    if args.minutes:
        recipe = budget.fit_to_minutes(recipe, args.minutes, weights.parent, make)
    training = make(recipe)
    facts = train_network(training, weights, task=task.name)
    write_record(Path(run.train_record), "train", run.identity, "train", network=preset, **facts)
    for finished in (training.state_path, budget.path(weights.parent)):
        finished.unlink(missing_ok=True)
    levels = ", ".join(f"{level} {psnr:.2f} dB" for level, psnr in facts["holdout_psnr"].items())
    print(
        f"{args.model} on {task.name}: {training.step} iterations, "
        f"held-out PSNR {levels or 'not measured, nothing is held out'}"
    )
