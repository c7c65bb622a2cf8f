"""data_prep.resize against MATLAB's own outputs, against exact fractions, and under misuse."""

import hashlib
import math
from fractions import Fraction

import numpy as np
import pytest
from checkout import REPOSITORY
from mirrored import photographs, read, small_of_set5
from slow_references import resize_plane

from data_prep.degradations import downscale
from data_prep.resize import imresize, modcrop
from semanir.errors import InputError

# SHA-256 of the pixels, recorded when every pixel of the shipped Set5 inputs was equal
HASHES = {
    ("test_rgb/astronaut", 2): "f18d141858eef9e4501a827962f1712c8e61c7653ef9408ad3fa31daa3540662",
    ("test_rgb/astronaut", 3): "ac0eff074fc2ee85e33040e191359d150a9de80b65a3c49c73ff7884a89c265e",
    ("test_rgb/astronaut", 4): "f1679efe8869ccefb03aa79ab178d28466c27b5112b393faa8e7d259b67c5822",
    ("test_rgb/coffee", 2): "3ad96c36250cfe983fd0c50af4de2e576e3a990f0b8c1040c1e29504df330543",
    ("test_rgb/coffee", 3): "e4e82930d9816035b7ad0abf17cca53049ab72002efeff90f4797e4b4dbc8218",
    ("test_rgb/coffee", 4): "58912c251481b6385ac7f9e1181923a676106f81649d9c2c497017f7f4efbc66",
    ("test_gray/camera", 2): "4aa1147be83c5a77d49c4184ed75eadcd49eba557db11bd8b8278ad299e3235e",
    ("test_gray/camera", 3): "85b4b205773b54a175ae36b32ab3164728c9374e6ce8dfd8f7b8560ef6e91d1f",
    ("test_gray/camera", 4): "b5013d56c73a3af3b968ee13aaf0c11370deaf1c82f12f7ade009d86e18255ab",
}


@pytest.mark.parametrize("scale", [2, 3, 4, 8], ids="x{}".format)
def test_every_pixel_equals_the_shipped_input(mirror, scale):
    for path in photographs(mirror, "Set5"):
        photograph = modcrop(read(path), scale)
        if scale == 8:  # these files were rounded once, after both passes
            resized = np.floor(imresize(photograph.astype(np.float64), 1 / 8).clip(0, 255) + 0.5)
        else:
            resized = imresize(photograph, 1 / scale)
        np.testing.assert_array_equal(resized, small_of_set5(mirror, path, scale), str(path))


@pytest.mark.parametrize(("name", "scale"), HASHES, ids=lambda part: str(part).split("/")[-1])
def test_pixels_of_embedded_photographs_never_change(name, scale):
    photograph = read(REPOSITORY / "data_prep" / "embedded" / f"{name}.png")
    image = imresize(modcrop(photograph, scale), 1 / scale)
    assert hashlib.sha256(image.tobytes()).hexdigest() == HASHES[name, scale]


def harsh(shape, seed=0):
    """Noise with many saturated pixels, so that the kernel overshoots and clipping matters."""
    rng = np.random.RandomState(seed)
    image = rng.randint(0, 256, shape)
    extreme = rng.randint(0, 4, shape)
    return np.select([extreme == 0, extreme == 1], [0, 255], image).astype(np.uint8)


FACTORS = ["1/2", "1/3", "1/4", "1/5", "1/6", "1/8", "1/12", "1", "2", "3", "4"]
OTHERS = ["37/100", "7/10", "2/3", "9/10", "11/10", "3/2", "27/10"]
SHAPES = [(1, 1), (1, 6), (5, 1), (2, 3), (11, 8), (9, 14)]


@pytest.mark.parametrize("shape", SHAPES, ids="{0[0]}x{0[1]}".format)
@pytest.mark.parametrize("scale", [*FACTORS, *OTHERS])
def test_uint8_equals_exact_fractions(scale, shape):
    resized = imresize(harsh(shape), float(Fraction(scale)))
    assert resized.dtype == np.uint8
    np.testing.assert_array_equal(resized, resize_plane(harsh(shape), Fraction(scale)))


@pytest.mark.parametrize("scale", ["1/3", "1/4", "7/10", "1", "3", "27/10"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_float_equals_exact_fractions(dtype, scale):
    image = np.random.RandomState(1).rand(7, 10).astype(dtype)
    image[:, 5:] = 1  # a step, at which the kernel overshoots
    resized = imresize(image, float(Fraction(scale)))
    assert resized.dtype == dtype
    if scale in ("3", "27/10"):
        assert resized.max() > 1.05
    atol = 1e-13 if dtype == np.float64 else 6e-8
    expected = resize_plane(image, Fraction(scale))
    np.testing.assert_allclose(resized, expected, rtol=0, atol=atol)
    double = imresize(image.astype(np.float64), float(Fraction(scale)))
    np.testing.assert_array_equal(resized, double.astype(dtype))


@pytest.mark.parametrize("scale", [1 / 2, 1 / 3, 1 / 4, 0.37, 2, 3, 1.7])
def test_blocks_and_channels_do_not_show(scale):
    # large enough that both passes work in several blocks of lines
    image = harsh((60, 9000, 3)) if scale < 1 else harsh((40, 3000, 3))
    resized = imresize(image, scale)
    for channel in range(3):
        np.testing.assert_array_equal(resized[..., channel], imresize(image[..., channel], scale))
    strip = imresize(image[:, :300], scale)
    inner = strip.shape[1] - math.ceil(8 * max(scale, 1))
    np.testing.assert_array_equal(resized[:, :inner], strip[:, :inner])


def test_views_are_accepted_and_left_alone():
    image = harsh((12, 14, 3))
    view, before = image[::-1, ::2].swapaxes(0, 1), image.copy()
    resized, same = imresize(view, 1 / 2), imresize(view, 1)
    np.testing.assert_array_equal(resized, imresize(np.ascontiguousarray(view), 1 / 2))
    np.testing.assert_array_equal(same, view)
    assert resized.flags.c_contiguous and not np.shares_memory(same, image)
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize(("shape", "scale"), [((7, 9), 4), ((7, 9, 3), 3), ((8, 8), 1)])
def test_modcrop_cuts_at_the_bottom_and_right(shape, scale):
    image = harsh(shape)
    height, width = shape[0] // scale * scale, shape[1] // scale * scale
    np.testing.assert_array_equal(modcrop(image, scale), image[:height, :width])


IMAGE = np.zeros((4, 4), np.uint8)
MISUSE = [
    (imresize, IMAGE.astype(np.int32), 0.5, "got int32"),
    (imresize, [[1, 2]], 0.5, "got list"),
    (imresize, IMAGE[0], 0.5, r"got shape \(4,\)"),
    (imresize, IMAGE[:0], 0.5, r"empty, shape \(0, 4\)"),
    (imresize, IMAGE + np.nan, 0.5, "NaN"),
    (imresize, IMAGE + np.float32(np.inf), 0.5, "infinite"),
    *((imresize, IMAGE, scale, f"got {scale}") for scale in (0, -0.5, math.nan, math.inf)),
    *((modcrop, IMAGE, scale, f"got {scale}") for scale in (0, 2.5)),
    *(
        (cut, IMAGE[:, :3], 4, "an image of 4x3 is too small for x4")
        for cut in (modcrop, downscale)
    ),
    (modcrop, IMAGE[0], 2, r"shape \(4,\)"),
]


@pytest.mark.parametrize(("function", "image", "scale", "message"), MISUSE)
def test_misuse_is_refused(function, image, scale, message):
    with pytest.raises(InputError, match=message):
        function(image, scale)
