"""Linear layers for CPUs: compiled for training, with packed weights for inference."""

import platform
from typing import Any

import torch
from torch import Tensor, nn

from semanir.attention.constant import is_traced
from semanir.attention.cpu.build import kernels
from semanir.network.cache import ParameterCache, may_cache

# oneDNN's products with packed weights, which torch's own compiler calls as well
PACKED_PRODUCT = (
    getattr(torch.ops.mkldnn, "_linear_pointwise", None)
    if torch.backends.mkldnn.is_available()
    else None
)
PACKED_ROWS = 4096  # number of tokens that weights are packed for; any other is right as well
# measured on x86 alone
CAN_PACK = PACKED_PRODUCT is not None and platform.machine() in ("x86_64", "AMD64")

Before = nn.LayerNorm | nn.GELU | nn.ReLU
_BEFORE = {type(None): 0, nn.LayerNorm: 1, nn.GELU: 2, nn.ReLU: 3}  # as in kernels/linear.h


class Linear(nn.Linear):
    """nn.Linear with what stands before it and the residual behind it.

    In float32 on a CPU all three are one compiled pass where gradients are wanted; without them the
    weights are packed once, which makes inference about a tenth faster.
    """

    def __init__(self, inputs: int, outputs: int, *, bias: bool = True) -> None:
        super().__init__(inputs, outputs, bias)
        self._cache = ParameterCache()

    def forward(
        self, x: Tensor, before: Before | None = None, residual: Tensor | None = None
    ) -> Tensor:
        """before(x) [...,inputs] times the weights, plus residual [...,outputs]."""
        if self.compiles(x):
            return self._compiled(x, before, residual)
        x = x if before is None else before(x)
        if CAN_PACK and self._is_plain(x) and may_cache(self.weight):
            packed = self._cache.get("weight", [self.weight], self._pack)
            out = torch.ops.mkldnn._linear_pointwise(x, packed, self.bias, "none", [], "")
        else:
            out = super().forward(x)
        if residual is None:
            return out
        if torch.is_grad_enabled() or out.dtype != residual.dtype:
            return residual + out
        return out.add_(residual)  # without gradients nothing else holds it

    def compiles(self, x: Tensor) -> bool:
        """Whether inputs take the compiled pass: gradients are recorded, by autograd alone."""
        if not torch.is_grad_enabled() or not self._is_plain(x) or is_traced():
            return False
        module = kernels()
        return module is not None and module.instruction_set != "DEFAULT"

    def _is_plain(self, x: Tensor) -> bool:
        in_float = x.dtype == self.weight.dtype == torch.float32
        known = type(self.weight) in (nn.Parameter, Tensor)
        return x.is_cpu and in_float and known and not torch.is_autocast_enabled("cpu")

    def _pack(self) -> Tensor:
        packed: Tensor = torch.ops.mkldnn._reorder_linear_weight(self.weight.detach(), PACKED_ROWS)
        return packed

    def _compiled(self, x: Tensor, before: Before | None, residual: Tensor | None) -> Tensor:
        gain, shift, epsilon = None, None, 0.0
        if isinstance(before, nn.LayerNorm):
            gain, shift, epsilon = before.weight, before.bias, before.eps
        kind = _BEFORE[type(before)]
        module: Any = kernels()
        out: Tensor = module.linear(x, self.weight, self.bias, gain, shift, residual, kind, epsilon)
        return out
