"""Get released weights of another system, verified: for example those of DnCNN.

  semanir weights dncnn denoise_gray-sigma25
  semanir weights rcan RCAN_BIX4.pt --weights-dir FOLDER
  semanir weights vgg16

They go to data/weights/MODEL/, and those of VGG16, whose features a training loss compares, to
data/vgg/. A file is held against its SHA-256, or against that of its first download. Files that no
programme may fetch are taken from the folder --weights-dir.
"""

import argparse
from pathlib import Path
from typing import Any

from semanir import paths
from semanir.cli import options
from semanir.errors import InputError
from semanir.names import known_name

VGG = "vgg16"


def add(commands: Any) -> None:
    """The arguments of `semanir weights`."""
    command = options.verb(
        commands,
        "weights",
        run_weights,
        "get released weights of another system",
        __doc__,
        options.mirror(),
        options.noncommercial(),
    )
    command.add_argument("model", help=f"a system of baselines/models.yaml, or {VGG}")
    command.add_argument("name", nargs="?", help="task, for example sr-x4, or file name")
    command.add_argument(
        "--weights-dir",
        type=Path,
        metavar="FOLDER",
        help="of files got by hand (default $SEMANIR_WEIGHTS_DIR)",
    )


def run_weights(args: argparse.Namespace) -> None:
    """Fetch, copy or unpack one file and print where it lies."""
    if args.model == VGG:
        from semanir.train.vgg_download import fetch_vgg16

        out = Path(paths.VGG)
        fetch_vgg16(out, args.mirror)
        print(out)
        return
    from baselines.registry import get_system, systems
    from baselines.weights_download import download_weights

    known_name(args.model, [*systems(), VGG], "model")
    if args.name is None:
        tasks = get_system(args.model).get("weights", {}).get("files", {})
        raise InputError(
            f"say which weights of {args.model}: one of {', '.join(tasks)}"
            if tasks
            else f"{args.model} has no weights"
        )
    path = download_weights(
        args.model,
        args.name,
        mirror=args.mirror,
        weights_dir=args.weights_dir,
        noncommercial=args.accept_noncommercial,
    )
    print(path)
