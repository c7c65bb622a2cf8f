"""Values that inference computes from parameters once, and anew when the parameters changed."""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor, nn

from semanir.attention.constant import is_traced, outside_inference

SAMPLE = 256  # values of a frozen parameter that are compared


@dataclass(frozen=True, slots=True)
class Seen:
    """A parameter as it was: where it lay and its version if it was frozen, and values of it."""

    place: Hashable
    values: Tensor  # of a frozen parameter some, as a view; else a copy of all
    copy: Tensor

    @classmethod
    def of(cls, parameter: Tensor, frozen: bool) -> Self:
        """What `holds` compares later."""
        values, place = parameter.detach(), _place(parameter, frozen)
        if place is None:
            copy = values.clone()
            return cls(place, copy, copy)
        values = values.flatten()[:: 1 + values.numel() // SAMPLE]
        return cls(place, values, values.clone())

    def holds(self, parameter: Tensor, frozen: bool) -> bool:
        """Whether the parameter has not changed since."""
        place = _place(parameter, frozen)
        if place != self.place:
            return False
        if place is not None:
            return torch.equal(self.values, self.copy)
        now, copy = parameter.detach(), self.copy
        return now.dtype == copy.dtype and now.device == copy.device and torch.equal(now, copy)


def _place(parameter: Tensor, frozen: bool) -> Hashable:
    if not frozen or parameter.is_inference() or not parameter.is_contiguous():
        return None
    return parameter.data_ptr(), parameter._version, parameter.shape


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
        # by value, if not frozen: fused optimizers and p.data change parameters, not their version
        now = list(parameters)
        key = key, torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu")
        entry = self._values.get(key)
        if entry is None or not all(
            seen.holds(parameter, self.frozen)
            for seen, parameter in zip(entry[0], now, strict=True)
        ):
            entry = self._values[key] = self._make(now, make)
        return entry[1]

    @outside_inference
    @torch.no_grad()
    def _make(self, now: list[Tensor], make: Callable[[], Tensor]) -> tuple[list[Seen], Tensor]:
        return [Seen.of(parameter, self.frozen) for parameter in now], make()

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


def may_cache(weight: Tensor) -> bool:
    """Whether values computed from a weight may be cached: no gradients, nobody counts or records.

    On CPUs alone: to compare values, others would wait for the device.
    """
    plain = type(weight) in (nn.Parameter, Tensor) and weight.is_cpu
    return plain and not torch.is_grad_enabled() and not is_traced()
