"""Restore pictures with SemanIR, and see what its networks cost.

  semanir restore noisy.png -o clean.png --task denoise --sigma 25
  semanir restore photographs/ -o clean/ --weights weights.safetensors
  semanir info semanir-u --input 3x256x256
  semanir bench --threads 2
  semanir list

Exit status: 0 done; 1 some pictures of a folder could not be restored, the others were; 2 nothing
was done, one line says why; 130 interrupted, finished pictures stay.
"""

# torch is imported where it is used: help and lists answer at once
import argparse
import os
import sys
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from data_prep.arguments import threads, whole
from data_prep.errors import InputError, OutputError, one_line_errors
from data_prep.files import check_writable, visible
from data_prep.names import pick
from data_prep.tasks import BLIND, families
from semanir.shipped import LEVEL_OPTIONS, TASKS, choose_weights, facts, shipped, tasks_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from semanir.network import Network
    from semanir.pictures import Picture

KINDS = "PNG, JPEG, TIFF, WebP or BMP"
# what `list` says of things that live in modules importing torch; a test holds both equal
NETWORKS = {
    "semanir-s": "11.9 M  super-resolution x2, x3, x4",
    "semanir-b": "19.9 M  super-resolution x2, x3, x4",
    "semanir-u": "25.8 M  all other tasks",
    "semanir-s-tiny": "0.04 M  super-resolution, for tests",
    "semanir-b-tiny": "0.06 M  super-resolution, for tests",
    "semanir-u-tiny": "0.07 M  all other tasks, for tests",
    "semanir-u-small": "0.43 M  all other tasks; of the shipped weights",
}
BACKENDS = {
    "auto": "fused or triton where they can and win, else mask",
    "reference": "float64, for tests",
    "mask": "dense scores, masked",
    "gather": "keys and values copied together",
    "fused": "the dictionary's keys alone; compiled C++ for CPUs, needs g++",
    "triton": "blocks of queries over their keys, for NVIDIA GPUs",
    "triton-gather": "a program per query, for NVIDIA GPUs",
}


def _levels(args: argparse.Namespace) -> dict[str, str | None]:
    return {option: getattr(args, option) for option in LEVEL_OPTIONS}


# --- restore -----------------------------------------------------------------------------------


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


def pair_of_file(args: argparse.Namespace) -> tuple[Path, Path]:
    """(input, output) of a single picture; InputError if that would overwrite anything."""
    source, target = args.input, args.output
    if not source.exists():
        raise InputError(f"no such picture: {source}")
    if target.is_dir():
        raise InputError(f"-o {target} is a folder; name the picture, e.g. {target / 'clean.png'}")
    _keep_input(source, target)
    if target.exists() and not args.overwrite:
        raise InputError(f"{target} is there already; pass --overwrite or another -o")
    return source, target


def pairs_in_folder(args: argparse.Namespace) -> list[tuple[Path, Path]]:
    """(input, output) of every picture directly in a folder, in the order of their names."""
    from semanir.pictures import is_picture

    folder, out = args.input, args.output
    if out.exists() and not out.is_dir():
        raise InputError(f"{folder} is a folder, but -o {out} is a file; name a folder")
    if out.exists() and os.path.samefile(folder, out):
        raise InputError(f"-o {out} is the folder of the inputs; name another one")
    found = [path for path in visible(folder.iterdir()) if path.is_file() and is_picture(path)]
    if not found:
        told = left_out(args, [])
        raise InputError(f"{folder} holds no {KINDS} picture{f'; {told}' if told else ''}")
    sources: dict[Path, Path] = {}
    for path in found:
        target = out / f"{path.stem}.{args.format or 'png'}"
        if target in sources:
            raise InputError(f"{sources[target]} and {path} would both become {target}; rename one")
        _keep_input(path, target)
        sources[target] = path
    return [(path, target) for target, path in sources.items()]


def left_out(args: argparse.Namespace, sources: Sequence[Path]) -> str:
    """A line on what of the input folder is not restored, "" for nothing."""
    known = {path.absolute() for path in (*sources, args.output)}
    rest = [path for path in args.input.iterdir() if path.absolute() not in known]
    shown = visible(rest)
    others = [path.name for path in shown if not path.is_dir()]
    parts = []
    if others:
        more = f" and {len(others) - 9} more" if len(others) > 10 else ""
        parts.append(f"{', '.join(others[:9] if more else others)}{more} (no {KINDS})")
    hidden, folders = len(rest) - len(shown), len(shown) - len(others)
    for count, kind in ((hidden, "hidden file"), (folders, "folder")):
        if count:
            parts.append(f"{count} {kind}{'s' if count > 1 else ''}")
    return f"left out: {'; '.join(parts)}" if parts else ""


def _keep_input(source: Path, target: Path) -> None:
    if target.exists() and os.path.samefile(source, target):
        raise InputError(f"{target} is the input, which is never overwritten; pass another -o")


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
    from data_prep.memory import check_memory
    from semanir.pictures import check_output, read_picture, resized, write_picture

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

    from semanir.restore import ForGrey, restore
    from semanir.tiling import choose_tile

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
    from semanir.checkpoint import load
    from semanir.network import build_from

    network = load(path)
    if backend:
        trained = network
        network = build_from(replace(trained.config, backend=backend))
        network.load_state_dict(trained.state_dict())
    return network.to(device).eval()


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


# --- info, list --------------------------------------------------------------------------------


