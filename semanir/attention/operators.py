"""Operators of torch.library that light processes can call.

What `torch.library.custom_op` makes imports torch._dynamo at its first call, which takes as long as
importing torch itself, only to keep its compiler out of the function. Those of this package call
compiled kernels, where no compiler has anything to find.
"""

from collections.abc import Callable
from typing import Any

import torch


def cpu_operator(name: str) -> Callable[[Callable[..., Any]], Any]:
    """Make a function of tensors, which changes none of them, the operator `name` for CPUs.

    The decorated name is the operator. `torch.library.impl(name, "meta")` says its shapes and
    `torch.library.register_autograd` its gradient.
    """

    def define(function: Callable[..., Any]) -> Any:
        torch.library.define(name, torch.library.infer_schema(function, mutates_args=()))
        torch.library.impl(name, "cpu", function)
        namespace, _, operator = name.partition("::")
        return getattr(getattr(torch.ops, namespace), operator).default

    return define
