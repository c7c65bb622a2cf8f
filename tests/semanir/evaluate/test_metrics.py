"""Metrics against hand calculations, independent implementations and printed numbers."""

import math
import subprocess
import sys

import cv2
import numpy as np
import pytest
from checkout import REPOSITORY
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from scipy.ndimage import convolve
from scipy.signal import convolve2d
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from data_prep.resize import imresize, modcrop
from data_prep.tasks import get_task, task_names
from semanir.evaluate.metrics import PROTOCOLS, luma, on_full_range, score

SET14 = (
    "raw.githubusercontent.com/cszn/DnCNN/e93b27812d3ff523a3a79d19e5e50d233d7a8d0a/testsets/Set14"
)
SET5 = (
    "raw.githubusercontent.com/JingyunLiang/SwinIR/"
    "6545850fbf8df298df73d81f3e8cba638787c8bd/testsets/Set5"
)
METRICS = ["psnr", "ssim_matlab", "ssim_zero_padded"]
C1, C2 = 6.5025, 58.5225  # (0.01 * 255)^2, (0.03 * 255)^2


def pair(shape, seed=0, sigma=20):
    """A smooth random photograph of sorts and a noisy version of it, both uint8."""
    rng = np.random.RandomState(seed)
    coarse = rng.randint(0, 256, (shape[0] // 4 + 2, shape[1] // 4 + 2, *shape[2:]))
    clean = coarse.repeat(4, axis=0).repeat(4, axis=1)[: shape[0], : shape[1]].astype(np.uint8)
    noisy = (clean + rng.normal(0, sigma, shape)).clip(0, 255).astype(np.uint8)
    return noisy, clean


def shape_of(protocol, side=40):
    return (side, side + 3) if PROTOCOLS[protocol].channels == "gray" else (side, side + 3, 3)


def channels_of(image):
    return [image] if image.ndim == 2 else list(np.moveaxis(image, -1, 0))


def slow_ssim(x, y, mode):
    """Wang et al. 2004 by full two-dimensional convolutions; mode "valid" or "same" (zeros)."""
    offsets = np.arange(11) - 5
    window = np.exp(-(offsets[:, None] ** 2 + offsets[None] ** 2) / (2 * 1.5**2))
    window /= window.sum()

    def local(image):
        return convolve2d(image, window, mode=mode)

    values = []
    for a, b in zip(channels_of(x), channels_of(y), strict=True):
        a, b = a.astype(float), b.astype(float)
        ma, mb = local(a), local(b)
        va, vb, cov = local(a * a) - ma**2, local(b * b) - mb**2, local(a * b) - ma * mb
        luminance = (2 * ma * mb + C1) / (ma**2 + mb**2 + C1)
        values.append((luminance * (2 * cov + C2) / (va + vb + C2)).mean())
    return np.mean(values)


# --- by hand ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("a", "b"), [(100, 101), (10, 30), (0, 255), (128, 64)])
@pytest.mark.parametrize("protocol", ["denoise_gray", "jpeg_color", "demosaick"])
def test_constant_images(protocol, a, b):
    shape = shape_of(protocol)
    result = score(np.full(shape, a, np.uint8), np.full(shape, b, np.uint8), protocol)
    assert result["psnr"] == pytest.approx(20 * math.log10(255 / abs(a - b)), abs=1e-12)
    expected = (2 * a * b + C1) / (a**2 + b**2 + C1)
    assert result["ssim_matlab"] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_equal_images(protocol):
    image, _ = pair(shape_of(protocol))
    result = score(image, image.copy(), protocol)
    assert list(result) == [*METRICS, *PROTOCOLS[protocol].extra]
    assert result["psnr"] == math.inf
    assert result["ssim_matlab"] == pytest.approx(1, abs=1e-12)
    assert result["ssim_zero_padded"] == pytest.approx(1, abs=1e-12)


def test_psnr_pools_pixels_and_channels():
    target = np.full((20, 30, 3), 50, np.uint8)
    output = target + np.array([3, 0, 6], np.uint8)
    expected = 10 * math.log10(255**2 / 15)  # mean of 9, 0 and 36; not the mean of three PSNRs
    assert score(output, target, "denoise_color")["psnr"] == pytest.approx(expected, abs=1e-12)
    grey = target[..., 0].copy()
    grey[4, 5] += 6
    expected = 10 * math.log10(255**2 / (36 / 600))
    result = score(grey, target[..., 0], "jpeg_gray")
    assert result["psnr"] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("rgb", "expected"),
    [((0, 0, 0), 16), ((255, 255, 255), 235), ((1, 2, 3), 16 + (65.481 + 257.106 + 74.898) / 255)],
)
def test_luma_by_hand(rgb, expected):
    image = np.full((2, 3, 3), rgb, np.uint8)
    np.testing.assert_allclose(luma(image), np.full((2, 3), expected), rtol=0, atol=1e-12)


@pytest.mark.parametrize("protocol", ["sr-x2", "sr-x3", "sr-x4", "weather"])
def test_luma_is_not_rounded(protocol):
    target = np.full((24, 24, 3), 100, np.uint8)
    output = target + np.array([0, 0, 1], np.uint8)  # 0.098 of luma: rounding would hide or tenfold
    expected = 20 * math.log10(255 / (24.966 / 255))
    assert score(output, target, protocol)["psnr"] == pytest.approx(expected, abs=1e-9)


# --- independent implementations ------------------------------------------------------------


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("side", [31, 44])
def test_every_protocol_equals_its_definition(protocol, side):
    output, target = pair(shape_of(protocol, side), seed=side)
    rule = PROTOCOLS[protocol]
    c = rule.border
    x, y = (image[c : side - c, c : side + 3 - c] for image in (output, target))
    if rule.channels == "y":
        weights = np.array([65.481, 128.553, 24.966]) / 255
        x, y = x @ weights + 16, y @ weights + 16
    result = score(output, target, protocol)
    expected = peak_signal_noise_ratio(y.astype(float), x.astype(float), data_range=255)
    assert result["psnr"] == pytest.approx(expected, abs=1e-9)
    assert result["ssim_matlab"] == pytest.approx(slow_ssim(x, y, "valid"), abs=1e-10)
    assert result["ssim_zero_padded"] == pytest.approx(slow_ssim(x, y, "same"), abs=1e-10)


# --- printed numbers ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scale", "psnr", "ssim"),
    [(2, 33.66, 0.9299), (3, 30.39, 0.8682), (4, 28.42, 0.8104)],
    ids=["x2", "x3", "x4"],
)
def test_bicubic_row_of_set5(mirror, scale, psnr, ssim):
    # the row that super-resolution papers have printed since VDSR, made by scaling Y itself
    results = []
    for path in files(mirror / SET5 / "HR", "*.png"):
        target = modcrop(read(path), scale)
        small = read(mirror / SET5 / f"LR_bicubic/X{scale}" / f"{path.stem}x{scale}.png")
        results.append(score(imresize(small, scale), target, f"sr-x{scale}"))
    assert mean(results, "psnr") == pytest.approx(psnr, abs=0.02)
    assert mean(results, "ssim_matlab") == pytest.approx(ssim, abs=0.001)


