"""The attention back ends by name: what each is, and its function. Never imports torch by itself.

A new back end is one file with an `attend` and one entry of BACKENDS.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from semanir.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

Attend = Callable[..., "Tensor"]


@dataclass(frozen=True)
class Backend:
    """A back end, called as its `attend`: (q, k, v, dictionary, bias_table, window) -> Tensor.

    description: the line of `semanir list`. load: imports the module when it is first needed.
    """

    description: str
    load: Callable[[], Attend]

    def __call__(self, *inputs: Any) -> "Tensor":
        return self.load()(*inputs)


def _reference() -> Attend:
    from semanir.attention.reference import attend

    return attend


def _mask() -> Attend:
    from semanir.attention.mask import attend

    return attend


def _gather() -> Attend:
    from semanir.attention.gather import attend

    return attend


def _fused() -> Attend:
    from semanir.attention.cpu.fused import attend

    return attend


def _triton() -> Attend:
    try:
        from semanir.attention.gpu.flash import attend
    except ModuleNotFoundError as error:
        raise _no_triton(error) from error
    return attend


def _triton_gather() -> Attend:
    try:
        from semanir.attention.gpu.gather import attend
    except ModuleNotFoundError as error:
        raise _no_triton(error) from error
    return attend


def _no_triton(error: ModuleNotFoundError) -> InputError:
    return InputError(
        f"the Triton back ends need the package triton ({error}); install the version that fits "
        f"torch or pass backend='mask'"
    )


BACKENDS: dict[str, Backend] = {
    "reference": Backend("float64, for tests", _reference),
    "mask": Backend("dense scores, masked", _mask),  # paper "torch-mask"
    "gather": Backend("keys and values copied together", _gather),  # paper "torch-gather"
    "fused": Backend("the dictionary's keys alone; compiled C++ for CPUs, needs g++", _fused),
    "triton": Backend("blocks of queries over their keys, for NVIDIA GPUs", _triton),
    "triton-gather": Backend("a program per query, for NVIDIA GPUs", _triton_gather),  # "Triton"
}

# what may be asked for, with its description
CHOICES = {"auto": "fused or triton where they can and win, else mask"} | {
    name: backend.description for name, backend in BACKENDS.items()
}
