"""How a system plugs in: the protocol of everything that restores images. Never imports torch."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class Restorer(Protocol):
    """Restores the images of one task.

    facts: what goes on record about it, for example its parameters and the SHA-256 of its weights.
    """

    facts: dict[str, Any]

    def __call__(
        self, image: NDArray[np.float32], level: str, tile: int | None = None
    ) -> tuple[NDArray[np.float32], int | None]:
        """A degraded image at a level of the task -> the restored image, and the tile's side used.

        image: [H,W] or [H,W,3] on [0,1]; restored: [s*H,s*W] or [s*H,s*W,3]. tile: side of tiles;
        None stands for the whole image in one piece, unless memory does not suffice.
        """
        ...
