"""Picture files: what is read is exact, with what belongs to it; all else is refused by name."""

import io
import struct
from fractions import Fraction

import cv2
import numpy as np
import pytest
import tifffile
from photographs import pixels
from picture_files import TEXT, chunk, exif_block, exif_in, write_png
from PIL import Image, ImageCms

from data_prep.pictures import Picture, check_output, read_picture, shown_size, write_picture
from data_prep.pictures.density import Density
from data_prep.pictures.encode import LONGEST_BLOCK
from data_prep.pictures.picture import resized
from semanir import memory
from semanir.errors import InputError

ENDINGS = [".png", ".jpg", ".tif", ".webp"]
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
equal = np.testing.assert_array_equal


def with_exif(path, block):
    if path.suffix == ".tif":
        write_picture(path, Picture(pixels(30, 41, 3), exif=block))
    else:
        Image.fromarray(pixels(30, 41, 3)).save(path, exif=b"Exif\0\0" + block)
    return path


DEPTHS = [(1, 1), (2, 1), (4, 1), (8, 1), (16, 1), (8, 3), (16, 3)]


@pytest.mark.parametrize(("depth", "channels"), DEPTHS)
def test_a_clear_grey_or_colour_is_clear_at_every_depth(tmp_path, depth, channels):
    top, full = 2**depth - 1, 65535 if depth == 16 else 255
    values = np.random.default_rng(depth).integers(0, top, (5, 16, channels), endpoint=True)
    key = values[2, 3].copy()
    values[1, 2] = key
    values[3, 3, :2] = key[:2]  # near, and another in colour
    high = 0 if depth == 16 else 1 << depth  # bits above the depth are not looked at
    trns = chunk(b"tRNS", (key + high).astype(">u2").tobytes())
    path = write_png(tmp_path / "a.png", values, depth, 2 if channels == 3 else 0, trns)
    picture = read_picture(path)
    assert picture.pixels.dtype == picture.alpha.dtype == (np.uint16 if depth == 16 else np.uint8)
    equal(picture.pixels, (values * (full // top)).squeeze())
    equal(picture.alpha, np.where((values == key).all(axis=2), 0, full))
    with pytest.raises(InputError, match=r"transparency|16 bits"):
        check_output(tmp_path / "o.jpg", picture)


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_palettes_expand_exactly(tmp_path, depth):
    colours = pixels(2**depth, 3)
    alphas = pixels(2**depth - 1, seed=1)  # those that follow are full
    values = np.random.default_rng(0).integers(0, 2**depth, (5, 16))
    plte, trns = chunk(b"PLTE", colours.tobytes()), chunk(b"tRNS", alphas.tobytes())
    picture = read_picture(write_png(tmp_path / "a.png", values, depth, 3, plte, trns))
    equal(picture.pixels, colours[values])
    equal(picture.alpha, np.append(alphas, np.uint8(255))[values])
    plain = read_picture(write_png(tmp_path / "b.png", values, depth, 3, plte))
    equal(plain.pixels, colours[values])
    assert plain.alpha is None


@pytest.mark.parametrize("shape", [(21, 13), (21, 13, 3)], ids=["grey", "colour"])
@pytest.mark.parametrize("alpha", [False, True])
def test_16_bits_of_every_kind_stay_what_they_are(tmp_path, monkeypatch, shape, alpha):
    monkeypatch.setattr("data_prep.pictures.png.BAND", 200)
    image = pixels(*shape, dtype=np.uint16)
    clear = pixels(21, 13, dtype=np.uint16, seed=1) if alpha else None
    samples = image if image.ndim == 3 else image[..., None]
    samples = np.dstack([samples, clear]) if alpha else samples
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[samples.shape[2]]
    picture = read_picture(write_png(tmp_path / "a.png", samples, 16, kind))
    write_picture(tmp_path / "o.png", picture)
    for each in (picture, read_picture(tmp_path / "o.png")):
        equal(each.pixels, image)
        equal(each.alpha, clear)
    assert (tmp_path / "o.png").read_bytes()[24:26] == bytes([16, kind])
    decoded = cv2.imread(str(tmp_path / "o.png"), cv2.IMREAD_UNCHANGED).reshape(21, 13, -1)
    expected = np.dstack([image] * 3 + [clear]) if kind == 4 else samples  # as OpenCV reads grey
    equal(decoded[..., [2, 1, 0, 3][: decoded.shape[2]]] if kind else decoded, expected)
    write_picture(tmp_path / "o.tif", picture)
    equal(tifffile.imread(tmp_path / "o.tif").reshape(samples.shape), samples)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("options", [{}, {"bigtiff": True}, {"byteorder": ">"}, {"tile": (16, 16)}])
def test_tiffs_are_read_as_tifffile_wrote_them(tmp_path, dtype, channels, options):
    image = pixels(20, 33, channels, dtype=dtype)
    options = options | {"photometric": "rgb" if channels > 1 else "minisblack"}
    options |= {"extrasamples": ["unassalpha"]} if channels == 4 else {}
    tifffile.imwrite(tmp_path / "a.tif", image if channels > 1 else image[..., 0], **options)
    picture = read_picture(tmp_path / "a.tif")
    equal(picture.pixels, image[..., :3] if channels > 1 else image[..., 0])
    equal(picture.alpha, image[..., 3] if channels == 4 else None)


def tiff(image, **options):
    options = {"photometric": "rgb" if image.ndim == 3 else "minisblack"} | options
    return lambda path: tifffile.imwrite(path, image, **options)


def extra(kind):
    return tiff(pixels(9, 11, 4), extrasamples=[kind])


def undeclared(path):
    """Four samples of RGB, of which no tag says what the fourth is."""
    extra("unassalpha")(path)
    data = bytearray(path.read_bytes())
    data[data.index(struct.pack("<HHI", 338, 3, 1)) + 1] = 0xF0  # a private tag in its place
    path.write_bytes(data)


def animated(path):
    frames = [Image.fromarray(pixels(9, 11, 3, seed=seed)) for seed in range(2)]
    frames[0].save(path, save_all=True, append_images=frames[1:])


def profile_in_bmp(path):
    Image.fromarray(pixels(9, 11, 3)).save(path)
    data = path.read_bytes()
    header = struct.pack("<I", 124) + data[18:54] + bytes(16) + b"DEBM" + bytes(64)  # version 5
    path.write_bytes(data[:10] + struct.pack("<I", 14 + 124) + header + data[54:])


def jpeg_of_12_bits(path):
    Image.fromarray(pixels(9, 11)).save(path)
    data = bytearray(path.read_bytes())
    data[data.index(b"\xff\xc0") + 4] = 12
    path.write_bytes(data)


ONES, DEEP = np.ones((9, 11)), pixels(9, 11, 2, dtype=np.uint16)
TWO = {"photometric": "minisblack", "extrasamples": [2], "planarconfig": "contig"}
TABLE = np.arange(3 * 256, dtype=np.uint16).reshape(3, 256) * 85
PALETTE = {"photometric": "palette", "colormap": TABLE}
SHORT = chunk(b"PLTE", bytes(6))
REFUSED = {
    "one further sample": ("a.tif", extra("unspecified"), "1 further sample "),
    "undeclared": ("a.tif", undeclared, "1 further sample "),
    "premultiplied": ("a.tif", extra("assocalpha"), "premultiplied alpha"),
    "int8": ("a.tif", tiff(ONES.astype(np.int8)), "signed numbers of 8 bits"),
    "float32": ("a.tif", tiff(ONES.astype(np.float32)), "floating-point numbers of 32 bits"),
    "uint32": ("a.tif", tiff(ONES.astype(np.uint32)), "samples of 32 bits"),
    "BigTIFF": ("a.tif", tiff(pixels(9, 9), bigtiff=True, byteorder=">"), "big-endian BigTIFF"),
    "palette of 16 bits": ("a.tif", tiff(pixels(9, 11), **PALETTE), "a palette of 16 bits"),
    "grey and alpha of 16 bits": ("a.tif", tiff(DEEP, **TWO), "16 bits of grey with alpha"),
    "Lab": ("a.tif", tiff(pixels(9, 11, 3), photometric="cielab"), "CIE Lab"),
    "inks": ("a.jpg", lambda path: Image.fromarray(pixels(9, 9, 4), "CMYK").save(path), "CMYK"),
    "animated PNG": ("a.png", animated, "2 pages or frames"),
    "animated WebP": ("a.webp", animated, "2 pages or frames"),
    "pages": ("a.tif", animated, "2 pages or frames"),
    "BMP with a profile": ("a.bmp", profile_in_bmp, "a colour profile inside a BMP"),
    "GIF": ("a.gif", lambda path: Image.fromarray(pixels(9, 9)).save(path), "not a PNG, JPEG"),
    "nothing": ("a.png", lambda path: None, "no such picture"),
    "JPEG of 12 bits": ("a.jpg", jpeg_of_12_bits, "cannot handle 12-bit layers"),
    "a palette too short": (
        *("a.png", lambda path: write_png(path, np.array([[0, 1, 2]]), 8, 3, SHORT)),
        "its palette has no colour 2",
    ),
}


@pytest.mark.parametrize(("name", "write", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_read_exactly_is_refused_by_name(tmp_path, name, write, message):
    write(tmp_path / name)
    for read in [read_picture] + [shown_size] * ("palette has" not in message):
        with pytest.raises(InputError, match=message) as error:
            read(tmp_path / name)
        assert str(tmp_path / name) in str(error.value)
    with pytest.raises(IsADirectoryError):
        read_picture(tmp_path)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("source", [".png", ".jpg", ".webp"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_exif_is_carried_byte_for_byte(tmp_path, source, ending, order):
    block = exif_block(order, orientation=6)
    picture = read_picture(with_exif(tmp_path / f"a{source}", block))
    assert picture.exif == block and picture.orientation == 6
    write_picture(tmp_path / f"o{ending}", picture)
    written = exif_in(tmp_path / f"o{ending}")
    if ending == ".tif":
        assert written[:4] == block[:4] and written[8 : len(block)] == block[8:]
        with tifffile.TiffFile(tmp_path / "o.tif") as file:
            tags = file.pages[0].tags
            assert len(file.pages) == 1 and tags[274].value == 6
            at, size = tags[315].valueoffset, tags[315].valuebytecount
            assert written[at : at + size] == TEXT + b"\0"
            assert tags[34665].value["MakerNote"] == b"NOTE" + bytes(range(60))
    else:
        assert written == block
    assert read_picture(tmp_path / f"o{ending}").orientation == 6


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize(("order", "bigtiff"), [("<", False), (">", False), ("<", True)])
def test_tags_of_a_tiff_keep_their_bytes(tmp_path, ending, order, bigtiff):
    options = {"byteorder": order, "bigtiff": bigtiff, "metadata": None, "software": False}
    primaries = (64, 100, 33, 100, 21, 100, 71, 100, 15, 100, 6, 100)
    tags = ((315, 2, None, TEXT), (50001, 3, 3, (3, 4, 5)), (319, 5, 6, primaries))
    tiff(pixels(30, 41, 3), extratags=[(*tag, True) for tag in tags], **options)(tmp_path / "a.tif")
    write_picture(tmp_path / f"o{ending}", read_picture(tmp_path / "a.tif"))
    with tifffile.TiffFile(io.BytesIO(exif_in(tmp_path / f"o{ending}"))) as file:
        assert file.byteorder == order and not file.is_bigtiff
        tags = file.pages[0].tags if ending == ".tif" else directory(file)
        written = {tag.code: tag for tag in tags}
        assert written[319].value == primaries
        assert written[50001].value == (3, 4, 5) and int(written[50001].dtype) == 3
        file.filehandle.seek(written[315].valueoffset)
        assert file.filehandle.read(written[315].valuebytecount) == TEXT + b"\0"
    if ending != ".tif":
        assert set(written) <= {315, 319, 50001, 282, 283, 296}


def directory(file):
    file.filehandle.seek(4)
    (at,) = struct.unpack(file.byteorder + "I", file.filehandle.read(4))
    file.filehandle.seek(at)
    (count,) = struct.unpack(file.byteorder + "H", file.filehandle.read(2))
    places = [at + 2 + 12 * number for number in range(count)]
    return [tifffile.TiffTag.fromfile(file, offset=place) for place in places]


@pytest.mark.parametrize("order", ["<", ">"])
def test_an_enlarged_picture_changes_its_sizes_alone(order):
    block = exif_block(order)
    larger = resized(Picture(pixels(30, 41), exif=block), pixels(60, 82))
    assert len(larger.exif) == len(block)
    with tifffile.TiffFile(io.BytesIO(larger.exif)) as file:
        tags = next(tag.value for tag in directory(file) if tag.code == 34665)
    assert tags["PixelXDimension"] == 82 and tags["PixelYDimension"] == 60
    changed = sum(a != b for a, b in zip(larger.exif, block, strict=True))
    assert changed <= 2 * 4 + 2  # two values, and a type that was of 16 bits


def test_exif_beyond_what_jpeg_holds_is_refused_before_any_work(tmp_path):
    size, block = LONGEST_BLOCK["JPEG"], exif_block(more=65000)
    most, longer = (Picture(pixels(9, 11), exif=block.ljust(size + n, b"\0")) for n in (0, 1))
    write_picture(tmp_path / "o.jpg", most)
    assert exif_in(tmp_path / "o.jpg") == most.exif
    with pytest.raises(InputError, match=rf"o\.jpg: JPEG cannot hold EXIF of {size + 1} bytes"):
        check_output(tmp_path / "o.jpg", longer)
    for ending in (".png", ".webp", ".tif"):
        write_picture(tmp_path / f"o{ending}", longer)
        assert longer.exif[8:] in exif_in(tmp_path / f"o{ending}")


@pytest.mark.parametrize("block", [b"II*\0\xff\xff\0\0", b"junk", b"MM\0*\0\0\0\x08\0\xff"])
def test_a_broken_block_is_carried_where_it_can_be(tmp_path, block):
    picture = read_picture(with_exif(tmp_path / "a.jpg", block))
    assert picture.exif == block and picture.orientation == 1
    write_picture(tmp_path / "o.png", picture)
    assert exif_in(tmp_path / "o.png") == block
    with pytest.raises(InputError, match="an EXIF block that is broken"):
        check_output(tmp_path / "o.tif", picture)


def test_the_block_may_stand_behind_the_pixels_of_a_png(tmp_path):
    block, path = exif_block(orientation=6), tmp_path / "a.png"
    write_png(path, pixels(30, 41), 8, 0, after=chunk(b"eXIf", block))
    assert read_picture(path).exif == block
    assert shown_size(path) == (30, 41)


GAMMA_1, GAMMA_SRGB = ((b"gAMA", struct.pack(">I", value)) for value in (100000, 45455))
ADOBE_RGB = (b"cHRM", struct.pack(">8I", 31270, 32900, 64000, 33000, 21000, 71000, 15000, 6000))
PRIMARIES = (b"cHRM", struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000))
PQ, CICP_SRGB = (b"cICP", bytes([9, 16, 0, 1])), (b"cICP", bytes([1, 13, 0, 1]))
INTENT, LIGHT = (b"sRGB", b"\1"), (b"mDCV", bytes(range(24)))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 3)], ids=["grey", "colour"])
def test_a_png_keeps_what_it_says_of_its_colours(tmp_path, dtype, shape):
    image, depth = pixels(*shape, dtype=dtype), 8 * dtype().itemsize
    colours = [chunk(*each) for each in (GAMMA_1, ADOBE_RGB, PQ, INTENT, LIGHT)]
    path = write_png(tmp_path / "a.png", image, depth, 2 if len(shape) == 3 else 0, *colours)
    write_picture(tmp_path / "o.png", read_picture(path))
    data = (tmp_path / "o.png").read_bytes()
    assert all(data[: data.index(b"IDAT")].count(each) == 1 for each in colours)
    equal(read_picture(tmp_path / "o.png").pixels, image)


COLOURS = {
    "nothing": ([], b"", ""),
    "sRGB and its fallbacks": ([INTENT, GAMMA_SRGB, PRIMARIES], b"", ""),
    "fallbacks alone": ([GAMMA_SRGB, PRIMARIES], b"", ""),
    "cICP of sRGB": ([CICP_SRGB], b"", ""),
    "profile above gamma": ([GAMMA_1, ADOBE_RGB], SRGB, ""),
    "gamma": ([GAMMA_1], b"", r"a gamma of 1 \(gAMA\)"),
    "primaries": ([GAMMA_SRGB, ADOBE_RGB], b"", "primaries other than sRGB's"),
    "cICP": ([PQ], b"", "colours of cICP"),
    "cICP above profile": ([PQ], SRGB, "colours of cICP"),
}


@pytest.mark.parametrize("ending", [".jpg", ".tif", ".webp", ".bmp"])
@pytest.mark.parametrize("kind", COLOURS)
def test_colours_that_other_formats_cannot_tell_are_refused(tmp_path, kind, ending):
    colours, profile, missing = COLOURS[kind]
    picture = Picture(pixels(5, 7, 3), icc=profile, colour=dict(colours))
    path = tmp_path / f"o{ending}"
    if profile and ending == ".bmp":
        missing = "a colour profile"
    if missing:
        with pytest.raises(InputError, match=f"cannot hold {missing}"):
            check_output(path, picture)
    else:
        write_picture(path, picture)
        assert read_picture(path).icc == profile


def density_in(path):
    """(x, y, unit) as the format has it; not by the project's reader."""
    data = path.read_bytes()
    if path.suffix == ".png":
        return struct.unpack(">IIB", data.partition(b"pHYs")[2][:9]) if b"pHYs" in data else None
    if path.suffix == ".jpg":
        unit, x, y = struct.unpack(">BHH", data[13:18])
        return None if (unit, x, y) == (0, 1, 1) else (x, y, unit)
    if path.suffix == ".bmp":
        return (*struct.unpack("<II", data[38:46]), 1)
    with tifffile.TiffFile(path) as file:
        tags = file.pages[0].tags
        values = [tags[tag].value for tag in (282, 283, 296) if tag in tags]
    return (Fraction(*values[0]), Fraction(*values[1]), int(values[2])) if values else None


DENSITIES = {
    # as PNG, JPEG and TIFF have it
    Density(Fraction(300), Fraction(150), "inch"): ((11811, 5906, 1), (300, 150, 1), (300, 150, 2)),
    Density(Fraction(11811), Fraction(5906), "metre"): (
        *((11811, 5906, 1), (300, 150, 1), (Fraction(11811, 100), 59.06, 3)),
    ),
    Density(Fraction(118), Fraction(59), "cm"): ((11800, 5900, 1), (118, 59, 2), (118, 59, 3)),
    Density(Fraction(4), Fraction(3), ""): ((4, 3, 0), (4, 3, 0), (4, 3, 1)),
    None: (None, None, None),
}


@pytest.mark.parametrize("density", DENSITIES, ids=lambda density: getattr(density, "unit", None))
def test_density_is_carried_to_the_nearest_that_a_format_holds(tmp_path, density):
    picture = Picture(pixels(9, 11, 3), density=density)
    for name, expected in zip(("o.png", "o.jpg", "o.tif"), DENSITIES[density], strict=True):
        write_picture(tmp_path / name, picture)
        written = density_in(tmp_path / name)
        assert written == (expected and pytest.approx(expected, abs=1e-12))
        again = read_picture(tmp_path / name)
        write_picture(tmp_path / f"again-{name}", again)
        assert density_in(tmp_path / f"again-{name}") == written
        assert density or again.density is None
    in_metres = DENSITIES[density][0]
    write_picture(tmp_path / "deep.png", Picture(pixels(9, 9, dtype=np.uint16), density=density))
    assert density_in(tmp_path / "deep.png") == in_metres
    if density and density.unit:
        write_picture(tmp_path / "o.bmp", picture)
        assert density_in(tmp_path / "o.bmp") == in_metres
        assert read_picture(tmp_path / "o.bmp").density == Density(*in_metres[:2], "metre")


@pytest.mark.parametrize("ending", [*ENDINGS, ".bmp", ".jpeg", ".jpe", ".jfif", ".JPG"])
def test_pillows_limit_of_pixels_is_none_of_ours(tmp_path, monkeypatch, ending):
    image, path = pixels(40, 50, 3), tmp_path / f"a{ending}"
    write_picture(path, Picture(image))
    if ending.lower().startswith(".j"):
        assert path.read_bytes()[:3] == b"\xff\xd8\xff"
        image = np.asarray(Image.open(path))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(Image.DecompressionBombError):
        Image.open(path).load()
    equal(read_picture(path).pixels, image)
    assert shown_size(path) == (50, 40)
    assert Image.MAX_IMAGE_PIXELS == 100


NEEDS = [((1000, 1000), "u1", 2), ((1000, 1000, 3), "u1", 7), ((500, 1000, 3), "u2", 12)]


@pytest.mark.parametrize(("shape", "dtype", "each"), NEEDS)
def test_a_picture_beyond_the_free_memory_is_refused(tmp_path, monkeypatch, shape, dtype, each):
    size = shape[0] * shape[1]
    write_picture(tmp_path / "a.png", Picture(np.zeros(shape, dtype)))
    monkeypatch.setattr(memory, "free_memory", lambda: size * each)
    assert read_picture(tmp_path / "a.png").pixels.shape == shape
    monkeypatch.setattr(memory, "free_memory", lambda: size * each - 1)
    with pytest.raises(InputError, match=rf"a\.png of {size / 1e6} megapixels") as error:
        read_picture(tmp_path / "a.png")
    assert str(error.value).count(f"{size * each / 1e6:.0f} MB") == 2
    assert shown_size(tmp_path / "a.png") == shape[1::-1]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_bands_of_rows_are_the_whole_picture(tmp_path, monkeypatch, mode):
    image = Image.fromarray(pixels(23, 17, dtype=np.uint16))
    if mode != "I;16":
        colour = Image.fromarray(pixels(23, 17, 4))
        image = colour.quantize(20) if mode == "P" else colour.convert(mode)
    image.save(tmp_path / "a.png")
    whole = read_picture(tmp_path / "a.png")
    assert (whole.alpha is None) == (mode not in ("LA", "P", "RGBA"))
    monkeypatch.setattr("data_prep.pictures.decode.BAND", 50)
    parts = read_picture(tmp_path / "a.png")
    equal(parts.pixels, whole.pixels)
    equal(parts.alpha, whole.alpha)


def test_files_beyond_four_gib_are_refused_where_places_have_32_bits(tmp_path):
    picture = Picture(np.broadcast_to(np.uint8(0), (20000, 20000)))  # without its memory
    for ending in (".tif", ".bmp"):
        check_output(tmp_path / f"o{ending}", picture, scale=3)
        with pytest.raises(InputError, match=r"cannot hold 6\.0 GiB"):
            check_output(tmp_path / f"o{ending}", picture, scale=4)
    check_output(tmp_path / "o.png", picture, scale=4)
