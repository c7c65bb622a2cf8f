"""The command `semanir`: pictures with all that belongs to them, folders, weights, and words."""

import json
import re
import shutil
import struct
import subprocess
import sys
import zlib
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import tifffile
import torch
from checkout import REPOSITORY
from PIL import Image, ImageCms, ImageOps
from PIL.TiffImagePlugin import IFDRational

from data_prep.pictures import Picture, read_picture, turn, write_picture
from data_prep.tasks import task_names
from semanir import cli, memory
from semanir.attention import BACKENDS
from semanir.cli import places
from semanir.cli import restore as command_restore
from semanir.errors import InputError
from semanir.inference import checkpoint, tiling
from semanir.inference import shipped as shipped_module
from semanir.inference.restore import restore
from semanir.inference.shipped import facts, tasks_of
from semanir.measure import flops
from semanir.network import PRESETS, build

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def pixels(*shape, dtype=np.uint8, seed=0):
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape, dtype, True)


def trained(name, seed=0, **options):
    """A network whose output differs from its input, unlike that of a fresh U-shape."""
    torch.manual_seed(seed)
    network = build(name, **options).eval()
    with torch.no_grad():
        network.conv_last.weight.normal_(std=0.02)
    return network


def save(path, network, **facts):
    checkpoint.save(path, network, **facts)
    return path


@pytest.fixture(scope="module")
def identity(tmp_path_factory):
    """Weights of grey and of colour that hand their input through: fresh U-shapes."""
    folder = tmp_path_factory.mktemp("identity")
    return [
        save(folder / f"{task}.safetensors", build("semanir-u-tiny", channels=c), task=task)
        for task, c in (("denoise_gray-sigma25", 1), ("denoise_color-sigma25", 3))
    ]


@pytest.fixture(autouse=True)
def shipped(tmp_path_factory, monkeypatch):
    """An empty folder in place of the shipped weights."""
    folder = tmp_path_factory.mktemp("shipped")
    monkeypatch.setattr(shipped_module, "WEIGHTS", folder)
    command_restore._note_once.cache_clear()
    return folder


def semanir(*arguments):
    cli.main([str(argument) for argument in arguments])


def fails(capsys, *arguments, code=2):
    """stderr of a command that ends with `code`; one line if that is 2."""
    with pytest.raises(SystemExit) as stop:
        semanir(*arguments)
    assert stop.value.code == code
    shown = capsys.readouterr().err
    assert "Traceback" not in shown
    if code == 2:
        assert shown.startswith("error: ") and shown.count("\n") == 1
    return shown


def exif_of(orientation=1):
    """A camera's block: maker, exposure, size, place."""
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "Camera", orientation
    exif.get_ifd(0x8769).update({0x829A: IFDRational(1, 2), 0xA002: 41, 0xA003: 30})
    exif.get_ifd(0x8825)[1] = "N"
    return exif


# --- what is restored --------------------------------------------------------------------------


def raw(network, image, **options):
    """What `restore` makes of an array, as integers of the same type."""
    full = np.iinfo(image.dtype).max
    restored = restore(network, (image / full).astype(np.float32), **options)
    return np.rint(restored * full).astype(image.dtype)


@pytest.mark.parametrize(
    ("options", "same"),
    [
        ([], {}),
        (["--k", 3], {"k": 3}),
        (["--tile", 24, "--overlap", 8], {"tile": 24, "overlap": 8}),
        (["--tile", 0], {}),
    ],
    ids=["plain", "k", "tiles", "whole"],
)
def test_what_restore_returns_is_written(tmp_path, options, same):
    network = trained("semanir-s-tiny", upscale=2, window=4, k=6, layers=1)
    weights = save(tmp_path / "w.safetensors", network)
    image = pixels(37, 29, 3)
    Image.fromarray(image).save(tmp_path / "in.png")
    semanir(
        "restore", tmp_path / "in.png", "-o", tmp_path / "o.png", "--weights", weights, *options
    )
    written = np.asarray(Image.open(tmp_path / "o.png"))
    assert written.shape == (74, 58, 3)
    np.testing.assert_array_equal(written, raw(network, image, **same))


def test_tiles_are_chosen_for_network_and_picture(tmp_path, monkeypatch):
    network = trained("semanir-u-tiny", channels=1, window=4)
    weights = save(tmp_path / "w.safetensors", network)
    image = pixels(90, 70)
    Image.fromarray(image).save(tmp_path / "in.png")
    asked = []

    def choose(network, shape):
        asked.append((network.config.channels, shape))
        return 24

    monkeypatch.setattr(tiling, "choose_tile", choose)
    command = ("restore", tmp_path / "in.png", "-o", tmp_path / "o.png", "--weights", weights)
    semanir(*command, "--overlap", 8)
    assert asked == [(1, (1, 90, 70))]
    expected = raw(network, image, tile=24, overlap=8)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "o.png")), expected)
    assert (expected != raw(network, image)).any()


def test_back_end_is_taken(tmp_path, monkeypatch):
    """Its name reaches the network; the result is the same up to rounding."""
    weights = save(tmp_path / "w.safetensors", trained("semanir-u-tiny"))
    Image.fromarray(pixels(20, 20, 3)).save(tmp_path / "in.png")
    written = []
    for backend in ("mask", "reference"):
        assert command_restore._load(weights, backend).config.backend == backend
        out = tmp_path / f"{backend}.png"
        semanir(
            *("restore", tmp_path / "in.png", "-o", out, "--weights", weights),
            *("--backend", backend),
        )
        written.append(np.asarray(Image.open(out)).astype(int))
    assert np.abs(written[0] - written[1]).max() <= 1


def test_a_grey_denoiser_takes_the_channels_of_colour_one_by_one(tmp_path, capsys):
    network = trained("semanir-u-tiny", channels=1)
    weights = save(tmp_path / "w.safetensors", network, task="denoise_gray-sigma25")
    image = pixels(20, 24, 3)
    Image.fromarray(image).save(tmp_path / "in.png")
    semanir("restore", tmp_path / "in.png", "-o", tmp_path / "o.png", "--weights", weights)
    written = np.asarray(Image.open(tmp_path / "o.png"))
    for channel in range(3):
        np.testing.assert_array_equal(written[..., channel], raw(network, image[..., channel]))
    assert capsys.readouterr().err == (
        "grey network, colour picture: each channel is denoised on its own\n"
    )


