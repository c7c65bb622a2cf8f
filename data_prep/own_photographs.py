"""Photographs of one's own as a prepared set, a part of them held out to validate on.

made_of.json says what the files of the set were made of and is written first, index.json last: a
set without one is not finished, and a folder without the other is not ours.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from data_prep.images import match_channels, read_image, write_image
from data_prep.pictures import ENDINGS, is_picture
from data_prep.tasks import Task
from semanir.errors import InputError, OutputError
from semanir.files import blamed_on, read_json, sha256, visible, write_json

HELD_OUT = "held-out"  # how the names of the files begin that are not trained on
PIECE = 512  # pixels; larger photographs are cut into pieces, which are read faster
MIDDLE = 256  # pixels of the network's input that are validated on, of a held-out photograph
SMALLEST = 16  # pixels of the network's input that can be scored
EVERY, MOST = 10, 20  # every tenth photograph is held out, but not more than these
NAMED = 5  # pictures that an error names


def prepare_own(
    folder: Path, out: Path, task: Task, patch: int, holdout: str = ""
) -> tuple[int, int]:
    """Make the prepared set of a task at `out` from all pictures directly in `folder`.

    patch: side of training patches of the network's input, in pixels. holdout: how the names of
    the photographs begin that are held out, "" for every tenth. What is there stays if the
    pictures have not changed. Returns how many photographs are trained on and how many held out.
    Raises InputError that names every picture that cannot be taken.
    """
    pictures = pictures_in(folder)
    held = held_out([path.name for path in pictures], holdout, folder)
    smallest = max(patch, SMALLEST) * (task.upscale or 1)
    made_of: dict[str, Any] = {
        "channels": task.channels,
        "gray": task.gray,
        "piece": max(PIECE, 2 * smallest),
        "middle": max(MIDDLE * (task.upscale or 1), smallest),
        "held_out": held,
        "pictures": {path.name: sha256(path) for path in pictures},
    }
    note, index = out / "made_of.json", out / "index.json"
    if out.exists() and not note.is_file() and any(out.iterdir()):
        raise OutputError(f"{out} holds other files, and is where copies go; name another -o")
    remedy = f"delete {out}, which is made again"
    if not (index.is_file() and note.is_file() and read_json(note, dict, remedy) == made_of):
        with blamed_on(out):
            for old in (index, *out.glob("*.png")):
                old.unlink(missing_ok=True)
        write_json(note, made_of)
        write_json(index, _write_all(pictures, out, task, smallest, made_of))
    return len(pictures) - len(held), len(held)


def pictures_in(folder: Path) -> list[Path]:
    """The pictures directly in a folder, by name, hidden ones left out. InputError for none."""
    if not folder.is_dir():
        raise InputError(f"no such folder of photographs: {folder}")
    found = [path for path in visible(folder.iterdir()) if path.is_file() and is_picture(path)]
    if len(found) < 2:
        kinds = ", ".join(dict.fromkeys(ENDINGS.values()))
        raise InputError(
            f"{folder} holds {len(found)} pictures ({kinds}; those of inner folders are not "
            "taken); two are needed at least, one to train on and one to validate on"
        )
    return found


def held_out(names: Sequence[str], prefix: str, folder: Path) -> list[str]:
    """Those of sorted names that are not trained on: every tenth, 20 at most, or those of a prefix.

    Of less than ten it is the last one. InputError where a prefix leaves none on either side.
    """
    if prefix:
        chosen = [name for name in names if name.startswith(prefix)]
        if len(chosen) in (0, len(names)):
            raise InputError(
                f"{len(chosen)} of the {len(names)} photographs of {folder} start with --holdout "
                f"{prefix!r}; some have to, and others not"
            )
        return chosen
    step = max(EVERY, math.ceil(len(names) / MOST))
    return list(names[step - 1 :: step] or names[-1:])


def _write_all(
    pictures: Sequence[Path], out: Path, task: Task, smallest: int, made_of: dict[str, Any]
) -> list[dict[str, Any]]:
    """Write the files of the set; returns its index."""
    entries: list[dict[str, Any]] = []
    faults: list[str] = []
    for number, path in enumerate(tqdm(pictures, desc="prepare", unit="picture", delay=5), 1):
        try:
            image = read_image(path, from_16_bits="rounded")
            if min(image.shape[:2]) < smallest:
                height, width = image.shape[:2]
                raise InputError(f"{width}x{height} pixels, {smallest}x{smallest} are needed")
        except InputError as error:
            faults.append(f"{path.name}: {_reason(error, path)}")
            continue
        image = in_channels(image, task, path)
        if path.name in made_of["held_out"]:
            parts, start = iter([middle(image, made_of["middle"])]), f"{HELD_OUT}-"
        else:
            parts, start = pieces(image, made_of["piece"]), ""
        for place, part in enumerate(parts, 1):
            target = out / f"{start}{number:06}-{place:03}.png"
            write_image(target, part)
            facts = {"sha256": sha256(target), "shape": list(part.shape), "of": path.name}
            entries.append({"file": target.name, **facts})
    if faults:
        more = f"; and {len(faults) - NAMED} more" if len(faults) > NAMED else ""
        raise InputError(
            f"{len(faults)} of {len(pictures)} pictures cannot be trained on; take them out, or "
            f"mend them: {'; '.join(faults[:NAMED])}{more}"
        )
    return entries


def _reason(error: InputError, path: Path) -> str:
    """The error's text without the path that it begins with or is about."""
    text = str(error).removeprefix(f"cannot decode picture {path}: ")
    return text.removeprefix(f"{path}: ").removeprefix(f"{path} ")


def in_channels(image: NDArray[np.uint8], task: Task, path: Path) -> NDArray[np.uint8]:
    """The picture as the prepared sets of a task have it: [H,W] for grey, [H,W,3] for colour.

    Colour becomes the task's grey; a grey picture counts as one in colour, as in every set.
    """
    if task.channels == 3 and image.ndim == 2:
        return np.repeat(image[..., None], 3, axis=2)
    return match_channels(image, task.channels, path, task.gray)


def pieces(image: NDArray[np.uint8], side: int) -> Iterator[NDArray[np.uint8]]:
    """A picture [H,W] or [H,W,3] in equal parts of at most side x side pixels, row by row.

    What is cut is at least half as long as `side`.
    """
    rows, columns = (_edges(length, side) for length in image.shape[:2])
    for top, bottom in pairwise(rows):
        for left, right in pairwise(columns):
            yield np.ascontiguousarray(image[top:bottom, left:right])


def _edges(length: int, side: int) -> list[int]:
    parts = math.ceil(length / side)
    return [length * n // parts for n in range(parts + 1)]


def middle(image: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """The middle of a picture [H,W] or [H,W,3], at most side x side pixels."""
    height, width = (min(length, side) for length in image.shape[:2])
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    return np.ascontiguousarray(image[top : top + height, left : left + width])
