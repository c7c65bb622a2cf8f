"""Values that inference computes from parameters once, and anew when the parameters changed."""

from collections.abc import Callable, Hashable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from semanir.attention.constant import is_traced, outside_inference


class ParameterCache:
    """Values by key, each valid while its parameters are unchanged. Never copied or saved.

    Autocast has values of its own, as it computes in another type.
    """

    def __init__(self) -> None:
        self._values: dict[Hashable, tuple[list[Tensor], Tensor]] = {}

    def get(
        self, key: Hashable, parameters: Iterable[Tensor], make: Callable[[], Tensor]
    ) -> Tensor:
        """The value of `key`, from make() where there is none or a parameter has changed."""
        # compared by value: fused optimizers and p.data change parameters, not their version
        now = [parameter.detach() for parameter in parameters]
        key = key, torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu")
        entry = self._values.get(key)
        if entry is None or not all(map(_same, entry[0], now)):
            entry = self._values[key] = self._make(now, make)
        return entry[1]

    @outside_inference
    @torch.no_grad()
    def _make(self, now: list[Tensor], make: Callable[[], Tensor]) -> tuple[list[Tensor], Tensor]:
        return [parameter.clone() for parameter in now], make()

    def __reduce__(self) -> tuple[Any, ...]:  # copy.deepcopy and pickle
        return ParameterCache, ()


def _same(a: Tensor, b: Tensor) -> bool:
    return a.dtype == b.dtype and a.device == b.device and torch.equal(a, b)


def may_cache(weight: Tensor) -> bool:
    """Whether values computed from a weight may be cached: no gradients, nobody counts or records.

    On CPUs alone: to compare values, others would wait for the device.
    """
    plain = type(weight) in (nn.Parameter, Tensor) and weight.is_cpu
    return plain and not torch.is_grad_enabled() and not is_traced()
