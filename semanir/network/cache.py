"""Values that inference computes from parameters once, and anew when the parameters changed."""

import platform
from collections.abc import Callable, Hashable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from semanir.attention.constant import is_traced, outside_inference

# oneDNN's products with packed weights, which torch's own compiler calls as well
PACKED_PRODUCT = (
    getattr(torch.ops.mkldnn, "_linear_pointwise", None)
    if torch.backends.mkldnn.is_available()
    else None
)
PACKED_ROWS = 4096  # number of tokens that weights are packed for; any other is right as well
# measured on x86 alone
CAN_PACK = PACKED_PRODUCT is not None and platform.machine() in ("x86_64", "AMD64")


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


class PackedLinear(nn.Linear):
    """nn.Linear, whose weights float32 inference on a CPU packs once: about a tenth faster."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs)
        self._cache = ParameterCache()

    def forward(self, x: Tensor) -> Tensor:
        """[...,inputs] -> [...,outputs]."""
        fits = CAN_PACK and x.is_cpu and x.dtype == self.weight.dtype == torch.float32
        if not fits or not may_cache(self.weight) or torch.is_autocast_enabled("cpu"):
            return super().forward(x)
        packed = self._cache.get("weight", [self.weight], self._pack)
        out: Tensor = torch.ops.mkldnn._linear_pointwise(x, packed, self.bias, "none", [], "")
        return out

    def _pack(self) -> Tensor:
        packed: Tensor = torch.ops.mkldnn._reorder_linear_weight(self.weight.detach(), PACKED_ROWS)
        return packed