def test_a_colour_network_restores_grey_as_colour_without_colour(tmp_path):
    network = trained("semanir-s-tiny", upscale=2)
    weights = save(tmp_path / "w.safetensors", network, task="sr-x2")
    image = pixels(20, 24)
    Image.fromarray(image).save(tmp_path / "in.png")
    semanir("restore", tmp_path / "in.png", "-o", tmp_path / "o.png", "--weights", weights)
    written = np.asarray(Image.open(tmp_path / "o.png"))
    thrice = restore(network, np.dstack([image] * 3))
    np.testing.assert_array_equal(written, np.rint(thrice.mean(axis=2) * 255))


@pytest.mark.parametrize(
    ("channels", "task", "shape", "message"),
    [
        (1, "jpeg_gray-qf10", (9, 9, 3), "is in colour, the network is grey (jpeg_gray-qf10)"),
        (1, "", (9, 9, 3), "is grey (of an unknown task); pass --weights of a colour network or"),
        (3, "denoise_color-blind", (9, 9), "is grey, the network is for colour (denoise_color-b"),
        (3, "demosaick-rggb", (9, 9), "is grey, the network is for colour (demosaick-rggb)"),
        (3, "", (9, 9), "for colour (of an unknown task); pass --weights of a grey network or the"),
    ],
)
def test_other_mismatches_are_refused(tmp_path, capsys, channels, task, shape, message):
    facts = {"task": task} if task else {}
    weights = save(tmp_path / "w.safetensors", build("semanir-u-tiny", channels=channels), **facts)
    Image.fromarray(pixels(*shape)).save(tmp_path / "in.png")
    command = ("restore", tmp_path / "in.png", "-o", tmp_path / "o.png", "--weights", weights)
    assert message in fails(capsys, *command)
    assert not (tmp_path / "o.png").exists()


def test_nan_is_not_written(tmp_path, capsys):
    network = build("semanir-u-tiny", channels=1)
    with torch.no_grad():
        network.conv_last.bias.fill_(torch.nan)
    weights = save(tmp_path / "w.safetensors", network)
    Image.fromarray(pixels(9, 9)).save(tmp_path / "in.png")
    command = ("restore", tmp_path / "in.png", "-o", tmp_path / "o.png", "--weights", weights)
    assert "the network gave NaN" in fails(capsys, *command)
    assert not (tmp_path / "o.png").exists()


# --- pictures and what belongs to them ---------------------------------------------------------


def run_identity(identity, source, target, *options):
    """Restore by a network that hands its input through, grey or colour as the picture is."""
    with Image.open(source) as image:
        grey = image.mode in ("1", "L", "LA", "I;16", "I;16B")
    weights = identity[0 if grey else 1]
    semanir("restore", source, "-o", target, "--weights", weights, "--tile", 0, *options)


@pytest.mark.parametrize("ending", [".png", ".tif", ".webp"])
@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_kinds_of_pictures(tmp_path, identity, mode, ending):
    """Read from PNG; alpha unchanged, palettes and bilevel pictures as the colours they show."""
    drawn = Image.fromarray(pixels(11, 13, 4))
    image = drawn if mode == "RGBA" else drawn.convert("RGB")
    if mode == "LA":
        image = Image.merge("LA", drawn.split()[:2])
    image = image.convert(mode)
    image.save(tmp_path / "in.png")
    run_identity(identity, tmp_path / "in.png", tmp_path / f"out{ending}")
    with Image.open(tmp_path / f"out{ending}") as written:
        wanted = {"1": "L", "P": "RGB"}.get(mode, mode)
        if ending != ".webp":  # which has no grey
            assert written.mode == wanted
        np.testing.assert_array_equal(written.convert("RGBA"), image.convert("RGBA"))


@pytest.mark.parametrize("kind", ["key colour", "palette"])
def test_transparency_that_is_no_channel_becomes_one(tmp_path, identity, kind):
    image = Image.fromarray(pixels(11, 13, 3))
    if kind == "palette":
        image = image.quantize(16)
        image.save(tmp_path / "in.png", transparency=bytes(range(0, 160, 10)))
    else:
        image.save(tmp_path / "in.png", transparency=image.getpixel((0, 0)))
    run_identity(identity, tmp_path / "in.png", tmp_path / "out.png")
    shown = np.asarray(Image.open(tmp_path / "in.png").convert("RGBA"))
    written = np.asarray(Image.open(tmp_path / "out.png"))
    assert shown[..., 3].min() == 0
    np.testing.assert_array_equal(written, shown)


def plain_png(path, image):
    """Write uint16 [H,W] or [H,W,C] as the PNG specification says, by no library for pictures."""
    height, width, channels = (*image.shape, 1)[:3]
    kind = {1: 0, 3: 2, 4: 6}[channels]
    lines = b"".join(b"\0" + row.astype(">u2").tobytes() for row in image)
    header = struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines)), (b"IEND", b""))
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
            for name, data in chunks
        )
    )


def stored(path):
    """Pixels of a file by tifffile or OpenCV, RGB(A)."""
    if path.suffix == ".tif":
        return tifffile.imread(path)
    found = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    return found if found.ndim == 2 else found[..., [2, 1, 0, 3][: found.shape[2]]]


@pytest.mark.parametrize("output", [".png", ".tif"])
@pytest.mark.parametrize("source", ["png", "tif", "tif big-endian", "tif zlib"])
@pytest.mark.parametrize("shape", [(11, 13), (11, 13, 3), (11, 13, 4)], ids=str)
def test_sixteen_bits_stay_sixteen(tmp_path, identity, shape, source, output):
    image = pixels(*shape, dtype=np.uint16)
    path = tmp_path / f"in.{source[:3]}"
    if source == "png":
        plain_png(path, image)
    else:
        tifffile.imwrite(
            path,
            image,
            photometric="rgb" if len(shape) == 3 else "minisblack",
            extrasamples=["unassalpha"] if shape[2:] == (4,) else None,
            byteorder=">" if "big" in source else "<",
            compression="zlib" if "zlib" in source else None,
        )
    out = tmp_path / f"out{output}"
    run_identity(identity, path, out)
    written = stored(out)
    assert written.dtype == np.uint16
    np.testing.assert_array_equal(written, image)
    # and Pillow, which reads the upper eight bits of colour
    if len(shape) == 3:
        np.testing.assert_array_equal(np.asarray(Image.open(out)), image >> 8)


def test_sixteen_bits_are_restored_as_sixteen(tmp_path):
    network = trained("semanir-u-tiny")
    weights = save(tmp_path / "w.safetensors", network)
    image = pixels(20, 24, 3, dtype=np.uint16)
    plain_png(tmp_path / "in.png", image)
    semanir("restore", tmp_path / "in.png", "-o", tmp_path / "o.tif", "--weights", weights)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "o.tif"), raw(network, image))


