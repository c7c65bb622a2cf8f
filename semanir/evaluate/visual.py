"""Crops of three test images before and after restoration: pictures for reports/visual.html.

Nobody picks the images or the crops. Of the first test set, at its first level, the images are
those whose PSNR gains most, the median and least over their input; a crop is the square of a grid
whose clean pixels have the largest standard deviation.
"""

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from data_prep.degrade import read_degraded
from data_prep.images import match_channels, read_image
from data_prep.prepare import load_index
from data_prep.tasks import Task
from semanir import paths
from semanir.errors import InputError, remake
from semanir.evaluate.metrics import PROTOCOLS, score
from semanir.inference.restorer import Restorer

RANKS = ("best", "median", "worst")  # of gains in PSNR over the input
CROP, STEP = 96, 48  # pixels of the clean image; multiples of every enlargement, 2, 3 and 4
WHOLE = 288  # longest side of the picture that shows where the crop lies


def ranked_images(
    scores: Sequence[dict[str, Any]], inputs: Sequence[dict[str, Any]]
) -> dict[str, list[str]]:
    """Image -> which of RANKS it has: the largest, the median and the smallest gain in PSNR.

    scores, inputs: as in the records of a run and of its input, of any number of sets and levels;
    the first set and level of `scores` is looked at. The median of an even number is the lower of
    the middle two; of images that gain the same the first by name is taken. Images are in the order
    of RANKS; one of a small set may have several.
    """
    place = (scores[0]["dataset"], scores[0]["level"])
    restored, degraded = (
        {row["image"]: row["psnr"] for row in rows if (row["dataset"], row["level"]) == place}
        for rows in (scores, inputs)
    )
    missing = sorted(set(restored) - set(degraded))
    if missing:
        raise InputError(
            f"the input's record has no {missing[0]} of {place[0]} at {place[1]}; "
            f"{remake(paths.SCORES.replace('{model}', 'input'))}"
        )
    # equal first: an image restored to the last bit may have an infinite PSNR twice
    gains = {
        name: 0.0 if psnr == degraded[name] else psnr - degraded[name]
        for name, psnr in restored.items()
    }
    ordered = sorted(gains.values())
    wanted = (ordered[-1], ordered[(len(ordered) - 1) // 2], ordered[0])
    ranked: dict[str, list[str]] = {}
    for rank, gain in zip(RANKS, wanted, strict=True):
        image = min(name for name in gains if gains[name] == gain)
        ranked.setdefault(image, []).append(rank)
    return ranked


def busiest_crop(clean: NDArray[np.uint8], unit: int = 1) -> tuple[int, int, int]:
    """(top, left, side) of the CROP x CROP square with the largest standard deviation.

    clean: [H,W] or [H,W,3]. Squares lie on a grid of STEP pixels; the first in reading order where
    several are equal. A smaller image gives its largest square, a multiple of `unit` a side.
    """
    height, width = clean.shape[:2]
    side = min(CROP, height, width) // unit * unit
    places = [
        (top, left)
        for top in range(0, height - side + 1, STEP)
        for left in range(0, width - side + 1, STEP)
    ]
    top, left = max(places, key=lambda place: _square(clean, place[0], place[1], side).std())
    return top, left, side


def compare(
    task: Task,
    measured: Mapping[str, Any],
    of_input: Mapping[str, Any],
    restorer: Restorer,
    input_restorer: Restorer,
    systems: Mapping[str, Callable[[], Restorer]],
) -> dict[str, Any]:
    """Everything of the record but identity and provenance.

    measured, of_input: the records of the scores of a run and of its input. systems: others on the
    same task by name, each made when its turn comes.
    {dataset, level, images (of that set), protocol, shown: [{ranks, image, size: [height, width],
    crop: [top, left, side], pictures: {whole, degraded, restored, clean}, scores: {psnr_crop,
    psnr_crop_input}, beside: [{model, picture, psnr_crop}] of the other systems}]};
    pictures are PNG in base64, `whole` the clean image made small, `degraded` what the PSNR of the
    input is of: for super-resolution the bicubic enlargement.
    """
    scores = measured["scores"]
    dataset, level = scores[0]["dataset"], scores[0]["level"]
    protocol = task.protocol(level)
    crops = [
        _Crop(task, dataset, level, image, ranks)
        for image, ranks in ranked_images(scores, of_input["scores"]).items()
    ]
    shown = []
    for one in crops:
        (restored, quality), (given, of_given) = map(one.restored, (restorer, input_restorer))
        pixels: dict[str, NDArray] = {
            "whole": one.whole,
            "degraded": given,
            "restored": restored,
            "clean": one.clean,
        }
        shown.append(
            {
                **one.facts,
                "pictures": {name: as_png(picture) for name, picture in pixels.items()},
                "scores": {"psnr_crop": quality, "psnr_crop_input": of_given},
                "beside": [],
            }
        )
    for model, make in systems.items():
        other = make()
        for one, entry in zip(crops, shown, strict=True):
            restored, quality = one.restored(other)
            picture = as_png(restored)
            entry["beside"].append({"model": model, "picture": picture, "psnr_crop": quality})
    return {
        "dataset": dataset,
        "level": level,
        "images": sum((row["dataset"], row["level"]) == (dataset, level) for row in scores),
        "protocol": {"name": protocol, "version": PROTOCOLS[protocol].version},
        "network": measured.get("network", ""),
        "shown": shown,
    }


class _Crop:
    """The crop of one image that is shown."""

    def __init__(self, task: Task, dataset: str, level: str, image: str, ranks: list[str]) -> None:
        self.degraded, clean = read_pair(task, dataset, level, image)
        self.level, self.protocol = level, task.protocol(level)
        self.place = busiest_crop(clean, task.upscale or 1)
        self.clean, self.whole = _square(clean, *self.place), smaller(clean)
        self.facts: dict[str, Any] = {
            "ranks": ranks,
            "image": image,
            "size": list(clean.shape[:2]),
            "crop": list(self.place),
        }

    def restored(self, restorer: Restorer) -> tuple[NDArray[np.float32], float]:
        """The crop of what a restorer makes of the whole image, and the PSNR of the crop in dB."""
        output = _square(restorer(self.degraded, self.level)[0], *self.place)
        return output, score(output, self.clean, self.protocol)["psnr"]


def read_pair(
    task: Task, dataset: str, level: str, image: str
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """A degraded image and its clean one, cut to the same area, as they are evaluated."""
    folder = paths.degraded_set(task.family, dataset, level)
    entry = next((e for e in load_index(folder, clean=str) if Path(e["file"]).stem == image), None)
    if entry is None:
        raise InputError(f"{folder} has no {image}; {remake(folder / 'index.json')}")
    degraded = read_degraded(folder / entry["file"])
    path = paths.clean_set(dataset) / entry["clean"]
    clean = match_channels(read_image(path), task.channels, path, task.gray)
    unit = task.upscale or 1
    return degraded, clean[: degraded.shape[0] * unit, : degraded.shape[1] * unit]


def smaller(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """[H,W] or [H,W,3] with its longest side WHOLE, as it is where it is smaller."""
    picture = Image.fromarray(image)
    picture.thumbnail((WHOLE, WHOLE), Image.Resampling.LANCZOS)
    return np.asarray(picture)


def as_png(image: NDArray) -> str:
    """Base64 of a PNG. image: [H,W] or [H,W,3], uint8 or floats on [0,1], clipped as for scores."""
    if image.dtype != np.uint8:
        image = np.rint(image.clip(0, 1) * 255).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(image).save(out, format="PNG", optimize=True)
    return base64.b64encode(out.getvalue()).decode("ascii")


def _square(image: NDArray, top: int, left: int, side: int) -> NDArray:
    return image[top : top + side, left : left + side]
