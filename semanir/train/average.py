"""The moving average of a network's weights, which lies nearer the middle of where training walks.

Held by torch.optim.swa_utils.AveragedModel; here how fast it moves.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from semanir.network import Network


def moving_average(network: Network, decay: float) -> AveragedModel:
    """A copy of the network whose weights `update_parameters` moves by 1 - decay to the current.

    The n-th update moves by at least 9 / (10 + n), so that the first weights, which are random, are
    forgotten (the rule of TensorFlow's ExponentialMovingAverage).
    """
    return AveragedModel(network, multi_avg_fn=_moves_by(decay))


def _moves_by(decay: float) -> Callable[[Any, Any, Any], None]:
    @torch.no_grad()
    def move(averaged: list[Tensor], current: list[Tensor], updates: Tensor | int) -> None:
        count = int(updates)
        torch._foreach_lerp_(averaged, current, max(1 - decay, 9 / (10 + count)))

    return move
