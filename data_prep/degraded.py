"""Degraded test sets: data/degraded/<task>/<dataset>/<level>/, one file per photograph.

Noisy images are float32 .npy (never clipped, never quantised), all others PNG.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data_prep.datasets import load_index
from data_prep.degrade import degradation
from data_prep.errors import InputError
from data_prep.files import replacing, sha256, write_json
from data_prep.images import match_channels, read_image, write_image
from data_prep.names import pick
from data_prep.tasks import families

SEED = 0  # restarted for each image


def degrade_set(family: str, level: str, clean: Path, out: Path) -> None:
    """Degrade every photograph of the prepared set `clean` into `out`, reproducibly."""
    task = families()[pick(family, families(), "task")]
    value = task["levels"][pick(level, task["levels"], f"level of {family}")]
    function = degradation(task["degradation"])

    index = []
    for entry in load_index(clean):
        path = clean / entry["file"]
        image = match_channels(read_image(path), task["channels"], path)
        degraded = function(image, value, SEED)
        target = out / f"{path.stem}{'.png' if degraded.dtype == np.uint8 else '.npy'}"
        if degraded.dtype == np.uint8:
            write_image(target, degraded)
        else:
            with replacing(target) as partial, partial.open("wb") as file:
                np.save(file, degraded)
        index.append({"file": target.name, "clean": path.name, "sha256": sha256(target)})
    write_json(out / "index.json", index)


def read_degraded(path: Path) -> NDArray[np.float32]:
    """A degraded image as float32 on the [0,1] scale, [H,W] or [H,W,3]."""
    if path.suffix != ".npy":
        return (read_image(path) / 255).astype(np.float32)
    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"cannot read {path}: {error}; delete its folder and run again") from None