def run_info(args: argparse.Namespace) -> None:
    """Print what a network or a weights file is: configuration, parameters, multiply-adds."""
    from semanir.flops import multiply_adds
    from semanir.measure import parse_input

    path = shipped().get(args.network, Path(args.network))
    shape = parse_input(args.input) if args.input else None
    backend = "gather"  # all count alike; this one does so on any machine
    if args.network not in NETWORKS and (path.suffix == ".safetensors" or path.exists()):
        told = {key: value for key, value in facts(path).items() if key != "config"}
        network = _load(path, backend)
        lines = [("weights", str(path)), ("trained on", str(told.pop("task", "not said")))]
        lines += [(key, str(value)) for key, value in told.items()]
    else:
        from semanir.network import build
        from semanir.network.config import ColumnarConfig, configure

        pick(args.network, [*NETWORKS, *shipped()], "network")
        channels = shape[0] if shape else 3
        upscale = args.scale if isinstance(configure(args.network), ColumnarConfig) else None
        network = build(args.network, channels=channels, upscale=upscale, backend=backend)
        lines = [("network", args.network), ("trained on", "nothing: random weights")]
    config = network.config
    shape = shape or (config.channels, 128, 128)
    parameters = sum(p.numel() for p in network.parameters())
    switches = ", ".join(f"{k}={v}" for k, v in asdict(config).items() if k != "backend")
    lines.append(("parameters", f"{parameters / 1e6:.2f} M ({parameters})"))
    cost = multiply_adds(network, (1, *shape))
    told_shape = "x".join(map(str, shape))
    lines.append(("multiply-adds", f"{cost / 1e9:.2f} G for an input of {told_shape} ({cost})"))
    lines.append(("configuration", switches))
    for key, value in lines:
        print(textwrap.fill(value, 100, initial_indent=f"{key:15}", subsequent_indent=" " * 15))


def listing() -> str:
    """Networks, tasks, shipped weights and back ends; one screen."""
    lines = ["networks"]
    lines += [f"  {name:16} {told}" for name, told in NETWORKS.items()]
    lines += ["", "tasks (restore --task)"]
    for name, (groups, option, _) in TASKS.items():
        levels = families()[groups[0]]["levels"].values()
        told = f"--{option} {'|'.join(map(str, levels))}" if option else ""
        blind = BLIND in families()[groups[0]]["networks"]
        told += ", or none for all levels" if option and blind else ""
        kinds = {families()[group]["channels"] for group in groups}
        told_kinds = "grey, colour" if kinds == {1, 3} else "colour"
        lines.append(f"  {name:10} {told_kinds:13} {told}".rstrip())
    lines += ["", "shipped weights"]
    lines += [f"  {name:24} {_short(path)}" for name, path in shipped().items()] or ["  none"]
    lines += ["", "attention back ends (restore --backend)"]
    lines += [f"  {name:16} {told}" for name, told in BACKENDS.items()]
    return "\n".join(lines)


def _short(path: Path) -> str:
    try:
        channels = facts(path)["config"]["channels"]
    except (InputError, KeyError):
        return "broken; install the package again"
    kind = "grey" if channels == 1 else "colour"
    return f"{kind}, {path.stat().st_size / 2**20:.1f} MiB"


# --- command line ------------------------------------------------------------------------------


def _level(option: str) -> Callable[[str], str]:
    groups = next(groups for groups, own, _ in TASKS.values() if own == option)

    def level(text: str) -> str:
        valid = [str(value) for value in families()[groups[0]]["levels"].values()]
        if text not in valid:
            raise argparse.ArgumentTypeError(f"must be one of {', '.join(valid)}, got {text!r}")
        return text

    return level


def make_parser() -> argparse.ArgumentParser:
    """The command line of `semanir`; imports no torch."""
    from semanir import __version__

    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="semanir", description=__doc__, formatter_class=plain)
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True)

    command = commands.add_parser(
        "restore",
        help="restore a picture or the pictures of a folder",
        description=RESTORE,
        formatter_class=plain,
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
    command.add_argument("--backend", choices=BACKENDS, help="attention (default: the network's)")
    command.add_argument("--device", choices=("cpu", "cuda"), help="default: a GPU if there is one")
    command.add_argument("--threads", type=threads, help="of the CPU (default: all)")
    command.add_argument("--overwrite", action="store_true", help="do finished pictures again")
    command.add_argument(
        "--format",
        choices=("png", "tif", "webp", "jpg", "bmp"),
        help="of a folder's outputs (png)",
    )

    command = commands.add_parser(
        "info",
        help="configuration, parameters, multiply-adds, training",
        description=INFO,
        formatter_class=plain,
    )
    command.add_argument("network", help="network, shipped weights or FILE.safetensors")
    command.add_argument("--input", metavar="CxHxW", help="what multiply-adds are counted for")
    command.add_argument("--scale", type=whole(2), default=4, help="of semanir-s and -b (4)")

    commands.add_parser(
        "bench", add_help=False, help="time the attention back ends here; bench --help"
    )
    commands.add_parser("list", help="networks, tasks, shipped weights, back ends")
    return parser


RESTORE = """\
Restore a picture, or all pictures directly in a folder.

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
INFO = """\
What a network is, costs and was trained on.

  semanir info semanir-u --input 3x256x256
  semanir info denoise_gray-sigma25
  semanir info results/smoke/train/sr-x2/semanir-s/seed0/weights.safetensors

Multiply-adds are counted as fvcore does, for one input of channels x height x width.
"""


@one_line_errors
def main(argv: Sequence[str] | None = None) -> None:
    parser = make_parser()
    args, rest = parser.parse_known_args(argv)
    if args.command == "bench":
        from semanir.attention.__main__ import main as attention

        attention(["bench", *rest])
        return
    if rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}; see semanir {args.command} --help")
    if args.command == "restore":
        run_restore(args)
    elif args.command == "info":
        run_info(args)
    else:
        print(listing())


if __name__ == "__main__":
    main()
