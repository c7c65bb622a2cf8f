"""Photographs of data sets as arrays of 8 bits: converted exactly, or refused by name."""

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from checkout import REPOSITORY
from PIL import Image, ImageOps

import data_prep.datasets as registry
from data_prep.degrade import degrade_set
from data_prep.download import download
from data_prep.images import read_image
from data_prep.pictures import Picture, is_plain_png, shown_size, write_picture
from data_prep.prepare import load_index, prepare
from semanir.errors import InputError


def pixels(*shape, dtype=np.uint8, seed=0):
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape, dtype, True)


def oriented(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()


# --- one photograph ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["1", "L", "P", "RGB", "full alpha", "full alpha of a palette"])
def test_what_is_the_same_in_8_bits_is_converted(tmp_path, kind):
    image = Image.fromarray(pixels(9, 11, 3))
    options = {}
    if "alpha" in kind:
        image = image.quantize(30) if "palette" in kind else image
        options = {"transparency": b"\xff" * 30} if "palette" in kind else {}
        if not options:
            image.putalpha(255)
    elif kind == "P":
        image = image.quantize(30)
    else:
        image = image.convert(kind)
    image.save(tmp_path / "a.png", **options)
    found = read_image(tmp_path / "a.png")
    assert found.dtype == np.uint8
    expected = image.convert("L" if kind in ("1", "L") else "RGB")
    np.testing.assert_array_equal(found, np.asarray(expected))


@pytest.mark.parametrize("ending", [".png", ".jpg", ".tif", ".webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_photographs_stand_upright(tmp_path, orientation, ending):
    """As Pillow's exif_transpose turns them, and OpenCV."""
    path = tmp_path / f"a{ending}"
    write_picture(path, Picture(pixels(16, 24, 3), exif=oriented(orientation)))
    with Image.open(path) as image:
        expected = np.asarray(ImageOps.exif_transpose(image))
    found = read_image(path)
    np.testing.assert_array_equal(found, expected)
    assert found.flags.c_contiguous
    assert shown_size(path) == found.shape[1::-1]
    if ending != ".tif":  # which OpenCV turns in a way of its own
        np.testing.assert_array_equal(found, cv2.imread(str(path))[..., ::-1])


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("ending", [".png", ".tif"])
def test_16_bits_become_8_only_as_asked(tmp_path, channels, ending):
    image = pixels(64, 64, 3, dtype=np.uint16) if channels == 3 else np.arange(2**16)
    image = image.reshape((64, 64, 3) if channels == 3 else (256, 256)).astype(np.uint16)
    path = tmp_path / f"a{ending}"
    write_picture(path, Picture(image))
    with pytest.raises(InputError, match=rf"a\{ending} has 16 bits; .* high_byte or rounded"):
        read_image(path)
    high, rounded = (read_image(path, how) for how in ("high_byte", "rounded"))
    assert high.dtype == rounded.dtype == np.uint8
    np.testing.assert_array_equal(high, image // 256)
    np.testing.assert_array_equal(rounded, np.rint(image / 257.0))
    if channels == 3 and ending == ".png":  # as OpenCV does unasked
        np.testing.assert_array_equal(high, cv2.imread(str(path))[..., ::-1])
    write_picture(path, Picture(image.astype(np.uint8)))
    np.testing.assert_array_equal(read_image(path, "rounded"), image.astype(np.uint8))


def clear(path):
    image = pixels(9, 11, 4)
    image[..., 3] = 255
    image[4, 4, 3] = 254
    Image.fromarray(image).save(path)


def key_colour(path):
    Image.fromarray(pixels(9, 11)).save(path, transparency=int(pixels(9, 11)[0, 0]))


def frames(path):
    images = [Image.fromarray(np.full((8, 8, 3), value, np.uint8)) for value in (10, 200)]
    images[0].save(path, save_all=True, append_images=images[1:])


@pytest.mark.parametrize(
    ("name", "write", "message"),
    [
        ("a.png", clear, "is transparent in places"),
        ("a.png", key_colour, "is transparent in places"),
        ("a.png", frames, "2 pages or frames"),
        ("a.tif", lambda path: tifffile.imwrite(path, np.ones((8, 8), np.float32)), "floating"),
        ("a.jpg", lambda path: Image.new("CMYK", (8, 8)).save(path), "CMYK"),
    ],
    ids=["alpha", "key colour", "animation", "float", "inks"],
)
def test_what_8_bits_of_grey_or_rgb_cannot_tell_is_refused(tmp_path, name, write, message):
    write(tmp_path / name)
    with pytest.raises(InputError, match=message) as error:
        read_image(tmp_path / name, "rounded")
    assert str(tmp_path / name) in str(error.value)


def test_one_decoder_opens_picture_files():
    """No other module does; pictures in memory are another matter."""
    opens = re.compile(r"Image\.open\(|\bimread\(|\bimageio\b|skimage\.io|tifffile")
    package = REPOSITORY / "data_prep/pictures"
    found = {
        path.relative_to(REPOSITORY).as_posix()
        for folder in ("semanir", "data_prep", "baselines", "reports")
        for path in (REPOSITORY / folder).rglob("*.py")
        if opens.search(path.read_text(encoding="utf-8")) and path.parent != package
    }
    assert not found


def test_the_decoder_needs_no_network_library():
    program = (
        "import sys; import data_prep.images, data_prep.prepare; "
        "assert not {'torch', 'skimage', 'tifffile'} & set(sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)


# --- sets --------------------------------------------------------------------------------------


@pytest.fixture
def gopro(tmp_path, monkeypatch):
    """A folder in which gopro_test has one pair; returns how a test changes what it says."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SEMANIR_MIRROR", raising=False)
    sets = dict(registry.prepared_sets())
    del sets["gopro_train"]  # of the same entry

    def change(**options):
        sets["gopro_test"] = replace(sets["gopro_test"], images=1, **options)

    change()
    for module in ("datasets", "download", "degrade", "inventory"):
        monkeypatch.setattr(f"data_prep.{module}.prepared_sets", lambda: sets)
    for kind in ("sharp", "blur"):
        (tmp_path / f"data/raw/gopro/test/one/{kind}").mkdir(parents=True)
    return change


RAW, CLEAN = Path("data/raw/gopro/test/one"), Path("data/sets/gopro_test")
DEGRADED = Path("data/degraded/deblur/gopro_test/motion")


def make_sets():
    """The clean file and the degraded one of the pair, prepared."""
    download("gopro")
    prepare("gopro_test", CLEAN)
    degrade_set("deblur", "motion", CLEAN, DEGRADED)
    (clean,), (degraded,) = load_index(CLEAN), load_index(DEGRADED)
    return CLEAN / clean["file"], DEGRADED / degraded["file"]


def write_pair(write):
    for kind in ("sharp", "blur"):
        write(RAW / kind / "000001.png", kind)


@pytest.mark.parametrize("how", ["", "high_byte", "rounded"])
def test_a_set_of_16_bits_says_how_it_becomes_one_of_8(gopro, how):
    """Both files of a pair; a set that says nothing is refused."""
    images = {
        kind: pixels(32, 48, 3, dtype=np.uint16, seed=len(kind)) for kind in ("sharp", "blur")
    }
    write_pair(lambda path, kind: write_picture(path, Picture(images[kind])))
    gopro(from_16_bits=how)
    if not how:
        with pytest.raises(InputError, match=r"sharp.000001\.png has 16 bits"):
            make_sets()
        return
    for path, kind in zip(make_sets(), ("sharp", "blur"), strict=True):
        expected = images[kind] // 256 if how == "high_byte" else np.rint(images[kind] / 257.0)
        np.testing.assert_array_equal(read_image(path), expected)
        assert is_plain_png(path)


def test_prepared_files_are_plain_whatever_the_sources_are(gopro):
    """Turned pixels and palettes are written anew: other programmes read the same array."""
    drawn = Image.fromarray(pixels(48, 32, 3))

    def write(path, kind):
        if kind == "sharp":  # stored 48 wide and 32 high, shown upright
            stored = drawn.transpose(Image.Transpose.ROTATE_90)
            stored.save(path, exif=oriented(6))
        else:
            drawn.quantize(40).save(path)

    write_pair(write)
    clean, degraded = make_sets()
    expected = (np.asarray(drawn), np.asarray(drawn.quantize(40).convert("RGB")))
    for path, image in zip((clean, degraded), expected, strict=True):
        assert is_plain_png(path)
        np.testing.assert_array_equal(cv2.imread(str(path), cv2.IMREAD_UNCHANGED)[..., ::-1], image)
        np.testing.assert_array_equal(read_image(path), image)


def test_plain_sources_are_kept_byte_for_byte(gopro):
    write_pair(lambda path, kind: Image.fromarray(pixels(32, 48, 3)).save(path, dpi=(72, 72)))
    clean, _ = make_sets()
    assert clean.read_bytes() == (RAW / "sharp/000001.png").read_bytes()
