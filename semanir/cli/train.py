"""Train one network on one task, of a scale or on your photographs, and resume that after any end.

  semanir train --task denoise_gray-sigma50 --model semanir-u
  semanir train --task sr-x4 --model semanir-s --scale paper --workers 7
  semanir train --task sr-x3 --model semanir-s --scale release --minutes 30 --init x2.safetensors
  semanir train --init denoise_gray-blind --data photographs/ --task jpeg_gray-qf10 -o mine
  torchrun --nproc-per-node 4 -m semanir train --task sr-x4 --model semanir-s --scale gpu
  semanir train status results

Writes results/SCALE/train/TASK/MODEL/seedK/, or the folder after -o: weights.safetensors,
train.json, log.jsonl (loss, rate, gradient norm, k, PSNR on held-out photographs) and, until it
has finished, state.pt. The photographs of a scale must be there: snakemake makes them, and runs
this verb. After SIGTERM or SIGUSR1 the state is saved, and the exit code is 75. Once a training
has finished, the same command does nothing.

--data takes all pictures directly in a folder (not those of inner ones) that semanir restore
reads and that are not transparent, grey or colour. They are copied to photographs/ below -o as
the task wants them, and degraded as it says. Every tenth by name, 20 at most, is held out.
Options of the training are those of the scale, at a tenth of its rate where --init is given.

torchrun starts a process for each GPU, or some on a CPU; they share the batch, whose size stays.
Another number of them resumes the same training.
"""

# torch is imported where it is used: help answers at once
import argparse
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_prep.tasks import Task, get_task
from semanir.arguments import positive, whole
from semanir.cli import options, train_status
from semanir.errors import InputError
from semanir.files import check_writable, sha256
from semanir.inference.shipped import shipped
from semanir.paths import RECORD_FILE, STATE_FILE, WEIGHTS_FILE
from semanir.plan.plan import Plan
from semanir.plan.progress import SESSION, announce
from semanir.plan.record import origin, processor, write_record
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
PHOTOGRAPHS = "photographs"  # below -o
FIELDS = ("lr", "accumulate", "iterations", "batch", "patch")  # of the recipe


def add(commands: Any) -> None:
    """The arguments of `semanir train`."""
    command = options.verb(
        commands,
        "train",
        run_train,
        "train one network on one task",
        __doc__,
        options.run("that of --init, with --data", required=False),
        options.cpu_threads(),
    )
    train_status.add(command.add_subparsers(metavar="[status]"))
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
        "--accumulate",
        type=whole(1),
        metavar="PARTS",
        help="that a device computes its share of a batch in, to need less memory (default: the "
        "recipe's)",
    )
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
    if not args.task:
        raise InputError("say what to train: --task; semanir train status says how far others are")
    given = [name for name in OF_DATA if getattr(args, name) is not None]
    if not args.data and given:
        raise InputError(f"--{given[0]} belongs to --data FOLDER; the others are of the scale")
    if args.minutes and args.iterations:
        raise InputError("--minutes sets the iterations; leave --iterations out")
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

    from semanir.evaluate.evaluation import protocols_of
    from semanir.train import ranks
    from semanir.train.finished import finished
    from semanir.train.recipe import make_recipe
    from semanir.train.training import fit, train_network

    with ranks.joined():
        ranks.of_first(lambda: check_writable(weights))
        data = [
            (Path(clean), Path(degraded) if degraded else None)
            for clean, degraded in plan.training_sets(task.name)
        ]
        recipe = make_recipe(plan.recipe(task.name, args.model) | _changes(args))
        config = fit(preset, task, **switches)
        with _alone(weights.parent):
            training = _prepared(args, config, task, recipe, data, weights.parent)
            own = training.fingerprint
            if ranks.of_first(lambda: finished(weights.parent).get("fingerprint") == own):
                if ranks.is_first():
                    print(f"{args.model} on {task.name} has finished: {weights} is there already")
                return
            _open_session(training)
            made_of = origin("train", plan.training_files(task.name))
            facts = train_network(training, weights, task=task.name)
            if not facts:  # the first rank has them
                return
            facts |= {"network": preset, "protocols": protocols_of(task, task.levels)}
            write_record(Path(run.train_record), "train", run.identity, made_of, **facts)
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
    plan, weights = Plan(args.scale), args.output / WEIGHTS_FILE
    preset, switches = plan.network(args.model or ("semanir-s" if task.upscale else "semanir-u"))

    from semanir.network.config import configure
    from semanir.train import own_photographs as own
    from semanir.train import ranks
    from semanir.train.loop import validate
    from semanir.train.training import fit, train_network

    photographs = args.output / PHOTOGRAPHS
    with ranks.joined():
        ranks.of_first(lambda: check_writable(weights))
        config = fit(preset, task, **switches) if args.model else own.network_of(args.init, task)
        recipe = own.own_recipe(
            plan.recipe(task.name, args.model or ""),
            config.k / configure(preset, **switches).k,
            bool(args.init),
            _changes(args),
        )
        with _alone(args.output):
            counts = ranks.of_first(lambda: _own_photographs(args, task, recipe.patch))
            training = _prepared(args, config, task, recipe, [(photographs, None)], args.output)
            if ranks.is_first():
                _announce(training.recipe, *counts)
            before = validate(training)
            made_of = origin("train", [photographs / "index.json"])
            _open_session(training)
            facts = train_network(training, weights, task=task.name)
            if not facts:  # the first rank has them
                return
            facts |= {"holdout_psnr_before": before, "init_sha256": args.init and sha256(args.init)}
            identity = {"task": task.name, "seed": args.seed}
            write_record(args.output / RECORD_FILE, "own", identity, made_of, **facts)
            _finish(training)
    print(
        f"{task.name}: {training.step} iterations, "
        f"held-out PSNR {own.gain(before, facts['holdout_psnr'])}: {weights}"
    )


