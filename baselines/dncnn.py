"""DnCNN (Zhang et al., TIP 2017): convolutions that predict the noise."""

from itertools import pairwise

from torch import Tensor, nn


class DnCNN(nn.Module):
    """A chain of 3x3 convolutions with ReLU between them; returns its input less what it predicts.

    As released: batch normalisation is folded into the convolutions. depth 17 for one noise level,
    20 for the blind networks, colour and JPEG.
    """

    def __init__(self, channels: int = 1, depth: int = 17, width: int = 64) -> None:
        super().__init__()
        widths = [channels, *[width] * (depth - 1), channels]
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(widths):
            layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU()]
        self.layers = nn.Sequential(*layers[:-1])

    def forward(self, x: Tensor) -> Tensor:
        """Noisy [B,C,H,W] on [0,1] -> restored, same shape."""
        return x - self.layers(x)