def profile_of(path):
    """The colour profile of a file, not by Pillow."""
    if path.suffix == ".tif":
        with tifffile.TiffFile(path) as file:
            return bytes(file.pages[0].tags[34675].value)
    _, kinds, found = cv2.imreadWithMetadata(str(path), cv2.IMREAD_UNCHANGED)
    return bytes(found[list(kinds).index(cv2.IMAGE_METADATA_ICCP)].ravel())


@pytest.mark.parametrize(
    ("ending", "bits"),
    [(".png", 8), (".png", 16), (".tif", 8), (".tif", 16), (".webp", 8), (".jpg", 8)],
)
def test_colour_profile_is_kept(tmp_path, identity, ending, bits):
    image = pixels(11, 13, 3, dtype=np.uint8 if bits == 8 else np.uint16)
    write_picture(tmp_path / "in.tif", Picture(image, icc=SRGB))
    assert profile_of(tmp_path / "in.tif") == SRGB
    run_identity(identity, tmp_path / "in.tif", tmp_path / f"out{ending}")
    assert profile_of(tmp_path / f"out{ending}") == SRGB


@pytest.mark.parametrize("output", [".png", ".tif", ".webp", ".jpg"])
@pytest.mark.parametrize("source", ["PNG", "TIFF", "JPEG", "WEBP"])
def test_exif_is_kept(tmp_path, identity, source, output):
    path, out = tmp_path / f"in.{source.lower()}", tmp_path / f"out{output}"
    Image.fromarray(pixels(30, 41, 3)).save(path, source, exif=exif_of(6).tobytes())
    run_identity(identity, path, out)
    if output == ".tif":
        with tifffile.TiffFile(out) as file:
            tags = {tag.name: tag.value for tag in file.pages[0].tags}
        assert tags["Make"] == "Camera" and tags["Orientation"] == 6
        assert tags["ExifTag"]["ExposureTime"] == (1, 2)
        assert tags["GPSTag"] == {"GPSLatitudeRef": "N"}
    found = Image.open(out).getexif()
    assert found[0x010F] == "Camera" and found[0x0112] == 6
    assert found.get_ifd(0x8769) == {0x829A: 0.5, 0xA002: 41, 0xA003: 30}
    assert found.get_ifd(0x8825) == {1: "N"}
    # nothing of how a TIFF held its pixels
    assert set(found) - {34665, 34853} <= {0x010F, 0x0112} or output == ".tif"


def shown(path):
    """Pixels of a file as a viewer shows them that heeds its orientation, not by Pillow."""
    if path.suffix != ".tif":
        found = cv2.imread(str(path), cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
        return found[..., ::-1]
    with tifffile.TiffFile(path) as file:
        return turn(file.asarray(), file.pages[0].tags[274].value)


@pytest.mark.parametrize(
    ("ending", "bits"), [(".png", 8), (".png", 16), (".tif", 8), (".tif", 16), (".bmp", 8)]
)
@pytest.mark.parametrize("source", [".png", ".tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_show_as_before(tmp_path, orientation, source, ending, bits):
    """Pixels lie as they lay and the tag tells how to turn them; BMP has none and is turned."""
    image = pixels(5, 7, 3, dtype=np.uint8 if bits == 8 else np.uint16)
    path, out = tmp_path / f"in{source}", tmp_path / f"out{ending}"
    exif = exif_of(orientation).tobytes()
    write_picture(path, Picture(image, exif=exif))
    write_picture(out, read_picture(path))
    assert shown(path).shape[:2] == ((5, 7) if orientation < 5 else (7, 5))
    np.testing.assert_array_equal(shown(out), shown(path))
    if ending != ".bmp":
        np.testing.assert_array_equal(stored(out), image)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turns_are_those_of_pillow(orientation):
    image = pixels(5, 7, 3)
    turned = Image.fromarray(image)
    turned.getexif()[0x0112] = orientation
    expected = np.asarray(ImageOps.exif_transpose(turned))
    np.testing.assert_array_equal(turn(image, orientation), expected)


def test_enlarged_pictures_have_enlarged_alpha_and_say_their_size(tmp_path):
    weights = save(tmp_path / "w.safetensors", build("semanir-s-tiny", upscale=2), task="sr-x2")
    image = pixels(30, 41, 4)
    image[..., 3] = 255
    image[:, :20, 3] = 0
    Image.fromarray(image).save(tmp_path / "in.png", exif=exif_of())
    semanir("restore", tmp_path / "in.png", "-o", tmp_path / "o.png", "--weights", weights)
    with Image.open(tmp_path / "o.png") as written:
        assert written.size == (82, 60)
        alpha = np.asarray(written)[..., 3]
        assert written.getexif().get_ifd(0x8769) == {0x829A: 0.5, 0xA002: 82, 0xA003: 60}
    # but for the two pixels at the edge that bicubic weights mix
    assert (alpha[:, :37] == 0).all() and (alpha[:, 43:] == 255).all()


@pytest.mark.parametrize(
    ("make", "output", "message"),
    [
        ("alpha", ".jpg", "out.jpg: JPEG cannot hold transparency; write a .png or .tif"),
        ("alpha", ".bmp", "out.bmp: BMP cannot hold transparency"),
        ("16 bits", ".webp", "out.webp: WEBP cannot hold 16 bits"),
        ("16 bits", ".jpeg", "out.jpeg: JPEG cannot hold 16 bits"),
        ("profile", ".bmp", "out.bmp: BMP cannot hold a colour profile"),
        ("wide", ".webp", "out.webp: WEBP cannot hold sides above 16383 pixels"),
        ("plain", ".gif", "out.gif has no ending of a picture; valid: .png, .jpg"),
        ("plain", "", "out has no ending of a picture"),
        ("CMYK", ".png", "in.tif has inks (CMYK), which is not read; convert it"),
        ("float", ".png", "in.tif has floating-point numbers of 32 bits"),
        ("pages", ".png", "in.tif has 2 pages or frames"),
        ("premultiplied", ".png", "in.tif has premultiplied alpha"),
        ("12 bits", ".png", "in.tif has samples of 12 bits"),
        ("planes", ".png", "cannot decode the 16 bits of "),
    ],
)
def test_what_would_lose_something_is_refused(tmp_path, identity, capsys, make, output, message):
    path = tmp_path / "in.tif"
    colour = pixels(9, 11, 3)
    if make == "alpha":
        Image.fromarray(pixels(9, 11, 4)).save(path)
    elif make == "16 bits":
        tifffile.imwrite(path, pixels(9, 11, 3, dtype=np.uint16), photometric="rgb")
    elif make == "profile":
        Image.fromarray(colour).save(path, icc_profile=SRGB)
    elif make == "wide":
        Image.fromarray(pixels(1, 16384, 3)).save(path)
    elif make == "CMYK":
        Image.fromarray(colour).convert("CMYK").save(path)
    elif make == "float":
        tifffile.imwrite(path, colour[..., 0].astype(np.float32))
    elif make == "pages":
        tifffile.imwrite(path, np.stack([colour, colour]), photometric="rgb")
    elif make == "premultiplied":
        tifffile.imwrite(path, pixels(9, 11, 4), photometric="rgb", extrasamples=["assocalpha"])
    elif make == "12 bits":
        twelve = pixels(9, 12, dtype=np.uint8)
        tifffile.imwrite(path, twelve, photometric="minisblack")
        directory = bytearray(path.read_bytes())
        place = directory.index(struct.pack("<HHI", 258, 3, 1)) + 8
        directory[place] = 12
        place = directory.index(struct.pack("<HHI", 256, 4, 1)) + 8
        directory[place] = 8
        path.write_bytes(directory)
    elif make == "planes":
        planes = pixels(3, 9, 11, dtype=np.uint16)
        tifffile.imwrite(path, planes, photometric="rgb", planarconfig="separate")
    else:
        Image.fromarray(colour).save(path)
    command = ("restore", path, "-o", tmp_path / f"out{output}", "--weights", identity[1])
    assert message in fails(capsys, *command)
    assert not (tmp_path / f"out{output}").exists()


@pytest.mark.parametrize("fault", ["cut", "cut 16 bits", "text", "empty", "no size", "bomb"])
def test_broken_pictures_are_named(tmp_path, identity, capsys, fault):
    path = tmp_path / "in.png"
    if fault == "cut 16 bits":
        plain_png(path, pixels(40, 40, 3, dtype=np.uint16))
    else:
        Image.fromarray(pixels(40, 40, 3)).save(path)
    data = bytearray(path.read_bytes())
    if fault in ("no size", "bomb"):
        data[16:20] = struct.pack(">I", 0 if fault == "no size" else 2**30)
        data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    faults = {"cut": data[:-2000], "cut 16 bits": data[:-4000], "text": b"{}", "empty": b""}
    path.write_bytes(faults.get(fault, data))
    command = ("restore", path, "-o", tmp_path / "out.png", "--weights", identity[1])
    shown = fails(capsys, *command)
    assert str(path) in shown
    assert ("megapixels" in shown) == (fault == "bomb")
    assert [file.suffix for file in tmp_path.iterdir() if "out" in file.name] == []


def test_full_alpha_is_dropped_where_it_cannot_be_held(tmp_path, identity):
    image = np.dstack([pixels(9, 11, 3), np.full((9, 11), 255, np.uint8)])
    Image.fromarray(image).save(tmp_path / "in.png")
    run_identity(identity, tmp_path / "in.png", tmp_path / "out.bmp")
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "out.bmp")), image[..., :3])


