"""Launch code of both Triton back ends: checks, padding, and the backward pass that autograd calls.

Tested and tuned on an H100 (sm_90). For sm_80 it is compiled and run by Triton's interpreter only;
no such GPU has run it.

# B windows, H heads, N = h * w tokens, D head width
"""

# mypy: disable-error-code="import-not-found, import-untyped, no-untyped-def"

from collections.abc import Callable

import torch
import torch.nn.functional as F
import triton
from torch import Tensor
from torch.autograd.function import once_differentiable

from semanir.attention.dictionary import Dictionary
from semanir.attention.gpu.bias_gradient import backward_table
from semanir.attention.gpu.blocks import blocks_of
from semanir.attention.gpu.common import LOG2E, WIDTHS, Inputs
from semanir.errors import InputError

TYPES = (torch.float32, torch.float16, torch.bfloat16)

Grads = tuple[Tensor, Tensor, Tensor]  # of q, k, v
Forward = Callable[[Inputs], tuple[Tensor, Tensor]]
Backward = Callable[[Inputs, Tensor, Tensor, Tensor], Grads]


def attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    dictionary: Dictionary,
    bias_table: Tensor | None,
    window: tuple[int, int] | None,
    run_forward: Forward,
    run_backward: Backward,
) -> Tensor:
    """`attend` with the kernels of a back end.

    Raises InputError for other types and widths, and for devices without Triton.
    """
    *_, n, d = q.shape
    if q.dtype not in TYPES or d > WIDTHS[-1]:
        raise InputError(
            f"the Triton back ends take float32, float16 and bfloat16 with heads up to "
            f"{WIDTHS[-1]} wide, got {q.dtype}, {d} wide; pass backend='mask'"
        )
    if not (q.is_cuda or triton.knobs.runtime.interpret):
        raise InputError(
            f"the Triton back ends run on NVIDIA GPUs, got tensors on {q.device}; move them with "
            f".cuda() or pass backend='auto'"
        )
    if bias_table is None or window is None:
        bias_table, window = None, window or (n, 1)
    blocks = blocks_of(dictionary)
    out: Tensor = _Attention.apply(q, k, v, bias_table, blocks, window, run_forward, run_backward)
    return out


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(ctx, q, k, v, table, blocks, window, run_forward, run_backward):
        d = q.shape[-1]
        scaled = None if table is None else (table.float() * LOG2E).contiguous()
        ctx.rest = blocks, window, LOG2E * d**-0.5
        inputs = Inputs(*(_padded(x) for x in (q, k, v)), scaled, *ctx.rest)
        with torch.cuda.device_of(q):
            out, lse = run_forward(inputs)
        ctx.save_for_backward(inputs.q, inputs.k, inputs.v, scaled, out, lse)
        ctx.run_backward = run_backward
        return out[..., :d]

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        *tensors, out, lse = ctx.saved_tensors
        inputs = Inputs(*tensors, *ctx.rest)
        d, grad = grad.shape[-1], _padded(grad)
        with torch.cuda.device_of(grad):
            delta = (grad.float() * out.float()).sum(-1)
            grads = [x[..., :d] for x in ctx.run_backward(inputs, grad, lse, delta)]
            table = None
            if ctx.needs_input_grad[3]:
                table = backward_table(inputs, grad, lse, delta).to(grad.dtype)
        return *grads, table, None, None, None, None


def _padded(x: Tensor) -> Tensor:
    """[...,D] -> contiguous, as wide as a kernel."""
    d = x.shape[-1]
    width = next(width for width in WIDTHS if d <= width)
    return F.pad(x, (0, width - d)).contiguous()
