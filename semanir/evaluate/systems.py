"""From the name of a model to its network, and to what restores images with it.

The one place that does so: our own networks, those of other authors, and the degraded input.
"""

# torch is imported where it is used: the degraded input is scored without
import re
from copy import copy, deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from baselines import classical
from data_prep.tasks import Task
from semanir.errors import InputError
from semanir.inference.restorer import Restorer
from semanir.names import known_name
from semanir.plan import models

if TYPE_CHECKING:
    from torch import nn


def network_of(name: str, noncommercial: bool = False) -> "nn.Module":
    """The network that NAME[:VARIANT[:OPTION=VALUE,...]] describes, with random weights.

    NAME is an entry of a models.yaml, VARIANT one of its variants (the first one if left out);
    options are those of `semanir.build`, for our own networks alone. Raises InputError that names
    what is wrong, and what is valid.
    """
    model, _, rest = name.partition(":")
    variant, _, options = rest.partition(":")
    entry = models.get_model(model)
    if model not in models.trained_models():
        from baselines.adapt import adapted

        if options:
            raise InputError(f"{name}: only our own networks take options, {model} takes none")
        return adapted(model, variant, noncommercial).eval()
    from semanir.network import build

    if "variants" not in entry:
        raise InputError(f"{name}: an ablation; take {entry['of']}, with options of semanir.build")
    if "=" in variant:
        variants = "|".join(entry["variants"])
        raise InputError(f"{name}: options follow a variant, as {model}:{variants}:{variant}")
    variant = known_name(variant or next(iter(entry["variants"])), entry["variants"], "variant")
    values: dict[str, int | bool | str] = {}
    for option in filter(None, options.split(",")):
        key, _, text = option.partition("=")
        if key in ("name", *values):
            raise InputError(f"{name}: {key} is said twice; leave one out")
        values[key] = _value(text)
    return build(model, **{**entry["variants"][variant], **values}).eval()


def _value(text: str) -> int | bool | str:
    if re.fullmatch("-?[0-9]+", text):
        return int(text)
    return {"true": True, "false": False}.get(text.lower(), text)


def restorer_of(model: str, task: Task, threads: int, noncommercial: bool = False) -> Restorer:
    """What restores images with a system that is not trained here, released weights and all.

    Raises InputError for a system that cannot run, and for weights that are missing or changed.
    """
    entry = models.get_model(model)
    if "quoted" in entry:
        raise InputError(f"{model} cannot run: {entry['quoted']}")
    if "network" not in entry:
        return classical.BUILDERS[entry["builder"]](task)
    from baselines import adapt

    return adapt.restorer(model, task, threads, noncommercial)


class TrainedRestorer:
    """A network trained here, with its weights.

    preset: of the network; switches: of `semanir.build`, in which inference differs from training.
    self_ensemble: see `in_ensemble`.
    """

    facts: dict[str, Any]
    self_ensemble = False

    def __init__(
        self, weights: str | Path, task: Task, threads: int, preset: str, **switches: Any
    ) -> None:
        import torch

        from semanir.inference.checkpoint import digest, load
        from semanir.network.config import to_dict
        from semanir.network.flops import multiply_adds

        torch.set_num_threads(threads)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        self.network = load(weights, device=device, **switches)
        side = 64 if task.upscale else 256
        shape = (1, self.network.config.channels, side, side)
        self.facts = {
            "network": preset,
            "config": to_dict(self.network.config),
            "parameters": sum(p.numel() for p in self.network.parameters()),
            "tensors_sha256": digest(self.network),
            "counted": {
                "input": "x".join(map(str, shape[1:])),
                "multiply_adds": multiply_adds(deepcopy(self.network), shape),
            },
        }

    def __call__(
        self, image: NDArray[np.float32], level: str, tile: int | None = None
    ) -> tuple[NDArray[np.float32], int | None]:
        from semanir.inference.restore import restore
        from semanir.inference.tiling import fitting_tile

        used = tile or fitting_tile(self.network, image)
        return restore(self.network, image, tile=used, self_ensemble=self.self_ensemble), used

    def in_ensemble(self) -> "TrainedRestorer":
        """The same network, which restores in eight positions and averages."""
        other = copy(self)
        other.self_ensemble = True
        return other
