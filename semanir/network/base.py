"""Base class of the columnar and the U-shaped network."""

from abc import ABC, abstractmethod
from typing import Self

from torch import Tensor, nn

from semanir.errors import InputError
from semanir.network.cache import freeze
from semanir.network.config import Config


class Network(nn.Module, ABC):
    """A restoration network with the complete configuration that rebuilds it."""

    config: Config

    @property
    @abstractmethod
    def tile_unit(self) -> int:
        """Pixels: tiles whose sides are multiples of it have the windows of the whole image."""

    def train(self, mode: bool = True) -> Self:
        """As of any module; parameters that are trained are no longer frozen."""
        if mode:
            freeze(self, False)
        return super().train(mode)

    def check(self, images: Tensor) -> None:
        """Raise InputError unless `images` is a non-empty floating tensor [S,channels,H,W]."""
        channels = self.config.channels
        if images.ndim != 4 or images.shape[1] != channels:
            raise InputError(
                f"expected images [batch, {channels}, height, width], got {list(images.shape)}; "
                f"build the network with channels=1 for grey or channels=3 for colour"
            )
        if images.numel() == 0:
            raise InputError(f"images are empty: {list(images.shape)}")
        if not images.is_floating_point():
            raise InputError(
                f"expected floating images in [0, 1], got {images.dtype}; divide by 255"
            )
