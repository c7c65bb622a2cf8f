"""Weights with the configuration that rebuilds their network, as safetensors (no pickle)."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from data_prep.errors import InputError
from data_prep.files import replacing
from semanir.network import Network, build_from
from semanir.network.config import from_dict, to_dict


def save(path: Path, network: Network, **facts: str) -> None:
    """Write weights, the network's complete configuration and `facts` into one file."""
    # one entry: safetensors writes several in random order, and the file's hash goes on record
    metadata = {"semanir": json.dumps({"config": to_dict(network.config), **facts})}
    tensors = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    with replacing(path) as partial:
        save_file(tensors, partial, metadata=metadata)


def load(path: str | Path, *, device: str | torch.device = "cpu", **switches: Any) -> Network:
    """The network a weights file describes, in evaluation mode. InputError names a bad file.

    switches: fields of its configuration that are replaced, for example k=64 or backend="mask";
    those that no weights depend on.
    """
    try:
        with safe_open(path, framework="pt", device=str(device)) as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise InputError(f"no such weights: {path}; run snakemake to train them") from None
    except SafetensorError as error:
        raise InputError(f"broken weights {path}: {error}; delete them and train again") from None
    if "semanir" not in metadata:
        raise InputError(f"{path} carries no network configuration; it was not written by SemanIR")
    try:
        config = from_dict(json.loads(metadata["semanir"])["config"])
        network = build_from(replace(config, **switches))
        network.load_state_dict(tensors)
    except (KeyError, TypeError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path} does not fit this version of SemanIR: {reason}") from None
    return network.to(device).eval()
