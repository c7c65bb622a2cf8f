"""Cutting feature maps into windows and putting them back.

# S images, C channels, H x W feature map, h x w window, B = S * (H/h) * (W/w), N = h * w
"""

import torch
from torch import Tensor

from semanir.attention.constant import constant


def partition(x: Tensor, window: tuple[int, int], shift: tuple[int, int] = (0, 0)) -> Tensor:
    """[S,C,H,W] with H, W multiples of the window -> tokens [B,N,C], images outermost.

    The windows are those of the map rolled by -shift.
    """
    x = _rolled(x.permute(0, 2, 3, 1), (-shift[0], -shift[1]))  # [S,H,W,C]
    s, height, width, c = x.shape
    h, w = window
    x = x.reshape(s, height // h, h, width // w, w, c)
    return x.transpose(2, 3).reshape(-1, h * w, c)


def unpartition(
    tokens: Tensor, window: tuple[int, int], size: tuple[int, int], shift: tuple[int, int] = (0, 0)
) -> Tensor:
    """Inverse of `partition` for a feature map of `size` (H, W), channels last in memory."""
    (h, w), (height, width), c = window, size, tokens.shape[-1]
    x = tokens.view(-1, height // h, width // w, h, w, c)
    return _rolled(x.transpose(2, 3).reshape(-1, height, width, c), shift).permute(0, 3, 1, 2)


def _rolled(x: Tensor, shift: tuple[int, int]) -> Tensor:
    return x.contiguous().roll(shift, (1, 2)) if any(shift) else x


def channels_last(x: Tensor) -> Tensor:
    """The same feature map with its channels side by side in memory, as tokens and oneDNN want."""
    return x.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)  # as vmap can do it too


def pad_reflect(x: Tensor, multiple: tuple[int, int]) -> Tensor:
    """Pad bottom and right to multiples by reflection without repeating the edge.

    Works for any size: where the padding exceeds the image, the reflection goes on to and fro.
    """
    x = x.permute(0, 2, 3, 1)
    for dim, m in ((1, multiple[0]), (2, multiple[1])):
        size = x.shape[dim]
        if size % m:
            x = x.index_select(dim, _reflected(size, size + m - size % m, x.device))
    return x.permute(0, 3, 1, 2)


@constant
def _reflected(size: int, padded: int, device: torch.device) -> Tensor:
    period = max(2 * (size - 1), 1)
    index = torch.arange(padded, device="cpu") % period
    return torch.minimum(index, period - index).clamp(max=size - 1).to(device)


@constant
def region_labels(
    size: tuple[int, int], window: tuple[int, int], shift: tuple[int, int], device: torch.device
) -> Tensor:
    """Labels [windows, N] of a map rolled by -shift: tokens that wrapped around differ from others.

    Only tokens of one window are ever compared, so four labels are enough.
    """
    y = torch.arange(size[0], device="cpu") >= size[0] - shift[0]
    x = torch.arange(size[1], device="cpu") >= size[1] - shift[1]
    labels = (2 * y.int()[:, None] + x.int()[None, :])[None, None]
    return partition(labels, window)[..., 0].contiguous().to(device)