def test_a_phone_photograph_with_previews_is_one_picture(tmp_path, identity):
    image = Image.fromarray(pixels(32, 48, 3))
    image.save(tmp_path / "in.jpg", "MPO", save_all=True, append_images=[image.resize((12, 8))])
    assert Image.open(tmp_path / "in.jpg").n_frames == 2
    run_identity(identity, tmp_path / "in.jpg", tmp_path / "out.png")
    shown = np.asarray(Image.open(tmp_path / "in.jpg"))
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "out.png")), shown)


@pytest.mark.parametrize(
    ("more", "target", "message"),
    [
        ({"exif": b"II*\0\x08\0\0\0" + bytes(70000)}, "o.jpg", "JPEG cannot hold EXIF of 70008"),
        ({"colour": {b"gAMA": b"\0\1\x86\xa0"}}, "o.tif", "TIFF cannot hold a gamma of 1 (gAMA)"),
        ({"icc": SRGB}, "o.bmp", "BMP cannot hold a colour profile"),
    ],
    ids=["exif", "gamma", "profile"],
)
def test_what_an_output_cannot_hold_is_refused_before_any_work(
    tmp_path, identity, capsys, monkeypatch, more, target, message
):
    write_picture(tmp_path / "in.png", Picture(pixels(9, 11, 3), **more))
    monkeypatch.setattr("semanir.cli.restore.restore_channels", None)  # is not called
    command = ("restore", tmp_path / "in.png", "-o", tmp_path / target, "--weights", identity[1])
    assert message in fails(capsys, *command)


def test_large_pictures_are_restored_in_tiles(tmp_path, monkeypatch):
    """Pillow's limit of pixels is not ours."""
    network = trained("semanir-u-tiny", channels=1, window=4)
    weights = save(tmp_path / "w.safetensors", network)
    image = pixels(90, 70)
    Image.fromarray(image).save(tmp_path / "in.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    command = ("restore", tmp_path / "in.png", "-o", tmp_path / "o.tif", "--weights", weights)
    semanir(*command, "--tile", 24, "--overlap", 8)
    expected = raw(network, image, tile=24, overlap=8)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "o.tif"), expected)


@pytest.mark.parametrize(("free", "what"), [(2799, "reading "), (11199, "restored picture of 0.0")])
def test_pictures_larger_than_the_free_memory_are_refused(
    tmp_path, capsys, monkeypatch, free, what
):
    """20x20: seven bytes a pixel to read; four times 7/3 of its bytes to enlarge and to write."""
    weights = save(tmp_path / "w.safetensors", build("semanir-s-tiny", upscale=2), task="sr-x2")
    Image.fromarray(pixels(20, 20, 3)).save(tmp_path / "in.png")
    command = ("restore", tmp_path / "in.png", "-o", tmp_path / "o.png", "--weights", weights)
    monkeypatch.setattr(memory, "free_memory", lambda: free)
    shown = fails(capsys, *command)
    assert what in shown and "megapixels needs" in shown and "in.png" in shown
    monkeypatch.setattr(memory, "free_memory", lambda: 11200)
    semanir(*command, "--tile", 24, "--overlap", 8)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (3, 2)])
def test_tiny_pictures(tmp_path, identity, size):
    Image.fromarray(pixels(*size, 3)).save(tmp_path / "in.png")
    run_identity(identity, tmp_path / "in.png", tmp_path / "out.png")
    written = np.asarray(Image.open(tmp_path / "out.png"))
    np.testing.assert_array_equal(written, pixels(*size, 3))


