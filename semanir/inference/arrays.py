"""Images as NumPy arrays, and as the tensors that networks take."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def as_float(image: NDArray) -> NDArray[np.float32]:
    """uint8 and uint16 to float32 on [0,1]; floats stay as they are."""
    whole = image.dtype.kind == "u"
    return (image / np.iinfo(image.dtype).max if whole else image).astype(np.float32)


def as_tensor(image: NDArray[np.float32]) -> Tensor:
    """[H,W] or [H,W,C] -> [C,H,W]."""
    if image.ndim == 2:
        image = image[..., None]
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))


def as_type(pixels: NDArray[np.float32], dtype: np.dtype) -> NDArray:
    """Floats on [0,1] as they are, or as the rounded whole numbers of an unsigned type.

    Raises FloatingPointError where NaN or infinity would become a whole number.
    """
    if dtype.kind != "u":
        return pixels
    if not np.isfinite(pixels).all():
        raise FloatingPointError("the network gave NaN")
    return np.rint(pixels * np.iinfo(dtype).max)
