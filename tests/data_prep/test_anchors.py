"""Input rows that papers print, from the real test sets where they lie in the mirror."""

import numpy as np
import pytest
from mirrored import photographs

from data_prep.degradations import jpeg, mosaic
from data_prep.images import read_image, to_y
from semanir.evaluate.metrics import score

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


def means(protocol, pairs):
    rows = [score(output, target, protocol) for output, target in pairs]
    return {metric: float(np.mean([row[metric] for row in rows])) for metric in rows[0]}


@pytest.mark.parametrize("case", CASES)
def test_jpeg_inputs(mirror, case):
    protocol, name, quality, psnr, *ssim = case
    images = [read_image(path) for path in photographs(mirror, name)]
    clean = [to_y(image) if protocol == "jpeg_gray" else image for image in images]
    row = means(protocol, [(jpeg(image, int(quality)), image) for image in clean])
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
    row = means("demosaick", [(mosaic(image), image) for image in images])
    assert abs(row["psnr"] - psnr) <= 0.01
