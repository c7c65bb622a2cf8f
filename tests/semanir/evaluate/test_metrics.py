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
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from data_prep.resize import imresize, modcrop
from data_prep.tasks import get_task, task_names
from semanir.evaluate.metrics import PROTOCOLS, luma, on_full_range, score

CSZN = "raw.githubusercontent.com/cszn/DnCNN/e93b27812d3ff523a3a79d19e5e50d233d7a8d0a"
SWINIR = "raw.githubusercontent.com/JingyunLiang/SwinIR/6545850fbf8df298df73d81f3e8cba638787c8bd"
METRICS = ["psnr", "ssim_matlab", "ssim_zero_padded"]
BORDERS = {"sr-x2": 2, "sr-x3": 3, "sr-x4": 4, "demosaick": 10}
LUMA = ("sr-x2", "sr-x3", "sr-x4", "weather")
C1, C2 = 6.5025, 58.5225  # (0.01 * 255)^2, (0.03 * 255)^2


def pair(shape, seed=0):
    """A smooth random photograph of sorts and a noisy version of it, both uint8."""
    rng = np.random.RandomState(seed)
    coarse = rng.randint(0, 256, (shape[0] // 4 + 2, shape[1] // 4 + 2, *shape[2:]))
    clean = coarse.repeat(4, axis=0).repeat(4, axis=1)[: shape[0], : shape[1]].astype(np.uint8)
    return (clean + rng.normal(0, 20, shape)).clip(0, 255).astype(np.uint8), clean


def shape_of(protocol, side=40):
    return (side, side + 3, 3)[: 2 if protocol.endswith("gray") else 3]


def slow_ssim(a, b, mode):
    """Wang et al. 2004 by full convolutions with a window 11 wide in every dimension."""
    window = line = np.exp(-((np.arange(11) - 5) ** 2) / (2 * 1.5**2))
    for _ in a.shape[1:]:
        window = window[..., None] * line
    a, b = a.astype(float), b.astype(float)
    ma, mb, maa, mbb, mab = (
        convolve(image, window / window.sum(), mode=mode) for image in (a, b, a * a, b * b, a * b)
    )
    similar = (2 * ma * mb + C1) * (2 * (mab - ma * mb) + C2)
    return (similar / ((ma**2 + mb**2 + C1) * (maa - ma**2 + mbb - mb**2 + C2))).mean()


# --- by hand, and by independent implementations ------------------------------------------------


@pytest.mark.parametrize(("a", "b"), [(100, 101), (10, 30), (0, 255), (128, 64)])
@pytest.mark.parametrize("protocol", ["denoise_gray", "jpeg_color", "demosaick"])
def test_constant_images(protocol, a, b):
    shape = shape_of(protocol)
    result = score(np.full(shape, a, np.uint8), np.full(shape, b, np.uint8), protocol)
    assert result["psnr"] == pytest.approx(20 * math.log10(255 / abs(a - b)), abs=1e-12)
    expected = (2 * a * b + C1) / (a**2 + b**2 + C1)
    assert result["ssim_matlab"] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("protocol", "more", "mean"),
    [
        ("denoise_color", [3, 0, 6], 15),  # of 9, 0 and 36; not the mean of three PSNRs
        ("sr-x2", [0, 0, 1], (24.966 / 255) ** 2),  # rounding Y would hide or tenfold it
        ("weather", [0, 0, 1], (24.966 / 255) ** 2),
    ],
)
def test_psnr_by_hand(protocol, more, mean):
    target = np.full((24, 24, 3), 100, np.uint8)
    psnr = score(target + np.array(more, np.uint8), target, protocol)["psnr"]
    assert psnr == pytest.approx(10 * math.log10(255**2 / mean), abs=1e-9)


def test_luma_by_hand():
    found = luma(np.array([[[0, 0, 0], [255, 255, 255], [1, 2, 3]]], np.uint8))
    expected = [[16, 235, 16 + (65.481 + 257.106 + 74.898) / 255]]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("side", [31, 44, 97])
def test_every_protocol_equals_its_definition(protocol, side):
    """Borders and channels as the papers have them; SSIM by scikit-image, and by convolutions."""
    output, target = pair(shape_of(protocol, side), seed=side)
    c = BORDERS.get(protocol, 0)
    x, y = (image[c : side - c, c : side + 3 - c].astype(float) for image in (output, target))
    if protocol in LUMA:
        x, y = (image @ np.array([65.481, 128.553, 24.966]) / 255 + 16 for image in (x, y))
    result = score(output, target, protocol)
    assert list(result) == [*METRICS, *PROTOCOLS[protocol].extra]
    expected = peak_signal_noise_ratio(y, x, data_range=255)
    assert result["psnr"] == pytest.approx(expected, abs=1e-9)
    channels = {"data_range": 255, "channel_axis": -1 if x.ndim == 3 else None}
    wang = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    expected = structural_similarity(x, y, **channels, **wang)
    assert result["ssim_matlab"] == pytest.approx(expected, abs=1e-12)
    layers = zip(*(np.moveaxis(np.atleast_3d(image), -1, 0) for image in (x, y)), strict=True)
    expected = np.mean([slow_ssim(a, b, "constant") for a, b in layers])
    assert result["ssim_zero_padded"] == pytest.approx(expected, abs=1e-10)
    equal = score(target, target.copy(), protocol)
    assert equal["psnr"] == math.inf
    assert [equal[name] for name in METRICS[1:]] == pytest.approx([1, 1], abs=1e-12)


# --- printed numbers ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scale", "psnr", "ssim"), [(2, 33.66, 0.9299), (3, 30.39, 0.8682), (4, 28.42, 0.8104)]
)
def test_bicubic_row_of_set5(mirror, scale, psnr, ssim):
    """The row that papers have printed since VDSR, made by scaling Y itself."""
    results, folder = [], mirror / SWINIR / "testsets/Set5"
    for path in files(folder / "HR", "*.png", 5):
        small = read(folder / f"LR_bicubic/X{scale}" / f"{path.stem}x{scale}.png")
        found = score(imresize(small, scale), modcrop(read(path), scale), f"sr-x{scale}")
        results.append((found["psnr"], found["ssim_matlab"]))
    assert np.mean(results, 0)[0] == pytest.approx(psnr, abs=0.02)
    assert np.mean(results, 0)[1] == pytest.approx(ssim, abs=0.001)


