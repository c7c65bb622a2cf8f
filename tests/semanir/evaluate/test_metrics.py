"""Metrics against independent implementations and printed numbers."""

import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from made_sets import write_set
from mirrored import photographs, read, small_of_set5
from photographs import EMBEDDED, pixels
from scipy.ndimage import convolve
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from data_prep.resize import imresize, modcrop
from data_prep.tasks import get_task, task_names
from semanir.evaluate.evaluation import score_images
from semanir.evaluate.metrics import PROTOCOLS, on_full_range, score

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


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("side", [31, 44, 97])
def test_every_protocol_equals_its_definition(protocol, side):
    """Borders and channels as the papers have them; SSIM by scikit-image, and by convolutions."""
    shape = (side, side + 3, 3)[: 2 if protocol.endswith("gray") else 3]
    output, target = pair(shape, seed=side)
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
    if "ssim_matlab_3d" in result:  # the explicit 11^3 window for every voxel
        expected = slow_ssim(x, y, "nearest")
        assert result["ssim_matlab_3d"] == pytest.approx(expected, abs=1e-10)
    equal = score(target, target.copy(), protocol)
    assert equal["psnr"] == math.inf
    assert [equal[name] for name in METRICS[1:]] == pytest.approx([1, 1], abs=1e-12)


BICUBIC = [(2, 33.66, 0.9299), (3, 30.39, 0.8682), (4, 28.42, 0.8104)]


@pytest.mark.parametrize(("scale", "psnr", "ssim"), BICUBIC)
def test_bicubic_row_of_set5(mirror, scale, psnr, ssim):
    """The row that papers have printed since VDSR, made by scaling Y itself."""
    results = []
    for path in photographs(mirror, "Set5"):
        small = small_of_set5(mirror, path, scale)
        found = score(imresize(small, scale), modcrop(read(path), scale), f"sr-x{scale}")
        results.append((found["psnr"], found["ssim_matlab"]))
    assert np.mean(results, 0)[0] == pytest.approx(psnr, abs=0.02)
    assert np.mean(results, 0)[1] == pytest.approx(ssim, abs=0.001)


@pytest.mark.parametrize(("scale", "printed"), [(2, 30.24), (3, 27.55), (4, 26.00)])
def test_bicubic_row_of_set14_is_of_matlab_scripts(mirror, scale, printed):
    """The printed row scores its grey file on 0..255; BasicSR's convention is 0.09 above."""
    basicsr, matlab = [], []
    for path in photographs(mirror, "Set14"):
        target = modcrop(read(path), scale)
        grey = target.ndim == 2
        target = np.repeat(target[..., None], 3, axis=2) if grey else target
        restored = imresize(imresize(target, 1 / scale), scale)
        basicsr.append(score(restored, target, f"sr-x{scale}")["psnr"])
        matlab.append(on_full_range(basicsr[-1]) if grey else basicsr[-1])
    assert np.mean(matlab) == pytest.approx(printed, abs=0.02)
    assert np.mean(basicsr) - np.mean(matlab) == pytest.approx(0.0944, abs=1e-4)


@pytest.mark.parametrize("name", task_names())
def test_every_task_has_a_protocol(name):
    task = get_task(name)
    for protocol in map(task.protocol, task.levels):
        colour = "y" if protocol in LUMA else "rgb"
        assert PROTOCOLS[protocol].channels == ("gray" if task.channels == 1 else colour)


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


def test_ssim_does_not_depend_on_the_threads_of_opencv():
    x, y = pair((211, 173, 3))
    before, scores = cv2.getNumThreads(), []
    for threads in (1, 2):
        cv2.setNumThreads(threads)
        scores.append(score(x, y, "denoise_color"))
    cv2.setNumThreads(before)
    assert scores[0] == scores[1]


def test_one_lineage_scores_blur_higher():
    """A number of one convention says nothing beside one of the other."""
    clear = [read(path) for path in EMBEDDED]
    blurred = [cv2.GaussianBlur(clean, (0, 0), 1) for clean in clear]
    for protocol, metric, usual, least, most in (
        ("deblur", "ssim_matlab_3d", "ssim_matlab", 0.05, 0.2),
        ("weather", "psnr_transweather_legacy", "psnr", 0.5, 2),
    ):
        scores = [score(*images, protocol) for images in zip(blurred, clear, strict=True)]
        assert least < np.mean([found[metric] - found[usual] for found in scores]) < most


def test_legacy_weather_psnr_is_the_code_of_transweather():
    """utils.calc_psnr, line by line: view instead of permute, Y of "BGR", unrounded."""
    torch = pytest.importorskip("torch")
    clean = read(EMBEDDED[0])
    noise = np.random.default_rng(0).normal(0, 0.05, clean.shape)
    restored = (clean / 255 + noise).astype(np.float32)

    def y_channel(image):
        batch = torch.from_numpy(image.transpose(2, 0, 1).copy())[None]
        image = batch[0].view(batch.shape[2], batch.shape[3], 3).numpy()
        return cv2.cvtColor(image, cv2.COLOR_BGR2YCrCb)[:, :, 0]

    pair = (y_channel(image) for image in (clean / np.float32(255), restored))
    expected = peak_signal_noise_ratio(*pair, data_range=1)
    clipped = score(np.clip(restored, 0, 1), clean, "weather")
    scores = score(restored, clean, "weather")
    assert scores["psnr_transweather_legacy"] == pytest.approx(expected, abs=1e-4)
    assert clipped["psnr_transweather_legacy"] != pytest.approx(expected)
    assert scores["psnr_rgb"] == score(restored, clean, "denoise_color")["psnr"]


@pytest.mark.parametrize("grey", ["a.png", "neither"])
def test_grey_files_are_scored_in_both_conventions(tmp_path, monkeypatch, grey):
    monkeypatch.chdir(tmp_path)
    large = {name: pixels(32, 32, 3, seed=seed) for seed, name in enumerate(("a.png", "b.png"))}
    large["a.png"][:] = large["a.png"][..., :1]
    small = {name: image[::2, ::2] for name, image in large.items()}
    write_set(Path("data/sets/two"), large, {grey: {"grey": True}})
    write_set(Path("data/degraded/sr/two/x2"), small, {name: {"clean": name} for name in small})

    def enlarge(image, level):
        return image.repeat(2, 0).repeat(2, 1), None

    found = list(score_images(enlarge, get_task("sr-x2"), [("two", "x2")]))
    full = {entry["image"]: entry.get("psnr_grey_full_range") for entry in found}
    if grey == "neither":
        assert full == {"a": None, "b": None}
        return
    psnr = {entry["image"]: entry["psnr"] for entry in found}
    restored, target = enlarge(small["a.png"], "")[0], large["a.png"]
    # the grey values themselves, not their Y
    error = np.mean((restored.astype(float) - target)[2:-2, 2:-2] ** 2)
    assert full["a"] == pytest.approx(10 * np.log10(255**2 / error), abs=1e-9)
    assert psnr == {"a": score(restored, target, "sr-x2")["psnr"], "b": full["b"]}
