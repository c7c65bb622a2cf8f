"""Photographs of data sets as arrays of 8 bits: converted exactly, or refused by name."""

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from checkout import REPOSITORY
from photographs import pixels
from PIL import Image, ImageOps

from data_prep.images import read_image
from data_prep.pictures import Picture, shown_size, write_picture
from semanir.errors import InputError


@pytest.mark.parametrize("kind", ["1", "L", "P", "RGB", "full alpha", "full alpha of a palette"])
def test_what_is_the_same_in_8_bits_is_converted(tmp_path, kind):
    image, options = Image.fromarray(pixels(9, 11, 3)), {}
    if kind == "full alpha":
        image.putalpha(255)
    elif kind in ("1", "L"):
        image = image.convert(kind)
    elif kind != "RGB":
        image = image.quantize(30)
        options = {"transparency": b"\xff" * 30} if "alpha" in kind else {}
    image.save(tmp_path / "a.png", **options)
    array = read_image(tmp_path / "a.png")
    assert array.dtype == np.uint8
    np.testing.assert_array_equal(array, image.convert("L" if kind in ("1", "L") else "RGB"))


@pytest.mark.parametrize("ending", [".png", ".jpg", ".tif", ".webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_photographs_stand_upright(tmp_path, orientation, ending):
    path, exif = tmp_path / f"a{ending}", Image.Exif()
    exif[0x0112] = orientation
    write_picture(path, Picture(pixels(16, 24, 3), exif=exif.tobytes()))
    array = read_image(path)
    with Image.open(path) as image:
        np.testing.assert_array_equal(array, ImageOps.exif_transpose(image))
    assert array.flags.c_contiguous and shown_size(path) == array.shape[1::-1]
    if ending != ".tif":  # which OpenCV turns in a way of its own
        np.testing.assert_array_equal(array, cv2.imread(str(path))[..., ::-1])


@pytest.mark.parametrize("shape", [(256, 256), (64, 64, 3)])
@pytest.mark.parametrize("ending", [".png", ".tif"])
def test_16_bits_become_8_only_as_asked(tmp_path, shape, ending):
    image = np.resize(np.arange(2**16), shape).astype(np.uint16)
    path = tmp_path / f"a{ending}"
    write_picture(path, Picture(image))
    with pytest.raises(InputError, match=rf"a\{ending} has 16 bits; .* high_byte or rounded"):
        read_image(path)
    high, rounded = (read_image(path, how) for how in ("high_byte", "rounded"))
    assert high.dtype == rounded.dtype == np.uint8
    np.testing.assert_array_equal(high, image // 256)
    np.testing.assert_array_equal(rounded, np.rint(image / 257.0))
    write_picture(path, Picture(image.astype(np.uint8)))
    np.testing.assert_array_equal(read_image(path, "rounded"), image.astype(np.uint8))


def clear(path):
    image = np.dstack([pixels(9, 11, 3), np.full((9, 11), 255, np.uint8)])
    image[4, 4, 3] = 254
    Image.fromarray(image).save(path)


def cut_short(path):
    Image.fromarray(pixels(40, 40, 3)).save(path)
    path.write_bytes(path.read_bytes()[:2000])


@pytest.mark.parametrize(
    ("write", "message"),
    [(clear, "transparent in places"), (cut_short, "cannot decode"), (Path.touch, "cannot decode")],
)
def test_what_8_bits_of_grey_or_rgb_cannot_tell_is_refused(tmp_path, write, message):
    write(tmp_path / "a.png")
    with pytest.raises(InputError, match=message) as error:
        read_image(tmp_path / "a.png", "rounded")
    assert str(tmp_path / "a.png") in str(error.value)


def test_one_decoder_opens_picture_files():
    opens = re.compile(r"Image\.open\(|\bimread\(|\bimageio\b|skimage\.io|tifffile")
    assert not [
        path
        for folder in ("semanir", "data_prep", "baselines", "reports")
        for path in (REPOSITORY / folder).rglob("*.py")
        if opens.search(path.read_text(encoding="utf-8")) and path.parent.name != "pictures"
    ]