def _own_photographs(args: argparse.Namespace, task: Task, patch: int) -> tuple[int, int]:
    """Prepare the photographs of --data, unless weights are there; see `prepare_own`."""
    from data_prep.own_photographs import prepare_own

    weights = args.output / WEIGHTS_FILE
    if weights.exists() and not (args.output / STATE_FILE).exists():
        raise InputError(f"{weights} is there already; name another -o, or delete it")
    return prepare_own(args.data, args.output / PHOTOGRAPHS, task, patch, args.holdout or "")


def _announce(recipe: "Recipe", photographs: int, held_out: int) -> None:
    print(
        f"{photographs} photographs, {held_out} held out besides; {recipe.iterations} iterations "
        f"of {recipe.batch} patches of {recipe.patch}, rate {recipe.lr:g}",
        flush=True,
    )


def _changes(args: argparse.Namespace) -> dict[str, float]:
    """The recipe fields that the command line gives."""
    given = {name: getattr(args, name) for name in FIELDS}
    return {name: value for name, value in given.items() if value is not None}


def _prepared(
    args: argparse.Namespace,
    config: "Config",
    task: Task,
    recipe: "Recipe",
    data: list[tuple[Path, Path | None]],
    folder: Path,
) -> "Training":
    """The training, with as many iterations as --minutes allow."""
    import torch

    from semanir.train import budget
    from semanir.train.training import make_training

    torch.set_num_threads(args.threads)  # 1 is reproducible
    options: dict[str, Any] = {"code": source_hash("train"), "init": args.init}

    def make(recipe: "Recipe") -> "Training":
        training = make_training(config, task, recipe, data, folder, args.seed, **options)
        training.workers = args.workers
        options["pairs"] = training.pairs  # photographs are decoded once
        return training

    if args.minutes:
        return budget.fit_to_minutes(recipe, args.minutes, folder, make)
    return make(recipe)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """No other training in the folder meanwhile; of several ranks the first sees to that."""
    from semanir.train import ranks

    with alone_in(folder) if ranks.is_first() else nullcontext():
        ranks.of_first(lambda: None)  # the others wait, too
        yield


def _open_session(training: "Training") -> None:
    """Say what is starting, for `semanir train status`; of several ranks the first does."""
    import torch

    from semanir.train import ranks

    if not ranks.is_first():
        return
    device = next(training.network.parameters()).device
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else processor()
    name = name if ranks.count() == 1 else f"{ranks.count()} x {name}"
    recipe = training.recipe
    announce(training.folder, recipe.iterations, recipe.batch, recipe.log_every, name)


def _finish(training: "Training") -> None:
    """Remove what only a resume needs."""
    from semanir.train import budget

    # the session first: with a record and without it a training counts as finished
    session = training.folder / SESSION
    for finished in (session, training.state_path, budget.path(training.folder)):
        finished.unlink(missing_ok=True)
