"""Scores of one model on all sets and levels of one task, image by image."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from data_prep.degrade import read_degraded
from data_prep.images import match_channels, read_image
from data_prep.prepare import load_index
from data_prep.tasks import Task
from semanir import paths
from semanir.evaluate.metrics import PROTOCOLS, on_full_range, score
from semanir.inference.restorer import Restorer


def score_images(
    restorer: Restorer,
    task: Task,
    sets: Sequence[tuple[str, str]],
    tile: int | None = None,
    ensemble: Restorer | None = None,
) -> list[dict[str, Any]]:
    """Scores of every image: dataset, level, image and the metrics of the task's protocol.

    sets: (prepared set, level) of every degraded set. Files are read in sorted order.
    tile: images that are larger are scored in tiles of this side as well, as psnr_tiled. One that
    had to be tiled to fit into memory carries the side as `tile`.
    ensemble: of the same network; its PSNR is kept beside, as psnr_self_ensemble.
    """
    grey: dict[str, set[str]] = {}  # files of grey photographs, of sets in colour
    for dataset in dict.fromkeys(dataset for dataset, _ in sets):
        verified = load_index(paths.clean_set(dataset))
        grey[dataset] = {entry["file"] for entry in verified if entry.get("grey")}
    work = []
    for dataset, level in sets:
        folder = paths.degraded_set(task.family, dataset, level)
        work += [(dataset, level, folder, entry) for entry in load_index(folder, clean=str)]

    scores = []
    for dataset, level, folder, entry in tqdm(work, unit="image", delay=60):
        degraded = read_degraded(folder / entry["file"])
        path = paths.clean_set(dataset) / entry["clean"]
        target = match_channels(read_image(path), task.channels, path, task.gray)
        scale = task.upscale or 1
        target = target[: degraded.shape[0] * scale, : degraded.shape[1] * scale]
        restored, used = restorer(degraded, level)
        quality: dict[str, float] = score(restored, target, task.protocol(level))
        if used:
            quality["tile"] = used
        if tile and tile != used and max(degraded.shape[:2]) > tile:
            tiled = score(restorer(degraded, level, tile)[0], target, task.protocol(level))
            quality["psnr_tiled"] = tiled["psnr"]
        if ensemble:
            averaged = score(ensemble(degraded, level)[0], target, task.protocol(level))
            quality["psnr_self_ensemble"] = averaged["psnr"]
        if task.upscale and grey[dataset]:  # see semanir.evaluate.metrics
            is_grey = entry["clean"] in grey[dataset]
            psnr = quality["psnr"]
            quality["psnr_grey_full_range"] = on_full_range(psnr) if is_grey else psnr
        image = Path(entry["file"]).stem
        scores.append({"dataset": dataset, "level": level, "image": image, **quality})
    return scores


def evaluate(
    restorer: Restorer,
    task: Task,
    sets: Sequence[tuple[str, str]],
    tile: int | None = None,
    ensemble: Restorer | None = None,
) -> dict[str, Any]:
    """What goes on record: the scores of every image, by which protocols, and the restorer's facts.

    sets, tile, ensemble: as of `score_images`. Images are restored one by one.
    """
    scores = score_images(restorer, task, sets, tile, ensemble)
    protocols = protocols_of(task, [level for _, level in sets])
    record = {"protocols": protocols, "batch": 1, "tile": tile, "scores": scores}
    return record | restorer.facts


def protocols_of(task: Task, levels: Iterable[str]) -> dict[str, dict[str, Any]]:
    """{level: {name, version}} of the protocol by which each level of a task is scored."""
    names = {level: task.protocol(level) for level in dict.fromkeys(levels)}
    return {
        level: {"name": name, "version": PROTOCOLS[name].version} for level, name in names.items()
    }