@pytest.mark.parametrize(("scale", "printed"), [(2, 30.24), (3, 27.55), (4, 26.00)])
def test_bicubic_row_of_set14_is_of_matlab_scripts(mirror, scale, printed):
    """The printed row scores its grey file on 0..255; BasicSR's convention is 0.09 above."""
    basicsr, matlab = [], []
    for path in files(mirror / CSZN / "testsets/Set14", "*.bmp", 14):
        target = modcrop(read(path), scale)
        grey = target.ndim == 2
        target = np.repeat(target[..., None], 3, axis=2) if grey else target
        restored = imresize(imresize(target, 1 / scale), scale)
        basicsr.append(score(restored, target, f"sr-x{scale}")["psnr"])
        matlab.append(on_full_range(basicsr[-1]) if grey else basicsr[-1])
    assert np.mean(matlab) == pytest.approx(printed, abs=0.02)
    assert np.mean(basicsr) - np.mean(matlab) == pytest.approx(0.0944, abs=1e-4)


def files(folder, pattern, count):
    if not folder.is_dir():
        pytest.skip(f"the mirror lacks {folder}")
    found = sorted(folder.glob(pattern))
    assert len(found) == count
    return found


def read(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("L" if image.mode in ("L", "P") else "RGB"))


@pytest.mark.parametrize("name", task_names())
def test_every_task_has_a_protocol(name):
    task = get_task(name)
    for protocol in map(task.protocol, task.levels):
        colour = "y" if protocol in LUMA else "rgb"
        assert PROTOCOLS[protocol].channels == ("gray" if task.channels == 1 else colour)


# --- rounding and invariances -----------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floats_score_as_the_saved_image(dtype):
    """Rounded, clipped, left alone; a trailing channel of one is grey."""
    output, target = pair((40, 43))
    target[:16, :16] = np.arange(256, dtype=np.uint8).reshape(16, 16)
    output[0, :2] = [255, 0]
    expected = score(output, target, "denoise_gray")
    floats = [image.astype(dtype) / dtype(255) for image in (output, target)]
    before = [image.copy() for image in floats]
    assert score(*floats, "denoise_gray") == expected
    np.testing.assert_array_equal(floats, before)
    assert score(floats[0][..., None], target[..., None], "denoise_gray") == expected
    nudged = floats[0] + np.random.RandomState(1).uniform(-0.49, 0.49, output.shape) / 255
    nudged[output == 255], nudged[output == 0] = 7.5, -3
    nudged[0, :2] = [1.2, -0.2]
    assert score(nudged.astype(dtype), target, "denoise_gray") == expected


PIXELS = arrays(np.uint8, (15, 13, 3))


@settings(max_examples=25)
@given(PIXELS, PIXELS, st.sampled_from(["denoise_color", "weather"]))
def test_symmetries(x, y, protocol):
    reference = score(x, y, protocol)
    turned = [image.swapaxes(0, 1) for image in (x, y)]
    for images in ((y, x), turned, [image[::-1, ::-1] for image in (x, y)]):
        result = score(*images, protocol)
        for name in METRICS:
            assert result[name] == pytest.approx(reference[name], abs=1e-9)
    assert max(reference[name] for name in METRICS[1:]) <= 1 + 1e-12


