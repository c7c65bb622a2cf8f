"""Networks of other authors, called alike: padded, cut and told the level as they do it.

Where their test scripts say so stands in models.yaml (`called`).
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from baselines import cuts, networks
from baselines.called import Called, called
from baselines.checkpoint import load_weights
from baselines.padding import pad_to
from baselines.weights import find, verify
from data_prep.tasks import Task
from semanir.evaluate.evaluation import Restorer
from semanir.inference.restore import restore
from semanir.inference.tiling import choose_tile
from semanir.plan import models


class Adapted(nn.Module):
    """A network that takes [B,C,H,W] of any size on [0,1] and returns [B,C,s*H,s*W].

    level: what the network is told of the degradation, sigma on 0..255 or the quality factor.
    as_tested: cut pictures and pad those that fit already, as the authors' test script does; else a
    picture passes as a whole, which is what is counted and timed.
    """

    def __init__(self, network: nn.Module, how: Called) -> None:
        super().__init__()
        self.network = network
        self.how = how
        self.level = 0.0
        self.as_tested = False
        self.tile_unit = how.unit

    def forward(self, x: Tensor) -> Tensor:
        """Raises InputError for pictures that the network does not take."""
        self.how.check(*x.shape[1:])
        # IPT takes crops alone
        if self.as_tested or "crops" in self.how.cut:
            for name, numbers in self.how.cut.items():
                return cuts.CUTS[name](self._piece, x, **numbers)
        return self._piece(x)

    def _piece(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        pad = self.how.pad
        if pad and not pad.get("inside"):
            x = pad_to(x, pad["to"], pad["mode"], self.as_tested and pad.get("always", False))
        if self.how.clip:
            x = x.clamp(0, 1)
        # a copy, because RCAN scales its input in place
        out = self._call(x * self.how.range if self.how.range != 1 else x.clone())
        if self.how.first:
            out = out[0]
        scale = out.shape[-1] // x.shape[-1]
        return out[..., : height * scale, : width * scale] / self.how.range

    def _call(self, x: Tensor) -> Any:
        return TOLD[self.how.told](self.network, x, self.level)


def _map(value: Callable[[float], float], network: nn.Module, x: Tensor, level: float) -> Any:
    return network(torch.cat((x, torch.full_like(x[:, :1], value(level))), 1))


TOLD: dict[str, Callable[[nn.Module, Tensor, float], Any]] = {
    "": lambda network, x, level: network(x),
    "sigma": lambda network, x, level: network(x, level),
    "sigma_map": partial(_map, lambda sigma: sigma / 255),
    "quality_map": partial(_map, lambda quality: (100 - quality) / 100),
}


def adapted(model: str, variant: str = "") -> Adapted:
    """A system of models.yaml with random weights; errors as `baselines.networks.build`."""
    return Adapted(networks.build(model, variant), called(model, variant))


def load(model: str, task: str) -> tuple[Adapted, dict[str, Any]]:
    """The network with the released weights of a task, as tested, and facts on record.

    Raises InputError where the weights are missing, changed, or not of this network.
    """
    entry = models.get_model(model)
    variant = models.variant_for(entry, task)
    network = adapted(model, variant)
    weights = find(model, task)
    digest = verify(model, weights)
    path = Path(weights.path)
    load_weights(network.network, path, entry["variants"][variant])
    # two thirds of DnCNN's time on a CPU; torch's annotations lack this overload
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    network.as_tested = True
    facts = {
        "network": f"{entry['network'].rpartition('.')[2]} {variant}",
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "weights": {"file": path.name, "sha256": digest, "licence": entry["licence"]},
    }
    return network.eval().requires_grad_(False), facts


def restorer(model: str, task: Task, threads: int) -> tuple[Restorer, dict[str, Any]]:
    """What semanir.evaluate.evaluation needs: how an image is restored, and facts that go on record."""
    torch.set_num_threads(threads)
    network, facts = load(model, task.name)
    if torch.cuda.is_available():
        network = network.cuda()

    def apply(image: NDArray, level: str, tile: int | None = None) -> tuple[NDArray, int | None]:
        value = task.levels[level]
        network.level = float(value) if isinstance(value, int | float) else 0.0
        used = tile or tile_for(network, image)
        network.as_tested = used is None
        return restore(network, image, tile=used), used

    return apply, facts


def tile_for(network: Adapted, image: NDArray) -> int | None:
    """Side of tiles for an image [H,W] or [H,W,C] of which one piece does not fit into memory."""
    height, width = cuts.largest(network.how.cut, *image.shape[:2])
    network.as_tested = False
    return choose_tile(network, (network.how.channels, height, width))
