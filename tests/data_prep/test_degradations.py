"""Degradations of one image against formulas and independent implementations."""

import io

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from photographs import EMBEDDED, pixels
from PIL import Image, JpegImagePlugin
from skimage.color import rgb2ycbcr
from slow_references import slow_malvar

from data_prep import degradations
from data_prep.degradations import DEGRADATIONS, awgn, bayer, downscale, jpeg, malvar, mosaic
from data_prep.images import check_image, luma, match_channels, read_image, to_grey, to_y
from data_prep.resize import imresize
from data_prep.tasks import families
from semanir.errors import InputError
from semanir.evaluate import metrics
from semanir.names import UnknownNameError


def test_tasks_name_degradations_that_are_there():
    assert {entry["degradation"] for entry in families().values()} == set(DEGRADATIONS)
    with pytest.raises(UnknownNameError, match="did you mean awgn"):
        degradations.degradation("awgm")


@pytest.mark.parametrize("sigma", [15, 50, 0.5, 0])
@pytest.mark.parametrize("shape", [(31, 17), (16, 9, 3)], ids=["gray", "color"])
def test_awgn_is_the_formula_of_the_literature(shape, sigma):
    """uint8 -> [0,1], plus RandomState(0).normal(0, sigma/255, shape), rounded once to float32."""
    image = pixels(*shape)
    draws = np.random.RandomState(seed=0).normal(0, sigma / 255.0, image.shape)
    noisy = awgn(image, sigma)
    assert noisy.dtype == np.float32
    assert noisy.tobytes() == np.float32(np.float64(image) / 255.0 + draws).tobytes()


def test_awgn_restarts_for_each_image():
    image, other = pixels(12, 10, seed=1), pixels(12, 10, seed=2)
    noise = awgn(np.zeros((12, 10), np.uint8), 25)
    for each in (image, other, image):
        np.testing.assert_allclose(awgn(each, 25) - each / 255, noise, atol=1e-7)
    assert not np.array_equal(awgn(image, 25, seed=1), awgn(image, 25))
    running = np.random.RandomState(0)
    assert awgn(image, 25, running).tobytes() == awgn(image, 25).tobytes()
    assert not np.array_equal(awgn(image, 25, running), awgn(image, 25))


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("shape", [(24, 36), (25, 38, 3), (4, 7, 3)], ids=["even", "odd", "small"])
def test_downscale_is_modcrop_and_imresize(shape, scale):
    image = pixels(*shape)
    height, width = shape[0] // scale, shape[1] // scale
    small = downscale(image, scale, seed=5)
    assert small.shape == (height, width, *shape[2:]) and small.dtype == np.uint8
    assert np.array_equal(small, imresize(image[: height * scale, : width * scale], 1 / scale))


# colour: full-range grey 0.299 R + 0.587 G + 0.114 B, and MATLAB's Y on 16..235, both rounded
GREYS = {
    (0, 0, 0): (0, 16),
    (255, 255, 255): (255, 235),
    (255, 0, 0): (76, 81),  # 76.245, 81.481
    (0, 255, 0): (150, 145),  # 149.685, 144.553
    (0, 0, 255): (29, 41),  # 29.070, 40.966
    (1, 2, 3): (2, 18),  # 1.815, 18.312
    (0, 248, 130): (160, 154),  # 160.396, 153.754
    (1, 2, 250): (30, 42),  # 29.973, 41.741
}


@pytest.mark.parametrize(("function", "index"), [(to_grey, 0), (to_y, 1)])
def test_greys_of_single_pixels(function, index):
    grey = function(np.array([list(GREYS)], np.uint8))
    assert grey.tolist() == [[values[index] for values in GREYS.values()]]
    assert grey.dtype == np.uint8
    assert function(grey) is grey  # its range too: Classic5 is grey and uses all of 0..255


def test_to_y_rounds_exact_ties_up():
    """65481 R + 128553 G + 24966 B is an odd multiple of 127500: half a grey level, exactly."""
    values, ties = np.arange(256), {}
    for blue in range(256):
        total = 65481 * values[:, None] + 128553 * values + 24966 * blue
        for red, green in np.argwhere(total % 255000 == 127500).tolist():
            ties[red, green, blue] = total[red, green] // 255000 + 17
    assert len(ties) == 194
    assert to_y(np.array([list(ties)], np.uint8)).tolist() == [list(ties.values())]


@pytest.mark.parametrize("image", [pixels(150, 130, 3), read_image(EMBEDDED[0])], ids=["1", "2"])
def test_to_y_rounds_the_y_of_scikit_image(image):
    assert np.abs(to_y(image) - rgb2ycbcr(image)[..., 0]).max() <= 0.5 + 1e-9
    np.testing.assert_allclose(luma(image), rgb2ycbcr(image)[..., 0], rtol=0, atol=1e-9)
    assert metrics.luma is luma


