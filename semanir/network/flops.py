"""Multiply-adds of a network, as fvcore counts them: without computing anything, or by fvcore.

fvcore takes a multiply and an add as one: convolutions, linear layers and matrix products, five per
element of a layer normalisation, nothing for softmax, activations, gathers and top-k. On torch's
meta device the same is counted from shapes alone; the tests hold the two equal.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook
from torch.utils.flop_counter import flop_registry

from semanir.errors import InputError
from semanir.network.shapes import LightMode, on_meta

aten = torch.ops.aten

# operators that fvcore takes as free; any other one that is not counted is an error
FREE_NAMES = """
_adaptive_avg_pool2d _local_scalar_dense _prelu_kernel _reshape_alias _safe_softmax _softmax
_to_copy _unsafe_view _upsample_bicubic2d_aa abs add addcmul alias arange avg_pool2d bernoulli
bitwise_and bitwise_not bitwise_or cat clamp clamp_max clamp_min clone col2im constant_pad_nd
copy detach div embedding empty eq erf exp expand fill flip floor_divide full full_like gather
ge gelu im2col index index_put index_select leaky_relu lift_fresh linalg_vector_norm linspace
log log2 logical_and logical_not lt masked_fill maximum mean minimum mul native_dropout ne neg
new_zeros ones permute pixel_shuffle pixel_unshuffle pow reciprocal reflection_pad2d relu
remainder repeat replication_pad2d roll round rsqrt rsub scalar_tensor scatter select sigmoid
sign slice slice_scatter split split_with_sizes sqrt squeeze stack sub sum t tanh transpose unbind
unfold unsqueeze upsample_bicubic2d var view where zeros zeros_like
"""
FREE = frozenset(FREE_NAMES.split())
SMALL = 1024  # values of a parameter
DRAWING = (
    *(aten.uniform_, aten.normal_, aten.erfinv_, aten.mul_, aten.add_, aten.clamp_),
    *(aten.zero_, aten.fill_),
)


def _layer_norm(x: tuple[int, ...], *rest: Any, **named: Any) -> int:
    return 2 * 5 * prod(x)


def _attention(
    q: tuple[int, ...], k: tuple[int, ...], v: tuple[int, ...], *rest: Any, **named: Any
) -> int:
    """Both products of attention; CPU builds of torch count it as nothing."""
    return 2 * prod(q[:-1]) * k[-2] * (q[-1] + v[-1])


def _mean(x: tuple[int, ...], dim: Any = None, *rest: Any, **named: Any) -> int:
    """Pooling to one value, which torch does by a mean over the last two axes."""
    return 2 * prod(x) if dim in ([-1, -2], [-2, -1]) else 0


def _pool(x: tuple[int, ...], *rest: Any, **named: Any) -> int:
    return 2 * prod(x)


def _upsample(each: int) -> Callable[..., int]:
    return lambda x, size, *rest, **named: 2 * each * prod(x[:2]) * prod(size)


def _ignoring_output(count: Callable[..., int]) -> Callable[..., int]:
    def counted(*args: Any, out_val: Any = None, **kwargs: Any) -> int:
        shapes = [tuple(a.shape) if isinstance(a, Tensor) else a for a in args]
        return count(*shapes, **kwargs)

    return counted


HANDLERS: dict[Any, Callable[..., int]] = {
    aten.upsample_nearest2d: _upsample(1),
    aten.upsample_bilinear2d: _upsample(4),
    aten.native_layer_norm: _layer_norm,
    aten.mean: _mean,
    aten._adaptive_avg_pool2d: _pool,
    aten._scaled_dot_product_flash_attention_for_cpu: _attention,
}
COUNTED = {packet: _ignoring_output(count) for packet, count in HANDLERS.items()}


class Operators(LightMode):
    """Adds up what the operators under it count; refuses those that are neither known nor free."""

    def __init__(self) -> None:
        super().__init__()
        self.counted: Counter[str] = Counter()  # a multiply and an add are two

    @property
    def total(self) -> int:
        """Multiply-adds so far."""
        return sum(self.counted.values()) // 2

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        packet, kwargs = func.overloadpacket, kwargs or {}
        name = str(packet).partition(".")[2]
        count = COUNTED.get(packet) or flop_registry.get(packet)
        if count is None and name.rstrip("_") not in FREE:
            raise InputError(
                f"the operator {func} has no count; name it in FREE or HANDLERS of {__name__}"
            )
        out = on_meta(func, args, kwargs)
        if count is not None:
            self.counted[name] += count(*args, **kwargs, out_val=out)
        return out


class _NothingDrawn(LightMode):
    """Skips the operators that give parameters their first values where these lie on meta."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.overloadpacket in DRAWING and args[0].is_meta:
            return args[0]
        return func(*args, **(kwargs or {}))


