"""The first seven convolutions of VGG16, whose features the loss for bad weather compares.

Simonyan and Zisserman, Very Deep Convolutional Networks, ICLR 2015; torchvision's weights
(BSD-3-Clause), see semanir.train.vgg_download.
"""

from itertools import pairwise
from pathlib import Path

from safetensors import safe_open
from torch import Tensor, nn

from semanir.errors import InputError

WIDTHS = ((3, 64, 64), (64, 128, 128), (128, 256, 256, 256))


class Features(nn.Module):
    """[B,3,H,W] -> relu1_2 [B,64,H,W], relu2_2 [B,128,H/2,W/2], relu3_3 [B,256,H/4,W/4]."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        self.ends = []
        for widths in WIDTHS:
            for width, following in pairwise(widths):
                layers += [nn.Conv2d(width, following, 3, padding=1), nn.ReLU()]
            self.ends.append(len(layers) - 1)
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers[:-1])

    def forward(self, x: Tensor) -> list[Tensor]:
        features = []
        for index, layer in enumerate(self.features):
            x = layer(x)
            if index in self.ends:
                features.append(x)
        return features


def load(path: str | Path) -> Features:
    """The features with released weights, fixed; InputError for a file that holds others."""
    network = Features()
    try:
        with safe_open(path, "pt") as file:
            network.load_state_dict({name: file.get_tensor(name) for name in network.state_dict()})
    except Exception as error:  # torch's own text runs over lines
        raise InputError(f"no VGG16 weights in {path} ({type(error).__name__})") from None
    return network.eval().requires_grad_(False)
