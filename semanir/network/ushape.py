"""Archi-V2: the U-shaped network for the five tasks other than super-resolution (paper Fig. 7).

The paper prints stages, layers and parameters, which tens of thousands of structures fit. Layouts
U2 and U1 are two of those fits (ours), not the authors' network.
"""

import math
from itertools import cycle

import torch
from torch import Tensor, nn

from semanir.network.base import Network
from semanir.network.config import UShapeConfig
from semanir.network.layers import Stage, channel_norm, initialise, zero
from semanir.network.windows import channels_last, pad_reflect


class UShape(Network):
    """Degraded images [S,channels,H,W] in [0,1] -> restored images of the same shape."""

    def __init__(self, config: UShapeConfig) -> None:
        super().__init__()
        self.config: UShapeConfig = config
        dims, heads, layers = config.dims, config.heads, config.layers_of_levels
        first_layout = config.layout == "U1"
        lowest = len(dims) - 1
        down_levels = range(lowest + 1 if first_layout else lowest)
        up_levels = range(lowest, -1 if first_layout else 0, -1)
        final_dim = dims[0] if first_layout else 2 * dims[0]

        shifted = cycle((False, True))

        def stage(level: int, dim: int) -> Stage:
            return Stage(dim, heads[level], layers[level], config, shifted=next(shifted))

        # keys are levels, 0 = full resolution; registration order is the order of execution
        self.conv_first = nn.Conv2d(config.channels, dims[0], 3, padding=1)
        self.down = nn.ModuleDict({str(i): stage(i, dims[i]) for i in down_levels})
        self.downsample = nn.ModuleDict(
            {str(i): _downsample(dims[i], dims[i + 1], first_layout) for i in range(lowest)}
        )
        self.up = nn.ModuleDict({str(i): stage(i, dims[i]) for i in up_levels})
        self.upsample = nn.ModuleDict(
            {str(i): _upsample(dims[i], dims[i - 1], first_layout) for i in range(lowest, 0, -1)}
        )
        self.fuse = nn.ModuleDict(
            {
                str(i): nn.Conv2d(2 * dims[i], dims[i], 3, padding=1)
                for i in range(lowest - 1, -1 if first_layout else 0, -1)
            }
        )
        self.final = stage(0, final_dim)
        self.norm_first = nn.LayerNorm(dims[0]) if first_layout else None
        self.norm_last = nn.LayerNorm(dims[0]) if first_layout else None
        self.conv_body = nn.Conv2d(dims[0], dims[0], 3, padding=1) if first_layout else None
        self.conv_last = nn.Conv2d(final_dim, config.channels, 3, padding=1)

        initialise(self)
        zero(self.conv_last)

    @property
    def tile_unit(self) -> int:
        return math.lcm(self.config.window, 2 ** (len(self.config.dims) - 1))

    def forward(self, images: Tensor, k: int | None = None) -> Tensor:
        """images: floating, on [0,1], of any size. k: keys per query, None = the configuration's.

        Raises InputError for other shapes and types, NonFiniteTokensError for NaN.
        """
        self.check(images)
        height, width = images.shape[-2:]
        multiple = 2 ** (len(self.config.dims) - 1)
        padded = pad_reflect(images, (multiple, multiple))
        k = self.config.k if k is None else k

        shallow = channels_last(self.conv_first(channels_last(padded)))
        x = shallow if self.norm_first is None else channel_norm(self.norm_first, shallow)

        # down: each level's output is kept for its skip connection
        skips = {}
        for level, stage in self.down.items():
            x = stage(x, k)
            if level in self.downsample:
                skips[level] = x
                x = self.downsample[level](x)

        # up: enlarge, concatenate the skip of the level above, fuse
        for level, stage in self.up.items():
            x = stage(x, k)
            if level in self.upsample:
                above = str(int(level) - 1)
                x = torch.cat([self.upsample[level](x), skips[above]], dim=1)
                x = self.fuse[above](x) if above in self.fuse else x

        x = self.final(x, k)
        if self.norm_last is not None and self.conv_body is not None:
            x = shallow + self.conv_body(channel_norm(self.norm_last, x))
        return images + self.conv_last(x)[..., :height, :width]


def _downsample(dim: int, below: int, first_layout: bool) -> nn.Module:
    if first_layout:
        return nn.Conv2d(dim, below, 4, stride=2, padding=1)
    return nn.Conv2d(dim, below, 2, stride=2)


def _upsample(dim: int, above: int, first_layout: bool) -> nn.Module:
    if first_layout:
        return nn.ConvTranspose2d(dim, above, 2, stride=2)
    return nn.Sequential(nn.Conv2d(dim, 4 * above, 1), nn.PixelShuffle(2))
