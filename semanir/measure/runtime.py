"""Time and memory of a forward pass."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from statistics import median, quantiles
from typing import Any

import torch

from baselines.registry import check_licence
from semanir.errors import InputError
from semanir.evaluate.systems import network_of
from semanir.measure import timing
from semanir.measure.inputs import parse_input, random_image, taking


def runtime(
    names: Sequence[str],
    shape: tuple[int, ...],
    seconds: float = 10,
    least: int = 5,
    noncommercial: bool = False,
) -> list[dict[str, Any]]:
    """Milliseconds of one forward pass of each network, all in turns in this process."""
    x = random_image(shape)
    networks = {name: network_of(name, noncommercial).to(x.device) for name in names}
    with torch.inference_mode(), ExitStack() as checks:
        for name, network in networks.items():
            checks.enter_context(taking(name, network, shape))
        passes = {name: partial(network, x) for name, network in networks.items()}
        taken = timing.in_turns(passes, seconds, least)
    first = median(taken[names[0]])
    rows = []
    for name, times in taken.items():
        low, middle, high = quantiles(times, n=4, method="inclusive")
        row = {"network": name, "median_ms": middle, "quartiles_ms": [low, high]}
        rows.append(row | {"rounds": len(times), "ratio": middle / first})
    return rows


def memory(name: str, shape: tuple[int, ...], noncommercial: bool = False) -> int:
    """Peak bytes of one forward pass beyond weights and input."""
    x = random_image(shape)
    network = network_of(name, noncommercial).to(x.device)
    peak = timing.peak_bytes_cuda if x.is_cuda else timing.peak_bytes
    with torch.inference_mode(), taking(name, network, shape):
        return peak(partial(network, x))


def compare(
    groups: Mapping[str, Mapping[str, Any]], noncommercial: bool = False
) -> list[dict[str, Any]]:
    """Runtime of the networks of Table 3 beside each other.

    groups: `runtime` of a scale, {task: {input, rounds, networks}}; what may not be used is left
    out and said.
    """
    rows = []
    for group, given in groups.items():
        names = [name for name in given["networks"] if _allowed(name, noncommercial)]
        shape = parse_input(given["input"])
        for row in runtime(names, shape, 0, given["rounds"], noncommercial):
            rows.append({"group": group, "input": given["input"], **row})
    return rows


def _allowed(name: str, noncommercial: bool) -> bool:
    try:
        check_licence(name.partition(":")[0], noncommercial)
    except InputError as error:
        print(f"left out: {error}")
        return False
    return True
