"""Restoring one image with a network, whole or in overlapping tiles.

# B images, C channels, H x W image, s enlargement
"""

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import DTypeLike, NDArray
from torch import Tensor, nn
from tqdm import tqdm

from semanir.errors import InputError
from semanir.inference.arrays import as_float, as_tensor, as_type
from semanir.inference.self_ensemble import Network, over_positions


class Span(NamedTuple):
    """A tile along one side of the image: pixels from start to end, of which first to last stay."""

    start: int
    end: int
    first: int
    last: int


@torch.inference_mode()
def restore(
    network: nn.Module,
    image: NDArray,
    *,
    k: int | None = None,
    tile: int | None = None,
    overlap: int = 64,
    progress: bool = False,
    dtype: DTypeLike = np.float32,
    self_ensemble: bool = False,
) -> NDArray[Any]:
    """Restore a degraded image [H,W] or [H,W,3] (uint8, uint16, or float on [0,1]).

    Returns float32 on [0,1]; with dtype uint8 or uint16 the rounded whole numbers that stand for
    it. Only a tile at a time is held as floats then.
    network: [B,C,H,W] -> [B,C,s*H,s*W], with an attribute `tile_unit`, what tiles must be multiples
    of. k: keys per query, for our own networks.
    tile: side of square tiles, None = whole image (semanir.inference.tiling finds one that fits
    into memory). Tiles overlap by `overlap` pixels, of which each tile gives half away; both are
    rounded up to multiples of `tile_unit`, so that windows fall where they fall in the whole image.
    The result equals that of the whole image if half the overlap covers the receptive field
    (U-shape: and both are multiples of window * 2^(levels - 1)).
    self_ensemble: restore in eight positions and average, see `semanir.inference.self_ensemble`.
    Tiles then equal the whole image where its sides are multiples of `tile_unit`, too.
    Raises InputError for NaN, empty images, other types and wrong channel counts, and
    FloatingPointError where whole numbers are asked for and the network gives NaN.
    """
    if image.size == 0 or image.ndim not in (2, 3):
        raise InputError(f"expected an image [H,W] or [H,W,C], got shape {image.shape}")
    floats = np.issubdtype(image.dtype, np.floating)
    if image.dtype not in (np.uint8, np.uint16) and not floats:
        raise InputError(f"expected uint8, uint16 or floats on [0, 1], got {image.dtype}; convert")
    if floats and not np.isfinite(image).all():
        raise InputError("the image holds NaN or infinite values")
    parameter = next(network.parameters())

    def read(rows: slice, columns: slice) -> Tensor:
        x = as_tensor(as_float(image[rows, columns]))[None]
        return x.to(parameter.device, parameter.dtype)

    height, width = image.shape[:2]
    tiles = [(Span(0, height, 0, height), Span(0, width, 0, width))]
    if tile is not None:
        unit = int(network.tile_unit)  # type: ignore[arg-type]
        tiles = tile_spans(height, width, unit, tile, overlap)
    at_k: Network = network if k is None else partial(network, k=k)
    at_k = over_positions(at_k) if self_ensemble else at_k
    out: NDArray[Any] = np.empty(0, dtype)
    for s, rows, columns, part in _restored_tiles(at_k, read, tiles, progress and tile is not None):
        if not out.size:
            channels = () if image.ndim == 2 else (part.shape[1],)
            out = np.empty((height * s, width * s, *channels), dtype)
        pixels = part[0].float().clamp(0, 1).cpu().numpy().transpose(1, 2, 0)
        out[rows, columns] = as_type(pixels[..., 0] if image.ndim == 2 else pixels, out.dtype)
    return out


def tile_spans(
    height: int, width: int, unit: int, tile: int, overlap: int
) -> list[tuple[Span, Span]]:
    """Rows and columns of overlapping tiles; sides are rounded up to multiples of `unit`."""
    if tile < 1 or overlap < 0:
        raise InputError(f"tile must be at least 1 and overlap 0, got {tile} and {overlap}")
    tile, overlap = (math.ceil(size / unit) * unit for size in (tile, overlap))
    if overlap >= tile:
        raise InputError(f"overlap {overlap} must be smaller than the tile {tile}")
    across = list(spans(width, tile, overlap))
    return [(rows, columns) for rows in spans(height, tile, overlap) for columns in across]


def spans(size: int, tile: int, overlap: int) -> Iterator[Span]:
    """The tiles along one side; what stays of each ends in the middle of an overlap."""
    start, first = 0, 0
    while True:
        end = min(start + tile, size)
        last = size if end == size else end - overlap // 2
        yield Span(start, end, first, last)
        if end == size:
            return
        start, first = start + tile - overlap, last


def _restored_tiles(
    network: Network,
    read: Callable[[slice, slice], Tensor],
    tiles: list[tuple[Span, Span]],
    progress: bool,
) -> Iterator[tuple[int, slice, slice, Tensor]]:
    """(s, rows and columns of the enlarged image, what they become) of every tile in turn."""
    for rows, columns in tqdm(tiles, desc="tiles", disable=not progress, unit="tile"):
        out = network(read(slice(rows.start, rows.end), slice(columns.start, columns.end)))
        s = out.shape[-2] // (rows.end - rows.start)
        inside = [slice((n.first - n.start) * s, (n.last - n.start) * s) for n in (rows, columns)]
        y, x = (slice(n.first * s, n.last * s) for n in (rows, columns))
        yield s, y, x, out[..., inside[0], inside[1]]


class ForGrey(nn.Module):
    """A colour network on grey: three equal channels go in, the mean of the three comes out."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.tile_unit = network.tile_unit

    def forward(self, x: Tensor, **options: Any) -> Tensor:
        """[B,1,H,W] on [0,1] -> [B,1,s*H,s*W] on [0,1]."""
        out = self.network(x.repeat(1, 3, 1, 1), **options)
        return out.clamp(0, 1).mean(1, keepdim=True)
