"""Train one network on one task, of a scale or on your photographs, and resume that after any end.

  semanir train --task denoise_gray-sigma50 --model semanir-u
  semanir train --task sr-x4 --model semanir-s --scale paper --workers 7
  semanir train --task sr-x3 --model semanir-s --scale release --minutes 30 --init x2.safetensors
  semanir train --init denoise_gray-blind --data photographs/ --task jpeg_gray-qf10 -o mine

Writes results/SCALE/train/TASK/MODEL/seedK/, or the folder after -o: weights.safetensors,
train.json, log.jsonl (loss, rate, gradient norm, k, PSNR on held-out photographs) and, until it
has finished, state.pt. The photographs of a scale must be there: snakemake makes them, and runs
this verb. After SIGTERM or SIGUSR1 the state is saved, and the exit code is 75.

--data takes all pictures directly in a folder (not those of inner ones) that semanir restore
reads and that are not transparent, grey or colour. They are copied to photographs/ below -o as
the task wants them, and degraded as it says. Every tenth by name, 20 at most, is held out.
Options of the training are those of the scale, at a tenth of its rate where --init is given.
"""

# torch is imported where it is used: help answers at once
import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_prep.tasks import Task, get_task
from semanir.arguments import positive, whole
from semanir.cli import options
from semanir.errors import InputError
from semanir.files import check_writable, sha256
from semanir.inference.shipped import shipped
from semanir.memory import keep_freed_memory
from semanir.plan.plan import Plan
from semanir.plan.record import write_record
from semanir.plan.runs import Run
from semanir.plan.source_hash import source_hash
from semanir.train.alone import alone_in
from semanir.train.signals import noted

if TYPE_CHECKING:
    from semanir.network.config import Config
    from semanir.train.recipe import Recipe
    from semanir.train.training import Training

SCALES = ("smoke", "release")  # default without --data, and with it
OF_DATA = ("output", "holdout", "iterations", "batch", "patch")  # options that belong to --data
FIELDS = ("lr", "iterations", "batch", "patch")  # of the recipe


def add(commands: Any) -> None:
    """The arguments of `semanir train`."""
    command = options.verb(
        commands,
        "train",
        run_train,
        "train one network on one task",
        __doc__,
        options.run("that of --init, with --data"),
        options.cpu_threads(),
    )
    command.add_argument(
        "--scale", help=f"of scales.yaml (default {SCALES[0]}; with --data {SCALES[1]})"
    )
    command.add_argument(
        "--workers", type=whole(0, 1024), default=0, help="that prepare patches (default 0)"
    )
    command.add_argument(
        "--minutes", type=positive, help="that it may take; sets iterations (default: the recipe's)"
    )
    command.add_argument("--lr", type=positive, help="highest rate (default: the recipe's)")
    command.add_argument(
        "--init",
        type=Path,
        metavar="FILE",
        help="weights to start from, also shipped ones by name (default: random)",
    )
    own = command.add_argument_group("photographs of one's own")
    own.add_argument("--data", type=Path, metavar="FOLDER", help="pictures to train on")
    own.add_argument("-o", "--output", type=Path, metavar="FOLDER", help="for the weights")
    own.add_argument("--holdout", metavar="PREFIX", help="hold out pictures whose name starts so")
    for name, what in (
        ("iterations", "how many batches"),
        ("batch", "patches in one"),
        ("patch", "side of one, in pixels of the network's input"),
    ):
        own.add_argument(f"--{name}", type=whole(1), help=f"{what} (default: the recipe's)")


def run_train(args: argparse.Namespace) -> None:
    """Train, write weights and record, print the PSNR on held-out photographs."""
    given = [name for name in OF_DATA if getattr(args, name) is not None]
    if not args.data and given:
        raise InputError(f"--{given[0]} belongs to --data FOLDER; the others are of the scale")
    if args.minutes and args.iterations:
        raise InputError("--minutes sets the iterations; leave --iterations out")
    keep_freed_memory()
    args.init = args.init and shipped().get(str(args.init), args.init)
    args.scale = args.scale or SCALES[bool(args.data)]
    with noted():  # before torch is imported, which takes seconds
        (_train_on_photographs if args.data else _train_of_scale)(args, get_task(args.task))


