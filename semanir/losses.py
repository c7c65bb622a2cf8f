"""Training losses (paper A.4)."""

from collections.abc import Callable

import torch
from torch import Tensor


def l1(output: Tensor, target: Tensor) -> Tensor:
    """Mean absolute error."""
    return (output - target).abs().mean()


def charbonnier(output: Tensor, target: Tensor) -> Tensor:
    """sqrt(error^2 + eps^2), eps 1e-3 (sister), the paper's loss for deblurring."""
    return torch.sqrt((output - target) ** 2 + 1e-3**2).mean()


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"l1": l1, "charbonnier": charbonnier}
