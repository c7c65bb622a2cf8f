"""Networks of other authors, called alike: padded as their test code does, cropped, told the level.

Paddings and calls are those of the released test scripts: SwinIR's main_test_swinir.py (flips the
image and always adds a window), Restormer's and HAT's (reflect), KAIR's (replicate).
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from baselines import matconvnet, networks
from baselines.weights import find, verify
from data_prep.errors import InputError
from data_prep.tasks import Task
from semanir import models
from semanir.evaluate import Restorer
from semanir.restore import in_tiles, restore
from semanir.tiling import fitting_tile

Call = Callable[[nn.Module, Tensor, float], Tensor]


class Adapted(nn.Module):
    """A network that takes [B,C,H,W] of any size on [0,1] and returns [B,C,s*H,s*W].

    level: what the network is told of the degradation, sigma on 0..255 or the quality factor.
    """

    def __init__(self, network: nn.Module, entry: dict[str, Any], options: dict[str, Any]) -> None:
        super().__init__()
        self.network = network
        self.level = 0.0
        self.pad = dict(entry.get("pad", {"to": 1, "mode": "reflect"}))
        if isinstance(self.pad["to"], str):
            self.pad["to"] = options[self.pad["to"]]
        self.call: Call = CALLS[entry.get("call", "plain")]
        self.tile_unit: int = self.pad["to"]

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        padded = pad_to(x, self.pad["to"], self.pad["mode"], self.pad.get("always", False))
        # a copy, because RCAN scales its input in place
        out = self.call(self.network, padded.clone(), self.level)
        scale = out.shape[-1] // padded.shape[-1]
        return out[..., : height * scale, : width * scale]


def adapted(model: str, variant: str = "") -> Adapted:
    """A system of models.yaml with random weights; errors as `baselines.networks.build`."""
    entry = models.get_model(model)
    network = networks.build(model, variant)
    return Adapted(network, entry, entry["variants"][variant or next(iter(entry["variants"]))])


def load(model: str, task: str) -> tuple[Adapted, dict[str, Any]]:
    """The network with the released weights of a task, in evaluation mode, and facts on record.

    Raises InputError where the weights are missing, changed, or not of this network.
    """
    entry = models.get_model(model)
    variant = models.variant_for(entry, task)
    network = adapted(model, variant)
    weights = find(model, task)
    digest = verify(model, weights)
    path = Path(weights.path)
    load_weights(network.network, path)
    # two thirds of DnCNN's time on a CPU; torch's annotations lack this overload
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    facts = {
        "network": f"{entry['network'].rpartition('.')[2]} {variant}",
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "weights": {"file": path.name, "sha256": digest, "licence": entry["licence"]},
    }
    return network.eval().requires_grad_(False), facts


def load_weights(network: nn.Module, path: Path) -> None:
    """Load .mat (MatConvNet) or torch files; InputError names what does not fit.

    Every parameter must be there in the right shape. What is only in the file may be tables that
    the network computes itself (indices, masks), never parameters of layers it has not.
    """
    if path.suffix == ".mat":
        matconvnet.load(network, path)
        return
    state = _state_dict(path)
    wanted = network.state_dict()
    parameters = {name for name, _ in network.named_parameters()}
    missing = sorted(name for name in parameters if name not in state)
    wrong = sorted(
        name for name in wanted if name in state and state[name].shape != wanted[name].shape
    )
    wrong = [name for name in wrong if name in parameters]
    if missing or wrong:
        what = [f"lacks {', '.join(missing[:3])}"] if missing else []
        what += [
            f"{name} is {tuple(state[name].shape)}, not {tuple(wanted[name].shape)}"
            for name in wrong[:3]
        ]
        raise InputError(f"{path} is not of this network: {'; '.join(what)}")
    tables = ("index", "mask", "table", "rpi", "mean", "std", "total_ops", "total_params")
    unknown = [name for name in state if name not in wanted and not name.endswith(tables)]
    if any(".weight" in name for name in unknown):
        raise InputError(f"{path} has layers that this network has not: {', '.join(unknown[:3])}")
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            parameter.copy_(state[name])
        for name, buffer in network.named_buffers():
            if name in state and state[name].shape == buffer.shape:
                buffer.copy_(state[name])


def _state_dict(path: Path) -> dict[str, Tensor]:
    """The tensors of a torch file, by name, without what training frameworks wrap them in."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise InputError(f"no weights at {path}; python -m baselines.weights --help") from None
    except Exception as error:
        reason = str(error).partition("\n")[0]
        raise InputError(f"{path} cannot be loaded without running code of it: {reason}") from None
    for key in ("params_ema", "params", "state_dict", "model"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
            break
    if not isinstance(content, dict):
        raise InputError(f"{path} holds a {type(content).__name__}, not tensors by name")
    tensors = {name: value for name, value in content.items() if isinstance(value, Tensor)}
    for prefix in ("module.", "model.", "model_g."):
        if tensors and all(name.startswith(prefix) for name in tensors):
            tensors = {name.removeprefix(prefix): value for name, value in tensors.items()}
    return tensors


def restorer(model: str, task: Task, threads: int) -> tuple[Restorer, dict[str, Any]]:
    """What semanir.evaluate needs: how an image is restored, and facts that go on record."""
    torch.set_num_threads(threads)
    network, facts = load(model, task.name)
    if torch.cuda.is_available():
        network = network.cuda()

    def apply(image: NDArray, level: str, tile: int | None = None) -> tuple[NDArray, int | None]:
        value = task.levels[level]
        network.level = float(value) if isinstance(value, int | float) else 0.0
        used = tile or fitting_tile(network, image)
        return restore(network, image, tile=used), used

    return apply, facts


# --- padding and calls -----------------------------------------------------------------------


def pad_to(x: Tensor, multiple: int, mode: str, always: bool = False) -> Tensor:
    """[B,C,H,W] with both sides a multiple, new pixels below and to the right.

    mode: reflect (edge not repeated), symmetric (repeated), replicate. always: a side that fits
    already gets a whole multiple. Sides smaller than the padding are mirrored again and again.
    """
    for axis in (-2, -1):
        size = x.shape[axis]
        target = (
            (size // multiple + 1) * multiple if always else math.ceil(size / multiple) * multiple
        )
        if target > size:
            x = x.index_select(axis, _mirrored(size, target, mode).to(x.device))
    return x


def _mirrored(size: int, target: int, mode: str) -> Tensor:
    index = torch.arange(target)
    if mode == "replicate" or size == 1:
        return index.clamp(max=size - 1)
    period = 2 * size - (2 if mode == "reflect" else 0)
    index = index % period
    return torch.where(index < size, index, period - index - (1 if mode == "symmetric" else 0))


def _plain(network: nn.Module, x: Tensor, level: float) -> Tensor:
    return network(x)


def _level(network: nn.Module, x: Tensor, level: float) -> Tensor:
    return network(x, level)


def _level_map(network: nn.Module, x: Tensor, level: float) -> Tensor:
    return network(torch.cat((x, torch.full_like(x[:, :1], level / 255)), 1))


def _first(network: nn.Module, x: Tensor, level: float) -> Tensor:
    return network(x)[0]


def _crops(network: nn.Module, x: Tensor, level: float) -> Tensor:
    """In overlapping crops of 48 x 48, the only size IPT was made for; their middles are kept."""
    return in_tiles(network, x, unit=24, tile=48, overlap=24)


CALLS: dict[str, Call] = {
    "plain": _plain,
    "level": _level,
    "level_map": _level_map,
    "first": _first,
    "crops": _crops,
}
