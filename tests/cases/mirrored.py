"""Real test sets, where the mirror holds them."""

import numpy as np
import pytest
from PIL import Image

GITHUB = "raw.githubusercontent.com"
DNCNN = f"{GITHUB}/cszn/DnCNN/e93b27812d3ff523a3a79d19e5e50d233d7a8d0a/testsets"
FFDNET = f"{GITHUB}/cszn/FFDNet/e787f46df2f374ff3591186706229cb9a0591fea/testsets"
IRCNN = f"{GITHUB}/cszn/IRCNN/d9dcd537bdac3ae5b753296cd675db8a303c8f72/testsets"
BSDS = f"{GITHUB}/BIDS/BSDS500/a04b7c6c3a9f0ace74bf205c72a43d32e1c72722/BSDS500/data/images"
SELFEX = f"{GITHUB}/jbhuang0604/SelfExSR/8f6dd8c1d20cb7e8792a7177b4f6fd677633f598/data"
SET5 = f"{GITHUB}/JingyunLiang/SwinIR/6545850fbf8df298df73d81f3e8cba638787c8bd/testsets/Set5"

# printed set: folder in the mirror, names of its files, their number
SETS = {
    "BSDS500": (f"{BSDS}/test", "*.jpg", 200),
    "Classic5": (f"{DNCNN}/classic5", "*.bmp", 5),
    "Kodak": (f"{IRCNN}/Set24", "*.png", 24),
    "LIVE1": (f"{DNCNN}/LIVE1", "*.bmp", 29),
    "McMaster": (f"{FFDNET}/McMaster", "*.tif", 18),
    "Set5": (f"{SET5}/HR", "*.png", 5),
    "Set12": (f"{DNCNN}/Set12", "*.png", 12),
    "Set14": (f"{DNCNN}/Set14", "*.bmp", 14),
    "Urban100": (f"{SELFEX}/Urban100/image_SRF_4", "*_HR.png", 100),
}


def photographs(mirror, name):
    """The paths of a set's files; the test is skipped where the mirror lacks one."""
    folder, pattern, number = SETS[name]
    found = sorted((mirror / folder).glob(pattern))
    if len(found) != number:
        pytest.skip(f"{name}: {len(found)} of {number} files {pattern} in {mirror / folder}")
    return found


def read(path):
    """By Pillow: [H,W] of grey and of what has a palette, else [H,W,3]."""
    with Image.open(path) as image:
        return np.asarray(image.convert("L" if image.mode in ("L", "P") else "RGB"))


def small_of_set5(mirror, path, scale):
    """The input of a photograph of Set5 that is shipped with it."""
    return read(mirror / SET5 / f"LR_bicubic/X{scale}" / f"{path.stem}x{scale}.png")
