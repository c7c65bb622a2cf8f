"""Weights as they were released, held against the network: names, shapes, tables, settings.

A window, a shift or a range of colours often changes no parameter's shape, so that a wrong setting
would load without a word. Files hold more than parameters: position indices, masks of shifted
windows, the mean of the colours, options of the training. These must be what the network was built
with.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from baselines import matconvnet
from semanir.errors import InputError

WRAPPINGS = ("params_ema", "params", "state_dict", "model")  # what training frameworks wrap it in
PREFIXES = ("module.", "model.", "model_g.")
COLOURS = ("sub_mean.", "add_mean.")  # constants, although spandrel's RCAN could train them
COUNTERS = ("total_ops", "total_params")  # left by a counter of operations


def load_weights(network: nn.Module, path: Path, options: Mapping[str, Any] | None = None) -> None:
    """Load .mat (MatConvNet) or torch files; InputError names what does not fit.

    Every parameter must be there in the right shape, and nothing that the network has not. Tables
    that a network computes must be equal to it where a file has them, and so must `options`, the
    arguments that the network was built with. A network may have a method `disagrees(tables)` that
    yields how the tables of a file contradict it, for those that it does not keep itself.
    """
    if path.suffix == ".mat":
        matconvnet.load(network, path)
        return
    state, settings = _content(path)
    parameters = dict(network.named_parameters())
    _complete(parameters, state, path)
    tables = {name: value for name, value in state.items() if name not in parameters}
    tables = {k: v for k, v in tables.items() if not k.endswith(COUNTERS)}
    fixed = {
        name: value
        for name, value in parameters.items()
        if not value.requires_grad or name.startswith(COLOURS)
    }
    own = {**dict(network.named_buffers()), **fixed}
    contradictions = list(_other_tables(own, state))
    known = set(own)
    if hasattr(network, "disagrees"):
        left = {name: value for name, value in tables.items() if name not in known}
        contradictions += network.disagrees(left)  # type: ignore[operator]
        known |= {name for name in left if network.is_table(name)}  # type: ignore[operator]
    contradictions += _other_settings(options or {}, settings)
    if contradictions:
        raise InputError(f"{path} was made with other settings: {'; '.join(contradictions[:3])}")
    unknown = [name for name in tables if name not in known]
    if unknown:
        raise InputError(f"{path} has what this network has not: {', '.join(unknown[:3])}")
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(state[name])


def _complete(parameters: Mapping[str, Tensor], state: Mapping[str, Tensor], path: Path) -> None:
    missing = sorted(name for name in parameters if name not in state)
    wrong = [
        f"{name} is {tuple(state[name].shape)}, not {tuple(parameter.shape)}"
        for name, parameter in sorted(parameters.items())
        if name in state and state[name].shape != parameter.shape
    ]
    if missing or wrong:
        what = [f"lacks {', '.join(missing[:3])}"] if missing else []
        raise InputError(f"{path} is not of this network: {'; '.join([*what, *wrong[:3]])}")


def _other_tables(own: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> Iterator[str]:
    """What a file has of the constants of a network, where it is not the same."""
    for name, value in own.items():
        if name not in state:
            continue
        if state[name].shape != value.shape:
            yield f"{name} is {tuple(state[name].shape)}, not {tuple(value.shape)}"
        elif not torch.allclose(state[name].double(), value.double(), rtol=1e-4, atol=1e-4):
            yield f"{name} has other values"


def _other_settings(options: Mapping[str, Any], settings: Mapping[str, Any]) -> Iterable[str]:
    for name in options.keys() & settings.keys():
        if _plain(settings[name]) != _plain(options[name]):
            yield f"{name} is {settings[name]}, not {options[name]}"


def _plain(value: Any) -> Any:
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _content(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors by name, and options of the network, of a torch file without its wrappings."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise InputError(f"no weights at {path}; semanir weights --help") from None
    except Exception as error:
        reason = str(error).partition("\n")[0]
        raise InputError(f"{path} cannot be loaded without running code of it: {reason}") from None
    settings: Any = {}
    if isinstance(content, dict) and isinstance(content.get("hyper_parameters"), dict):
        settings = content["hyper_parameters"].get("model", {})
    for key in WRAPPINGS:
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
            break
    if not isinstance(content, dict):
        raise InputError(f"{path} holds a {type(content).__name__}, not tensors by name")
    tensors = {name: value for name, value in content.items() if isinstance(value, Tensor)}
    for prefix in PREFIXES:
        if tensors and all(name.startswith(prefix) for name in tensors):
            tensors = {name.removeprefix(prefix): value for name, value in tensors.items()}
    return tensors, settings if isinstance(settings, dict) else {}