# --- files and folders -------------------------------------------------------------------------


@pytest.mark.parametrize("link", ["same", "symbolic", "hard"])
def test_the_input_is_never_overwritten(tmp_path, identity, capsys, link):
    path, out = tmp_path / "in.png", tmp_path / "out.png"
    Image.fromarray(pixels(9, 9, 3)).save(path)
    before = path.read_bytes()
    if link == "same":
        out = path
    elif link == "symbolic":
        out.symlink_to(path)
    else:
        out.hardlink_to(path)
    shown = fails(capsys, "restore", path, "-o", out, "--weights", identity[1], "--overwrite")
    assert "is the input, which is never overwritten" in shown
    assert path.read_bytes() == before


def test_an_output_is_overwritten_on_demand(tmp_path, identity, capsys):
    path, out = tmp_path / "in.png", tmp_path / "out.png"
    Image.fromarray(pixels(9, 9, 3)).save(path)
    out.write_bytes(b"old")
    command = ("restore", path, "-o", out, "--weights", identity[1])
    assert "out.png is there already; pass --overwrite" in fails(capsys, *command)
    assert out.read_bytes() == b"old"
    semanir(*command, "--overwrite")
    np.testing.assert_array_equal(np.asarray(Image.open(out)), pixels(9, 9, 3))


def test_a_failed_write_keeps_the_old_file(tmp_path, identity, capsys, monkeypatch):
    path, out = tmp_path / "in.png", tmp_path / "out.png"
    Image.fromarray(pixels(9, 9, 3)).save(path)
    out.write_bytes(b"old")

    def fail(image, file, *rest, **options):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", fail)
    command = ("restore", path, "-o", out, "--weights", identity[1], "--overwrite")
    assert f"no space left to write {out}" in fails(capsys, *command)
    assert out.read_bytes() == b"old"
    assert not list(tmp_path.glob(".*"))


@pytest.fixture
def album(tmp_path, identity):
    """A folder of three good pictures, a broken one and a text, and a command to restore it."""
    folder = tmp_path / "album"
    (folder / "inner").mkdir(parents=True)
    for name, seed in (("b.png", 1), ("c.bmp", 2), ("d.JPG", 3), ("inner/e.png", 4)):
        Image.fromarray(pixels(9, 11, 3, seed=seed)).save(folder / name)
    (folder / "a.tif").write_bytes(b"II*\0 broken")
    (folder / "notes.txt").write_text("no picture")
    return folder, ("restore", folder, "-o", tmp_path / "out", "--weights", identity[1])


def test_a_broken_picture_is_named_and_the_others_are_done(tmp_path, album, capsys):
    folder, command = album
    with pytest.raises(SystemExit) as stop:
        semanir(*command)
    assert stop.value.code == 1
    shown = capsys.readouterr()
    others, failed = shown.err.splitlines()
    assert others.startswith("left out: notes.txt (no PNG") and others.endswith("; 1 folder")
    assert failed.startswith(f"failed: {folder}/a.tif: cannot decode picture")
    assert shown.out == f"3 restored, 0 there already, 1 failed: {tmp_path}/out\n"
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["b.png", "c.png", "d.png"]
    written = np.asarray(Image.open(tmp_path / "out/c.png"))
    np.testing.assert_array_equal(written, pixels(9, 11, 3, seed=2))


def test_finished_pictures_are_left_out_unless_told(tmp_path, album, capsys):
    folder, command = album
    (folder / "a.tif").unlink()
    out = tmp_path / "out"
    out.mkdir()
    (out / "b.png").write_bytes(b"old")
    semanir(*command)
    assert (out / "b.png").read_bytes() == b"old"
    assert capsys.readouterr().out.startswith("2 restored, 1 there already, 0 failed")
    semanir(*command)
    assert capsys.readouterr().out.startswith("0 restored, 3 there already, 0 failed")
    semanir(*command, "--overwrite")
    assert capsys.readouterr().out.startswith("3 restored, 0 there already, 0 failed")
    assert (out / "b.png").read_bytes() != b"old"


def test_the_format_of_a_folder(tmp_path, album, capsys):
    folder, command = album
    (folder / "a.tif").unlink()
    semanir(*command, "--format", "tif")
    capsys.readouterr()
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["b.tif", "c.tif", "d.tif"]
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out/b.tif"), pixels(9, 11, 3, seed=1))
    one = ("restore", folder / "b.png", "-o", tmp_path / "o.png", *command[-2:], "--format", "tif")
    assert "--format is for folders" in fails(capsys, *one)


def test_an_interrupt_keeps_what_is_finished(tmp_path, album, capsys, monkeypatch):
    folder, command = album
    (folder / "a.tif").unlink()
    restore_file = command_restore._restore_file

    def interrupted(source, *rest, **options):
        if source.name == "c.bmp":
            raise KeyboardInterrupt
        restore_file(source, *rest, **options)

    monkeypatch.setattr(command_restore, "_restore_file", interrupted)
    shown = fails(capsys, *command, code=130)
    assert shown.endswith("\ninterrupted; the same command resumes\n")
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["b.png"]


def test_pictures_of_one_name_are_refused(tmp_path, album, capsys):
    folder, command = album
    Image.fromarray(pixels(9, 9, 3)).save(folder / "b.webp")
    shown = fails(capsys, *command)
    assert f"{folder}/b.png and {folder}/b.webp would both become {tmp_path}/out/b.png" in shown
    assert not (tmp_path / "out").exists()


def test_hidden_files_are_left_out_and_others_named(tmp_path, album, capsys):
    """What systems and viewers leave behind neither fails nor is restored; nothing goes unsaid."""
    folder, command = album
    for name in ("._b.png", ".thumb.png", "Thumbs.db", ".DS_Store"):
        (folder / name).write_bytes((folder / "b.png").read_bytes())
    for name in ("a.tif", "c.bmp", "d.JPG"):
        (folder / name).unlink()
    for name in ("e.heic", "f.gif", "g.jfif", "h.JPE", "i.apng"):
        Image.fromarray(pixels(9, 11, 3)).save(folder / name, "PNG")
    semanir(*command)
    shown = capsys.readouterr()
    assert shown.err == (
        "left out: e.heic, f.gif, notes.txt (no PNG, JPEG, TIFF, WebP or BMP); 4 hidden files; "
        "1 folder\n"
    )
    assert shown.out == f"4 restored, 0 there already, 0 failed: {tmp_path}/out\n"
    names = sorted(file.name for file in (tmp_path / "out").iterdir())
    assert names == ["b.png", "g.png", "h.png", "i.png"]


