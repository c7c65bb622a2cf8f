"""Crops before and after restoration, with a slider.

Pictures are those of records, numbers those of results.csv.
"""

import base64
import binascii
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from data_prep.tasks import get_task
from reports.pages.template import write_page
from semanir.errors import InputError
from semanir.plan.models import get_scale
from semanir.plan.record import broken_record, read_record
from semanir.plan.runs import Run

PICTURES = ("whole", "degraded", "restored", "clean")
PNG = b"\x89PNG\r\n\x1a\n"


def crops(record: dict[str, Any], path: Path, results: pd.DataFrame) -> dict[str, Any]:
    """What a page shows of a record: names, pictures as data URIs, PSNR in dB or None.

    results: a line per image, as of read_results. InputError names a record without its pictures.
    """
    try:
        run = Run(**record["identity"])
        place = {name: record[name] for name in ("dataset", "level", "image")}
        pictures = {name: _data_uri(record["pictures"][name], path) for name in PICTURES}
        others = {other["model"]: _data_uri(other["picture"], path) for other in record["beside"]}
        facts = {"images": record["images"], "mark": _mark(record["crop"], record["size"])}
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        if isinstance(error, InputError):
            raise
        raise broken_record(path, error) from None

    def psnr(of: Run, metric: str) -> float | None:
        wanted = {"model": of.model, "task": of.task, "seed": of.seed, "metric": metric, **place}
        chosen = pd.Series(True, index=results.index)
        for column, value in wanted.items():
            chosen &= (results[column] == value).fillna(False)
        return float(results["value"][chosen].iloc[0]) if chosen.any() else None

    systems = {
        name: (psnr(other, "psnr_crop"), psnr(other, "psnr"))
        for name in others
        for other in [replace(run, model=name)]
    }
    return {
        **{"task": run.task, "model": run.model, "seed": run.seed, **place, **facts},
        "upscale": get_task(run.task).upscale,
        "synthetic": get_task(run.task).synthetic,
        "pictures": pictures,
        "others": others,
        "psnr": {
            "degraded": (psnr(run, "psnr_crop_input"), psnr(run.of_input, "psnr")),
            **systems,
            "restored": (psnr(run, "psnr_crop"), psnr(run, "psnr")),
        },
    }


def _mark(crop: Sequence[int], size: Sequence[int]) -> dict[str, float]:
    """Where the crop lies in its image, in percent of the image's sides."""
    (top, left, side), (height, width) = crop, size
    return {
        "top": 100 * top / height,
        "left": 100 * left / width,
        "width": 100 * side / width,
        "height": 100 * side / height,
    }


def _data_uri(text: str, path: Path) -> str:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if not data.startswith(PNG):
        raise broken_record(path, "a picture is no PNG")
    return f"data:image/png;base64,{text}"


def visuals(paths: Iterable[Path], results: pd.DataFrame) -> list[dict[str, Any]]:
    """The `crops` of some records, in their order."""
    return [crops(read_record(path), path, results) for path in paths]


def render(scale: str, shown: Sequence[dict[str, Any]], out: Path) -> None:
    """Write out/visual.html."""
    stamp = get_scale(scale)["stamp"]
    write_page(out / "visual.html", "visual.html.j2", scale=scale, stamp=stamp, visuals=shown)
