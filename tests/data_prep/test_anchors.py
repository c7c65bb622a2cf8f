"""Input rows that papers print, from the real test sets where they lie in the mirror."""

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
# protocol, set, rows of quality, PSNR and SSIM; others of BSDS500: tests/workflow/test_workflow.py
JPEG = """
jpeg_color LIVE1 10 25.69 .7430, 20 28.06 .8260, 30 29.37 .8610, 40 30.28 .8820
jpeg_color BSDS500 10 25.84 .7410
jpeg_gray Classic5 10 27.82 .760, 20 30.12 .834, 30 31.48 .867, 40 32.43 .885
jpeg_gray LIVE1 10 27.77, 20 30.07, 30 31.41, 40 32.36
jpeg_gray Urban100 10 26.33, 20 28.57, 30 30.00, 40 31.07
"""
CASES = [
    pytest.param([protocol, name, *row.split()], marks=[pytest.mark.slow] * (name != "Classic5"))
    for protocol, name, rows in (line.split(maxsplit=2) for line in JPEG.strip().splitlines())
    for row in rows.split(",")
]


def photographs(mirror, name):
    folder, pattern, number = SETS[name]
    found = sorted((mirror / folder).glob(pattern))
    if len(found) != number:
        pytest.skip(f"{name}: {len(found)} of {number} files {pattern} in {mirror / folder}")
    return found


def mean(rows):
    return {metric: float(np.mean([row[metric] for row in rows])) for metric in rows[0]}


@pytest.mark.parametrize("case", CASES)
def test_jpeg_inputs(mirror, case):
    protocol, name, quality, psnr, *ssim = case
    images = [read_image(path) for path in photographs(mirror, name)]
    clean = [to_y(image) if protocol == "jpeg_gray" else image for image in images]
    row = mean([score(jpeg(image, int(quality)), image, protocol) for image in clean])
    assert abs(row["psnr"] - float(psnr)) <= 0.01
    if ssim:
        assert abs(row["ssim_matlab"] - float(ssim[0])) <= 0.0006
    if name == "Classic5":  # the two conventions tell apart
        assert row["ssim_zero_padded"] > float(ssim[0]) + 0.002


@pytest.mark.slow
@pytest.mark.parametrize(("name", "psnr"), [("Kodak", 35.78), ("McMaster", 34.43)])
def test_matlab_row_of_demosaicking(mirror, name, psnr):
    """score clips and rounds the network's input, which makes it MATLAB's own output."""
    images = [read_image(path) for path in photographs(mirror, name)]
    row = mean([score(mosaic(image), image, "demosaick") for image in images])
    assert abs(row["psnr"] - psnr) <= 0.01
