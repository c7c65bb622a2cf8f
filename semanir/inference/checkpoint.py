"""Weights with the configuration that rebuilds their network, as safetensors (no pickle)."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as deserialized
from safetensors.torch import save as serialized

from semanir.errors import InputError
from semanir.files import replacing
from semanir.inference.shipped import DOWNLOAD_AGAIN, PASS_OWN, read_metadata
from semanir.network import Network, build_from
from semanir.network.cache import freeze
from semanir.network.config import from_dict, to_dict


def save(path: Path, network: Network, **facts: Any) -> None:
    """Write weights, the network's complete configuration and `facts` into one file."""
    # one entry: safetensors writes several in random order, and the file's hash goes on record
    metadata = {"semanir": json.dumps({"config": to_dict(network.config), **facts})}
    tensors = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    with replacing(path) as partial:
        # not by save_file, which hides an OSError and the umask
        partial.write_bytes(serialized(tensors, metadata))


def digest(network: Network) -> str:
    """SHA-256 of all weights, whatever else their file holds: equal if training was, to the bit."""
    hasher = hashlib.sha256()
    for name, tensor in network.state_dict().items():
        hasher.update(name.encode() + b"\0")
        hasher.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return hasher.hexdigest()


def load(path: str | Path, *, device: str | torch.device = "cpu", **switches: Any) -> Network:
    """The network a weights file describes, in evaluation mode. InputError names a bad file.

    switches: fields of its configuration that are replaced, for example k=64 or backend="mask";
    those that no weights depend on.
    """
    metadata = read_metadata(Path(path))
    try:
        # not by safe_open, which takes no names that are not UTF-8
        tensors = deserialized(Path(path).read_bytes())
    except SafetensorError as error:
        raise InputError(f"broken weights {path}: {error}; {DOWNLOAD_AGAIN}") from None
    if "semanir" not in metadata:
        raise InputError(
            f"{path} carries no network configuration; it was not written by SemanIR{PASS_OWN}"
        )
    try:
        config = from_dict(json.loads(metadata["semanir"])["config"])
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise _unfit(path, error) from None
    network = build_from(replace(config, **switches))
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        raise _unfit(path, error) from None
    freeze(network.to(device).eval())
    return network


def _unfit(path: str | Path, error: Exception) -> InputError:
    reason = " ".join(str(error).split())
    return InputError(f"{path} does not fit this version of SemanIR: {reason}; train it again")
