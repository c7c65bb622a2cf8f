"""Restoring one image with a network, whole or in overlapping tiles."""

import math
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from data_prep.errors import InputError
from semanir.pairs import as_float, as_tensor

Network = Callable[[Tensor], Tensor]


@torch.inference_mode()
def restore(
    network: nn.Module,
    image: NDArray,
    *,
    k: int | None = None,
    tile: int | None = None,
    overlap: int = 64,
    progress: bool = False,
) -> NDArray[np.float32]:
    """Restore a degraded image [H,W] or [H,W,3] (uint8, or float on [0,1]); float32 on [0,1].

    network: [B,C,H,W] -> [B,C,s*H,s*W], with an attribute `tile_unit`, what tiles must be multiples
    of. k: keys per query, for our own networks.
    tile: side of square tiles, None = whole image (semanir.tiling finds one that fits into memory).
    Tiles overlap by `overlap` pixels, of which each tile gives half away; both are rounded up to
    multiples of `tile_unit`, so that windows fall where they fall in the whole image. The result
    equals that of the whole image if half the overlap covers the receptive field (U-shape: and both
    are multiples of window * 2^(levels - 1)).
    Raises InputError for NaN, empty images, other types and wrong channel counts.
    """
    if image.size == 0 or image.ndim not in (2, 3):
        raise InputError(f"expected an image [H,W] or [H,W,C], got shape {image.shape}")
    if image.dtype != np.uint8 and not np.issubdtype(image.dtype, np.floating):
        raise InputError(f"expected uint8 or floats on [0, 1], got {image.dtype}; convert it")
    pixels = as_float(image)
    if not np.isfinite(pixels).all():
        raise InputError("the image holds NaN or infinite values")
    parameter = next(network.parameters())
    x = as_tensor(pixels)[None].to(parameter.device, parameter.dtype)
    call: Network = network if k is None else partial(network, k=k)
    if tile is None:
        y = call(x)
    else:
        y = in_tiles(call, x, int(network.tile_unit), tile, overlap, progress)  # type: ignore[arg-type]
    out = y[0].float().clamp(0, 1).cpu().numpy().transpose(1, 2, 0)
    return np.ascontiguousarray(out[..., 0] if image.ndim == 2 else out)


def in_tiles(
    network: Network, x: Tensor, unit: int, tile: int, overlap: int, progress: bool = False
) -> Tensor:
    """[B,C,H,W] -> [B,C,s*H,s*W], tile by tile; `tile` and `overlap` as multiples of `unit`."""
    if tile < 1 or overlap < 0:
        raise InputError(f"tile must be at least 1 and overlap 0, got {tile} and {overlap}")
    tile, overlap = (math.ceil(size / unit) * unit for size in (tile, overlap))
    if overlap >= tile:
        raise InputError(f"overlap {overlap} must be smaller than the tile {tile}")
    spans = [list(_spans(size, tile, overlap)) for size in x.shape[-2:]]
    places = [(rows, columns) for rows in spans[0] for columns in spans[1]]
    out = None
    for (top, bottom, *keep_y), (left, right, *keep_x) in tqdm(
        places, desc="tiles", disable=not progress, unit="tile"
    ):
        part = network(x[..., top:bottom, left:right])
        s = part.shape[-2] // (bottom - top)
        if out is None:
            out = part.new_empty(*part.shape[:2], x.shape[-2] * s, x.shape[-1] * s)
        (y0, y1), (x0, x1) = keep_y, keep_x
        out[..., y0 * s : y1 * s, x0 * s : x1 * s] = part[
            ..., (y0 - top) * s : (y1 - top) * s, (x0 - left) * s : (x1 - left) * s
        ]
    assert out is not None
    return out


def _spans(size: int, tile: int, overlap: int) -> Iterator[tuple[int, int, int, int]]:
    """(start, end, keep from, keep to) of tiles along one side."""
    start, kept = 0, 0
    while True:
        end = min(start + tile, size)
        keep = size if end == size else end - overlap // 2
        yield start, end, kept, keep
        if end == size:
            return
        start, kept = start + tile - overlap, keep
