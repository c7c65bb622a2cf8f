"""Photographs for tests of data_prep: random pixels, and the embedded ones."""

import io

import numpy as np
from checkout import REPOSITORY
from PIL import Image

EMBEDDED = sorted((REPOSITORY / "data_prep/embedded/test_rgb").glob("*.png"))


def pixels(*shape, dtype=np.uint8, seed=0):
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape, dtype, True)


def png_bytes(image):
    out = io.BytesIO()
    Image.fromarray(image).save(out, format="PNG")
    return out.getvalue()


def mean_psnr(degraded, clean):
    return 10 * np.log10(255**2 / np.mean((degraded.astype(float) - clean) ** 2))
