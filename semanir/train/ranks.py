"""One training on several devices: a process for each, as torchrun starts them.

A process is called a rank. Every rank has the whole network and its share of each batch. The
gradients of all are summed once an iteration, so that all take the same step.

They are summed here, not by torch's DistributedDataParallel. That one starts to sum within the
backward pass, where a rank whose forward pass met a value that is not finite never comes; the
others would wait for it. Here a rank joins the one sum of an iteration whatever it met. The price
is that no gradient travels while others are still computed.

Without torchrun there is one rank, and nothing here communicates. Tested with gloo on CPUs; NCCL,
by which GPUs communicate, has not run.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from semanir.errors import InputError

T = TypeVar("T")

# the first may wait for another training in the folder, or prepare photographs, while others wait
# for it; a rank that has ended is noticed at once
LONGEST = timedelta(days=14)


@contextmanager
def joined() -> Iterator[None]:
    """Be one of the ranks that torchrun started for the time of the block.

    Raises InputError where a machine has fewer GPUs than ranks. An InputError of the block says
    which rank it is of, the first one apart.
    """
    if not (dist.is_available() and dist.is_torchelastic_launched()):
        yield
        return
    gpus, local = torch.cuda.device_count(), int(os.environ["LOCAL_RANK"])
    if torch.cuda.is_available():
        if local >= gpus:
            raise InputError(
                f"rank {local} of this machine has no GPU, there are {gpus}; "
                f"pass --nproc-per-node {gpus} to torchrun, or less"
            )
        torch.cuda.set_device(local)
    backends = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    dist.init_process_group(backends, timeout=LONGEST)
    try:
        yield
    except InputError as error:
        if not is_first():
            error.args = (f"rank {number()}: {error}",)
        raise
    finally:
        dist.destroy_process_group()


def count() -> int:
    """How many ranks there are."""
    return dist.get_world_size() if _several() else 1


def number() -> int:
    """Which rank this is, from 0."""
    return dist.get_rank() if _several() else 0


def is_first() -> bool:
    """Whether this rank is the one that writes files, logs and progress."""
    return number() == 0


def device() -> str:
    """Where this rank computes."""
    return f"cuda:{torch.cuda.current_device()}" if torch.cuda.is_available() else "cpu"


def share(batch: int, parts: int) -> range:
    """This rank's items of a batch, which it computes in `parts`; InputError if they do not fit."""
    if batch % (count() * parts):
        raise InputError(
            f"{count()} ranks x {parts} parts (accumulate) must divide the batch of {batch}; "
            "start another number of ranks, or pass --accumulate"
        )
    size = batch // count()
    return range(number() * size, (number() + 1) * size)


# --- what all ranks call together ------------------------------------------------------------


def sum_gradients(parameters: Iterable[nn.Parameter], value: float) -> float:
    """Sum gradients over all ranks, in place, and `value`, which is returned.

    A rank may lack gradients where its value is not finite: then the sum is not finite either.
    """
    if not _several():
        return value
    every = list(parameters)
    pieces = [p.new_zeros(p.numel()) if p.grad is None else p.grad.flatten() for p in every]
    flat = torch.cat([*pieces, every[0].new_tensor([value])])
    with _with_others():
        dist.all_reduce(flat)
    for parameter, piece in zip(every, flat.split([*map(len, pieces), 1]), strict=False):
        if parameter.grad is not None:
            parameter.grad.copy_(piece.view_as(parameter))
    return float(flat[-1])


def largest(value: float) -> float:
    """The largest of the ranks' values: of seconds, or of what one rank alone may have noticed."""
    found = torch.tensor(value, dtype=torch.float64)
    if _several():
        with _with_others():
            dist.all_reduce(found, dist.ReduceOp.MAX)
    return float(found)


def of_all(value: T) -> list[T]:
    """The values of all ranks, in their order."""
    values: list[Any] = [value] * count()
    if _several():
        with _with_others():
            dist.all_gather_object(values, value)
    return values


def of_first(make: Callable[[], T]) -> T:
    """What `make` returns on the first rank, the only one that calls it; its InputError, too."""
    if not _several():
        return make()
    made: list[Any] = [None, None]
    if is_first():
        try:
            made[0] = make()
        except InputError as error:
            made[1] = error
    with _with_others():
        dist.broadcast_object_list(made)
    if made[1]:
        raise made[1]
    value: T = made[0]
    return value


def copy_of_first(tensors: Iterable[Tensor]) -> None:
    """Overwrite tensors with those of the first rank."""
    if _several():
        for tensor in tensors:
            with _with_others():
                dist.broadcast(tensor, 0)


def _several() -> bool:
    return dist.is_available() and dist.is_initialized()


@contextmanager
def _with_others() -> Iterator[None]:
    """Let a rank whose partners ended say so in one line."""
    try:
        yield
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"lost the other ranks ({reason}); the first message says why, and the same command "
            "resumes"
        ) from None
