"""One entry to all attention back ends: inputs checked, a back end chosen by name or automatically.

# B windows, H heads, N = h * w tokens, K keys per query, D head width
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.util import find_spec

import torch
from torch import Tensor

from semanir.attention import dense
from semanir.attention.backends import BACKENDS, CHOICES
from semanir.attention.cpu import fused
from semanir.attention.cpu.build import kernels
from semanir.attention.dense import AllKeys
from semanir.attention.dictionary import Dictionary
from semanir.errors import InputError
from semanir.names import known_name

Keys = Dictionary | AllKeys  # what a stage hands to its layers
_on_this_cpu = ContextVar("_on_this_cpu", default=False)


@contextmanager
def as_on_this_cpu() -> Iterator[None]:
    """Passes on shapes alone take the back end that `auto` chooses on this machine's CPU."""
    before = _on_this_cpu.set(True)
    try:
        yield
    finally:
        _on_this_cpu.reset(before)


def attend(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    dictionary: Keys,
    bias_table: Tensor | None = None,
    window: tuple[int, int] | None = None,
    *,
    backend: str = "auto",
) -> Tensor:
    """Attention of each query over its keys (paper Sec. 3.2, SemanIR_Att() in Alg. 1).

    q, k, v: [B,H,N,D] of one floating type; scores are scaled by D**-0.5.
    dictionary: the stage's, from `build_dictionary`; no gradient flows through it. AllKeys() gives
        dense window attention, whatever the back end.
    bias_table: [H,(2h-1)*(2w-1)], added to the scores by relative position; needs `window`.
    window: (h, w) with h * w = N; token y * w + x lies at (y, x).
    backend: a name of CHOICES in backends.py; all give the same result up to rounding.

    Returns [B,H,N,D]; a query without keys gives zeros. Gradients reach q, k, v and bias_table.
    Raises InputError (a ValueError) on shapes, types or devices that do not fit, and
    UnknownNameError with the nearest names on an unknown backend.
    """
    name = known_name(backend, CHOICES, "attention back end")
    _check(q, k, v)
    _check_bias(q, bias_table, window)
    if isinstance(dictionary, AllKeys):
        return dense.attend(q, k, v, dictionary, bias_table, window)
    _check_dictionary(q, dictionary)
    attend_with = BACKENDS[_automatic(q, dictionary) if name == "auto" else name]
    return attend_with(q, k, v, dictionary, bias_table, window)


def _automatic(q: Tensor, dictionary: Dictionary) -> str:
    # measured by `semanir bench`; the kernels for AVX-512 win at every k
    _, n, k = dictionary.indices.shape
    if q.is_meta and fused.supported(q) and not _on_this_cpu.get():
        return "fused"  # what is counted or planned on shapes depends on no machine
    compiled = kernels() if fused.supported(q) else None
    if compiled is not None:
        always = compiled.instruction_set == "AVX512"
        return "fused" if always or k < 0.6 * n else "mask"
    if q.is_cuda and _fits_triton(q):
        return faster_on_gpu(q.dtype, n, k)
    return "gather" if n >= 40 * k else "mask"


def faster_on_gpu(dtype: torch.dtype, n: int, k: int) -> str:
    """The faster Triton back end, as measured on an H100 at N = 1024.

    Tensor cores multiply whole tiles, faster still in half precision: reading the k keys alone
    gains only where they are a small part of N.
    """
    part = 6 if dtype == torch.float32 else 16
    return "triton-gather" if part * k <= n else "triton"


def _fits_triton(q: Tensor) -> bool:
    half = q.dtype in (torch.float16, torch.bfloat16)
    return (half or q.dtype == torch.float32) and q.shape[-1] <= 64 and bool(find_spec("triton"))


def _check(q: Tensor, k: Tensor, v: Tensor) -> None:
    shapes = [list(x.shape) for x in (q, k, v)]
    if q.ndim != 4 or q.numel() == 0 or any(shape != shapes[0] for shape in shapes):
        raise InputError(
            f"expected non-empty q, k, v of one shape [B,H,N,D], got {shapes[0]}, {shapes[1]}, "
            f"{shapes[2]}; split the heads before attend"
        )
    types = [x.dtype for x in (q, k, v)]
    if not q.is_floating_point() or any(dtype != q.dtype for dtype in types):
        raise InputError(f"expected q, k, v of one floating type, got {types}; convert with .to()")
    devices = [str(x.device) for x in (q, k, v)]
    if any(device != devices[0] for device in devices):
        raise InputError(f"q, k, v are on {', '.join(devices)}; move them to one device")


def _check_dictionary(q: Tensor, dictionary: Dictionary) -> None:
    if dictionary.indices.device != q.device:
        raise InputError(
            f"q is on {q.device}, the dictionary on {dictionary.indices.device}; move one"
        )
    b, _, n, _ = q.shape
    if dictionary.indices.shape[:2] != (b, n):
        raise InputError(
            f"q has [B,N] = {[b, n]}, but the dictionary was built for "
            f"{list(dictionary.indices.shape[:2])}; build it from this stage's tokens"
        )
    _ = dictionary.checked


def _check_bias(q: Tensor, table: Tensor | None, window: tuple[int, int] | None) -> None:
    _, heads, n, _ = q.shape
    if window is not None and (len(window) != 2 or min(window) < 1 or window[0] * window[1] != n):
        raise InputError(
            f"window {window!r} does not hold N={n} tokens; pass (h, w) with h * w = {n}"
        )
    if table is None:
        return
    if window is None:
        raise InputError("a bias_table needs its window; pass window=(h, w)")
    expected = [heads, (2 * window[0] - 1) * (2 * window[1] - 1)]
    if list(table.shape) != expected:
        raise InputError(
            f"expected bias_table {expected} for {heads} heads and window {window}, got "
            f"{list(table.shape)}; it holds one entry per head and offset"
        )
    if table.dtype != q.dtype or table.device != q.device:
        raise InputError(
            f"bias_table is {table.dtype} on {table.device} but q is {q.dtype} on {q.device}; "
            f"convert it with .to(q)"
        )
