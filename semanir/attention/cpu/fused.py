"""Attention over the dictionary's keys alone, compiled for CPUs: nothing of size N x N is held.

Two operators of torch.library, so that autograd, torch.compile and FLOP counters see them; the
kernels are in kernels/attend.h. float32; repeatable to the bit, whatever the number of threads.

# B windows, H heads, N = h * w tokens, K keys per query, D head width, T bias table entries
"""

from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import register_flop_formula

from semanir.attention.cpu.build import kernels, why_unavailable
from semanir.attention.dictionary import Dictionary
from semanir.attention.operators import cpu_operator
from semanir.errors import InputError

WIDEST_HEAD = 64


def attend(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    dictionary: Dictionary,
    bias_table: Tensor | None,
    window: tuple[int, int] | None,
) -> Tensor:
    """q, k, v [B,H,N,D] float32 on a CPU, D up to 64 -> [B,H,N,D]; empty queries give zeros.

    Raises InputError for other types, devices and widths, and where no compiler is to be found.
    """
    if not supported(q):
        raise InputError(
            f"the fused back end takes float32 on a CPU with heads up to {WIDEST_HEAD} wide, got "
            f"{q.dtype} on {q.device}, {q.shape[-1]} wide; pass backend='mask'"
        )
    if not q.is_meta and kernels() is None:
        raise InputError(
            f"the fused back end is not there: {why_unavailable()}; or pass backend='mask'"
        )
    height, width = window or (q.shape[2], 1)
    out, _ = attend_op(q, k, v, dictionary.indices, dictionary.counts, bias_table, height, width)
    return out


def supported(q: Tensor) -> bool:
    """Whether `attend` takes heads of this type, device and width."""
    return (
        q.device.type in ("cpu", "meta") and q.dtype == torch.float32 and q.shape[-1] <= WIDEST_HEAD
    )


@cpu_operator("semanir::attend")
def attend_op(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    indices: Tensor,
    counts: Tensor,
    table: Tensor | None,
    height: int,
    width: int,
) -> tuple[Tensor, Tensor]:
    """(out [B,H,N,D], a view of [B,N,H,D]; log2 of the sums of 2^score [B,H,N])."""
    out, lse = _kernels().attend_forward(q, k, v, indices, counts, table, height, width)
    return out, lse


@torch.library.impl("semanir::attend", "meta")
def _(q, k, v, indices, counts, table, height, width):  # type: ignore[no-untyped-def]
    b, h, n, d = q.shape
    return q.new_empty(b, n, h, d).transpose(1, 2), q.new_empty(b, h, n)


@cpu_operator("semanir::attend_backward")
def backward_op(
    grad: Tensor,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    out: Tensor,
    lse: Tensor,
    indices: Tensor,
    counts: Tensor,
    table: Tensor | None,
    height: int,
    width: int,
) -> tuple[Tensor, Tensor]:
    """Gradients of q, k, v [3,B,H,N,D], a view of [B,N,3,H,D], and of the table [H,T] or [H,0]."""
    grads, table_grad = _kernels().attend_backward(
        grad, q, k, v, out, lse, indices, counts, table, height, width
    )
    return grads, table_grad


@torch.library.impl("semanir::attend_backward", "meta")
def _(grad, q, k, v, out, lse, indices, counts, table, height, width):  # type: ignore[no-untyped-def]
    b, h, n, d = q.shape
    grads = q.new_empty(b, n, 3, h, d).permute(2, 0, 3, 1, 4)
    return grads, q.new_empty(h, 0 if table is None else table.shape[1])


def _save(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    q, k, v, indices, counts, table, ctx.height, ctx.width = inputs
    ctx.save_for_backward(q, k, v, *output, indices, counts, table)


def _backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
    grads, table = backward_op(grad, *ctx.saved_tensors, ctx.height, ctx.width)
    given = ctx.saved_tensors[-1] is not None
    return (*grads.unbind(), None, None, table if given else None, None, None)


torch.library.register_autograd("semanir::attend", _backward, setup_context=_save)


def _second(ctx: Any, *grads: Tensor | None) -> None:
    raise NotImplementedError("attention by the fused back end has no second derivative")


torch.library.register_autograd("semanir::attend_backward", _second)


@register_flop_formula(torch.ops.semanir.attend)
def attend_flops(
    q: tuple[int, ...], k: Any, v: Any, indices: tuple[int, ...], *rest: Any, **named: Any
) -> int:
    """Two products of a multiply and an add for each head, query, key and channel."""
    return 2 * 2 * q[1] * q[3] * prod(indices)


@register_flop_formula(torch.ops.semanir.attend_backward)
def backward_flops(
    grad: Any, q: tuple[int, ...], k: Any, v: Any, out: Any, lse: Any, indices: tuple[int, ...],
    *rest: Any, **named: Any,
) -> int:  # fmt: skip
    """Five products: the scores again, and those of the gradients of weights, q, k and v."""
    return 5 * 2 * q[1] * q[3] * prod(indices)


def fvcore_attend(inputs: list[Any], outputs: list[Any]) -> int:
    """fvcore's count, which takes a multiply and an add as one: a handle of "semanir::attend"."""
    q, indices = (inputs[i].type().sizes() for i in (0, 3))
    return 2 * q[1] * q[3] * prod(indices)


def _kernels() -> Any:
    module = kernels()
    if module is None:
        raise InputError(f"no fused CPU kernels: {why_unavailable()}")
    return module