def test_nothing_but_hidden_files_is_said(tmp_path, identity, capsys):
    (tmp_path / "photographs").mkdir()
    (tmp_path / "photographs" / "._a.png").write_bytes(b"")
    command = ("restore", tmp_path / "photographs", "-o", tmp_path / "out")
    assert "picture; left out: 1 hidden file\n" in fails(capsys, *command, "--weights", identity[1])


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["a.png"], ""),
        (["a.gif"], "left out: a.gif (no PNG, JPEG, TIFF, WebP or BMP)"),
        ([".a"], "left out: 1 hidden file"),
        ([f"{i:02}.gif" for i in range(10)], "left out: 00.gif, 01.gif, 02.gif, 03.gif, 04.gif, "),
        ([f"{i:02}.gif" for i in range(12)], "07.gif, 08.gif and 3 more (no PNG"),
    ],
)
def test_what_is_left_out(tmp_path, names, told):
    for name in names:
        (tmp_path / name).touch()
    args = SimpleNamespace(input=tmp_path, output=tmp_path / "out")
    line = places.left_out(args, [tmp_path / "a.png"])
    assert told in line and bool(told) == bool(line)


def test_an_output_folder_within_is_not_told(tmp_path, album, capsys):
    folder, command = album
    (folder / "notes.txt").unlink()
    (folder / "a.tif").unlink()
    for _ in range(2):
        semanir(*command[:3], folder / "inner", *command[4:])
        assert capsys.readouterr().err == ""


@pytest.mark.parametrize("length", [230, 244, 250, 251])
def test_pictures_of_long_names_are_restored(tmp_path, identity, length):
    name = f"{'x' * length}.png"
    Image.fromarray(pixels(9, 11, 3)).save(tmp_path / name)
    command = ("restore", tmp_path / name, "-o", tmp_path / "out" / name, "--weights", identity[1])
    semanir(*command)
    assert [file.name for file in (tmp_path / "out").iterdir()] == [name]


def test_names_that_are_no_text_are_restored_and_printed(tmp_path, album, capsys):
    """A byte that is no UTF-8: of an input, an output, what fails and what is left out."""
    folder, command = album
    Image.fromarray(pixels(9, 11, 3)).save(folder / "caf\udce9.png")
    (folder / "a.tif").rename(folder / "bad\udce9.tif")
    (folder / "notes.txt").rename(folder / "text\udce9.txt")
    with pytest.raises(SystemExit) as stop:
        semanir(*command[:3], tmp_path / "out\udce9", *command[4:])
    assert stop.value.code == 1
    shown = capsys.readouterr()
    assert "text\\udce9.txt" in shown.err and "bad\\udce9.tif" in shown.err
    assert shown.out.endswith("/out\\udce9\n")
    assert (tmp_path / "out\udce9" / "caf\udce9.png").is_file()
    weights = (tmp_path / "w\udce9.safetensors").absolute()
    shutil.copy(command[-1], weights)
    semanir("restore", folder / "b.png", "-o", tmp_path / "\udce9.png", "--weights", weights)
    assert capsys.readouterr().out.endswith("/\\udce9.png\n")


@pytest.fixture
def no_work(monkeypatch):
    """Loading a network or decoding a picture fails the test."""

    def worked(*given, **options):
        pytest.fail("work was done before the output was tried")

    for name in ("_load", "_restore_file"):
        monkeypatch.setattr(command_restore, name, worked)


@pytest.mark.parametrize("name", ["b.png/out", f"{'x' * 300}/out"], ids=["a file", "too long"])
def test_an_output_that_cannot_be_is_one_error_before_any_work(album, capsys, no_work, name):
    folder, command = album
    place = folder / name
    shown = fails(capsys, *command[:3], place, *command[4:])
    assert str(place) in shown.splitlines()[-1]


def test_a_read_only_output_is_one_error_before_any_work(album, capsys, no_work, read_only):
    shown = fails(capsys, *album[1][:3], read_only, *album[1][4:])
    assert shown.startswith(f"error: cannot write {read_only}: ")
    one = ("restore", album[0] / "b.png", "-o", read_only / "b.png", *album[1][4:])
    assert fails(capsys, *one).startswith(f"error: cannot write {read_only}: ")


def test_a_full_output_is_one_error_before_any_work(album, capsys, no_work, small_disk):
    with pytest.raises(OSError, match="No space left"):
        (small_disk / "all").write_bytes(bytes(1 << 20))
    shown = fails(capsys, *album[1][:3], small_disk / "out", *album[1][4:])
    assert shown.startswith(f"error: no space left to write {small_disk}")
    assert [path.name for path in small_disk.iterdir()] == ["all"]


def test_a_folder_in_place_of_an_output_is_named(tmp_path, album, capsys, no_work):
    (tmp_path / "out" / "c.png").mkdir(parents=True)
    shown = fails(capsys, *album[1], "--overwrite")
    assert f"cannot write {tmp_path}/out/c.png: it is a folder" in shown


def stops(capsys, command, name):
    """The line of a run whose disk is full; pictures of earlier names stay, `name` is blamed."""
    with pytest.raises(SystemExit) as stop:
        semanir(*command)
    assert stop.value.code == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("error: no space left to write ") and f"/{name};" in line
    return line


def test_a_disk_that_fills_up_ends_the_run(tmp_path, album, capsys, monkeypatch):
    """With one line on the output, at once; what is finished stays, and nothing half done."""
    folder, command = album
    (folder / "a.tif").unlink()
    save, calls = Image.Image.save, []

    def filling(image, file, *rest, **options):
        calls.append(file)
        if len(calls) == 2:
            file.write(b"half")
            raise OSError(28, "No space left on device")
        save(image, file, *rest, **options)

    monkeypatch.setattr(Image.Image, "save", filling)
    stops(capsys, command, "c.png")
    assert len(calls) == 2
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["b.png"]


@pytest.mark.parametrize("ending", ["png", "tif", "webp", "jpg", "bmp"])
def test_a_small_disk_ends_the_run(tmp_path, identity, capsys, small_disk, ending):
    """In every format, the 16 bits that OpenCV encodes among them."""
    folder = tmp_path / "large"
    folder.mkdir()
    Image.fromarray(pixels(30, 30, 3)).save(folder / "a.png")
    Image.fromarray(pixels(220, 220, 3)).save(folder / "b.png")
    if ending in ("png", "tif"):
        plain_png(folder / "b.png", pixels(150, 150, 3, dtype=np.uint16))
    command = ("restore", folder, "-o", small_disk, "--weights", identity[1], "--format", ending)
    stops(capsys, command, f"b.{ending}")
    assert [file.name for file in small_disk.iterdir()] == [f"a.{ending}"]