@pytest.mark.parametrize(
    ("scale", "printed"), [(2, 30.24), (3, 27.55), (4, 26.00)], ids=["x2", "x3", "x4"]
)
def test_bicubic_row_of_set14_is_of_matlab_scripts(mirror, scale, printed):
    """The printed row scores its grey file on 0..255; BasicSR's convention is 0.09 above."""
    basicsr, matlab = [], []
    for path in files(mirror / SET14, "*.bmp", 14):
        target = modcrop(read(path), scale)
        grey = target.ndim == 2
        target = np.repeat(target[..., None], 3, axis=2) if grey else target
        restored = imresize(imresize(target, 1 / scale), scale)
        psnr = score(restored, target, f"sr-x{scale}")["psnr"]
        basicsr.append(psnr)
        matlab.append(on_full_range(psnr) if grey else psnr)
    assert np.mean(matlab) == pytest.approx(printed, abs=0.02)
    assert np.mean(basicsr) - np.mean(matlab) == pytest.approx(0.0944, abs=1e-4)


def files(folder, pattern, count=5):
    if not folder.is_dir():
        pytest.skip(f"the mirror lacks {folder}")
    found = sorted(folder.glob(pattern))
    assert len(found) == count
    return found


def read(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("L" if image.mode in ("L", "P") else "RGB"))


def mean(results, metric):
    return np.mean([result[metric] for result in results])


# --- protocols ------------------------------------------------------------------------------


BORDERS = {"sr-x2": 2, "sr-x3": 3, "sr-x4": 4, "demosaick": 10}
LUMA = ("sr-x2", "sr-x3", "sr-x4", "weather")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_border_does_not_count(protocol):
    border = BORDERS.get(protocol, 0)
    target, _ = pair(shape_of(protocol))
    inside, outside = target.copy(), target ^ 128
    inside[border, border] ^= 128
    inner = np.s_[border : 40 - border, border : 43 - border]
    outside[inner] = target[inner]
    assert score(outside, target, protocol)["psnr"] == math.inf
    assert score(inside, target, protocol)["psnr"] < 60


@pytest.mark.parametrize("name", task_names())
def test_every_task_has_a_protocol(name):
    task = get_task(name)
    for level in task.levels:
        protocol = task.protocol(level)
        colour = "y" if protocol in LUMA else "rgb"
        assert PROTOCOLS[protocol].channels == ("gray" if task.channels == 1 else colour)


