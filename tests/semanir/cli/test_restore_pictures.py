"""`semanir restore` of one picture with all that belongs to it.

What each format holds and what is refused is in tests/data_prep/test_pictures.py.
"""

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms
from PIL.TiffImagePlugin import IFDRational
from restoring import fails, picture, pixels, restored, save, semanir, trained, written

from data_prep.pictures import Picture, read_picture, turn, write_picture
from semanir import memory
from semanir.network import build

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def exif_of(orientation=1):
    """A camera's block: exposure and size."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif.get_ifd(0x8769).update({0x829A: IFDRational(1, 2), 0xA002: 41, 0xA003: 30})
    return exif


def run_identity(identity, source, target):
    """Restore by a network that hands its input through, grey or colour as the picture is."""
    weights = identity[read_picture(source).pixels.ndim - 2]
    semanir("restore", source, "-o", target, "--weights", weights, "--tile", 0)


@pytest.mark.parametrize("ending", [".png", ".tif", ".webp"])
@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_kinds_of_pictures(tmp_path, identity, mode, ending):
    """Read from PNG; alpha unchanged, palettes and bilevel pictures as the colours they show."""
    drawn = Image.fromarray(pixels(11, 13, 4))
    image = drawn if mode == "RGBA" else drawn.convert("RGB")
    image = Image.merge("LA", drawn.split()[:2]) if mode == "LA" else image.convert(mode)
    image.save(tmp_path / "in.png")
    run_identity(identity, tmp_path / "in.png", tmp_path / f"out{ending}")
    with Image.open(tmp_path / f"out{ending}") as file:
        if ending != ".webp":  # which has no grey
            assert file.mode == {"1": "L", "P": "RGB"}.get(mode, mode)
        np.testing.assert_array_equal(file.convert("RGBA"), image.convert("RGBA"))


@pytest.mark.parametrize("source", ["a.png", "a.tif"])
@pytest.mark.parametrize("shape", [(20, 24), (20, 24, 3)], ids=["grey", "colour"])
def test_sixteen_bits_are_restored_as_sixteen(tmp_path, shape, source):
    network = trained("semanir-u-tiny", channels=3 if len(shape) == 3 else 1)
    weights = save(tmp_path / "w.safetensors", network)
    image = pixels(*shape, dtype=np.uint16)
    write_picture(tmp_path / source, Picture(image))
    semanir("restore", tmp_path / source, "-o", tmp_path / "o.tif", "--weights", weights)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "o.tif"), restored(network, image))


@pytest.mark.parametrize("ending", [".png", ".tif", ".webp", ".jpg"])
def test_colour_profile_and_exif_are_kept(tmp_path, identity, ending):
    source, out = tmp_path / "in.tif", tmp_path / f"out{ending}"
    exif = exif_of(6).tobytes()
    write_picture(source, Picture(pixels(30, 41, 3), icc=SRGB, exif=exif))
    run_identity(identity, source, out)
    assert read_picture(out).icc == SRGB and read_picture(out).orientation == 6
    exif = Image.open(out).getexif()
    assert exif.get_ifd(0x8769) == {0x829A: 0.5, 0xA002: 41, 0xA003: 30}


@pytest.mark.parametrize("ending", [".png", ".tif", ".bmp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_show_as_before(tmp_path, orientation, ending):
    """The tag tells how to turn pixels; BMP has none and is turned. By OpenCV, which heeds it."""
    path, out = tmp_path / "in.png", tmp_path / f"out{ending}"
    image = pixels(5, 7, 3)
    write_picture(path, Picture(image, exif=exif_of(orientation).tobytes()))
    write_picture(out, read_picture(path))
    shown = cv2.imread(str(path))
    np.testing.assert_array_equal(shown[..., ::-1], turn(image, orientation))
    if ending == ".tif":
        with tifffile.TiffFile(out) as file:
            assert file.pages[0].tags[274].value == orientation
            np.testing.assert_array_equal(file.asarray(), image)
    else:
        np.testing.assert_array_equal(cv2.imread(str(out)), shown)


def test_enlarged_pictures_have_enlarged_alpha_and_say_their_size(tmp_path):
    weights = save(tmp_path / "w.safetensors", build("semanir-s-tiny", upscale=2), task="sr-x2")
    image = pixels(30, 41, 4)
    image[..., 3] = 255
    image[:, :20, 3] = 0
    Image.fromarray(image).save(tmp_path / "in.png", exif=exif_of())
    semanir("restore", tmp_path / "in.png", "-o", tmp_path / "o.png", "--weights", weights)
    with Image.open(tmp_path / "o.png") as file:
        assert file.size == (82, 60)
        alpha = np.asarray(file)[..., 3]
        assert file.getexif().get_ifd(0x8769) == {0x829A: 0.5, 0xA002: 82, 0xA003: 60}
    # but for the two pixels at the edge that bicubic weights mix
    assert (alpha[:, :37] == 0).all() and (alpha[:, 43:] == 255).all()


def test_full_alpha_is_dropped_where_it_cannot_be_held(tmp_path, identity):
    image = np.dstack([pixels(9, 11, 3), np.full((9, 11), 255, np.uint8)])
    Image.fromarray(image).save(tmp_path / "in.png")
    run_identity(identity, tmp_path / "in.png", tmp_path / "out.bmp")
    np.testing.assert_array_equal(written(tmp_path / "out.bmp"), image[..., :3])


def test_a_phone_photograph_with_previews_is_one_picture(tmp_path, identity):
    image = Image.fromarray(pixels(32, 48, 3))
    image.save(tmp_path / "in.jpg", "MPO", save_all=True, append_images=[image.resize((12, 8))])
    run_identity(identity, tmp_path / "in.jpg", tmp_path / "out.png")
    np.testing.assert_array_equal(written(tmp_path / "out.png"), written(tmp_path / "in.jpg"))


@pytest.mark.parametrize(
    ("ending", "more", "message"),
    [
        (".jpg", {"alpha": pixels(9, 11)}, "JPEG cannot hold transparency"),
        (".webp", {"pixels": pixels(9, 11, 3, dtype=np.uint16)}, "WEBP cannot hold 16 bits"),
        (".webp", {"pixels": pixels(1, 16384)}, "cannot hold sides above 16383 pixels"),
        (".bmp", {"icc": SRGB}, "BMP cannot hold a colour profile"),
        (".gif", {}, "out.gif has no ending of a picture; valid: .png, "),
    ],
)
def test_what_an_output_cannot_hold_is_refused_before_any_work(
    tmp_path, identity, capsys, monkeypatch, ending, more, message
):
    write_picture(tmp_path / "in.png", Picture(**({"pixels": pixels(9, 11, 3)} | more)))
    monkeypatch.setattr("semanir.inference.pictures.restore_pixels", None)  # is not called
    out = tmp_path / f"out{ending}"
    command = ("restore", tmp_path / "in.png", "-o", out, "--weights", identity[1])
    assert message in fails(capsys, *command)
    assert not out.exists()


def test_pictures_that_cannot_be_read_exactly_are_refused(tmp_path, identity, capsys):
    path, planes = tmp_path / "in.tif", pixels(3, 9, 11, dtype=np.uint16)
    tifffile.imwrite(path, planes, photometric="rgb", planarconfig="separate")
    command = ("restore", path, "-o", tmp_path / "o.png", "--weights", identity[1])
    assert f"cannot decode the 16 bits of {path}" in fails(capsys, *command)
    assert not (tmp_path / "o.png").exists()


@pytest.mark.parametrize(("free", "what"), [(2799, "reading "), (11199, "restored picture of 0.0")])
def test_pictures_larger_than_the_free_memory_are_refused(
    tmp_path, capsys, monkeypatch, free, what
):
    """20x20: seven bytes a pixel to read; four times 7/3 of its bytes to enlarge and to write."""
    weights = save(tmp_path / "w.safetensors", build("semanir-s-tiny", upscale=2), task="sr-x2")
    picture(tmp_path / "in.png", 20, 20, 3)
    command = ("restore", tmp_path / "in.png", "-o", tmp_path / "o.png", "--weights", weights)
    monkeypatch.setattr(memory, "free_memory", lambda: free)
    shown = fails(capsys, *command)
    assert what in shown and "megapixels needs" in shown and "in.png" in shown
    monkeypatch.setattr(memory, "free_memory", lambda: 11200)
    semanir(*command, "--tile", 24, "--overlap", 8)
