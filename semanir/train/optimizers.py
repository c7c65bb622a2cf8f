"""torch's optimizers without the decorators that import torch._dynamo.

They import it only to keep its compiler out, which takes as long as importing torch itself. The
methods underneath are torch's own: weights are the same to the bit.
"""

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch.optim import Adam, AdamW, Optimizer

DECORATED = ("add_param_group", "zero_grad", "step", "state_dict", "load_state_dict")


def undecorated(kind: type[Optimizer]) -> Callable[..., Optimizer]:
    """`kind` without decorators, for optimizers that nobody compiles or differentiates through."""
    methods: dict[str, Any] = {name: inspect.unwrap(getattr(kind, name)) for name in DECORATED}
    methods["step"] = torch.no_grad()(methods["step"])
    return type(kind.__name__, (kind,), methods)


OPTIMIZERS = {"adamw": undecorated(AdamW), "adam": undecorated(Adam)}