# --- rounding and invariances -----------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floats_score_as_the_saved_image(dtype):
    output, target = pair((40, 43))
    target[:16, :16] = np.arange(256, dtype=np.uint8).reshape(16, 16)
    expected = score(output, target, "denoise_gray")
    floats = [image.astype(dtype) / dtype(255) for image in (output, target)]
    assert score(*floats, "denoise_gray") == expected
    assert score(floats[0], target, "denoise_gray") == expected
    nudged = floats[0] + np.random.RandomState(1).uniform(-0.49, 0.49, output.shape) / 255
    assert score(nudged.astype(dtype), target, "denoise_gray") == expected


def test_outputs_beyond_the_range_are_clipped():
    output, target = pair((16, 16))
    wild = output / 255
    wild[output == 255] = 7.5
    wild[output == 0] = -3
    wild[0, :2] = [1.2, -0.2]
    output[0, :2] = [255, 0]
    assert score(wild, target, "denoise_gray") == score(output, target, "denoise_gray")


@settings(max_examples=25)
@given(
    arrays(np.uint8, (15, 13, 3)),
    arrays(np.uint8, (15, 13, 3)),
    st.sampled_from(["denoise_color", "weather"]),
)
def test_symmetries(x, y, protocol):
    reference = score(x, y, protocol)
    turned = [image.swapaxes(0, 1) for image in (x, y)]
    flipped = [image[::-1, ::-1] for image in (x, y)]
    for images in ((y, x), turned, flipped):
        result = score(*images, protocol)
        assert result["psnr"] == pytest.approx(reference["psnr"], abs=1e-9)
        assert result["ssim_matlab"] == pytest.approx(reference["ssim_matlab"], abs=1e-9)
        assert result["ssim_zero_padded"] == pytest.approx(reference["ssim_zero_padded"], abs=1e-9)
    assert reference["ssim_matlab"] <= 1 + 1e-12
    assert reference["ssim_zero_padded"] <= 1 + 1e-12


def test_a_trailing_channel_of_one_is_grey():
    output, target = pair((20, 20))
    expected = score(output, target, "jpeg_gray")
    assert score(output[..., None], target[..., None], "jpeg_gray") == expected


def test_inputs_are_left_alone():
    output, target = pair((40, 40, 3))
    images = [output / 255, target / 255]
    before = [image.copy() for image in images]
    score(*images, "sr-x2")
    np.testing.assert_array_equal(images, before)


# --- misuse -----------------------------------------------------------------------------------

GREY, RGB = np.zeros((16, 16), np.uint8), np.zeros((40, 40, 3), np.uint8)


def with_value(value):
    image = np.zeros((16, 16))
    image[3, 4] = value
    return image


@pytest.mark.parametrize(
    ("output", "target", "protocol", "message"),
    [
        (with_value(np.nan), GREY, "jpeg_gray", "output holds 1 NaN or infinite"),
        (GREY, with_value(np.inf), "jpeg_gray", "target holds 1 NaN or infinite"),
        (GREY, with_value(200.0), "jpeg_gray", r"target lies on \[0, 200\]; divide by 255"),
        (GREY, GREY[1:], "jpeg_gray", r"differ in shape: \(16, 16\) and \(15, 16\)"),
        (GREY.astype(np.int64), GREY, "jpeg_gray", "output: .* got int64"),
        (GREY, GREY.astype(np.float16), "jpeg_gray", "target: .* got float16"),
        (GREY.tolist(), GREY, "jpeg_gray", "output: .* got list"),
        (GREY[:0], GREY[:0], "jpeg_gray", r"output is empty, shape \(0, 16\)"),
        (GREY[0], GREY[0], "jpeg_gray", r"compares images \[H,W\], got shape \(16,\)"),
        (RGB, RGB, "jpeg_gray", r"compares images \[H,W\], got shape \(40, 40, 3\)"),
        (GREY, GREY, "jpeg_color", r"compares images \[H,W,3\], got shape \(16, 16\)"),
        (RGB[..., :2], RGB[..., :2], "deblur", r"got shape \(40, 40, 2\)"),
        (GREY[:10], GREY[:10], "denoise_gray", "10x16 is too small: denoise_gray needs 11x11"),
        (RGB[:, :18], RGB[:, :18], "sr-x4", "40x18 is too small: sr-x4 needs 19x19"),
        (RGB[:30], RGB[:30], "demosaick", "30x40 is too small: demosaick needs 31x31"),
        (RGB, RGB, "sr-x8", "unknown protocol 'sr-x8'; did you mean sr-x"),
    ],
)
def test_score_refuses(output, target, protocol, message):
    with pytest.raises(ValueError, match=message) as caught:
        score(output, target, protocol)
    assert "\n" not in str(caught.value)


