"""Systems without weights: the degraded input itself."""

import numpy as np
from numpy.typing import NDArray

from data_prep.resize import imresize
from data_prep.tasks import Task
from semanir.evaluate.evaluation import Restorer


def degraded_input(task: Task) -> Restorer:
    """The input as it is, clipped to [0,1]; enlarged with MATLAB bicubic for super-resolution."""
    if task.upscale is None:
        return lambda image, level, tile: (np.clip(image, 0, 1).astype(np.float32), None)
    return lambda image, level, tile: (_enlarge(image, task.upscale or 1), None)


def _enlarge(image: NDArray[np.float32], scale: int) -> NDArray[np.float32]:
    enlarged = imresize(np.rint(image * 255).astype(np.uint8), scale)
    return (enlarged / 255).astype(np.float32)
