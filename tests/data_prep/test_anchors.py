"""Input rows that papers print, from the real test sets: the chain of degradation and score.

Each test runs where its photographs lie in the mirror (see conftest.py), and is skipped elsewhere,
naming what is missing.
"""

import numpy as np
import pytest

from data_prep.degradations import jpeg, mosaic
from data_prep.images import read_image, to_y
from semanir.evaluate.metrics import score

GITHUB = "raw.githubusercontent.com"
DNCNN = f"{GITHUB}/cszn/DnCNN/e93b27812d3ff523a3a79d19e5e50d233d7a8d0a/testsets"
FFDNET = f"{GITHUB}/cszn/FFDNet/e787f46df2f374ff3591186706229cb9a0591fea/testsets"
IRCNN = f"{GITHUB}/cszn/IRCNN/d9dcd537bdac3ae5b753296cd675db8a303c8f72/testsets"
BSDS = f"{GITHUB}/BIDS/BSDS500/a04b7c6c3a9f0ace74bf205c72a43d32e1c72722/BSDS500/data/images"
SELFEX = f"{GITHUB}/jbhuang0604/SelfExSR/8f6dd8c1d20cb7e8792a7177b4f6fd677633f598/data"

# printed set: folder in the mirror, names of its files, their number
SETS = {
    "BSDS500": (f"{BSDS}/test", "*.jpg", 200),
    "Classic5": (f"{DNCNN}/classic5", "*.bmp", 5),
    "Kodak": (f"{IRCNN}/Set24", "*.png", 24),
    "LIVE1": (f"{DNCNN}/LIVE1", "*.bmp", 29),
    "McMaster": (f"{FFDNET}/McMaster", "*.tif", 18),
    "Urban100": (f"{SELFEX}/Urban100/image_SRF_4", "*_HR.png", 100),
}
PSNR = 0.01  # dB, as printed
SSIM = 0.0006


def photographs(mirror, name):
    folder, pattern, number = SETS[name]
    found = sorted((mirror / folder).glob(pattern))
    if len(found) != number:
        pytest.skip(f"{name}: {len(found)} of {number} files {pattern} in {mirror / folder}")
    return found


def mean(rows):
    return {metric: float(np.mean([row[metric] for row in rows])) for metric in rows[0]}


def jpeg_row(mirror, name, quality, protocol):
    rows = []
    for path in photographs(mirror, name):
        image = read_image(path)
        clean = to_y(image) if protocol == "jpeg_gray" else image
        rows.append(score(jpeg(clean, quality), clean, protocol))
    return mean(rows)


COLOUR = [
    ("LIVE1", 10, 25.69, 0.7430),
    ("LIVE1", 20, 28.06, 0.8260),
    ("LIVE1", 30, 29.37, 0.8610),
    ("LIVE1", 40, 30.28, 0.8820),
    ("BSDS500", 10, 25.84, 0.7410),  # tests/workflow/test_workflow.py has the others
]
CLASSIC5 = [(10, 27.82, 0.760), (20, 30.12, 0.834), (30, 31.48, 0.867), (40, 32.43, 0.885)]
ON_Y = [
    *(("LIVE1", 10, 27.77), ("LIVE1", 20, 30.07), ("LIVE1", 30, 31.41), ("LIVE1", 40, 32.36)),
    *(("Urban100", 10, 26.33), ("Urban100", 20, 28.57)),
    *(("Urban100", 30, 30.00), ("Urban100", 40, 31.07)),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "quality", "psnr", "ssim"), COLOUR)
def test_jpeg_inputs_in_colour(mirror, name, quality, psnr, ssim):
    row = jpeg_row(mirror, name, quality, "jpeg_color")
    assert abs(row["psnr"] - psnr) <= PSNR
    assert abs(row["ssim_matlab"] - ssim) <= SSIM


@pytest.mark.parametrize(("quality", "psnr", "ssim"), CLASSIC5)
def test_jpeg_inputs_of_classic5(mirror, quality, psnr, ssim):
    row = jpeg_row(mirror, "Classic5", quality, "jpeg_gray")
    assert abs(row["psnr"] - psnr) <= PSNR
    assert abs(row["ssim_matlab"] - ssim) <= SSIM
    assert row["ssim_zero_padded"] > ssim + 0.002  # the two conventions tell apart


@pytest.mark.slow
@pytest.mark.parametrize(("name", "quality", "psnr"), ON_Y)
def test_jpeg_inputs_on_y(mirror, name, quality, psnr):
    assert abs(jpeg_row(mirror, name, quality, "jpeg_gray")["psnr"] - psnr) <= PSNR


@pytest.mark.slow
@pytest.mark.parametrize(("name", "psnr"), [("Kodak", 35.78), ("McMaster", 34.43)])
def test_matlab_row_of_demosaicking(mirror, name, psnr):
    """score clips and rounds the network's input, which makes it MATLAB's own output."""
    images = [read_image(path) for path in photographs(mirror, name)]
    row = mean([score(mosaic(image), image, "demosaick") for image in images])
    assert abs(row["psnr"] - psnr) <= PSNR