def test_metrics_leave_torch_unloaded():
    code = "import sys, semanir.evaluate.metrics; sys.exit('torch' in sys.modules)"
    finished = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=False)
    assert finished.returncode == 0


# --- scikit-image, and the scores of one lineage -----------------------------------------------


@pytest.mark.parametrize("protocol", ["denoise_gray", "denoise_color"])
def test_ssim_is_that_of_scikit_image(protocol):
    """Its settings for Wang et al. are another implementation of the valid region."""
    x, y = pair(shape_of(protocol, 97))
    expected = structural_similarity(
        x.astype(np.float64),
        y.astype(np.float64),
        data_range=255,
        channel_axis=-1 if x.ndim == 3 else None,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    assert score(x, y, protocol)["ssim_matlab"] == pytest.approx(expected, abs=1e-12)


def test_ssim_does_not_depend_on_the_threads_of_opencv():
    x, y = pair((211, 173, 3))
    before = cv2.getNumThreads()
    try:
        scores = []
        for threads in (1, 2):
            cv2.setNumThreads(threads)
            scores.append(score(x, y, "denoise_color"))
    finally:
        cv2.setNumThreads(before)
    assert scores[0] == scores[1]


def test_three_dimensional_ssim_by_full_convolutions():
    """The explicit 11^3 window on replicated borders, for every voxel."""
    x, y = pair((23, 19, 3))
    offsets = np.arange(11) - 5
    line = np.exp(-(offsets**2) / (2 * 1.5**2))
    window = line[:, None, None] * line[None, :, None] * line[None, None, :]
    window /= window.sum()

    def local(image):
        return convolve(image, window, mode="nearest")

    a, b = x.astype(np.float64), y.astype(np.float64)
    mean_a, mean_b = local(a), local(b)
    var_a, var_b = local(a * a) - mean_a**2, local(b * b) - mean_b**2
    both = local(a * b) - mean_a * mean_b
    similar = (2 * mean_a * mean_b + C1) * (2 * both + C2)
    similar /= (mean_a**2 + mean_b**2 + C1) * (var_a + var_b + C2)
    assert score(x, y, "deblur")["ssim_matlab_3d"] == pytest.approx(similar.mean(), abs=1e-10)


PHOTOGRAPHS = REPOSITORY / "data_prep/embedded/test_rgb"


def photograph(path):
    return np.asarray(Image.open(path).convert("RGB"))


@pytest.mark.parametrize(
    ("protocol", "metric", "usual", "least", "most"),
    [
        ("deblur", "ssim_matlab_3d", "ssim_matlab", 0.05, 0.2),
        ("weather", "psnr_transweather_legacy", "psnr", 0.5, 2),
    ],
)
def test_scores_of_one_lineage_lie_above_the_usual_ones_on_blur(
    protocol, metric, usual, least, most
):
    """A number of one convention says nothing beside one of the other."""
    gains = []
    for path in sorted(PHOTOGRAPHS.iterdir()):
        clean = photograph(path)
        scores = score(cv2.GaussianBlur(clean, (0, 0), 1), clean, protocol)
        gains.append(scores[metric] - scores[usual])
    assert least < np.mean(gains) < most


def test_legacy_weather_psnr_is_the_code_of_transweather():
    """utils.calc_psnr, line by line: view instead of permute, Y of "BGR", unrounded."""
    torch = pytest.importorskip("torch")
    clean = photograph(PHOTOGRAPHS / "chelsea.png")
    noise = np.random.default_rng(0).normal(0, 0.05, clean.shape)
    restored = (clean / 255 + noise).astype(np.float32)

    def as_batch(image):
        return torch.from_numpy(image.astype(np.float32).transpose(2, 0, 1).copy())[None]

    def y_channel(batch):
        image = batch[0].view(batch.shape[2], batch.shape[3], 3).numpy()
        return cv2.cvtColor(image, cv2.COLOR_BGR2YCrCb)[:, :, 0]

    expected = peak_signal_noise_ratio(
        y_channel(as_batch(clean / np.float32(255))), y_channel(as_batch(restored)), data_range=1
    )
    clipped = np.clip(restored, 0, 1)
    scores = score(restored, clean, "weather")
    assert scores["psnr_transweather_legacy"] == pytest.approx(expected, abs=1e-4)
    assert score(clipped, clean, "weather")["psnr_transweather_legacy"] != pytest.approx(expected)


def test_weather_psnr_of_rgb_is_that_of_colour_denoising():
    x, y = pair((40, 44, 3))
    assert score(x, y, "weather")["psnr_rgb"] == score(x, y, "denoise_color")["psnr"]
