"""Inputs that networks are measured at, and which of them a network takes."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from semanir.errors import InputError


def parse_input(text: str) -> tuple[int, int, int]:
    """ "3x128x128" -> (3, 128, 128); InputError otherwise."""
    sizes = re.fullmatch("([1-9][0-9]{0,8})x([1-9][0-9]{0,8})x([1-9][0-9]{0,8})", text)
    if not sizes:
        raise InputError(f"--input must be channels x height x width, as 3x128x128, got {text!r}")
    channels, height, width = map(int, sizes.groups())
    return channels, height, width


def random_image(shape: tuple[int, ...]) -> Tensor:
    """[1,C,H,W] on [0,1], on the GPU if there is one; InputError where memory does not suffice."""
    try:
        return torch.rand(1, *shape, device="cuda" if torch.cuda.is_available() else "cpu")
    except RuntimeError:  # of torch's allocators
        given = "x".join(map(str, shape))
        raise InputError(f"--input {given} does not fit into memory; take a smaller one") from None


@contextmanager
def taking(name: str, network: nn.Module, shape: tuple[int, ...]) -> Iterator[None]:
    """Raise InputError for passes of a block whose input [C,H,W] is none that the network takes.

    Some fail, others spread a channel over three: what comes out has other channels than went in.
    """

    def look(module: nn.Module, inputs: Any, out: Tensor) -> None:
        if out.shape[1] != shape[0]:
            raise _ChannelsError(f"{out.shape[1]} channels come out")

    handle = network.register_forward_hook(look)
    try:
        yield
    except (RuntimeError, InputError) as error:
        handle.remove()
        valid = [c for c in (1, 3) if _passes(network, (c, *shape[1:]))]
        given = "x".join(map(str, shape))
        if shape[0] not in valid and valid:
            wanted = " or ".join(f"{c}xHxW" for c in valid)
            raise InputError(f"{name} takes --input {wanted}, not {given}") from None
        if not valid or "memory" in str(error):
            reason = str(error).partition("\n")[0]
            raise InputError(f"{name} does not take --input {given}: {reason}") from None
        raise
    finally:
        handle.remove()


class _ChannelsError(RuntimeError):
    pass


@torch.no_grad()
def _passes(network: nn.Module, shape: tuple[int, ...]) -> bool:
    try:
        out = deepcopy(network).to("meta")(torch.empty(1, *shape, device="meta"))
    except (RuntimeError, InputError):
        return False
    return bool(out.shape[1] == shape[0])
