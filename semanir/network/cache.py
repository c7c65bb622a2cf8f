"""Values that inference computes from parameters once, and anew when the parameters changed."""

from collections.abc import Callable, Hashable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from semanir.attention.constant import is_traced, outside_inference

SAMPLE = 256  # values of a frozen parameter that are compared

Seen = tuple[Hashable, Tensor]  # where a parameter lies and its version, and values of it


class ParameterCache:
    """Values by key, each valid while its parameters are unchanged. Never copied or saved.

    Autocast has values of its own, as it computes in another type.
    """

    def __init__(self) -> None:
        self._values: dict[Hashable, tuple[list[Seen], Tensor]] = {}
        self.frozen = False

    def get(
        self, key: Hashable, parameters: Iterable[Tensor], make: Callable[[], Tensor]
    ) -> Tensor:
        """The value of `key`, from make() where there is none or a parameter has changed."""
        now = [self._see(parameter) for parameter in parameters]
        key = key, torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu")
        entry = self._values.get(key)
        if entry is None or not all(map(_same, entry[0], now)):
            entry = self._values[key] = self._make(now, make)
        return entry[1]

    def _see(self, parameter: Tensor) -> Seen:
        values = parameter.detach()
        # by value: fused optimizers and p.data change parameters, not their version
        if not self.frozen or parameter.is_inference():
            return None, values
        place = parameter.data_ptr(), parameter._version, parameter.shape
        return place, values.reshape(-1)[:: 1 + values.numel() // SAMPLE]

    @outside_inference
    @torch.no_grad()
    def _make(self, now: list[Seen], make: Callable[[], Tensor]) -> tuple[list[Seen], Tensor]:
        return [(place, values.clone()) for place, values in now], make()

    def __reduce__(self) -> tuple[Any, ...]:  # copy.deepcopy and pickle
        return ParameterCache, ()


def freeze(network: nn.Module, frozen: bool = True) -> None:
    """Promise that the parameters of a network stay: no pass compares all of them any more.

    A change is noticed by its version, and where it has none, as by `p.data`, by some values of
    each parameter: a training step and new weights are seen, a single value written may be not.
    Copies are not frozen, nor is a network after its train().
    """
    for module in network.modules():
        for kept in vars(module).values():
            if isinstance(kept, ParameterCache):
                kept.frozen = frozen


def _same(before: Seen, now: Seen) -> bool:
    (place, a), (place_now, b) = before, now
    return place == place_now and a.dtype == b.dtype and a.device == b.device and torch.equal(a, b)


def may_cache(weight: Tensor) -> bool:
    """Whether values computed from a weight may be cached: no gradients, nobody counts or records.

    On CPUs alone: to compare values, others would wait for the device.
    """
    plain = type(weight) in (nn.Parameter, Tensor) and weight.is_cpu
    return plain and not torch.is_grad_enabled() and not is_traced()
