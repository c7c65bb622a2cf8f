"""Constant tensors, made once and cached: right in whatever context they are used again."""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import ParamSpec

import torch
from torch import Tensor
from torch.utils._python_dispatch import is_in_torch_dispatch_mode

P = ParamSpec("P")

# autograd refuses tensors that were made in inference mode
outside_inference = torch.inference_mode(False)


def constant(make: Callable[P, Tensor]) -> Callable[P, Tensor]:
    """Cache what `make` returns for up to 64 arguments, except while operators are traced."""
    cached = lru_cache(maxsize=64)(outside_inference(make))

    @wraps(make)
    def constant_of(*args: P.args, **named: P.kwargs) -> Tensor:
        return make(*args, **named) if is_traced() else cached(*args, **named)  # type: ignore[arg-type]

    vars(constant_of)["cache_clear"] = cached.cache_clear
    return constant_of


def is_traced() -> bool:
    """Whether a compiler, a tracer, a counter, a transform or fake tensors see every operator.

    What is made then may be of their kind; a cached tensor would be missing in their record.
    """
    return bool(
        torch.compiler.is_compiling()
        or torch.jit.is_tracing()
        or is_in_torch_dispatch_mode()
        or torch._C._functorch.peek_interpreter_stack() is not None
    )
