"""Restore a picture, or all pictures directly in a folder.

  semanir restore noisy.png -o clean.png --task denoise --sigma 25
  semanir restore scans/ -o clean/ --task denoise --sigma 25 --tile 256
  semanir restore small.jpg -o large.png --weights results/smoke/train/sr-x2/.../weights.safetensors

Reads PNG, JPEG, TIFF, WebP and BMP, grey or colour, 8 or 16 bits (16 stay 16). Colour profile,
EXIF with its orientation, and transparency are carried over; what the output format cannot hold is
refused. Super-resolution enlarges transparency bicubically. JPEG is written in quality 95, WebP
lossless. Outputs are whole or absent, and inputs are never overwritten. Of a folder, what is there
already is left out, so the same command resumes; pictures that fail are named at the end. Hidden
files are left out, and files of other kinds are named.
"""

# torch is imported where it is used: help and lists answer at once
import argparse
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_prep.tasks import families
from semanir.arguments import threads, whole
from semanir.attention import backends
from semanir.cli import options
from semanir.cli.outputs import left_out, output_of_picture, outputs_of_folder
from semanir.errors import InputError, OutputError
from semanir.files import check_writable
from semanir.inference.shipped import LEVEL_OPTIONS, TASKS, choose_weights, facts, tasks_of

if TYPE_CHECKING:
    from semanir.inference.pictures import TrainedNetwork


def add(commands: Any) -> None:
    """The arguments of `semanir restore`."""
    command = options.verb(
        commands, "restore", run_restore, "restore a picture or the pictures of a folder", __doc__
    )
    command.add_argument("input", type=Path, help="picture or folder of pictures")
    command.add_argument("-o", "--output", type=Path, required=True, help="picture or folder")
    command.add_argument("--task", help=f"{', '.join(TASKS)}; see semanir list")
    command.add_argument(
        "--sigma", type=whole(0, 255), help="denoise: deviation of the noise, of 255 (any)"
    )
    command.add_argument("--scale", type=_enlargement, help="sr: enlargement")
    command.add_argument("--qf", type=whole(1, 100), help="jpeg: quality factor (any)")
    command.add_argument("--weights", type=Path, metavar="FILE", help="instead of shipped ones")
    command.add_argument("--k", type=whole(1), help="keys per query (default: the network's)")
    command.add_argument(
        "--tile",
        type=whole(0),
        metavar="SIDE",
        help="side of overlapping tiles, 0 = whole picture (default: what fits into memory)",
    )
    command.add_argument(
        "--self-ensemble",
        action="store_true",
        help="restore in eight positions, flipped and turned, and average; takes 8 times as long",
    )
    command.add_argument("--overlap", type=whole(0), default=64, help="of tiles (64 pixels)")
    command.add_argument(
        "--backend", choices=backends.CHOICES, help="attention (default: the network's)"
    )
    command.add_argument("--device", choices=("cpu", "cuda"), help="default: a GPU if there is one")
    command.add_argument("--threads", type=threads, help="of the CPU (default: all)")
    command.add_argument("--overwrite", action="store_true", help="do finished pictures again")
    command.add_argument(
        "--format",
        choices=("png", "tif", "webp", "jpg", "bmp"),
        help="of a folder's outputs (png)",
    )


def _enlargement(text: str) -> int:
    valid = families()["sr"]["levels"].values()
    if text not in map(str, valid):
        options = ", ".join(map(str, valid))
        raise argparse.ArgumentTypeError(f"must be one of {options}, got {text!r}")
    return int(text)


def _levels(args: argparse.Namespace) -> dict[str, int | None]:
    return {option: getattr(args, option) for option in LEVEL_OPTIONS}


