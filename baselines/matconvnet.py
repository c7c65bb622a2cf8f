"""Weights of MatConvNet networks from MATLAB v7.3 files, which are HDF5: no code, only arrays."""

from pathlib import Path

import h5py
import numpy as np
import torch
from torch import Tensor, nn

from semanir.errors import InputError


def convolutions(path: str | Path) -> list[tuple[Tensor, Tensor]]:
    """Kernels [out,in,kh,kw] and biases [out] of the convolutions, first to last, float32.

    MATLAB stores [kh,kw,in,out] in column-major order, which HDF5 shows as [out,in,kw,kh] and
    without the last axes where they are one. Raises InputError for a file of another kind.
    """
    layers = []
    try:
        with h5py.File(path) as file:
            for reference in np.ravel(file["net"]["layers"][()]):
                layer = file[reference]
                if "".join(map(chr, np.ravel(layer["type"]))) == "conv":
                    kernel, bias = (file[item][()] for item in np.ravel(layer["weights"]))
                    layers.append((_kernel(kernel, bias.size), torch.from_numpy(bias.ravel())))
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} is no MatConvNet network of MATLAB v7.3: {error}") from None
    return layers


def load(network: nn.Module, path: str | Path) -> None:
    """Copy the convolutions of a file into those of a network; InputError where they differ."""
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    given = convolutions(path)
    if len(layers) != len(given):
        raise InputError(f"{path} has {len(given)} convolutions, the network {len(layers)}")
    for number, (layer, (kernel, bias)) in enumerate(zip(layers, given, strict=True), 1):
        wanted = tuple(layer.weight.shape)
        # one input channel or one output channel lost its axis
        if kernel.numel() != layer.weight.numel() or (kernel.shape[0] != wanted[0]):
            raise InputError(f"{path}, convolution {number}: {tuple(kernel.shape)}, not {wanted}")
        with torch.no_grad():
            layer.weight.copy_(kernel.reshape(wanted))
            assert layer.bias is not None
            layer.bias.copy_(bias)


def _kernel(stored: np.ndarray, outputs: int) -> Tensor:
    kernel = stored.reshape(outputs, -1, *stored.shape[-2:]).swapaxes(-1, -2)
    return torch.from_numpy(np.ascontiguousarray(kernel, dtype=np.float32))
