"""Where a restored picture differs from the clean one: its absolute difference in colours."""

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

LARGEST = 40  # of 255: this difference and all larger ones have the last colour
BAR = (256, 16)  # pixels of the colour bar


def error_map(restored: NDArray[np.uint8], clean: NDArray[np.uint8]) -> str:
    """|restored - clean|, the mean of the channels, as a PNG data URI. Both [H,W] or [H,W,3]."""
    difference = np.abs(restored.astype(float) - clean)
    return _coloured(difference if difference.ndim == 2 else difference.mean(-1))


def colour_bar() -> str:
    """The colours of 0 to LARGEST from left to right, as a PNG data URI."""
    width, height = BAR
    return _coloured(np.tile(np.linspace(0, LARGEST, width), (height, 1)))


def _coloured(difference: NDArray[np.float64]) -> str:
    from matplotlib import colormaps  # half a second, which most pages can do without

    colours = colormaps["magma"](np.clip(difference / LARGEST, 0, 1), bytes=True)
    out = io.BytesIO()
    Image.fromarray(colours[..., :3]).save(out, format="PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(out.getvalue()).decode('ascii')}"
