"""Networks of other authors behind one call: padded, split and conditioned as their scripts do it.

Where the authors' test scripts say so stands in models.yaml (`inference`).
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from baselines import networks
from baselines.checkpoint import load_weights
from baselines.inference_settings import InferenceSettings, inference_settings
from baselines.padding import pad_to
from baselines.registry import get_system, variant_for
from baselines.splitting import SPLITS, largest_piece
from baselines.weights import find, verify
from data_prep.tasks import Task
from semanir.inference.restore import restore
from semanir.inference.restorer import Restorer
from semanir.inference.tiling import choose_tile


class Adapted(nn.Module):
    """A network that takes [B,C,H,W] of any size on [0,1] and returns [B,C,s*H,s*W].

    level: of the degradation, the condition of some networks; sigma on 0..255 or the quality
    factor. as_tested: split pictures and pad those that fit already, as the authors' test script
    does; else a picture passes as a whole, which is what is counted and timed.
    """

    def __init__(self, network: nn.Module, settings: InferenceSettings) -> None:
        super().__init__()
        self.network = network
        self.settings = settings
        self.level = 0.0
        self.as_tested = False
        self.tile_unit = settings.multiple

    def forward(self, x: Tensor) -> Tensor:
        """Raises InputError for pictures that the network does not take."""
        self.settings.check(*x.shape[1:])
        # IPT takes crops alone
        if self.as_tested or "overlapping_crops" in self.settings.split:
            for name, numbers in self.settings.split.items():
                return SPLITS[name](self._restore_piece, x, **numbers)
        return self._restore_piece(x)

    def _restore_piece(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        settings, pad = self.settings, self.settings.pad
        if pad and not pad.get("inside"):
            always = self.as_tested and pad.get("always", False)
            x = pad_to(x, pad["multiple"], pad["mode"], always)
        if settings.clip:
            x = x.clamp(0, 1)
        # a copy, because RCAN scales its input in place
        scaled = x * settings.range if settings.range != 1 else x.clone()
        out = CONDITIONS[settings.condition](self.network, scaled, self.level)
        if settings.first_output:
            out = out[0]
        scale = out.shape[-1] // x.shape[-1]
        return out[..., : height * scale, : width * scale] / settings.range


def _with_map(value: Callable[[float], float], network: nn.Module, x: Tensor, level: float) -> Any:
    return network(torch.cat((x, torch.full_like(x[:, :1], value(level))), 1))


# how a network is given the level of the degradation
CONDITIONS: dict[str, Callable[[nn.Module, Tensor, float], Any]] = {
    "": lambda network, x, level: network(x),
    "sigma": lambda network, x, level: network(x, level),
    "sigma_map": partial(_with_map, lambda sigma: sigma / 255),
    "quality_map": partial(_with_map, lambda quality: (100 - quality) / 100),
}


def adapted(system: str, variant: str = "", noncommercial: bool = False) -> Adapted:
    """A system of models.yaml with random weights; errors as `baselines.networks.build`."""
    network = networks.build(system, variant, noncommercial)
    return Adapted(network, inference_settings(system, variant))


def load(system: str, task: str, noncommercial: bool = False) -> tuple[Adapted, dict[str, Any]]:
    """The network with the released weights of a task, as tested, and facts on record.

    Raises InputError where the weights are missing, changed, or not of this network.
    """
    entry = get_system(system)
    variant = variant_for(entry, task)
    network = adapted(system, variant, noncommercial)
    weights = find(system, task)
    digest = verify(system, weights)
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


class ReleasedRestorer:
    """Restores images of a task with the released weights of a system, at the level of each."""

    def __init__(self, network: Adapted, task: Task, facts: dict[str, Any]) -> None:
        self.network, self.task, self.facts = network, task, facts

    def __call__(
        self, image: NDArray[np.float32], level: str, tile: int | None = None
    ) -> tuple[NDArray[np.float32], int | None]:
        """As `Restorer`; a tiled image is neither split nor padded beyond need."""
        value = self.task.levels[level]
        self.network.level = float(value) if isinstance(value, int | float) else 0.0
        used = tile or tile_for(self.network, image)
        self.network.as_tested = used is None
        return restore(self.network, image, tile=used), used


def restorer(system: str, task: Task, threads: int, noncommercial: bool = False) -> Restorer:
    """A system with its released weights, on a GPU where there is one; errors as `load`."""
    torch.set_num_threads(threads)
    network, facts = load(system, task.name, noncommercial)
    if torch.cuda.is_available():
        network = network.cuda()
    return ReleasedRestorer(network, task, facts)


def tile_for(network: Adapted, image: NDArray) -> int | None:
    """Side of tiles for an image [H,W] or [H,W,C] of which one piece does not fit into memory."""
    height, width = largest_piece(network.settings.split, *image.shape[:2])
    network.as_tested = False
    return choose_tile(network, (network.settings.channels, height, width))
