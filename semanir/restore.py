"""Restoring one image with a network, whole or in overlapping tiles.

python -m semanir.restore weights.safetensors degraded.png restored.png
"""

import argparse
import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from data_prep.errors import InputError, one_line_errors
from data_prep.images import match_channels, read_image, write_image
from semanir.checkpoint import load
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
    tile: side of square tiles, None = whole image. Tiles overlap by `overlap` pixels, of which each
    tile gives half away; both are rounded up to multiples of `tile_unit`, so that windows fall
    where they fall in the whole image. The result equals that of the whole image if half the
    overlap covers the receptive field (U-shape: and both are multiples of window * 2^(levels - 1)).
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
        y = _restore_tiles(call, x, int(network.tile_unit), tile, overlap, progress)  # type: ignore[arg-type]
    out = y[0].float().clamp(0, 1).cpu().numpy().transpose(1, 2, 0)
    return np.ascontiguousarray(out[..., 0] if image.ndim == 2 else out)


def _restore_tiles(
    network: Network, x: Tensor, unit: int, tile: int, overlap: int, progress: bool
) -> Tensor:
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


@one_line_errors
def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m semanir.restore", description=__doc__)
    parser.add_argument("weights", type=Path, help="weights.safetensors of a training")
    parser.add_argument("input", type=Path, help="degraded image")
    parser.add_argument("output", type=Path, help="PNG to write")
    parser.add_argument("--k", type=int, help="keys per query (default: the network's)")
    parser.add_argument("--tile", type=int, help="side of tiles for images that do not fit")
    parser.add_argument("--overlap", type=int, default=64, help="overlap of tiles (64)")
    args = parser.parse_args(argv)
    network = load(args.weights)
    image = match_channels(read_image(args.input), network.config.channels, args.input)
    restored = restore(
        network, image, k=args.k, tile=args.tile, overlap=args.overlap, progress=True
    )
    write_image(args.output, np.rint(restored * 255).astype(np.uint8))


if __name__ == "__main__":
    main()