def run_restore(args: argparse.Namespace) -> None:
    """Restore one picture or a folder; exits with 1 where a folder had pictures that failed."""
    tasks = tasks_of(args.task, _levels(args), any_level=bool(args.weights)) if args.task else []
    if not args.task and not args.weights:
        raise InputError("say what to restore: --task, see semanir list, or --weights FILE")
    if not args.task and any(value is not None for value in _levels(args).values()):
        raise InputError("--sigma, --scale and --qf tell the level of a --task; pass that as well")
    weights = [args.weights] if args.weights else choose_weights(tasks)
    is_folder = args.input.is_dir()
    if args.format and not is_folder:
        raise InputError("--format is for folders; the name after -o tells that of one picture")
    outputs = outputs_of_folder(args) if is_folder else output_of_picture(args)
    waiting = {
        source: target
        for source, target in outputs.items()
        if args.overwrite or not target.exists()
    }
    failures: dict[Path, str] = {}
    if waiting:
        check_writable(*waiting.values())
    if is_folder and (others := left_out(args, outputs)):
        _note(others)
    if waiting:
        failures = _restore_all(waiting, weights, tasks, args)
    for path, message in failures.items():
        _note(f"failed: {path}: {message.removeprefix(f'{path}: ')}")
    if is_folder:
        done, there = len(waiting) - len(failures), len(outputs) - len(waiting)
        print(f"{done} restored, {there} there already, {len(failures)} failed: {args.output}")
    else:
        print(args.output)
    if failures:
        sys.exit(1)


def _restore_all(
    outputs: dict[Path, Path], weights: list[Path], tasks: list[str], args: argparse.Namespace
) -> dict[Path, str]:
    """Restore pictures, all with the same few networks; of a folder, {failed picture: why}."""
    import torch
    from tqdm import tqdm

    from semanir.inference import pictures

    if args.threads:
        torch.set_num_threads(args.threads)
    device = args.device or ("cuda" if torch.cuda.is_available() else "cpu")
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("--device cuda: torch finds no GPU here; leave it out")
    networks = [_load(path, tasks, args.backend, device) for path in weights]
    for path in weights:
        _note_range(path, args.sigma if args.sigma is not None else args.qf)
    is_folder, terminal = args.input.is_dir(), sys.stderr.isatty()
    options = {"k": args.k, "tile": args.tile, "overlap": args.overlap}
    options["self_ensemble"] = args.self_ensemble
    options["progress"] = terminal and not is_folder
    failures: dict[Path, str] = {}
    with tqdm(
        outputs.items(),
        unit="picture",
        dynamic_ncols=True,
        disable=not is_folder,
        mininterval=0.5 if terminal else 60,
        delay=0 if terminal else 60,
    ) as bar:
        for source, target in bar:
            try:
                in_colour = pictures.restore_file(source, target, networks, **options).ndim == 3
            except OutputError:
                raise  # the next one could not be written either
            except (InputError, OSError) as error:
                if not is_folder:
                    raise
                failures[source] = getattr(error, "strerror", None) or str(error)
                continue
            if in_colour and all(trained.channels == 1 for trained in networks):
                _note_once("grey network, colour picture: each channel is denoised on its own")
    return failures


def _load(
    path: Path, tasks: list[str], backend: str | None, device: str = "cpu"
) -> "TrainedNetwork":
    """The network of a weights file, and its task: as the file says, else the first of `tasks`."""
    from semanir.inference.checkpoint import load
    from semanir.inference.pictures import TrainedNetwork

    task = str(facts(path).get("task", ""))
    if task and tasks and task not in tasks:
        _note(f"warning: {path} was trained on {task}, which is not what --task says")
    network = load(path, device=device, **({"backend": backend} if backend else {}))
    return TrainedNetwork(network, task or (tasks[0] if tasks else ""))


def _note_range(path: Path, level: int | None) -> None:
    """Say so where a network saw no such level in training."""
    trainings = facts(path).get("trainings") or [{}]
    levels = trainings[-1].get("levels")
    if level is not None and levels and not levels[0] <= level <= levels[1]:
        span = f"{levels[0]} to {levels[1]}"
        _note(f"warning: {path.name} was trained on levels {span}, not on {level}")


@cache
def _note_once(line: str) -> None:
    _note(line)


def _note(line: str) -> None:
    from tqdm import tqdm

    if sys.stderr.isatty():
        tqdm.write(line, file=sys.stderr)  # above the progress bar
    else:
        print(line, file=sys.stderr)
