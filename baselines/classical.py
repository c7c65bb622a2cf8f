"""Systems without weights: the degraded input itself. Never imports torch."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data_prep.resize import imresize
from data_prep.tasks import Task
from semanir.inference.restorer import Restorer


class DegradedInput:
    """The input as it is, clipped to [0,1]; enlarged with MATLAB bicubic for super-resolution."""

    def __init__(self, task: Task) -> None:
        self.upscale = task.upscale
        self.facts: dict[str, Any] = {}

    def __call__(
        self, image: NDArray[np.float32], level: str, tile: int | None = None
    ) -> tuple[NDArray[np.float32], int | None]:
        """As `Restorer`; never tiled."""
        if self.upscale is None:
            return np.clip(image, 0, 1).astype(np.float32), None
        enlarged = imresize(np.rint(image * 255).astype(np.uint8), self.upscale)
        return (enlarged / 255).astype(np.float32), None


# `builder` of models.yaml
BUILDERS: dict[str, Callable[[Task], Restorer]] = {"degraded_input": DegradedInput}
