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
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_prep.tasks import families
from semanir.arguments import threads, whole
from semanir.attention import backends
from semanir.cli import options
from semanir.cli.places import left_out, pair_of_file, pairs_in_folder
from semanir.errors import InputError, OutputError
from semanir.files import check_writable
from semanir.inference.shipped import LEVEL_OPTIONS, TASKS, choose_weights, facts, tasks_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from data_prep.pictures import Picture
    from semanir.network import Network


def add(commands: Any) -> None:
    """The arguments of `semanir restore`."""
    command = options.verb(
        commands, "restore", run_restore, "restore a picture or the pictures of a folder", __doc__
    )
    command.add_argument("input", type=Path, help="picture or folder of pictures")
    command.add_argument("-o", "--output", type=Path, required=True, help="picture or folder")
    command.add_argument("--task", help=f"{', '.join(TASKS)}; see semanir list")
    command.add_argument(
        "--sigma", type=_level("sigma"), help="denoise: deviation of the noise, of 255"
    )
    command.add_argument("--scale", type=_level("scale"), help="sr: enlargement")
    command.add_argument("--qf", type=_level("qf"), help="jpeg: quality factor of the file")
    command.add_argument("--weights", type=Path, metavar="FILE", help="instead of shipped ones")
    command.add_argument("--k", type=whole(1), help="keys per query (default: the network's)")
    command.add_argument(
        "--tile",
        type=whole(0),
        metavar="SIDE",
        help="side of overlapping tiles, 0 = whole picture (default: what fits into memory)",
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


def _level(option: str) -> Callable[[str], str]:
    groups = next(groups for groups, own, _ in TASKS.values() if own == option)

    def level(text: str) -> str:
        valid = [str(value) for value in families()[groups[0]]["levels"].values()]
        if text not in valid:
            raise argparse.ArgumentTypeError(f"must be one of {', '.join(valid)}, got {text!r}")
        return text

    return level


def _levels(args: argparse.Namespace) -> dict[str, str | None]:
    return {option: getattr(args, option) for option in LEVEL_OPTIONS}


def run_restore(args: argparse.Namespace) -> None:
    """Restore one picture or a folder; exits with 1 where a folder had pictures that failed."""
    names = tasks_of(args.task, _levels(args), any_level=bool(args.weights)) if args.task else []
    if not args.task and not args.weights:
        raise InputError("say what to restore: --task, see semanir list, or --weights FILE")
    if not args.task and any(value is not None for value in _levels(args).values()):
        raise InputError("--sigma, --scale and --qf tell the level of a --task; pass that as well")
    paths = [args.weights] if args.weights else choose_weights(names)
    folder = args.input.is_dir()
    if args.format and not folder:
        raise InputError("--format is for folders; the name after -o tells that of one picture")
    pairs = pairs_in_folder(args) if folder else [pair_of_file(args)]
    waiting = [pair for pair in pairs if args.overwrite or not pair[1].exists()]
    failures: dict[Path, str] = {}
    if waiting:
        check_writable(*(target for _, target in waiting))
    if folder and (told := left_out(args, [source for source, _ in pairs])):
        _note(told)
    if waiting:
        failures = _restore_all(waiting, paths, names, args, folder)
    for path, message in failures.items():
        _note(f"failed: {path}: {message.removeprefix(f'{path}: ')}")
    if folder:
        done, there = len(waiting) - len(failures), len(pairs) - len(waiting)
        print(f"{done} restored, {there} there already, {len(failures)} failed: {args.output}")
    else:
        print(args.output)
    if failures:
        sys.exit(1)


def _restore_all(
    pairs: list[tuple[Path, Path]],
    paths: list[Path],
    names: list[str],
    args: argparse.Namespace,
    folder: bool,
) -> dict[Path, str]:
    """Restore pictures, all with the same few networks; of a folder, {failed picture: why}."""
    import torch
    from tqdm import tqdm

    if args.threads:
        torch.set_num_threads(args.threads)
    device = args.device or ("cuda" if torch.cuda.is_available() else "cpu")
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("--device cuda: torch finds no GPU here; leave it out")
    networks = [_load(path, args.backend, device) for path in paths]
    tasks = [_task_of(path, names) for path in paths]
    failures: dict[Path, str] = {}
    terminal = sys.stderr.isatty()
    with tqdm(
        pairs,
        unit="picture",
        dynamic_ncols=True,
        disable=not folder,
        mininterval=0.5 if terminal else 60,
        delay=0 if terminal else 60,
    ) as bar:
        for source, target in bar:
            try:
                progress = terminal and not folder
                _restore_file(source, target, networks, tasks, args, progress=progress)
            except OutputError:
                raise  # the next one could not be written either
            except (InputError, OSError) as error:
                if not folder:
                    raise
                failures[source] = getattr(error, "strerror", None) or str(error)
    return failures


def _restore_file(
    source: Path,
    target: Path,
    networks: "list[Network]",
    tasks: list[str],
    args: argparse.Namespace,
    progress: bool,
) -> None:
    from data_prep.pictures import check_output, read_picture, resized, write_picture
    from semanir.memory import check_memory

    picture = read_picture(source)
    channels = 1 if picture.pixels.ndim == 2 else 3
    # the network of the picture's kind, where there is one
    index = next((i for i, net in enumerate(networks) if net.config.channels == channels), 0)
    network, task = networks[index], tasks[index]
    scale = getattr(network.config, "upscale", 1)
    check_output(target, picture, scale)
    size = scale**2 * picture.pixels.size // channels
    # with the encoder's own picture, which may hold four bytes for three
    needed = scale**2 * picture.pixels.nbytes * 7 // 3
    check_memory(needed, size, f"{source}: the restored picture")
    try:
        restored = restore_channels(network, picture, task, source, args, progress)
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "memory" not in str(error):  # torch's allocators
            raise
        raise InputError(f"{source}: not enough memory; pass --tile, for example 192") from None
    except FloatingPointError:
        raise InputError(f"{source}: the network gave NaN; its weights are no good") from None
    picture = resized(picture, restored)  # the input's pixels are let go
    write_picture(target, picture)


def restore_channels(
    network: "Network",
    picture: "Picture",
    task: str,
    source: Path,
    args: argparse.Namespace,
    progress: bool,
) -> "NDArray":
    """Restore the pixels of a picture: [H,W] stays grey, [H,W,3] colour, whole numbers their type.

    A grey denoiser takes the channels of a colour picture one by one: white noise is independent in
    each. All other grey networks refuse colour, whose channels are degraded together.
    A colour network gets a grey picture three times and its outputs are averaged: blur, lost
    resolution, blocks and weather are the same in all channels of a grey scene. Not so noise, which
    colour denoisers tell from the scene by its difference between the channels, and not mosaics:
    these are refused.
    """
    import numpy as np

    from semanir.inference.restore import ForGrey, restore
    from semanir.inference.tiling import choose_tile

    pixels, channels = picture.pixels, network.config.channels
    tile = args.tile
    if tile is None:
        tile = choose_tile(network, (channels, *pixels.shape[:2]))
    options = {"k": args.k, "tile": tile or None, "overlap": args.overlap}
    options |= {"progress": progress, "dtype": pixels.dtype}

    family = task.rpartition("-")[0]
    if pixels.ndim == 3 and channels == 1:
        if not family.startswith("denoise"):
            raise InputError(
                f"{source} is in colour, the network is grey ({task or 'of an unknown task'}); "
                f"pass --weights of a colour network" + ("" if task else " or the --task")
            )
        _note_once("grey network, colour picture: each channel is denoised on its own")
        out = np.empty_like(pixels)
        for channel in range(3):
            out[..., channel] = restore(network, pixels[..., channel], **options)
        return out
    if pixels.ndim == 2 and channels == 3:
        if not family or family.startswith(("denoise", "demosaick")):
            raise InputError(
                f"{source} is grey, the network is for colour ({task or 'of an unknown task'}); "
                f"pass --weights of a grey network" + ("" if task else " or the --task")
            )
        return restore(ForGrey(network), pixels, **options)
    return restore(network, pixels, **options)


def _load(path: Path, backend: str | None, device: str = "cpu") -> "Network":
    from semanir.inference.checkpoint import load

    return load(path, device=device, **({"backend": backend} if backend else {}))


def _task_of(path: Path, names: list[str]) -> str:
    """What a network was trained on: as its file says, else the first of `names`, else ""."""
    told = str(facts(path).get("task", ""))
    if told and names and told not in names:
        _note(f"warning: {path} was trained on {told}, which is not what --task says")
    return told or (names[0] if names else "")


@cache
def _note_once(line: str) -> None:
    _note(line)


def _note(line: str) -> None:
    from tqdm import tqdm

    if sys.stderr.isatty():
        tqdm.write(line, file=sys.stderr)  # above the progress bar
    else:
        print(line, file=sys.stderr)
