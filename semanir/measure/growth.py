"""How cost grows: of restoring with the megapixels of a picture, of a layer with its sizes.

All of it are ratios within one run. Pictures are restored in tiles of one size, by the function
that `semanir restore` calls; a layer's times stand beside its counted multiply-adds.

# H x W picture or map of tokens, s enlargement, C channels, h heads, M side of a window, k keys
"""

from collections.abc import Sequence
from functools import partial
from math import isqrt
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from semanir.attention.dense import AllKeys
from semanir.attention.dictionary import build_dictionary
from semanir.inference.checkpoint import load
from semanir.inference.pictures import TrainedNetwork, restore_pixels
from semanir.inference.restore import tile_spans
from semanir.inference.shipped import shipped
from semanir.measure.evidence import counted
from semanir.measure.layer import BACKENDS, CHANNELS, HEADS, TOKENS, WIDTH
from semanir.measure.timing import interleaved, peak_bytes_cuda, peak_resident, where
from semanir.network import build
from semanir.network.config import ColumnarConfig
from semanir.network.layers import KeySemanticAttention

TINY = "semanir-u-tiny"  # restores 64 megapixels in minutes
MEGAPIXELS = (1, 4, 16, 64)
# with them the pixels in tiles grow as those of the picture do, within 2 %
TILE, OVERLAP = 512, 64
ROUNDS = 5  # of a small picture, at most

# one size changes, the others stay: {"C", "h", "M", "k"} of every setting
USUAL = {"C": CHANNELS, "h": HEADS, "M": 32, "k": 64}
SWEEPS: dict[str, list[dict[str, int]]] = {
    "window": [USUAL | {"M": m, "k": 32} for m in (8, 16, 32)],
    "k": [USUAL | {"k": k} for k in (32, 64, 128, 256, 512)],
    "heads": [USUAL | {"h": h} for h in (3, 6, 12, 18)],
    "channels": [USUAL | {"h": h, "C": h * WIDTH} for h in (2, 4, 6, 8, 12)],
}
SPARSE, DENSE = "SemanIR MSA", "W-MSA"  # as Table 12 calls them


def growth(
    megapixels: Sequence[float] = MEGAPIXELS,
    network: str = TINY,
    seconds: float = 4,
    device: str = "cpu",
) -> dict[str, Any]:
    """Both: "pictures" of some sizes, and "layers" for each of SWEEPS.

    network: the name of weights that come with the project, or of one that gets random weights.
    seconds: for each setting of a layer.
    """
    return {
        **where(device),
        "network": network,
        "tile": TILE,
        "overlap": OVERLAP,
        "pictures": pictures(megapixels, network, device),
        "layers": [row for sweep in SWEEPS for row in layers(sweep, seconds, device)],
    }


# --- pictures --------------------------------------------------------------------------------


def pictures(megapixels: Sequence[float], name: str, device: str) -> list[dict[str, Any]]:
    """Seconds and memory of restoring random pictures, the smallest first.

    Rows {megapixels, height, width, tiles, in_tiles, rounds, seconds, bytes} with `slopes`.
    in_tiles: megapixels of all tiles, which overlap. bytes: the most that the process held beyond
    what it held before, the picture and the restored picture; on a GPU what its allocator held;
    None where the system does not tell.
    """
    network = load_or_build(name).to(device)
    trained = TrainedNetwork(network)
    before = peak_resident(lambda: None)
    warm_up = random_picture(TILE**2 / 1e6, trained.channels)
    restore_pixels(trained, warm_up, tile=TILE, overlap=OVERLAP, dtype=np.uint8)
    rows = []
    for size in sorted(megapixels):
        pixels = random_picture(size, trained.channels)
        height, width = pixels.shape[:2]
        unit = int(network.tile_unit)  # type: ignore[arg-type]
        tiles = tile_spans(height, width, unit, TILE, OVERLAP)
        in_tiles = sum((y.end - y.start) * (x.end - x.start) for y, x in tiles)
        rounds = int(min(ROUNDS, max(1, max(megapixels) / size)))
        seconds, peak = measured(trained, pixels, rounds, device, before)
        rows.append(
            {"megapixels": height * width / 1e6, "height": height, "width": width}
            | {"tiles": len(tiles), "in_tiles": in_tiles / 1e6, "rounds": rounds}
            | {"seconds": seconds, "bytes": peak}
        )
    return slopes(rows)