GREY, RGB = np.zeros((16, 16), np.uint8), np.zeros((40, 40, 3), np.uint8)


@pytest.mark.parametrize(
    ("output", "target", "protocol", "message"),
    [
        (np.full((16, 16), np.nan), GREY, "jpeg_gray", "output holds 256 NaN or infinite"),
        (GREY, np.full((16, 16), np.inf), "jpeg_gray", "target holds 256 NaN or infinite"),
        (GREY, 200.0 * np.eye(16), "jpeg_gray", r"target lies on \[0, 200\]; divide by 255"),
        (GREY, GREY[1:], "jpeg_gray", r"differ in shape: \(16, 16\) and \(15, 16\)"),
        (GREY, GREY.astype(np.float16), "jpeg_gray", "target: .* got float16"),
        (GREY.tolist(), GREY, "jpeg_gray", "output: .* got list"),
        (GREY[:0], GREY[:0], "jpeg_gray", r"output is empty, shape \(0, 16\)"),
        (GREY[0], GREY[0], "jpeg_gray", r"compares images \[H,W\], got shape \(16,\)"),
        (RGB, RGB, "jpeg_gray", r"compares images \[H,W\], got shape \(40, 40, 3\)"),
        (GREY, GREY, "jpeg_color", r"compares images \[H,W,3\], got shape \(16, 16\)"),
        (RGB[:, :18], RGB[:, :18], "sr-x4", "40x18 is too small: sr-x4 needs 19x19"),
        (RGB[:30], RGB[:30], "demosaick", "30x40 is too small: demosaick needs 31x31"),
        (RGB, RGB, "sr-x8", "unknown protocol 'sr-x8'; did you mean sr-x"),
    ],
)
def test_score_refuses(output, target, protocol, message):
    with pytest.raises(ValueError, match=f"^.*{message}.*$"):
        score(output, target, protocol)


def test_metrics_leave_torch_unloaded():
    code = "import sys, semanir.evaluate.metrics; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=True)


def test_ssim_does_not_depend_on_the_threads_of_opencv():
    x, y = pair((211, 173, 3))
    before, scores = cv2.getNumThreads(), []
    for threads in (1, 2):
        cv2.setNumThreads(threads)
        scores.append(score(x, y, "denoise_color"))
    cv2.setNumThreads(before)
    assert scores[0] == scores[1]


# --- scores of one lineage ----------------------------------------------------------------------


def test_three_dimensional_ssim_by_full_convolutions():
    """The explicit 11^3 window on replicated borders, for every voxel."""
    x, y = pair((23, 19, 3))
    expected = slow_ssim(x, y, "nearest")
    assert score(x, y, "deblur")["ssim_matlab_3d"] == pytest.approx(expected, abs=1e-10)


PHOTOGRAPHS = REPOSITORY / "data_prep/embedded/test_rgb"


def test_one_lineage_scores_blur_higher():
    """A number of one convention says nothing beside one of the other."""
    photographs = [read(path) for path in PHOTOGRAPHS.iterdir()]
    blurred = [cv2.GaussianBlur(clean, (0, 0), 1) for clean in photographs]
    for protocol, metric, usual, least, most in (
        ("deblur", "ssim_matlab_3d", "ssim_matlab", 0.05, 0.2),
        ("weather", "psnr_transweather_legacy", "psnr", 0.5, 2),
    ):
        scores = [score(*images, protocol) for images in zip(blurred, photographs, strict=True)]
        assert least < np.mean([found[metric] - found[usual] for found in scores]) < most


def test_legacy_weather_psnr_is_the_code_of_transweather():
    """utils.calc_psnr, line by line: view instead of permute, Y of "BGR", unrounded."""
    torch = pytest.importorskip("torch")
    clean = read(PHOTOGRAPHS / "chelsea.png")
    noise = np.random.default_rng(0).normal(0, 0.05, clean.shape)
    restored = (clean / 255 + noise).astype(np.float32)

    def y_channel(image):
        batch = torch.from_numpy(image.transpose(2, 0, 1).copy())[None]
        image = batch[0].view(batch.shape[2], batch.shape[3], 3).numpy()
        return cv2.cvtColor(image, cv2.COLOR_BGR2YCrCb)[:, :, 0]

    expected = peak_signal_noise_ratio(
        y_channel(clean / np.float32(255)), y_channel(restored), data_range=1
    )
    clipped = score(np.clip(restored, 0, 1), clean, "weather")
    scores = score(restored, clean, "weather")
    assert scores["psnr_transweather_legacy"] == pytest.approx(expected, abs=1e-4)
    assert clipped["psnr_transweather_legacy"] != pytest.approx(expected)
    assert scores["psnr_rgb"] == score(restored, clean, "denoise_color")["psnr"]
