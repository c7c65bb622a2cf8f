"""A crop of one test image before and after its restoration: pictures for reports/visual.html.

Nobody picks the image or the crop: the image is that of the first test set, at its first level,
whose PSNR gains the median over its input; the crop is the square of a grid whose clean pixels have
the largest standard deviation.
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

CROP, STEP = 96, 48  # pixels of the clean image; multiples of every enlargement, 2, 3 and 4
WHOLE = 288  # longest side of the picture that shows where the crop lies


def median_image(scores: Sequence[dict[str, Any]], inputs: Sequence[dict[str, Any]]) -> str:
    """The image whose PSNR gains the median over its input, by name where several gain the same.

    scores, inputs: as in the records of a run and of its input, of any number of sets and levels;
    the first set and level of `scores` is looked at. Of an even number the lower of the middle two.
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
    ranked = sorted(gains, key=lambda name: (gains[name], name))
    middle = gains[ranked[(len(ranked) - 1) // 2]]
    return min(name for name, gain in gains.items() if gain == middle)


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
    {dataset, level, image, images (of that set), protocol, size: [height, width] of the image,
    crop: [top, left, side], pictures: {whole, degraded, restored, clean}, scores: {psnr_crop,
    psnr_crop_input}, beside: [{model, picture, psnr_crop}] of the other systems};
    pictures are PNG in base64, `whole` the clean image made small.
    """
    scores = measured["scores"]
    dataset, level = scores[0]["dataset"], scores[0]["level"]
    image = median_image(scores, of_input["scores"])
    degraded, clean = read_pair(task, dataset, level, image)

    restored, inputs = (one(degraded, level)[0] for one in (restorer, input_restorer))
    unit = task.upscale or 1
    crop = busiest_crop(clean, unit)
    top, left, side = crop
    # nearest neighbours: what the network was given, not what bicubic makes of it
    shown = _square(degraded, top // unit, left // unit, side // unit)
    shown = shown.repeat(unit, axis=0).repeat(unit, axis=1)
    target = _square(clean, *crop)
    protocol = task.protocol(level)
    crop_scores = {
        name: score(_square(output, *crop), target, protocol)["psnr"]
        for name, output in (("psnr_crop", restored), ("psnr_crop_input", inputs))
    }
    others = []
    for model, make in systems.items():
        output = _square(make()(degraded, level)[0], *crop)
        quality = score(output, target, protocol)["psnr"]
        others.append({"model": model, "picture": as_png(output), "psnr_crop": quality})
    return {
        "dataset": dataset,
        "level": level,
        "image": image,
        "images": sum((row["dataset"], row["level"]) == (dataset, level) for row in scores),
        "protocol": {"name": protocol, "version": PROTOCOLS[protocol].version},
        "network": measured.get("network", ""),
        "size": list(clean.shape[:2]),
        "crop": list(crop),
        "pictures": {
            "whole": as_png(smaller(clean)),
            "degraded": as_png(shown),
            "restored": as_png(_square(restored, *crop)),
            "clean": as_png(target),
        },
        "scores": crop_scores,
        "beside": others,
    }


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
