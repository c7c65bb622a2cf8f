"""Padding of pictures as the test code of the other systems does it: below and to the right."""

import math

import torch
from torch import Tensor


def pad_to(x: Tensor, multiple: int, mode: str, always: bool = False) -> Tensor:
    """[B,C,H,W] with both sides a multiple, new pixels below and to the right.

    mode: reflect (edge not repeated), symmetric (repeated), replicate. always: a side that fits
    already gets a whole multiple. Sides smaller than the padding are mirrored again and again.
    """
    height, width = ((side // multiple + always) * multiple for side in x.shape[-2:])
    if not always:
        height, width = (math.ceil(side / multiple) * multiple for side in x.shape[-2:])
    return pad_up_to(x, height, width, mode)


def pad_up_to(x: Tensor, height: int, width: int, mode: str) -> Tensor:
    """[B,C,H,W] -> [B,C,height,width], as `pad_to`."""
    for axis, target in ((-2, height), (-1, width)):
        size = x.shape[axis]
        if target > size:
            x = x.index_select(axis, _mirrored(size, target, mode).to(x.device))
    return x


def _mirrored(size: int, target: int, mode: str) -> Tensor:
    index = torch.arange(target)
    if mode == "replicate" or size == 1:
        return index.clamp(max=size - 1)
    period = 2 * size - (2 if mode == "reflect" else 0)
    index = index % period
    return torch.where(index < size, index, period - index - (1 if mode == "symmetric" else 0))