def _train_of_scale(args: argparse.Namespace, task: Task) -> None:
    if not args.model:
        raise InputError("say what to train: --model, or --data FOLDER with --init FILE")
    plan = Plan(args.scale)
    preset, switches = plan.network(args.model)
    run = Run(args.scale, task.name, args.model, args.seed)
    if run.training != run:
        raise InputError(
            f"{run.model} has the weights of {run.training.model}; train that: "
            f"semanir train --scale {run.scale} --task {run.task} --model {run.training.model}"
        )
    weights = Path(run.weights)
    check_writable(weights)

    from semanir.train.recipe import make_recipe
    from semanir.train.training import train_network

    data = [
        (Path(clean), Path(degraded) if degraded else None)
        for clean, degraded in plan.training_sets(task.name)
    ]
    recipe = make_recipe(plan.recipe(task.name, args.model) | _changes(args))
    training = _prepared(args, preset, task, recipe, data, weights.parent, **switches)
    with alone_in(weights.parent):
        facts = train_network(training, weights, task=task.name)
        record = Path(run.train_record)
        write_record(record, "train", run.identity, "train", network=preset, **facts)
        _finish(training)
    levels = ", ".join(f"{level} {psnr:.2f} dB" for level, psnr in facts["holdout_psnr"].items())
    print(
        f"{args.model} on {task.name}: {training.step} iterations, "
        f"held-out PSNR {levels or 'not measured, nothing is held out'}"
    )


def _train_on_photographs(args: argparse.Namespace, task: Task) -> None:
    if not args.output:
        raise InputError("--data needs -o FOLDER, for the weights")
    if not args.model and not args.init:
        raise InputError("say what to train: --init FILE, or --model for random weights")
    plan, weights = Plan(args.scale), args.output / "weights.safetensors"
    preset, switches = plan.network(args.model or ("semanir-s" if task.upscale else "semanir-u"))
    if weights.exists() and not (args.output / "state.pt").exists():
        raise InputError(f"{weights} is there already; name another -o, or delete it")
    check_writable(weights)

    from data_prep.own_photographs import prepare_own
    from semanir.network.config import configure
    from semanir.train import own_photographs as own
    from semanir.train.loop import validate
    from semanir.train.training import fit, train_network

    config = fit(preset, task, **switches) if args.model else own.network_of(args.init, task)
    recipe = own.own_recipe(
        plan.recipe(task.name, args.model or ""),
        task,
        config.k / configure(preset, **switches).k,
        bool(args.init),
        _changes(args),
    )
    photographs = args.output / "photographs"
    counts = prepare_own(args.data, photographs, task, recipe.patch, args.holdout or "")
    training = _prepared(args, config, task, recipe, [(photographs, None)], args.output)
    recipe = training.recipe
    print(
        f"{counts[0]} photographs, {counts[1]} held out besides; {recipe.iterations} iterations of "
        f"{recipe.batch} patches of {recipe.patch}, rate {recipe.lr:g}",
        flush=True,
    )
    before = validate(training)
    with alone_in(args.output):
        facts = train_network(training, weights, task=task.name)
        facts |= {"holdout_psnr_before": before, "init_sha256": args.init and sha256(args.init)}
        identity = {"task": task.name, "seed": args.seed}
        write_record(args.output / "train.json", "own", identity, "train", **facts)
        _finish(training)
    print(
        f"{task.name}: {training.step} iterations, "
        f"held-out PSNR {own.gain(before, facts['holdout_psnr'])}: {weights}"
    )


def _changes(args: argparse.Namespace) -> dict[str, float]:
    """The recipe fields that the command line gives."""
    given = {name: getattr(args, name) for name in FIELDS}
    return {name: value for name, value in given.items() if value is not None}


def _prepared(
    args: argparse.Namespace,
    network: "str | Config",
    task: Task,
    recipe: "Recipe",
    data: list[tuple[Path, Path | None]],
    folder: Path,
    **switches: Any,
) -> "Training":
    """The training, with as many iterations as --minutes allow."""
    import torch

    from semanir.train import budget
    from semanir.train.training import make_training

    torch.set_num_threads(args.threads)  # 1 is reproducible

    def make(recipe: "Recipe") -> "Training":
        training = make_training(
            network,
            task,
            recipe,
            data,
            folder,
            args.seed,
            code=source_hash("train"),
            init=args.init,
            **switches,
        )
        training.workers = args.workers
        return training

    if args.minutes:
        recipe = budget.fit_to_minutes(recipe, args.minutes, folder, make)
    return make(recipe)


def _finish(training: "Training") -> None:
    """Remove what only a resume needs."""
    from semanir.train import budget

    for finished in (training.state_path, budget.path(training.folder)):
        finished.unlink(missing_ok=True)
