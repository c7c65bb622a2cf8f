"""NAFNet as its authors test it: means over a neighbourhood where it was trained on those of crops.

The conversion is that of Chu et al., Improving Image Restoration by Revisiting Global Information
Aggregation, ECCV 2022 (TLC); the network is spandrel's.
"""

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from baselines.libraries import library_class

CROP = 256  # side of the crops it was trained on
REACH = 384  # side of the neighbourhood, at full resolution


def nafnet_local(**options: Any) -> nn.Module:
    """NAFNet with options of its class, its global means replaced by those of neighbourhoods."""
    network = library_class("spandrel.NAFNet")(**options)
    depth = len(network.encoders)
    parts = [(network.encoders[i], i) for i in range(depth)]
    parts += [(network.decoders[i], depth - 1 - i) for i in range(depth)]
    for blocks, level in [*parts, (network.middle_blks, depth)]:
        for module in blocks.modules():
            for name, child in list(module.named_children()):
                if isinstance(child, nn.AdaptiveAvgPool2d):
                    setattr(module, name, LocalMean(REACH >> level))
    return network


class LocalMean(nn.Module):
    """Mean over a square around every pixel, of the whole map where that is no larger."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    def forward(self, x: Tensor) -> Tensor:
        """[B,C,H,W] -> same shape, or [B,C,1,1]; squares at the edges are those further inside."""
        height, width = x.shape[-2:]
        if self.side >= height and self.side >= width:
            return F.adaptive_avg_pool2d(x, 1)
        rows, columns = min(height, self.side), min(width, self.side)
        sums = F.pad(x.cumsum(-1).cumsum(-2), (1, 0, 1, 0))
        strips = sums[..., rows:, :] - sums[..., :-rows, :]
        means = (strips[..., columns:] - strips[..., :-columns]) / (rows * columns)
        down, right = height - means.shape[-2], width - means.shape[-1]
        edges = (right // 2, (right + 1) // 2, down // 2, (down + 1) // 2)
        return F.pad(means, edges, mode="replicate")
