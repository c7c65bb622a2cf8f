"""Whole degraded test sets: data/degraded/<task>/<dataset>/<level>/, one file per photograph.

Noisy and demosaicked images are float32 .npy (never clipped, never quantised), all others PNG.
Where the prepared set has real pairs, these are the degraded files of the pairs; <level> "blind"
holds those of all levels, to train on.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from data_prep.datasets import RAW, prepared_sets
from data_prep.degradations import degradation, name_seed
from data_prep.images import match_channels, read_image, write_image
from data_prep.prepare import convert, load_index, pairs_of
from data_prep.real_pairs import flat_name
from data_prep.tasks import BLIND, all_levels, families
from semanir.errors import InputError, remake
from semanir.files import replacing, sha256, write_json
from semanir.names import known_name


def degrade_set(family: str, level: str, clean: Path, out: Path, raw: Path = RAW) -> None:
    """Degrade every photograph of the prepared set `clean` into `out`, reproducibly.

    index.json, written last, names for each degraded file its clean one and its SHA-256.
    """
    task = families()[known_name(family, families(), "task")]
    prepared = prepared_sets().get(clean.name)
    if prepared is not None and prepared.pairs:
        known_name(level, (*task["levels"], BLIND), f"level of {family}")
        index = _copy_real(clean, out, raw)
    else:
        levels = all_levels(family)
        value = levels[known_name(level, levels, f"level of {family}")]
        index = _degrade(task, value, clean, out)
    write_json(out / "index.json", index)


def _degrade(task: dict[str, Any], value: Any, clean: Path, out: Path) -> list[dict[str, Any]]:
    degrade = degradation(task["degradation"])
    index = []
    for entry in tqdm(load_index(clean), desc=f"degrade {clean.name}", unit="image", delay=10):
        path = clean / entry["file"]
        image = match_channels(read_image(path), task["channels"], path, task.get("gray", "full"))
        seed = name_seed(path.name) if task["seed"] == "name" else task["seed"]
        degraded = degrade(image, value, seed)
        if degraded.dtype == np.uint8:
            target = out / f"{path.stem}.png"
            write_image(target, degraded)
        else:
            target = out / f"{path.stem}.npy"
            with replacing(target) as partial, partial.open("wb") as file:
                np.save(file, degraded)
        index.append({"file": target.name, "clean": path.name, "sha256": sha256(target)})
    return index


def _copy_real(clean: Path, out: Path, raw: Path) -> list[dict[str, Any]]:
    prepared = prepared_sets()[clean.name]
    folder = raw / prepared.raw
    names = {entry["file"] for entry in load_index(clean)}
    index = []
    for pair in tqdm(pairs_of(prepared, raw), unit="image", delay=10):
        degraded = pair[0]
        target, name = (f"{Path(flat_name(path.relative_to(folder))).stem}.png" for path in pair)
        if name not in names:
            raise InputError(
                f"{clean} has no {name}, the clean image of {degraded}; "
                f"{remake(clean / 'index.json')}"
            )
        write_image(out / target, convert(read_image(degraded, prepared.from_16_bits), prepared))
        index.append({"file": target, "clean": name, "sha256": sha256(out / target)})
    return index


def read_degraded(path: Path) -> NDArray[np.float32]:
    """A degraded image as float32 on the [0,1] scale, [H,W] or [H,W,3].

    Noisy ones have values outside it. Raises InputError that names a broken file.
    """
    if path.suffix != ".npy":
        return (read_image(path) / 255).astype(np.float32)
    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        remedy = remake(path.with_name("index.json"))
        raise InputError(f"cannot read {path}: {error}; {remedy}") from None
