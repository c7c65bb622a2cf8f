"""Crops before and after restoration, with a slider and a map of what is still wrong.

Pictures are those of records, numbers those of results.csv.
"""

import base64
import binascii
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from data_prep.tasks import get_task
from reports.figures.error_map import LARGEST, colour_bar, error_map
from reports.figures.plots import FAMILIES
from reports.pages.template import write_page
from semanir.errors import InputError
from semanir.plan.models import get_scale
from semanir.plan.record import broken_record, read_record
from semanir.plan.runs import Run

PICTURES = ("whole", "degraded", "restored", "clean")
PNG = b"\x89PNG\r\n\x1a\n"


def crops(record: dict[str, Any], path: Path, results: pd.DataFrame) -> dict[str, Any]:
    """What a page shows of a record: names, and `shown`, a dict for each image.

    Of an image: ranks, pictures and error map as data URIs, psnr {name: (crop, image)} and gain of
    the image in dB, None where results have none. results: a line per image, as of read_results.
    InputError names a record without its pictures.
    """
    try:
        run = Run(**record["identity"])
        place = {name: record[name] for name in ("dataset", "level")}
        shown = [_image(one, run, place, path, results) for one in record["shown"]]
        facts = {"images": record["images"]}
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        if isinstance(error, InputError):
            raise
        raise broken_record(path, error) from None
    return {
        **{"task": run.task, "model": run.model, "seed": run.seed, **place, **facts},
        "family": get_task(run.task).family,
        "upscale": get_task(run.task).upscale,
        "synthetic": get_task(run.task).synthetic,
        "shown": shown,
    }


def _image(
    one: dict[str, Any], run: Run, place: dict[str, str], path: Path, results: pd.DataFrame
) -> dict[str, Any]:
    pictures = {name: _picture(one["pictures"][name], path) for name in PICTURES}
    others = {other["model"]: _picture(other["picture"], path)[0] for other in one["beside"]}

    def psnr(of: Run, metric: str) -> float | None:
        identity = {"scale": of.scale, "model": of.model, "task": of.task, "seed": of.seed}
        wanted = identity | {"metric": metric, **place}
        chosen = pd.Series(True, index=results.index)
        for column, value in (wanted | {"image": one["image"]}).items():
            chosen &= (results[column] == value).fillna(False)
        return float(results["value"][chosen].iloc[0]) if chosen.any() else None

    degraded, restored = psnr(run.of_input, "psnr"), psnr(run, "psnr")
    systems = {
        name: (psnr(other, "psnr_crop"), psnr(other, "psnr"))
        for name in others
        for other in [replace(run, model=name)]
    }
    return {
        **{"image": one["image"], "ranks": one["ranks"], "mark": _mark(one["crop"], one["size"])},
        "pictures": {name: uri for name, (uri, _) in pictures.items()},
        "error": error_map(pictures["restored"][1], pictures["clean"][1]),
        "others": others,
        "gain": _gain(restored, degraded),
        "psnr": {
            "degraded": (psnr(run, "psnr_crop_input"), degraded),
            **systems,
            "restored": (psnr(run, "psnr_crop"), restored),
        },
    }


def _gain(restored: float | None, degraded: float | None) -> float | None:
    """dB; 0 of two equal infinities."""
    if restored is None or degraded is None:
        return None
    return 0.0 if restored == degraded else restored - degraded


def _mark(crop: Sequence[int], size: Sequence[int]) -> dict[str, float]:
    """Where the crop lies in its image, in percent of the image's sides."""
    (top, left, side), (height, width) = crop, size
    return {
        "top": 100 * top / height,
        "left": 100 * left / width,
        "width": 100 * side / width,
        "height": 100 * side / height,
    }


def _picture(text: str, path: Path) -> tuple[str, np.ndarray]:
    """A PNG in base64 as a data URI, and its pixels."""
    try:
        data = base64.b64decode(text, validate=True)
        if not data.startswith(PNG):
            raise ValueError(text)
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        if pixels is None:
            raise ValueError(text)
    except (binascii.Error, ValueError):
        raise broken_record(path, "a picture is no PNG") from None
    return f"data:image/png;base64,{text}", pixels


def visuals(paths: Iterable[Path], results: pd.DataFrame) -> list[dict[str, Any]]:
    """The `crops` of some records, in their order."""
    return [crops(read_record(path), path, results) for path in paths]


def render(scale: str, shown: Sequence[dict[str, Any]], out: Path) -> None:
    """Write out/visual.html: a section for each task family, in the order of its first record."""
    families: dict[str, list[dict[str, Any]]] = {}
    for one in shown:
        families.setdefault(FAMILIES[one["family"]], []).append(one)
    write_page(
        out / "visual.html",
        "visual.html.j2",
        scale=scale,
        stamp=get_scale(scale)["stamp"],
        families=families,
        largest=LARGEST,
        bar=colour_bar(),
    )
