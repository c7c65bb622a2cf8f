"""Archi-V1: the columnar network for super-resolution (paper Fig. 2a; sizes: fit)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from semanir.attention.constant import constant
from semanir.network.base import Network
from semanir.network.config import ColumnarConfig
from semanir.network.layers import Stage, channel_norm, initialise, zero
from semanir.network.windows import channels_last, pad_reflect

RGB_MEAN = (0.4488, 0.4371, 0.4040)  # DIV2K, subtracted before and added after (sister)


class Columnar(Network):
    """Low-resolution images [S,channels,H,W] in [0,1] -> [S,channels,upscale*H,upscale*W]."""

    def __init__(self, config: ColumnarConfig) -> None:
        super().__init__()
        self.config: ColumnarConfig = config
        dim, features = config.dim, config.features

        self.conv_first = nn.Conv2d(config.channels, dim, 3, padding=1)
        self.norm_first = nn.LayerNorm(dim)
        self.stages = nn.ModuleList(
            Stage(dim, config.heads, config.layers, config, shifted=index % 2 == 1)
            for index in range(config.stages)
        )
        self.norm_last = nn.LayerNorm(dim)
        self.conv_body = nn.Conv2d(dim, dim, 3, padding=1)
        self.conv_features = nn.Sequential(
            nn.Conv2d(dim, features, 3, padding=1), nn.LeakyReLU(inplace=True)
        )
        steps = [3] if config.upscale == 3 else [2] * (config.upscale // 2)
        self.upsample = nn.Sequential(
            *(
                nn.Sequential(
                    nn.Conv2d(features, features * step**2, 3, padding=1), nn.PixelShuffle(step)
                )
                for step in steps
            )
        )
        self.conv_last = nn.Conv2d(features, config.channels, 3, padding=1)

        initialise(self)
        # with torch's default, features fade on their way to the output and tiny networks stall
        for part in (self.conv_first, self.conv_features, self.upsample):
            for conv in part.modules():
                if isinstance(conv, nn.Conv2d):
                    nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
        if config.skip == "bicubic":
            zero(self.conv_last)

    @property
    def tile_unit(self) -> int:
        return self.config.window

    def forward(self, images: Tensor, k: int | None = None) -> Tensor:
        """images: floating, on [0,1], of any size. k: keys per query, None = the configuration's.

        Raises InputError for other shapes and types, NonFiniteTokensError for NaN.
        """
        config = self.config
        self.check(images)
        height, width = images.shape[-2:]
        window = min(config.window, height), min(config.window, width)
        mean = _mean(config.channels, images.device, images.dtype)
        x = pad_reflect(images - mean, window)

        shallow = channels_last(self.conv_first(channels_last(x)))
        deep = channel_norm(self.norm_first, shallow)
        for stage in self.stages:
            deep = stage(deep, config.k if k is None else k)
        deep = shallow + self.conv_body(channel_norm(self.norm_last, deep))

        out = self.conv_last(self.upsample(self.conv_features(deep))) + mean
        if config.skip == "bicubic":
            size = (x.shape[-2] * config.upscale, x.shape[-1] * config.upscale)
            # antialias=True selects the kernel with a = -0.5, MATLAB's and Pillow's
            out = out + F.interpolate(x, size=size, mode="bicubic", antialias=True)
        return out[..., : height * config.upscale, : width * config.upscale]


@constant
def _mean(channels: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """[1,C,1,1]. No buffer, which would stay rounded after a time in half precision."""
    values = RGB_MEAN if channels == 3 else (sum(RGB_MEAN) / 3,)
    return torch.tensor(values, device=device, dtype=dtype).view(1, -1, 1, 1)
