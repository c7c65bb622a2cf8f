"""What a network is, costs and was trained on.

  semanir info semanir-u --input 3x256x256
  semanir info denoise_gray-blind
  semanir info results/smoke/train/sr-x2/semanir-s/seed0/weights.safetensors

Multiply-adds are counted as fvcore does, for one input of channels x height x width.
"""

# torch is imported where it is used: help and lists answer at once
import argparse
import textwrap
from dataclasses import asdict
from pathlib import Path
from typing import Any

from semanir.arguments import whole
from semanir.cli import options
from semanir.errors import InputError
from semanir.inference.shipped import facts, shipped
from semanir.names import known_name
from semanir.network.config import PRESETS, ColumnarConfig


def add(commands: Any) -> None:
    """The arguments of `semanir info`."""
    command = options.verb(
        commands,
        "info",
        run_info,
        "configuration, parameters, multiply-adds, training",
        __doc__,
    )
    command.add_argument("network", help="network, shipped weights or FILE.safetensors")
    command.add_argument("--input", metavar="CxHxW", help="what multiply-adds are counted for")
    command.add_argument("--scale", type=whole(2), help="of semanir-s and -b (4)")


def run_info(args: argparse.Namespace) -> None:
    """Print what a network or a weights file is: configuration, parameters, multiply-adds."""
    from semanir.inference.checkpoint import load
    from semanir.measure.inputs import parse_input
    from semanir.network.flops import multiply_adds

    path = shipped().get(args.network, Path(args.network))
    shape = parse_input(args.input) if args.input else None
    backend = "gather"  # all count alike; this one does so on any machine
    if args.network not in PRESETS and (path.suffix == ".safetensors" or path.exists()):
        _check_scale(args, False)
        metadata = {key: value for key, value in facts(path).items() if key != "config"}
        network = load(path, backend=backend)
        lines = [("weights", str(path)), ("trained on", str(metadata.pop("task", "not said")))]
        lines += [("trained by", _training(one)) for one in metadata.pop("trainings", [])]
        lines += [("scores", _score(one)) for one in metadata.pop("scores", [])]
        lines += [(key, str(value)) for key, value in metadata.items()]
    else:
        from semanir.network import build

        known_name(args.network, [*PRESETS, *shipped()], "network")
        enlarges = isinstance(PRESETS[args.network].config, ColumnarConfig)
        _check_scale(args, enlarges)
        channels = shape[0] if shape else 3
        upscale = (args.scale or 4) if enlarges else None
        network = build(args.network, channels=channels, upscale=upscale, backend=backend)
        lines = [("network", args.network), ("trained on", "nothing: random weights")]
    config = network.config
    shape = shape or (config.channels, 128, 128)
    parameters = sum(p.numel() for p in network.parameters())
    switches = ", ".join(f"{k}={v}" for k, v in asdict(config).items() if k != "backend")
    lines.append(("parameters", f"{parameters / 1e6:.2f} M ({parameters})"))
    cost = multiply_adds(network, (1, *shape))
    size = "x".join(map(str, shape))
    lines.append(("multiply-adds", f"{cost / 1e9:.2f} G for an input of {size} ({cost})"))
    lines.append(("configuration", switches))
    for key, value in lines:
        print(textwrap.fill(value, 100, initial_indent=f"{key:15}", subsequent_indent=" " * 15))


def _check_scale(args: argparse.Namespace, enlarges: bool) -> None:
    if args.scale and not enlarges:
        of = "networks that are built to enlarge, as semanir-s"
        raise InputError(f"--scale is of {of}, not of {args.network}; leave it out")


def _training(one: dict[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in one.items())


def _score(one: dict[str, Any]) -> str:
    where = f"{one['dataset']} {one['level']}, {one['images']} images"
    averaged = one.get("self_ensemble")
    besides = f", {averaged:.2f} by self-ensemble" if averaged else ""
    return f"{where}: input {one['input']:.2f}, restored {one['psnr']:.2f} dB PSNR{besides}"