def test_channels_are_matched_to_the_task():
    grey, colour = pixels(3, 4), pixels(3, 4, 3)
    assert match_channels(colour, 3, "a.png") is colour
    assert match_channels(grey, 1, "a.png") is grey
    assert np.array_equal(match_channels(colour, 1, "a.png"), to_grey(colour))
    assert np.array_equal(match_channels(colour, 1, "a.png", "y"), to_y(colour))
    with pytest.raises(InputError, match=r"a\.png is grey"):
        match_channels(grey, 3, "a.png")


@pytest.mark.parametrize("quality", [1, 10, 40, 75, 100])
@pytest.mark.parametrize("shape", [(33, 50), (33, 50, 3), (192, 192, 3), (1, 1, 3), (7, 300)])
def test_jpeg_equals_another_decoder(shape, quality):
    image = pixels(*shape) if shape != (192, 192, 3) else read_image(EMBEDDED[0])
    bgr = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    with Image.open(io.BytesIO(data.tobytes())) as encoded:
        assert encoded.mode == ("L" if image.ndim == 2 else "RGB")
        assert image.ndim == 2 or JpegImagePlugin.get_sampling(encoded) == 2
        expected = np.asarray(encoded)
    degraded = jpeg(image, quality)
    assert degraded.dtype == np.uint8
    np.testing.assert_array_equal(degraded, expected)
    np.testing.assert_array_equal(degraded, jpeg(image, np.int64(quality), seed=5))


def test_jpeg_reads_any_memory_layout():
    image = pixels(40, 30, 3)
    for view in (image.swapaxes(0, 1)[::-1], image[..., 1]):
        np.testing.assert_array_equal(jpeg(view, 30), jpeg(np.ascontiguousarray(view), 30))


@given(arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3))))
def test_bayer_keeps_one_value_of_each_pixel(image):
    """Red at even rows and columns, blue at odd ones, green elsewhere."""
    sensor = bayer(image)
    for row, column in np.ndindex(*sensor.shape):
        assert sensor[row, column] == image[row, column, (row % 2) + (column % 2)]


@pytest.mark.parametrize("shape", [(12, 16), (13, 17), (5, 6), (3, 3)])
def test_malvar_equals_the_paper_pixel_by_pixel(shape):
    full = malvar(pixels(*shape))
    assert full.dtype == np.float64
    np.testing.assert_allclose(full, slow_malvar(pixels(*shape)), rtol=0, atol=1e-10)


def test_mosaic_is_neither_rounded_nor_clipped():
    image = read_image(EMBEDDED[0])
    degraded = mosaic(image, "rggb", 7)
    assert degraded.dtype == np.float32
    assert degraded.tobytes() == (malvar(bayer(image)) / 255).astype(np.float32).tobytes()
    assert degraded.min() < 0 and degraded.max() > 1
    scaled = degraded.astype(np.float64) * 255
    assert np.abs(scaled - np.rint(scaled)).max() > 0.49
    with pytest.raises(UnknownNameError, match="'bggr'"):
        mosaic(image, "bggr")


COLOUR, GREY = np.zeros((24, 24, 3), np.uint8), np.zeros((24, 24), np.uint8)
WRONG = {
    "float32": COLOUR.astype(np.float32),
    "empty": COLOUR[:0],
    "four channels": np.zeros((4, 4, 4), np.uint8),
    "one channel": np.zeros((4, 4, 1), np.uint8),
    "1d": COLOUR[0, :, 0],
    "list": COLOUR.tolist(),
}
LEVELS = [("awgn", 15), ("downscale", 2), ("jpeg", 10), ("mosaic", "rggb"), ("motion_blur", 15)]
LEVELS += [("weather", kind) for kind in ("snow", "rain_fog", "raindrop")]
OPERATORS = {each.__name__: (each,) for each in (check_image, to_y, bayer, malvar)} | {
    level if name == "weather" else name: (DEGRADATIONS[name], level) for name, level in LEVELS
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("name", OPERATORS)
def test_only_uint8_images_are_degraded(name, wrong):
    image, (function, *level) = WRONG[wrong], OPERATORS[name]
    with pytest.raises(InputError) as caught:
        function(image, *level)
    assert f"got {getattr(image, 'dtype', 'list')} {np.shape(image)}" in str(caught.value)


@pytest.mark.parametrize("name", ["bayer", "mosaic", "motion_blur", "snow", "rain_fog", "raindrop"])
def test_grey_is_refused_where_colour_is_needed(name):
    function, *level = OPERATORS[name]
    with pytest.raises(InputError, match=r"got uint8 \(24, 24\)"):
        function(GREY, *level)
    with pytest.raises(InputError, match=r"got uint8 \(24, 24, 3\)"):
        malvar(COLOUR)


WRONG_LEVELS = [
    *((jpeg, q, f"1..100, got {q!r}") for q in (0, 101, 10.0, "10", True)),
    *((awgn, sigma, f"got {sigma}") for sigma in (-1e-9, np.nan, np.inf)),
    (downscale, 25, "24x24 is too small for x25"),
]


@pytest.mark.parametrize(("function", "level", "message"), WRONG_LEVELS)
def test_a_wrong_level_is_refused(function, level, message):
    for image in (GREY, COLOUR):
        with pytest.raises(InputError, match=message):
            function(image, level)
    assert downscale(GREY, 24).shape == (1, 1)