def load_or_build(name: str) -> nn.Module:
    """Weights that come with the project, or a network with random ones, the same at each call.

    Raises InputError for a name of neither.
    """
    if name in shipped():
        return load(shipped()[name])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build(name).eval()


def random_picture(megapixels: float, channels: int | None) -> NDArray[np.uint8]:
    """Square and random, [H,W] for one channel, else [H,W,3]."""
    side = max(1, isqrt(round(1e6 * megapixels)))
    shape = (side, side) if channels == 1 else (side, side, 3)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def measured(
    trained: TrainedNetwork,
    pixels: NDArray[np.uint8],
    rounds: int,
    device: str = "cpu",
    before: int | None = None,
) -> tuple[float, int | None]:
    """Median seconds of restoring a picture, and bytes at the peak beyond the picture's own.

    before: bytes that the process held before; without them and on a CPU the second is None.
    """
    seconds, sizes = [], []

    def restore() -> None:
        start = perf_counter()
        out = restore_pixels(trained, pixels, tile=TILE, overlap=OVERLAP, dtype=pixels.dtype)
        seconds.append(perf_counter() - start)
        sizes.append(out.nbytes)

    def restore_all() -> None:
        for _ in range(rounds):
            restore()

    if device == "cuda":  # the pictures lie in the memory of the CPU
        peak: int | None = peak_bytes_cuda(restore_all)
    else:
        most = peak_resident(restore_all)
        own = pixels.nbytes + sizes[0]
        peak = None if most is None or before is None else most - before - own
    return median(seconds), peak


def slopes(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same with time_ratio and memory_ratio, both 1 for the first row.

    time_ratio: seconds of a megapixel; 1 everywhere means linear. memory_ratio: of bytes; 1
    everywhere means that a picture of any size needs the same beside itself.
    """
    first = rows[0]

    def memory_ratio(row: dict[str, Any]) -> float | None:
        return row["bytes"] / first["bytes"] if row["bytes"] and first["bytes"] else None

    unit = first["seconds"] / first["megapixels"]
    return [
        row
        | {"time_ratio": row["seconds"] / row["megapixels"] / unit}
        | {"memory_ratio": memory_ratio(row)}
        for row in rows
    ]


# --- layers ----------------------------------------------------------------------------------


@torch.no_grad()
def layers(sweep: str, seconds: float, device: str = "cpu") -> list[dict[str, Any]]:
    """Times of one attention layer with its projections at all settings of a sweep, in turns.

    Rows {sweep, H, W, C, h, M, k, maps, milliseconds, multiply_adds}: the latter two by form,
    SPARSE with a dictionary that was made before, DENSE over all keys. Times are of all maps,
    multiply-adds of one.
    """
    tokens = TOKENS[device]
    side = isqrt(min(tokens, TOKENS["cpu"]))
    rows, functions = [], {}
    for number, setting in enumerate(SWEEPS[sweep]):
        c, m, k = (setting[name] for name in "CMk")
        config = ColumnarConfig(backend=BACKENDS[device][0])
        layer = KeySemanticAttention(c, setting["h"], config).eval()
        source = torch.Generator().manual_seed(number)
        x = torch.randn(tokens // m**2, m**2, c, generator=source)  # [B,N,C]
        of_map = x[: side**2 // m**2]
        adds = {
            form: counted(layer, of_map, keys, m)["multiply_adds"]
            for form, keys in ((SPARSE, k), (DENSE, None))
        }
        layer, x = layer.to(device), x.to(device)
        keys = {SPARSE: build_dictionary(x, k), DENSE: AllKeys()}
        for form, listed in keys.items():
            functions[f"{number} {form}"] = partial(layer, x, listed, (m, m))
        sizes = {"H": side, "W": side, **setting, "maps": tokens // side**2}
        rows.append({"sweep": sweep, **sizes, "multiply_adds": adds})
    times = interleaved(functions, seconds * len(rows))
    for number, row in enumerate(rows):
        row["milliseconds"] = {form: times[f"{number} {form}"] for form in (SPARSE, DENSE)}
    return rows
