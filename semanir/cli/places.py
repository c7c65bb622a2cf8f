"""Which picture goes where, and what of a folder is left out."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from semanir.errors import InputError
from semanir.files import visible

KINDS = "PNG, JPEG, TIFF, WebP or BMP"


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
    from data_prep.pictures import is_picture

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
