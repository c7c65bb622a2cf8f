"""Shapes of what the commonest operators of networks make of tensors on meta.

torch infers them by Python code that takes about a millisecond each and imports torch._dynamo and
sympy, as much again as torch itself. Each function here takes an operator's arguments by position,
as torch.ops.aten does, and returns tensors of its shapes; None where sizes do not fit, which torch
then names. All other operators are left to torch.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

aten = torch.ops.aten


class LightMode(TorchDispatchMode):
    """A mode that torch.compile may look into: keeping it out would import all of torch._dynamo."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False


def _itself(x: Tensor, *rest: Any, **named: Any) -> Tensor:
    return x


def _added(x: Tensor, y: Any, **named: Any) -> Tensor | None:
    return x if isinstance(y, Tensor) and x.shape == y.shape and x.dtype == y.dtype else None


def _same(x: Tensor, *rest: Any, **named: Any) -> Tensor:
    """In the order that x has in memory, without its gaps."""
    strides = x.stride()
    if 0 in strides:
        return x.new_empty(x.shape)
    reach = 1 + sum((n - 1) * s for n, s in zip(x.shape, strides, strict=True))
    if reach == x.numel():
        return x.new_empty_strided(x.shape, strides)
    dense, step = [0] * x.ndim, 1
    for axis in sorted(range(x.ndim), key=strides.__getitem__):
        dense[axis], step = step, step * x.shape[axis]
    return x.new_empty_strided(x.shape, dense)


def _rolled(x: Tensor, *rest: Any) -> Tensor | None:
    return _same(x) if x.is_contiguous() else None


def _broadcast(x: Tensor, y: Any, **named: Any) -> Tensor | None:
    try:
        shape = np.broadcast_shapes(x.shape, y.shape) if isinstance(y, Tensor) else x.shape
    except ValueError:
        return None
    out = _same(x) if shape == x.shape else x.new_empty(shape)
    return out.to(torch.result_type(x, y))


def _product(x: Tensor, y: Tensor) -> Tensor | None:
    return x.new_empty(x.shape[0], y.shape[1]) if x.shape[1] == y.shape[0] else None


def _sum_and_product(bias: Tensor, x: Tensor, y: Tensor, **named: Any) -> Tensor | None:
    return _product(x, y) if bias.shape[-1] == y.shape[1] else None


def _normalised(x: Tensor, over: list[int], *rest: Any) -> tuple[Tensor, Tensor, Tensor] | None:
    leading = x.ndim - len(over)
    if list(x.shape[leading:]) != list(over):
        return None
    moments = x.new_empty(x.shape[:leading] + (1,) * len(over))
    return _same(x), moments, moments


def _quotient(x: Tensor, y: Any, **named: Any) -> Tensor | None:
    return _broadcast(x, y) if x.is_floating_point() else None


def _mean(x: Tensor, over: Any = None, keep: bool = False, **named: Any) -> Tensor | None:
    if not isinstance(over, list) or not over:
        return None
    axes = {dim % x.ndim for dim in over}
    sizes = [1 if axis in axes else size for axis, size in enumerate(x.shape)]
    left = [size for axis, size in enumerate(x.shape) if axis not in axes]
    return x.new_empty(sizes if keep else left)


def _stacked(parts: list[Tensor], dim: int = 0) -> Tensor | None:
    shape = list(parts[0].shape)
    if any(list(part.shape) != shape for part in parts):
        return None
    shape.insert(dim % (len(shape) + 1), len(parts))
    return parts[0].new_empty(shape)


def _joined(parts: list[Tensor], dim: int = 0) -> Tensor | None:
    shapes = [list(part.shape) for part in parts]
    length = sum(shape.pop(dim) for shape in shapes)
    if any(shape != shapes[0] for shape in shapes):
        return None
    shapes[0].insert(dim % parts[0].ndim, length)
    return parts[0].new_empty(shapes[0])


def _repeated(x: Tensor, times: list[int]) -> Tensor:
    lengths = (1,) * (len(times) - x.ndim) + tuple(x.shape)
    return x.new_empty([n * length for n, length in zip(times, lengths, strict=True)])


def _resized(x: Tensor, size: list[int], *rest: Any) -> Tensor:
    return x.new_empty(*x.shape[:2], *size)


def _shuffled(x: Tensor, by: int) -> Tensor | None:
    b, c, h, w = x.shape
    return x.new_empty(b, c // by**2, h * by, w * by) if c % by**2 == 0 else None


def _convolved(
    x: Tensor, weight: Tensor, bias: Any, stride: list[int], padding: list[int],
    dilation: list[int], transposed: bool, added: list[int], groups: int,
) -> Tensor | None:  # fmt: skip
    """[B,C,H,W] -> [B,C',H',W'], by the formulas of torch.nn.Conv2d and ConvTranspose2d."""
    if x.shape[1] != weight.shape[0 if transposed else 1] * (1 if transposed else groups):
        return None
    size = []
    for n, k, s, p, d, more in zip(
        x.shape[2:], weight.shape[2:], stride, padding, dilation, added, strict=True
    ):
        reach = d * (k - 1)
        size.append((n - 1) * s - 2 * p + reach + more + 1 if transposed else
                    (n + 2 * p - reach - 1) // s + 1)  # fmt: skip
    channels = weight.shape[1] * groups if transposed else weight.shape[0]
    return x.new_empty(x.shape[0], channels, *size)


SHAPES: dict[Any, Callable[..., Any]] = {
    aten.leaky_relu_: _itself,
    aten.add_: _added,
    **dict.fromkeys((aten.gelu, aten.sigmoid, aten.relu, aten.leaky_relu), _same),
    aten.roll: _rolled,
    **dict.fromkeys((aten.add, aten.sub, aten.mul), _broadcast),
    aten.div: _quotient,
    aten.mean: _mean,
    aten.stack: _stacked,
    aten.cat: _joined,
    aten.repeat: _repeated,
    aten.pixel_shuffle: _shuffled,
    aten._upsample_bicubic2d_aa: _resized,
    aten.mm: _product,
    aten.addmm: _sum_and_product,
    aten.native_layer_norm: _normalised,
    aten.convolution: _convolved,
}


def on_meta(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What an operator returns, without values where all its tensors are on meta."""
    shape = SHAPES.get(func.overloadpacket)
    if shape is None:
        return func(*args, **kwargs)
    tensors = args[0] if isinstance(args[0], list) else args
    known = all(x.is_meta for x in tensors if isinstance(x, Tensor))
    out = shape(*args, **kwargs) if known else None
    return func(*args, **kwargs) if out is None else out
