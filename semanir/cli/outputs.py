"""Which restored picture is written where, and what of a folder is left out."""

import argparse
import os
from collections.abc import Collection
from pathlib import Path

from semanir.errors import InputError
from semanir.files import visible

FORMATS = "PNG, JPEG, TIFF, WebP or BMP"


def output_of_picture(args: argparse.Namespace) -> dict[Path, Path]:
    """{input: output} of a single picture; InputError if that would overwrite anything."""
    source, target = args.input, args.output
    if not source.exists():
        raise InputError(f"no such picture: {source}")
    if target.is_dir():
        raise InputError(f"-o {target} is a folder; name the picture, e.g. {target / 'clean.png'}")
    _keep_input(source, target)
    if target.exists() and not args.overwrite:
        raise InputError(f"{target} is there already; pass --overwrite or another -o")
    return {source: target}


def outputs_of_folder(args: argparse.Namespace) -> dict[Path, Path]:
    """{input: output} of every picture directly in a folder, in the order of their names."""
    from data_prep.pictures import is_picture

    folder, out = args.input, args.output
    if out.exists() and not out.is_dir():
        raise InputError(f"{folder} is a folder, but -o {out} is a file; name a folder")
    if out.exists() and os.path.samefile(folder, out):
        raise InputError(f"-o {out} is the folder of the inputs; name another one")
    sources: dict[Path, Path] = {}
    for source in visible(folder.iterdir()):
        if not (source.is_file() and is_picture(source)):
            continue
        target = out / f"{source.stem}.{args.format or 'png'}"
        if target in sources:
            raise InputError(
                f"{sources[target]} and {source} would both become {target}; rename one"
            )
        _keep_input(source, target)
        sources[target] = source
    if not sources:
        others = left_out(args, [])
        raise InputError(f"{folder} holds no {FORMATS} picture{f'; {others}' if others else ''}")
    return {source: target for target, source in sources.items()}


def left_out(args: argparse.Namespace, sources: Collection[Path]) -> str:
    """A line on what of the input folder is not restored, "" for nothing."""
    restored = {path.absolute() for path in (*sources, args.output)}
    rest = [path for path in args.input.iterdir() if path.absolute() not in restored]
    shown = visible(rest)
    files = [path.name for path in shown if not path.is_dir()]
    parts = []
    if files:
        more = f" and {len(files) - 9} more" if len(files) > 10 else ""
        parts.append(f"{', '.join(files[:9] if more else files)}{more} (no {FORMATS})")
    hidden, folders = len(rest) - len(shown), len(shown) - len(files)
    for count, kind in ((hidden, "hidden file"), (folders, "folder")):
        if count:
            parts.append(f"{count} {kind}{'s' if count > 1 else ''}")
    return f"left out: {'; '.join(parts)}" if parts else ""


def _keep_input(source: Path, target: Path) -> None:
    if target.exists() and os.path.samefile(source, target):
        raise InputError(f"{target} is the input, which is never overwritten; pass another -o")
