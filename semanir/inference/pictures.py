"""Restoring pictures: pixels of 8 or 16 bits, and files with all that belongs to them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray
from torch import nn

from data_prep.pictures import check_output, read_picture, resized, write_picture
from semanir.errors import InputError
from semanir.inference.restore import ForGrey, restore
from semanir.inference.tiling import choose_tile
from semanir.memory import check_memory


class TrainedNetwork(NamedTuple):
    """A network and the task of tasks.yaml that it was trained on, "" if that is not known."""

    network: nn.Module
    task: str = ""

    @property
    def channels(self) -> int | None:
        """1 for grey, 3 for colour, None for a network without a configuration."""
        return getattr(getattr(self.network, "config", None), "channels", None)


def restore_file(
    source: Path, target: Path | None, networks: Sequence[TrainedNetwork], **options: Any
) -> NDArray:
    """Restore the picture at `source` and write it to `target`, unless that is None.

    networks: of these, the first with the channels of the picture restores it, or else the first.
    options: k, tile, overlap, progress and self_ensemble of `restore_pixels`. A picture written
    keeps its colour profile, EXIF and alpha, which is enlarged bicubically.

    Returns the pixels as stored, not turned by EXIF: [s*H,s*W] or [s*H,s*W,3], uint8 or uint16 as
    in the file. Raises InputError where the picture cannot be read, does not fit the network or the
    memory, or holds what the format of `target` cannot; OutputError where `target` cannot be
    written.
    """
    picture = read_picture(source)
    channels = 1 if picture.pixels.ndim == 2 else 3
    trained = next((one for one in networks if one.channels == channels), networks[0])
    scale = getattr(getattr(trained.network, "config", None), "upscale", 1)
    if target is not None:
        check_output(target, picture, scale)
    size = scale**2 * picture.pixels.size // channels
    # with the encoder's own picture, which may hold four bytes for three
    needed = scale**2 * picture.pixels.nbytes * 7 // 3
    check_memory(needed, size, f"{source}: the restored picture")
    options["dtype"] = picture.pixels.dtype
    try:
        restored = restore_pixels(trained, picture.pixels, str(source), **options)
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "memory" not in str(error):  # torch's allocators
            raise
        raise InputError(f"{source}: not enough memory; pass a tile, for example 192") from None
    except FloatingPointError:
        raise InputError(f"{source}: the network gave NaN; its weights are no good") from None
    if target is not None:
        picture = resized(picture, restored)  # the input's pixels are let go
        write_picture(target, picture)
    return restored


def restore_pixels(
    trained: TrainedNetwork,
    pixels: NDArray,
    name: str = "the image",
    *,
    k: int | None = None,
    tile: int | None = None,
    overlap: int = 64,
    progress: bool = False,
    dtype: DTypeLike = np.float32,
    self_ensemble: bool = False,
) -> NDArray:
    """Restore [H,W] or [H,W,3] (uint8, uint16, or floats on [0,1]) -> the same, enlarged by s.

    tile: side of overlapping tiles, 0 for the whole image, None for what fits into memory. Other
    options and the values returned: as `semanir.inference.restore.restore`.

    A grey denoiser takes the channels of a colour image one by one: white noise is independent in
    each. All other grey networks refuse colour, whose channels are degraded together.
    A colour network gets a grey image three times and its outputs are averaged: blur, lost
    resolution, blocks and weather are the same in all channels of a grey scene. Not so noise, which
    colour denoisers tell from the scene by its difference between the channels, and not mosaics:
    these are refused. InputError calls the image `name`.
    """
    network, task = trained
    channels = trained.channels or (pixels.shape[2] if pixels.ndim == 3 else 1)
    if tile is None and pixels.size and pixels.ndim in (2, 3):
        tile = choose_tile(network, (channels, *pixels.shape[:2]), k)
    options: dict[str, Any] = {"k": k, "tile": tile or None, "overlap": overlap}
    options |= {"progress": progress, "dtype": dtype, "self_ensemble": self_ensemble}

    family, shown = task.rpartition("-")[0], task or "of an unknown task"
    hint = "" if task else ", or the task"
    if pixels.ndim == 3 and pixels.shape[2] == 3 and channels == 1:
        if not family.startswith("denoise"):
            raise InputError(
                f"{name} is in colour, the network is grey ({shown}); "
                f"pass weights of a colour network{hint}"
            )
        out = np.empty(pixels.shape, dtype)
        for channel in range(3):
            out[..., channel] = restore(network, pixels[..., channel], **options)
        return out
    if pixels.ndim == 2 and channels == 3:
        if not family or family.startswith(("denoise", "demosaick")):
            raise InputError(
                f"{name} is grey, the network is for colour ({shown}); "
                f"pass weights of a grey network{hint}"
            )
        return restore(ForGrey(network), pixels, **options)
    return restore(network, pixels, **options)