@contextmanager
def weightless() -> Iterator[None]:
    """Networks built in this context have parameters on meta: a count asks for no values.

    Small ones stay, because some networks set these themselves, a shift of colours for example.
    """

    def moved(module: nn.Module, name: str, parameter: nn.Parameter | None) -> nn.Parameter | None:
        if parameter is None or parameter.is_meta or parameter.numel() < SMALL:
            return parameter
        return nn.Parameter(parameter.to("meta"), parameter.requires_grad)

    hook = register_module_parameter_registration_hook(moved)  # type: ignore[arg-type]
    try:
        with _NothingDrawn():
            yield
    finally:
        hook.remove()


def multiply_adds(network: nn.Module, shape: tuple[int, ...]) -> int:
    """Of one forward pass of a network for an input [B,C,H,W]; moves the network to torch's meta.

    Raises InputError for an operator that nobody said how to count.
    """
    return sum(by_operator(network, shape).values())


def by_operator(network: nn.Module, shape: tuple[int, ...]) -> dict[str, int]:
    """As `multiply_adds`, for every operator that counts: "convolution", "addmm", "attend", ..."""
    return by_both(network, shape)[0]


def by_modules(network: nn.Module, shape: tuple[int, ...]) -> int:
    """The convention of ptflops 0.7: modules, so that products of attention count nothing.

    Convolutions and linear layers with their biases, one per element of a layer normalisation or a
    softmax, two of an activation or of what is pooled, which it counts as module and as function.
    """
    return by_both(network, shape)[1]


@torch.no_grad()
def by_both(network: nn.Module, shape: tuple[int, ...]) -> tuple[dict[str, int], int]:
    """`by_operator` and `by_modules` of one pass."""
    network, total = network.eval().to("meta"), 0

    def count(module: nn.Module, inputs: tuple[Tensor, ...], out: Tensor) -> None:
        nonlocal total
        if isinstance(module, nn.Conv2d | nn.Linear):
            total += out.numel() * (module.weight[0].numel() + (module.bias is not None))
        elif isinstance(module, nn.ConvTranspose2d):
            total += inputs[0].numel() * module.weight[0].numel()
            total += out.numel() * (module.bias is not None)
        elif isinstance(module, nn.LayerNorm | nn.Softmax | nn.LeakyReLU):
            total += out.numel()
        elif isinstance(module, nn.ReLU | nn.PReLU | nn.GELU):
            total += 2 * out.numel()
        elif isinstance(module, nn.AdaptiveAvgPool2d | nn.AvgPool2d):
            total += 2 * inputs[0].numel()

    hooks = [module.register_forward_hook(count) for module in network.modules()]
    try:
        # masks and positions that a network makes as it runs lie on meta as well
        with Operators() as operators, torch.device("meta"):
            network(torch.empty(shape, device="meta"))
    finally:
        for hook in hooks:
            hook.remove()
    return {name: count // 2 for name, count in operators.counted.items()}, total


@torch.no_grad()
def by_fvcore(network: nn.Module, shape: tuple[int, ...]) -> int:
    """The same by fvcore, which computes the pass: tens of seconds for large networks on a CPU.

    Raises InputError for an operator that fvcore does not know and that is not free.
    """
    from fvcore.nn import FlopCountAnalysis

    from semanir.attention.cpu.fused import fvcore_attend
    from semanir.attention.select import fvcore_most_similar

    analysis = FlopCountAnalysis(network.eval(), torch.rand(shape))
    analysis.set_op_handle("semanir::attend", fvcore_attend)
    analysis.set_op_handle("semanir::most_similar", fvcore_most_similar)
    analysis.set_op_handle("aten::scaled_dot_product_attention", _fvcore_attention)
    analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    total = int(analysis.total())
    names = {re.split(r"::|\.", name)[-1].rstrip("_") for name in analysis.unsupported_ops()}
    unknown = names - FREE - _TRACED
    if unknown:
        raise InputError(f"fvcore has no count for {', '.join(sorted(unknown))}")
    return total


# operators as traces name them, free as well
_TRACED_NAMES = """
LayerNormFunction _unique2 adaptive_avg_pool2d any bitwise_and bitwise_or broadcast_tensors ceil
chunk clamp diagonal div einsum exp expand_as fill floor full_like gt le linalg_norm logical_and
mT max meshgrid min movedim nonzero norm normalize numpy_T ones_like pad pixel_shuffle prelu
rsub scatter select_keys softmax sort sub to topk type_as unflatten upsample_bicubic2d
"""
_TRACED = frozenset(_TRACED_NAMES.split())


def _fvcore_attention(inputs: list[Any], outputs: list[Any]) -> int:
    q, k, v = (value.type().sizes() for value in inputs[:3])
    return prod(q[:-1]) * k[-2] * (q[-1] + v[-1])
