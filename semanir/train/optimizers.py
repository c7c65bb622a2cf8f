"""torch's optimizers without the decorators that import torch._dynamo.

They import it only to keep its compiler out, which takes as long as importing torch itself. The
methods underneath are torch's own: weights are the same to the bit.
"""

import inspect
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Adam, AdamW, Muon, Optimizer

from semanir.network import Network
from semanir.network.layers import PositionBias
from semanir.train.recipe import Recipe

DECORATED = ("add_param_group", "zero_grad", "step", "state_dict", "load_state_dict")


def undecorated(kind: type[Optimizer]) -> Any:
    """`kind` without decorators, for optimizers that nobody compiles or differentiates through."""
    methods: dict[str, Any] = {name: inspect.unwrap(getattr(kind, name)) for name in DECORATED}
    methods["step"] = torch.no_grad()(methods["step"])
    return type(kind.__name__, (kind,), methods)


OPTIMIZERS = {"adamw": undecorated(AdamW), "adam": undecorated(Adam), "muon": undecorated(Muon)}


class Together:
    """Several optimizers, each of its own parameters, used as one."""

    def __init__(self, *parts: Optimizer) -> None:
        self.parts = parts

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        return [group for part in self.parts for group in part.param_groups]

    def zero_grad(self, set_to_none: bool = True) -> None:
        for part in self.parts:
            part.zero_grad(set_to_none=set_to_none)

    def step(self) -> None:
        for part in self.parts:
            part.step()

    def state_dict(self) -> dict[str, Any]:
        return {"parts": [part.state_dict() for part in self.parts]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for part, saved in zip(self.parts, state["parts"], strict=True):
            part.load_state_dict(saved)


def make_optimizer(network: Network, recipe: Recipe) -> Optimizer | Together:
    """The optimizer of a recipe for all parameters of a network.

    "muon" (Jordan 2024) makes the steps of a layer's matrices orthogonal, at the size that AdamW's
    have (Liu et al. 2025); convolutions, biases, norms and the bias network are left to AdamW.
    """
    parameters = list(network.parameters())
    decay = {"lr": recipe.lr, "weight_decay": recipe.weight_decay}
    adam = {**decay, "betas": recipe.betas, "fused": True}
    if recipe.optimizer != "muon":
        optimizer: Optimizer = OPTIMIZERS[recipe.optimizer](parameters, **adam)
        return optimizer
    matrices = matrices_of_layers(network)
    chosen = set(map(id, matrices))
    rest = [parameter for parameter in parameters if id(parameter) not in chosen]
    muon = OPTIMIZERS["muon"](matrices, **decay, adjust_lr_fn="match_rms_adamw")
    return Together(muon, OPTIMIZERS["adamw"](rest, **adam))


def matrices_of_layers(network: Network) -> list[Tensor]:
    """The weights [outputs, inputs] of attention and feed-forward layers."""
    biases = (module for module in network.modules() if isinstance(module, PositionBias))
    of_bias = {id(parameter) for bias in biases for parameter in bias.parameters()}
    linear = (module for module in network.modules() if isinstance(module, nn.Linear))
    return [module.weight for module in linear if id(module.weight) not in of_bias]
