"""The self-ensemble of 8: a picture is restored in every position, and the results are averaged.

Timofte et al., "Seven ways to improve example-based single image super resolution" (CVPR 2016);
EDSR+ and others with a plus do it. No printed cell of the paper does.
"""

from collections.abc import Callable
from itertools import product

from torch import Tensor

Network = Callable[[Tensor], Tensor]
POSITIONS = tuple(product((False, True), repeat=3))  # the eight symmetries of the square


def over_positions(network: Network) -> Network:
    """[B,C,H,W] -> [B,C,s*H,s*W], the mean of what `network` gives in eight positions, turned back.

    One position at a time: eight times the work, and memory for two more results.
    """

    def mean(x: Tensor) -> Tensor:
        total = sum(turned_back(network(turned(x, at)), at) for at in POSITIONS)
        return total / len(POSITIONS)  # type: ignore[return-value]

    return mean


def turned(x: Tensor, position: tuple[bool, ...]) -> Tensor:
    """Rows and columns of [B,C,H,W] are flipped and then swapped, as the position says."""
    rows, columns, swapped = position
    x = x.flip([axis for axis, flip in ((-2, rows), (-1, columns)) if flip])
    return x.mT.contiguous() if swapped else x


def turned_back(x: Tensor, position: tuple[bool, ...]) -> Tensor:
    """The inverse of `turned`."""
    rows, columns, swapped = position
    x = x.mT if swapped else x
    return x.flip([axis for axis, flip in ((-2, rows), (-1, columns)) if flip])
