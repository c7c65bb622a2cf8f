"""What a GPU's TF32 does to products and convolutions, on any machine."""

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

# operators, and which of their arguments is added instead of multiplied
PRODUCTS = {"mm": None, "bmm": None, "addmm": 0, "baddbmm": 0}
PRODUCTS |= {"convolution": 2, "convolution_backward": None}


def rounded(x: Tensor) -> Tensor:
    """float32 [...] with 10 bits after the point instead of 23, to the nearest as cvt.rna.tf32."""
    return ((x.contiguous().view(torch.int32) + (1 << 12)) & ~((1 << 13) - 1)).view(torch.float32)


class Tf32(TorchDispatchMode):
    """Rounds what goes into products, forward and backward; sums stay float32, as on tensor cores.

    rounded: how many operators have had theirs rounded.
    """

    def __init__(self):
        super().__init__()
        self.rounded = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.overloadpacket.__name__
        if name in PRODUCTS:
            self.rounded += 1
            args = [
                rounded(one) if isinstance(one, Tensor) and i != PRODUCTS[name] else one
                for i, one in enumerate(args)
            ]
        return function(*args, **(kwargs or {}))