@pytest.mark.parametrize(
    ("source", "output", "message"),
    [
        ("album", "album", "album is the folder of the inputs; name another one"),
        ("album", "album/notes.txt", "is a folder, but -o"),
        ("album/b.png", "album", "album is a folder; name the picture"),
        ("album/gone.png", "o.png", "no such picture: "),
        ("empty", "out", "holds no PNG, JPEG, TIFF, WebP or BMP picture"),
    ],
)
def test_wrong_places_are_refused(tmp_path, album, capsys, source, output, message):
    (tmp_path / "empty").mkdir()
    command = ("restore", tmp_path / source, "-o", tmp_path / output, *album[1][-2:])
    assert message in fails(capsys, *command)


# --- tasks and weights -------------------------------------------------------------------------

KINDS = ("gray", "color")
NO_LEVEL = {"sigma": None, "scale": None, "qf": None}


@pytest.mark.parametrize(
    ("task", "level", "names"),
    [
        (
            "denoise",
            {"sigma": 25},
            [f"denoise_{kind}-{level}" for level in ("sigma25", "blind") for kind in KINDS],
        ),
        ("denoise", {}, ["denoise_gray-blind", "denoise_color-blind"]),
        ("denoise_color", {"sigma": 15}, ["denoise_color-sigma15", "denoise_color-blind"]),
        ("denoise_gray-sigma50", {}, ["denoise_gray-sigma50"]),
        ("sr", {"scale": 3}, ["sr-x3"]),
        (
            "jpeg",
            {"qf": 10},
            ["jpeg_color-qf10", "jpeg_gray-qf10", "jpeg_color-blind", "jpeg_gray-blind"],
        ),
        ("demosaick", {}, ["demosaick-rggb"]),
        ("deblur", {}, ["deblur-motion"]),
        ("weather", {}, ["weather-blind"]),
    ],
)
def test_tasks_as_people_say_them(task, level, names):
    found = tasks_of(task, NO_LEVEL | level)
    assert sorted(found) == sorted(names) and set(found) <= set(task_names())
    # networks of the level come before blind ones
    assert [name.endswith("-blind") for name in found] == sorted(
        name.endswith("-blind") for name in found
    )


@pytest.mark.parametrize(
    ("task", "level", "message"),
    [
        ("denoise", {"sigma": 26}, "--sigma must be one of 15, 25, 50, got 26"),
        ("jpeg", {"qf": 11}, "--qf must be one of 10, 20, 30, 40, got 11"),
        ("sr", {}, "--task sr needs --scale, one of 2, 3, 4"),
        ("sr", {"sigma": 25, "scale": 2}, "--sigma belongs to --task denoise, not to sr"),
        ("weather", {"qf": 10}, "--qf belongs to --task jpeg, not to weather"),
        ("denoise_gray-sigma50", {"sigma": 50}, "--sigma belongs to --task denoise, not to den"),
        ("denois", {}, "unknown task 'denois'; did you mean denoise"),
    ],
)
def test_tasks_that_are_none(task, level, message):
    with pytest.raises(InputError, match=message):
        tasks_of(task, NO_LEVEL | level)


def test_shipped_weights_are_taken_by_task_and_level(tmp_path, shipped):
    """The level's own before blind ones, and those of the picture's kind."""
    seeds = {
        "denoise_gray-sigma25": (1, 1),
        "denoise_color-sigma25": (2, 3),
        "denoise_gray-blind": (3, 1),
    }
    networks = {}
    for name, (seed, channels) in seeds.items():
        networks[name] = trained("semanir-u-tiny", seed=seed, channels=channels)
        save(shipped / f"{name}.safetensors", networks[name], task=name)
    for shape, name, level in (
        ((20, 20), "denoise_gray-sigma25", 25),
        ((20, 20, 3), "denoise_color-sigma25", 25),
        ((20, 20), "denoise_gray-blind", 50),
    ):
        image = pixels(*shape)
        Image.fromarray(image).save(tmp_path / "in.png")
        command = ("restore", tmp_path / "in.png", "-o", tmp_path / "o.png", "--overwrite")
        semanir(*command, "--task", "denoise", "--sigma", level)
        expected = raw(networks[name], image)
        np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "o.png")), expected)


def test_weights_that_are_not_shipped_are_named(tmp_path, shipped, capsys):
    save(shipped / "denoise_gray-sigma25.safetensors", build("semanir-u-tiny", channels=1))
    Image.fromarray(pixels(9, 9)).save(tmp_path / "in.png")
    command = ("restore", tmp_path / "in.png", "-o", tmp_path / "o.png", "--task")
    shown = fails(capsys, *command, "sr", "--scale", 2)
    assert shown == (
        "error: no shipped weights fit sr-x2 (there are: denoise_gray-sigma25); pass --weights "
        "FILE, trained by python -m semanir.train.training --task sr-x2 --model semanir-s\n"
    )
    assert "--task denoise_gray-sigma15 --model semanir-u" in fails(
        capsys, *command, "denoise", "--sigma", 15
    )


