"""`semanir.restore`: an image or a picture file, by a network, its weights or their name."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray
from torch import nn

from semanir.errors import InputError
from semanir.files import check_writable
from semanir.inference.checkpoint import load
from semanir.inference.pictures import TrainedNetwork, restore_file, restore_pixels
from semanir.inference.shipped import facts, shipped


def restore(
    network: nn.Module | str | Path,
    image: NDArray | str | Path,
    *,
    out: str | Path | None = None,
    task: str = "",
    k: int | None = None,
    tile: int | None = None,
    overlap: int = 64,
    progress: bool = False,
    dtype: DTypeLike | None = None,
    self_ensemble: bool = False,
) -> NDArray:
    """Restore an image, [H,W] or [H,W,3] -> [s*H,s*W] or [s*H,s*W,3].

    network: of `semanir.build` or `semanir.load`, a weights file, or the name of shipped weights
        (`semanir list`). Weights are loaded at every call, onto the CPU.
    image: uint8, uint16, or floats on [0,1]; or the path of a picture.
    out: where the restored picture is written, with colour profile, EXIF and transparency of the
        picture at `image`. A file that exists is not overwritten.
    task: what the network was trained on, where its weights file does not say; a name of
        data_prep/tasks.yaml. It decides what colour and grey networks do with the other kind, see
        `semanir.inference.pictures.restore_pixels`.
    k: keys per query (default: the network's). tile: side of overlapping tiles, 0 for the whole
        image (default: what fits into memory); they overlap by `overlap` pixels.
    self_ensemble: restore in eight positions and average, which takes eight times as long.
    dtype: of what is returned for an array: float32 on [0,1], uint8 or uint16.

    Returns float32 on [0,1] for an array, the type of the file for a picture (uint8 or uint16; the
    pixels as stored, not turned by EXIF). Raises InputError that names what does not fit, and
    OutputError where `out` cannot be written.
    """
    trained = _trained(network, task)
    options: dict[str, Any] = {"k": k, "tile": tile, "overlap": overlap, "progress": progress}
    options["self_ensemble"] = self_ensemble
    if isinstance(image, np.ndarray):
        if out is not None:
            raise InputError(f"out={str(out)!r} is for a picture given by its path; leave it out")
        return restore_pixels(trained, image, dtype=dtype or np.float32, **options)
    if dtype is not None:
        raise InputError(f"dtype={dtype!r} is for arrays; a picture keeps its own, leave it out")
    source, target = Path(image), None if out is None else Path(out)
    if not source.is_file():
        raise InputError(f"no such picture: {source}")
    if target is not None:
        if target.exists():
            raise InputError(f"{target} is there already; name another file as out")
        check_writable(target)
    return restore_file(source, target, [trained], **options)


def _trained(network: nn.Module | str | Path, task: str) -> TrainedNetwork:
    if isinstance(network, nn.Module):
        return TrainedNetwork(network, task)
    path = shipped().get(str(network), Path(network))
    return TrainedNetwork(load(path), str(facts(path).get("task", "")) or task)
