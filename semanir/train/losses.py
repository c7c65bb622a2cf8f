"""Training losses (paper A.4)."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from semanir import paths

Loss = Callable[[Tensor, Tensor], Tensor]


def l1(output: Tensor, target: Tensor) -> Tensor:
    """Mean absolute error."""
    return (output - target).abs().mean()


def charbonnier(output: Tensor, target: Tensor) -> Tensor:
    """sqrt(error^2 + eps^2), eps 1e-3 (sister), the paper's loss for deblurring."""
    return torch.sqrt((output - target) ** 2 + 1e-3**2).mean()


class SmoothL1VGG(nn.Module):
    """Smooth L1 plus 0.04 times the squared distance of VGG16 features, the loss for bad weather.

    The paper names the two parts; weight and features are TransWeather's, whose protocol it takes
    over: the mean over relu1_2, relu2_2 and relu3_3, of images [B,3,H,W] on [0,1] as they are.
    """

    def __init__(self, features: nn.Module) -> None:
        super().__init__()
        self.features = features

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        pixels = nn.functional.smooth_l1_loss(output, target)
        with torch.no_grad():
            expected = self.features(target)
        levels = zip(self.features(output), expected, strict=True)
        distances = [nn.functional.mse_loss(a, b) for a, b in levels]
        return pixels + 0.04 * torch.stack(distances).mean()


LOSSES: dict[str, Loss] = {"l1": l1, "charbonnier": charbonnier}


def make_loss(name: str, device: str) -> Loss:
    """A loss of the recipe: LOSSES, or "smooth_l1_vgg", which reads VGG16 from data/vgg/."""
    if name != "smooth_l1_vgg":
        return LOSSES[name]
    from semanir.train.vgg import load

    return SmoothL1VGG(load(paths.VGG).to(device))
