"""What inference keeps: values made of parameters once, and again when those have changed."""

import platform
from collections.abc import Callable, Hashable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from semanir.attention.constant import outside_inference, watched

# oneDNN's packed products, which torch's own compiler calls as well; measured on x86 alone
PACKED = (
    getattr(torch.ops.mkldnn, "_linear_pointwise", None)
    if torch.backends.mkldnn.is_available()
    else None
)
ROWS = 4096  # that weights are packed for; any other number is right as well
HERE = PACKED is not None and platform.machine() in ("x86_64", "AMD64")


class Kept:
    """Values by key, each as long as its parameters stay what they were. Never copied or saved.

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
        found = self._values.get(key)
        if found is None or not all(map(_same, found[0], now)):
            found = self._values[key] = self._make(now, make)
        return found[1]

    @outside_inference
    @torch.no_grad()
    def _make(self, now: list[Tensor], make: Callable[[], Tensor]) -> tuple[list[Tensor], Tensor]:
        return [parameter.clone() for parameter in now], make()

    def __reduce__(self) -> tuple[Any, ...]:  # copy.deepcopy and pickle
        return Kept, ()


def _same(a: Tensor, b: Tensor) -> bool:
    return a.dtype == b.dtype and a.device == b.device and torch.equal(a, b)


def inferring(weight: Tensor) -> bool:
    """Whether values made of a weight may be kept: no gradients, nobody counts or records.

    On CPUs alone: to compare values, others would wait for the device.
    """
    plain = type(weight) in (nn.Parameter, Tensor) and weight.is_cpu
    return plain and not torch.is_grad_enabled() and not watched()


class Linear(nn.Linear):
    """nn.Linear, whose weights float32 inference on a CPU keeps packed: about a tenth faster."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs)
        self._kept = Kept()

    def forward(self, x: Tensor) -> Tensor:
        """[...,inputs] -> [...,outputs]."""
        fits = HERE and x.is_cpu and x.dtype == self.weight.dtype == torch.float32
        if not fits or not inferring(self.weight) or torch.is_autocast_enabled("cpu"):
            return super().forward(x)
        packed = self._kept.get("weight", [self.weight], self._pack)
        made: Tensor = torch.ops.mkldnn._linear_pointwise(x, packed, self.bias, "none", [], "")
        return made

    def _pack(self) -> Tensor:
        packed: Tensor = torch.ops.mkldnn._reorder_linear_weight(self.weight.detach(), ROWS)
        return packed
