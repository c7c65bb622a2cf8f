"""How large a picture fits into memory at once, and the tile where it does not."""

import copy
import math
import weakref
from contextlib import nullcontext
from typing import Any

import torch
from numpy.typing import NDArray
from torch import nn

from semanir.attention.dispatch import as_on_this_cpu
from semanir.memory import free_memory
from semanir.network.shapes import LightMode, on_meta

# part of the free memory that a pass may take; libraries hold some that is not counted
MEMORY_PART = 0.5
SAMPLE_SIDE = 256  # side of the picture whose memory is counted
CHANNEL_BLOCK = 16  # channels that oneDNN's convolutions keep together, with AVX-512
SMALLEST_TILE = 192  # side of the smallest tile that is chosen: three times the usual overlap

_Counts = dict[tuple[object, ...], float]  # by channels, k, type and device
_counted: "weakref.WeakKeyDictionary[nn.Module, _Counts]" = weakref.WeakKeyDictionary()


def choose_tile(
    network: nn.Module,
    shape: tuple[int, int, int],
    k: int | None = None,
    limit_bytes: int | None = None,
) -> int | None:
    """Side of tiles for a picture of (channels, height, width); None if it fits as a whole.

    k: keys per query, for our own networks (default: the network's). limit_bytes: what a forward
    pass may take; half of the free memory if not given. The memory of a pass is counted once for
    each network and k on torch's meta device, and grows with the pixels.
    """
    channels, height, width = shape
    if limit_bytes is None:
        limit_bytes = int(MEMORY_PART * free_bytes(next(network.parameters()).device))
    per_pixel = bytes_per_pixel(network, channels, k)
    unit = int(getattr(network, "tile_unit", 1))
    padded = math.ceil(height / unit) * math.ceil(width / unit) * unit**2
    if padded * per_pixel <= limit_bytes:
        return None
    side = math.isqrt(int(limit_bytes / per_pixel)) // unit * unit
    return max(side, math.ceil(SMALLEST_TILE / unit) * unit)


def fitting_tile(network: nn.Module, image: NDArray) -> int | None:
    """As `choose_tile`, for an image [H,W] or [H,W,C]."""
    height, width, *channels = image.shape
    return choose_tile(network, (*(channels or [1]), height, width))


def bytes_per_pixel(network: nn.Module, channels: int, k: int | None = None) -> float:
    """Memory at the peak of a forward pass without gradients, for each pixel of the input."""
    counted = _counted.setdefault(network, {})
    parameter = next(network.parameters())
    key = channels, k, parameter.dtype, parameter.device
    if key not in counted:
        unit = int(getattr(network, "tile_unit", 1))
        side = math.ceil(SAMPLE_SIDE / unit) * unit
        counted[key] = meta_peak_bytes(network, (1, channels, side, side), k=k) / side**2
    return counted[key]


@torch.no_grad()
def meta_peak_bytes(
    network: nn.Module, shape: tuple[int, ...], copies: bool = True, k: int | None = None
) -> int:
    """Most bytes of tensors alive at a time in a pass for an input [B,C,H,W], without weights.

    Nothing is computed: on the meta device tensors have shapes alone. Attention counts by the back
    end that it takes where the network lies. A convolution counts with copies of its input and
    output, which it makes on some CPUs and not on others; not with `copies` False. k: as of
    `choose_tile`.
    """
    on_cpu = next(network.parameters()).is_cpu
    network = copy.deepcopy(network).to("meta")  # some keep tensors that are no buffers
    x = torch.empty(shape, dtype=next(network.parameters()).dtype, device="meta")
    with as_on_this_cpu() if on_cpu else nullcontext(), LiveBytes(copies) as live:
        network(x, **({} if k is None else {"k": k}))
    return live.peak


class LiveBytes(LightMode):
    """Bytes of the storages that operators made and that something still holds.

    copies: count those that a convolution may make of its input and output.
    """

    def __init__(self, copies: bool = True) -> None:
        super().__init__()
        self.copies = copies
        self.live = self.peak = 0
        self.seen: weakref.WeakSet[Any] = weakref.WeakSet()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        inputs = {id(t.untyped_storage()) for t in _tensors((args, kwargs))}
        out = on_meta(func, args, kwargs or {})
        for tensor in _tensors(out):
            storage = tensor.untyped_storage()
            if id(storage) in inputs or storage in self.seen:
                continue
            self.seen.add(storage)
            self.live += storage.nbytes()
            self.peak = max(self.peak, self.live)
            weakref.finalize(storage, self._free, storage.nbytes())
        if self.copies and func is torch.ops.aten.convolution.default:
            self.peak = max(self.peak, self.live + _blocked_bytes(args[0]) + _blocked_bytes(out))
        return out

    def _free(self, size: int) -> None:
        self.live -= size


def _blocked_bytes(image: torch.Tensor) -> int:
    """Bytes of an image [B,C,H,W] with its channels filled up to whole blocks."""
    channels = math.ceil(image.shape[1] / CHANNEL_BLOCK) * CHANNEL_BLOCK
    return image.numel() // image.shape[1] * channels * image.element_size()


def _tensors(values: Any) -> list[torch.Tensor]:
    leaves = torch.utils._pytree.tree_leaves(values)
    return [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]


def free_bytes(device: torch.device) -> int:
    """Free memory of a device."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return free_memory()