@pytest.mark.parametrize(
    ("told", "options", "warned"),
    [
        ("denoise_gray-sigma50", ["denoise", "--sigma", 25], True),
        ("deblur-motion", ["denoise"], True),
        ("denoise_gray-sigma25", ["denoise", "--sigma", 25], False),
        ("denoise_gray-blind", ["denoise", "--sigma", 25], False),
        ("denoise_gray-sigma25", ["denoise"], False),
        (None, ["denoise", "--sigma", 25], False),
    ],
)
def test_a_task_that_the_weights_contradict(tmp_path, capsys, told, options, warned):
    facts = {"task": told} if told else {}
    weights = save(tmp_path / "w.safetensors", build("semanir-u-tiny", channels=1), **facts)
    Image.fromarray(pixels(9, 9)).save(tmp_path / "in.png")
    command = ("restore", tmp_path / "in.png", "-o", tmp_path / "o.png", "--weights", weights)
    semanir(*command, "--task", *options)
    line = f"warning: {weights} was trained on {told}, which is not what --task says\n"
    assert capsys.readouterr().err == (line if warned else "")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "say what to restore: --task, see semanir list, or --weights FILE"),
        (["--weights", "{w}", "--sigma", 25], "tell the level of a --task; pass that as well"),
        (["--weights", "{folder}/gone.safetensors"], "no such weights: {folder}/gone.safetensors"),
        (["--weights", "{folder}/in.png"], "{folder}/in.png is no safetensors file"),
        (["--weights", "{w}", "--tile", 8, "--overlap", 8], "overlap 8 must be smaller"),
    ],
)
def test_wrong_options_end_with_one_line(tmp_path, capsys, options, message):
    weights = save(tmp_path / "w.safetensors", build("semanir-u-tiny", channels=1))
    Image.fromarray(pixels(9, 9)).save(tmp_path / "in.png")
    filled = [str(option).format(w=weights, folder=tmp_path) for option in options]
    shown = fails(capsys, "restore", tmp_path / "in.png", "-o", tmp_path / "o.png", *filled)
    assert message.format(folder=tmp_path) in shown
    assert not (tmp_path / "o.png").exists()


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (["--k", "0"], "argument --k: must be a whole number of at least 1, got '0'"),
        (["--tile", "-1"], "--tile"),
        (["--backend", "fast"], "invalid choice: 'fast'"),
        (["--fromat", "png"], "unrecognized arguments: --fromat png; see semanir restore --help"),
    ],
)
def test_options_that_do_not_parse(capsys, option, message):
    with pytest.raises(SystemExit) as stop:
        semanir("restore", "in.png", "-o", "out.png", *option)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there(tmp_path, identity, capsys):
    Image.fromarray(pixels(9, 9)).save(tmp_path / "in.png")
    command = ("restore", tmp_path / "in.png", "-o", tmp_path / "o.png", "--weights", identity[0])
    assert "torch finds no GPU" in fails(capsys, *command, "--device", "cuda")


def test_shipped_weights_load():
    """Each is named by the task that it says it was trained on."""
    for path in (REPOSITORY / "semanir" / "weights").glob("*.safetensors"):
        assert path.stem in task_names()
        assert facts(path)["task"] == path.stem
        network = checkpoint.load(path)
        assert all(torch.isfinite(parameter).all() for parameter in network.parameters()), path


# --- what is told ------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [["list"], ["--help"], ["restore", "--help"]], ids=" ".join)
def test_help_and_lists_come_without_torch(command):
    program = (
        "import sys; from semanir.cli import main\n"
        f"try: main({command!r})\n"
        "except SystemExit as stop: assert not stop.code\n"
        "assert not {'torch', 'cv2', 'scipy', 'pandas'} & set(sys.modules)"
    )
    shown = subprocess.run(
        [sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, check=True, text=True
    )
    assert "denoise" in shown.stdout and shown.stderr == ""


def test_the_list_is_what_there_is(shipped, capsys):
    save(shipped / "denoise_gray-sigma25.safetensors", build("semanir-u-tiny", channels=1))
    (shipped / "sr-x2.safetensors").write_bytes(b"broken")
    semanir("list")
    shown = capsys.readouterr().out
    assert len(shown.splitlines()) < 40 and max(map(len, shown.splitlines())) <= 80
    assert re.search(r"denoise_gray-sigma25 +grey, 0\.\d MiB", shown)
    assert re.search(r"sr-x2 +broken; install", shown)
    for word in (
        *PRESETS,
        *BACKENDS,
        *shipped_module.TASKS,
        "--sigma 15|25|50",
        "--qf 10|20|30|40",
    ):
        assert word in shown, word


def read_info(capsys, *arguments):
    semanir("info", *arguments)
    joined = re.sub(r"\n {15}", " ", capsys.readouterr().out)
    return {line[:15].strip(): line[15:] for line in joined.splitlines()}


def test_info_of_weights(tmp_path, shipped, capsys):
    network = build("semanir-u-tiny", channels=1, k=20)
    path = save(shipped / "denoise_gray-sigma25.safetensors", network, task="x", fingerprint="f00")
    found = read_info(capsys, path, "--input", "1x40x48")
    assert found == read_info(capsys, "denoise_gray-sigma25", "--input", "1x40x48")
    assert found["weights"] == str(path)
    assert found["trained on"] == "x" and found["fingerprint"] == "f00"
    assert found["parameters"] == f"0.06 M ({sum(p.numel() for p in network.parameters())})"
    gather = build("semanir-u-tiny", channels=1, k=20, backend="gather")
    cost = flops.multiply_adds(gather, (1, 1, 40, 48))
    assert found["multiply-adds"] == f"{cost / 1e9:.2f} G for an input of 1x40x48 ({cost})"
    assert "k=20" in found["configuration"] and "dims=(16, 24)" in found["configuration"]


def test_info_of_a_network(capsys):
    found = read_info(capsys, "semanir-s-tiny", "--input", "3x16x16", "--scale", 2)
    assert found["network"] == "semanir-s-tiny" and "random" in found["trained on"]
    parameters = sum(p.numel() for p in build("semanir-s-tiny", upscale=2).parameters())
    assert found["parameters"].endswith(f"({parameters})")
    assert "upscale=2" in found["configuration"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["semanir-x"], "unknown network 'semanir-x'; did you mean semanir-"),
        (["gone.safetensors"], "no such weights: gone.safetensors; see semanir list"),
        (["semanir-u-tiny", "--input", "128"], "--input must be channels x height x width"),
        (["semanir-u-tiny", "--input", "2x8x8"], "channels must be 1 (grey) or 3 (colour), got 2"),
    ],
)
def test_info_of_nothing(capsys, arguments, message):
    assert message in fails(capsys, "info", *arguments)


def test_bench_is_passed_on(monkeypatch):
    import semanir.measure.attention as attention

    passed = []
    monkeypatch.setattr(attention, "run_bench", passed.append)
    semanir("bench", "--threads", 2, "--json")
    assert (passed[0].threads, passed[0].json, passed[0].device) == (2, True, "cpu")


def test_weights_without_facts_say_nothing(tmp_path):
    from safetensors.torch import save_file

    save_file({"weight": torch.zeros(3)}, tmp_path / "a.safetensors")
    assert facts(tmp_path / "a.safetensors") == {}
    for text in ("[1]", "{", "null"):
        save_file({"weight": torch.zeros(3)}, tmp_path / "a.safetensors", {"semanir": text})
        if text == "{":
            with pytest.raises(InputError, match="broken weights"):
                facts(tmp_path / "a.safetensors")
        else:
            assert json.loads(text) != {} and facts(tmp_path / "a.safetensors") == {}


def test_the_package_has_the_command():
    import tomllib

    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    module, _, name = project["project"]["scripts"]["semanir"].partition(":")
    assert getattr(sys.modules[module], name) is cli.main
    assert "weights/*" in project["tool"]["setuptools"]["package-data"]["semanir"]
