"""JPEG, mosaics and grey against independent implementations; synthetic stand-ins by property."""

import hashlib
import io
import subprocess
import sys

import cv2
import numpy as np
import pytest
from checkout import REPOSITORY
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, JpegImagePlugin
from scipy.ndimage import binary_erosion, find_objects, label
from skimage.color import rgb2ycbcr

from data_prep import degradations as degrade
from data_prep.degradations import bayer, degradation, jpeg, malvar, mosaic, name_seed, to_y
from data_prep.images import check_image, luma, read_image
from data_prep.synthetic import motion_blur, rain_fog, raindrop, shake_kernel, snow, weather
from semanir.errors import InputError
from semanir.evaluate import metrics
from semanir.names import UnknownNameError

PHOTOGRAPHS = sorted((REPOSITORY / "data_prep" / "embedded" / "test_rgb").glob("*.png"))

WEATHER = {"snow": snow, "rain_fog": rain_fog, "raindrop": raindrop}
SYNTHETIC = {
    **{kind: lambda image, seed, kind=kind: weather(image, kind, seed) for kind in WEATHER},
    "motion_blur": lambda image, seed: motion_blur(image, 15, seed),
}
everything = pytest.mark.parametrize("kind", SYNTHETIC)


def noise(*shape, seed=3):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def flat(value, side=192):
    return np.full((side, side, 3), value, np.uint8)


def psnr(degraded, clean):
    return 10 * np.log10(255**2 / np.mean((degraded.astype(float) - clean) ** 2))


# --- Y ------------------------------------------------------------------------------------------


def test_to_y_of_single_pixels():
    table = {
        (0, 0, 0): 16,
        (255, 255, 255): 235,
        (255, 0, 0): 81,  # 81.481
        (0, 255, 0): 145,  # 144.553
        (0, 0, 255): 41,  # 40.966
        (1, 2, 3): 18,  # 18.312
        (0, 248, 130): 154,  # 153.754
    }
    assert to_y(np.array([list(table)], np.uint8)).tolist() == [list(table.values())]


def test_to_y_rounds_exact_ties_up():
    """65481 R + 128553 G + 24966 B is an odd multiple of 127500: half a grey level, exactly."""
    values = np.arange(256)
    red, green = np.meshgrid(values, values, indexing="ij")
    ties = 0
    for blue in range(256):
        total = 65481 * red + 128553 * green + 24966 * blue
        tie = total % 255000 == 127500
        colours = np.stack([red[tie], green[tie], np.full(tie.sum(), blue)], axis=1)
        if len(colours):
            image = colours[None].astype(np.uint8)
            assert to_y(image).tolist() == [(total[tie] // 255000 + 17).tolist()]
        ties += len(colours)
    assert ties == 194


@pytest.mark.parametrize("path", [None, *PHOTOGRAPHS[:2]], ids=["noise", "one", "other"])
def test_to_y_rounds_the_y_of_scikit_image(path):
    image = noise(150, 130, 3) if path is None else read_image(path)
    grey = to_y(image)
    assert grey.dtype == np.uint8
    assert np.abs(grey - rgb2ycbcr(image)[..., 0]).max() <= 0.5 + 1e-9
    np.testing.assert_allclose(luma(image), rgb2ycbcr(image)[..., 0], rtol=0, atol=1e-9)


def test_to_y_leaves_grey_alone():
    """Its range too: Classic5 is grey and uses all of 0..255."""
    grey = noise(4, 6)
    assert to_y(grey) is grey


def test_one_luma():
    assert metrics.luma is luma
    assert degrade.to_y is to_y


# --- JPEG ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("quality", [1, 10, 40, 75, 100])
@pytest.mark.parametrize("shape", [(33, 50), (33, 50, 3), (192, 192, 3), (1, 1, 3), (7, 300)])
def test_jpeg_equals_another_decoder(shape, quality):
    """Encoded by OpenCV here too, read by Pillow: 4:2:0 chroma, no turned channels."""
    image = noise(*shape) if shape != (192, 192, 3) else read_image(PHOTOGRAPHS[0])
    turned = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", turned, [cv2.IMWRITE_JPEG_QUALITY, quality])
    with Image.open(io.BytesIO(data.tobytes())) as encoded:
        assert encoded.mode == ("L" if image.ndim == 2 else "RGB")
        assert image.ndim == 2 or JpegImagePlugin.get_sampling(encoded) == 2
        expected = np.asarray(encoded)
    degraded = jpeg(image, quality)
    assert degraded.dtype == np.uint8
    np.testing.assert_array_equal(degraded, expected)
    np.testing.assert_array_equal(degraded, jpeg(image, np.int64(quality), seed=5))


@pytest.mark.parametrize("colour", [(200, 30, 60), (10, 20, 250)])
def test_jpeg_keeps_the_order_of_channels(colour):
    image = np.full((16, 24, 3), colour, np.uint8)
    assert np.abs(jpeg(image, 95).astype(int) - image).max() <= 3


def test_jpeg_reads_any_memory_layout():
    image = noise(40, 30, 3)
    view = image.swapaxes(0, 1)[::-1]
    np.testing.assert_array_equal(jpeg(view, 30), jpeg(np.ascontiguousarray(view), 30))
    grey = image[..., 1]
    np.testing.assert_array_equal(jpeg(grey, 30), jpeg(grey.copy(), 30))


def test_jpeg_of_higher_quality_is_closer():
    image = read_image(PHOTOGRAPHS[0])
    scores = [psnr(jpeg(image, quality), image) for quality in (10, 20, 30, 40)]
    assert scores == sorted(scores)


@pytest.mark.parametrize("quality", [0, 101, -5, 10.0, 10.5, float("nan"), "10", None, True])
def test_jpeg_refuses_a_wrong_quality(quality):
    with pytest.raises(InputError, match=f"whole number of 1..100, got {quality!r}"):
        jpeg(noise(8, 8), quality)


# --- demosaicking -------------------------------------------------------------------------------


def test_bayer_by_hand():
    image = np.arange(1, 28, dtype=np.uint8).reshape(3, 3, 3)
    # R G R / G B G / R G R of the pixels (1,2,3) (4,5,6) (7,8,9) / (10,11,12) ...
    assert bayer(image).tolist() == [[1, 5, 7], [11, 15, 17], [19, 23, 25]]


@given(arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3))))
def test_bayer_keeps_one_value_of_each_pixel(image):
    seen = bayer(image)
    for row, column in np.ndindex(*seen.shape):
        channel = (row % 2) + (column % 2)
        assert seen[row, column] == image[row, column, channel]


def reflected(index, size):
    index = abs(index)
    return index if index < size else 2 * (size - 1) - index


def slow_malvar(seen):
    """Bilinear interpolation plus the paper's gradient corrections, pixel by pixel.

    alpha 1/2 for green, beta 5/8 for red and blue at green, gamma 3/4 for red at blue and back.
    """
    height, width = seen.shape
    full = np.empty((height, width, 3))

    for y, x in np.ndindex(height, width):

        def at(dy, dx, y=y, x=x):
            return float(seen[reflected(y + dy, height), reflected(x + dx, width)])

        centre = at(0, 0)
        beside = [at(0, -1), at(0, 1)]
        above = [at(-1, 0), at(1, 0)]
        diagonal = [at(dy, dx) for dy in (-1, 1) for dx in (-1, 1)]
        far_beside, far_above = [at(0, -2), at(0, 2)], [at(-2, 0), at(2, 0)]
        if (y + x) % 2 == 0:  # red or blue
            laplacian = centre - np.mean(far_beside + far_above)
            own, other = (0, 2) if y % 2 == 0 else (2, 0)
            full[y, x, own] = centre
            full[y, x, 1] = np.mean(beside + above) + 1 / 2 * laplacian
            full[y, x, other] = np.mean(diagonal) + 3 / 4 * laplacian
        else:
            row, column = (0, 2) if y % 2 == 0 else (2, 0)
            full[y, x, 1] = centre
            for channel, near, along, across in (
                (row, beside, far_beside, far_above),
                (column, above, far_above, far_beside),
            ):
                # nine points: the centre against diagonals and its own line, the other line back
                laplacian = centre - (sum(diagonal) + sum(along) - sum(across) / 2) / 5
                full[y, x, channel] = np.mean(near) + 5 / 8 * laplacian
    return full


@pytest.mark.parametrize("shape", [(12, 16), (13, 17), (5, 6), (3, 3)])
def test_malvar_equals_the_paper_pixel_by_pixel(shape):
    seen = noise(*shape)
    full = malvar(seen)
    assert full.dtype == np.float64
    np.testing.assert_allclose(full, slow_malvar(seen), rtol=0, atol=1e-10)


def test_malvar_of_one_bright_pixel():
    """Kernel entries over 8, by hand, for a red, a green and a blue pixel of 80."""
    red, green, blue = np.zeros((3, 10, 10), np.uint8)
    red[4, 4] = green[4, 5] = blue[5, 5] = 80
    full = malvar(red)
    assert full[4, 4].tolist() == [80, 40, 60]
    assert full[4, 5].tolist() == [40, 0, 0]
    assert full[4, 6].tolist() == [0, -10, -15]
    assert full[3, 3].tolist() == [20, 20 - 20, 0]
    assert full[3, 4].tolist() == [40, 0, 0]
    assert full[5, 6].tolist() == [0, 0, 0]
    full = malvar(green)
    assert full[4, 5].tolist() == [50, 80, 50]
    assert full[4, 4].tolist() == [0, 20, 0]
    assert full[4, 7].tolist() == [-10, 0, 5]
    assert full[6, 5].tolist() == [5, 0, -10]
    assert full[5, 4].tolist() == [-10, 0, -10]
    full = malvar(blue)
    assert full[5, 5].tolist() == [60, 40, 80]
    assert full[5, 3].tolist() == [-15, -10, 0]


def test_malvar_reproduces_linear_ramps():
    """Each channel may have a slope of its own: all corrections vanish, away from the border."""
    y, x = np.mgrid[:20, :24]
    image = np.stack([10 + 2 * x + 3 * y, 200 - 5 * x + y, 40 + 4 * x - y], axis=2)
    assert image.min() >= 0 and image.max() <= 255
    full = malvar(bayer(image.astype(np.uint8)))
    np.testing.assert_array_equal(full[2:-2, 2:-2], image[2:-2, 2:-2])


@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (1, 7), (8, 9)])
def test_malvar_of_a_constant_grey_is_exact(shape):
    image = np.full((*shape, 3), 137, np.uint8)
    np.testing.assert_array_equal(malvar(bayer(image)), image)


def test_mosaic_is_neither_rounded_nor_clipped():
    image = read_image(PHOTOGRAPHS[0])
    degraded = mosaic(image, "rggb", 7)
    assert degraded.dtype == np.float32
    assert degraded.tobytes() == (malvar(bayer(image)) / 255).astype(np.float32).tobytes()
    assert degraded.tobytes() == mosaic(image).tobytes()
    assert degraded.min() < 0 and degraded.max() > 1
    scaled = degraded.astype(np.float64) * 255
    assert np.abs(scaled - np.rint(scaled)).max() > 0.49
    kept = np.where((np.indices(image.shape[:2]).sum(axis=0) % 2)[..., None], [0, 1, 0], 0) == 1
    np.testing.assert_allclose(scaled[kept], image[kept], rtol=0, atol=1e-4)  # green stays


def test_mosaic_knows_one_pattern():
    with pytest.raises(UnknownNameError, match="unknown Bayer pattern 'bggr'"):
        mosaic(noise(8, 8, 3), "bggr")


# --- seeds of names -----------------------------------------------------------------------------


def test_name_seed_is_the_start_of_sha256():
    assert name_seed("abc") == 0xBF1678BA  # SHA-256 of abc is ba7816bf...
    words = np.frombuffer(hashlib.sha256(b"kodim01.png").digest(), "<u4")
    assert name_seed("kodim01.png") == words[0]
    assert len({name_seed(path.name) for path in PHOTOGRAPHS}) == len(PHOTOGRAPHS)
    np.random.RandomState(name_seed("0001é.png"))  # any name gives a valid seed


# --- synthetic stand-ins ------------------------------------------------------------------------


def test_tasks_find_their_stand_ins():
    for name in ("jpeg", "mosaic", "motion_blur", "weather"):
        assert degradation(f"data_prep.degradations.{name}") is getattr(degrade, name)
    assert degrade.weather is weather
    assert degrade.motion_blur is motion_blur


@everything
def test_the_same_seed_gives_the_same_picture_in_another_process(kind):
    image, seed = read_image(PHOTOGRAPHS[1]), name_seed("b.png")
    degraded = SYNTHETIC[kind](image, seed)
    code = (
        "import sys, hashlib; from data_prep import degradations as degrade; "
        "from data_prep.images import read_image; image = read_image(sys.argv[1]); "
        "name, seed = sys.argv[2], int(sys.argv[3]); "
        "degraded = (degrade.motion_blur(image, 15, seed) if name == 'motion_blur' "
        "else degrade.weather(image, name, seed)); "
        "print(hashlib.sha256(degraded.tobytes()).hexdigest())"
    )
    command = [sys.executable, "-c", code, str(PHOTOGRAPHS[1]), kind, str(seed)]
    finished = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert finished.stdout.strip() == hashlib.sha256(degraded.tobytes()).hexdigest()


@everything
def test_seeds_and_generators(kind):
    function, image = SYNTHETIC[kind], read_image(PHOTOGRAPHS[2])
    first = function(image, 1)
    assert np.array_equal(first, function(image, 1))
    assert np.array_equal(first, function(image, np.int64(1)))
    assert not np.array_equal(first, function(image, 2))
    running = np.random.RandomState(1)
    assert np.array_equal(first, function(image, running))
    assert not np.array_equal(first, function(image, running))
    drawn = function(image, np.random.default_rng(1))
    assert np.array_equal(drawn, function(image, np.random.default_rng(1)))


@everything
@pytest.mark.parametrize("path", PHOTOGRAPHS, ids=lambda path: path.stem)
def test_photographs_are_degraded_as_much_as_real_ones(kind, path):
    image = read_image(path)
    before = image.copy()
    degraded = SYNTHETIC[kind](image, name_seed(path.name))
    assert degraded.dtype == np.uint8 and degraded.shape == image.shape
    assert np.array_equal(image, before)
    assert 17 < psnr(degraded, image) < 30


@settings(max_examples=40)
@given(
    st.sampled_from(list(SYNTHETIC)),
    st.integers(1, 75),
    st.integers(1, 75),
    st.integers(0, 2**32 - 1),
)
def test_every_size(kind, height, width, seed):
    image = noise(height, width, 3)
    degraded = SYNTHETIC[kind](image, seed)
    assert degraded.dtype == np.uint8
    assert degraded.shape == image.shape
    assert degraded.flags["C_CONTIGUOUS"]


@pytest.mark.parametrize("kind", WEATHER)
def test_strength(kind):
    image = read_image(PHOTOGRAPHS[4])
    function = WEATHER[kind]
    assert np.array_equal(function(image, 0, 3), image)
    scores = [
        np.mean([psnr(function(image, strength, seed), image) for seed in range(4)])
        for strength in (0.3, 1, 2)
    ]
    assert scores == sorted(scores, reverse=True)
    assert np.array_equal(weather(image, kind, 3), function(image, 1.0, 3))


@pytest.mark.parametrize("kind", WEATHER)
def test_small_and_large_images_are_degraded_alike(kind):
    changes = [
        np.mean([WEATHER[kind](flat(30, side), 1.0, seed) - 30.0 for seed in range(number)])
        for side, number in ((36, 30), (96, 8), (192, 4), (576, 3))
    ]
    assert max(np.abs(changes)) < 1.35 * min(np.abs(changes))


def test_snow_is_white_and_of_several_sizes():
    bare = snow(flat(20), 1.0, 0)
    assert (bare >= 20).all()  # it only ever brightens the dark
    assert np.ptp(bare.astype(int), axis=2).max() < 12
    flakes, number = label(bare[..., 1] > 70)
    areas = np.bincount(flakes.ravel())[1:]
    assert number > 150
    assert np.percentile(areas, 98) > 12 * np.percentile(areas, 30)
    assert bare.max() > 170
    assert np.median(bare) < 40  # the veil between them is thin


def test_fog_thickens_with_height_and_hides_contrast():
    y, x = np.indices((192, 192))
    checks = np.where((x // 16 + y // 16) % 2, 160, 20).astype(np.uint8)
    foggy = np.mean([rain_fog(np.dstack([checks] * 3), 1.0, seed) for seed in range(12)], axis=0)
    contrast = [
        foggy[rows][checks[rows] == 160].mean() - foggy[rows][checks[rows] == 20].mean()
        for rows in (slice(0, 48), slice(48, 96), slice(96, 144), slice(144, 192))
    ]
    assert contrast == sorted(contrast)  # from the far top to the near bottom
    assert 60 < contrast[0] < 0.93 * contrast[3] < 125


def test_rain_falls_along_one_direction():
    """The structure tensor of the streaks: the slope across them is far above that along them."""
    for seed in range(5):
        streaks = rain_fog(flat(60), 1.0, seed).astype(np.float32)[..., 1]
        streaks -= cv2.GaussianBlur(streaks, (0, 0), 8)
        dy, dx = np.gradient(cv2.GaussianBlur(streaks, (0, 0), 1))
        tensor = np.array([[(dx * dx).sum(), (dx * dy).sum()], [(dx * dy).sum(), (dy * dy).sum()]])
        (small, large), vectors = np.linalg.eigh(tensor)
        assert large > 5 * small
        assert abs(vectors[1, 0]) > np.cos(np.radians(35))  # within 35 degrees of the vertical


def test_raindrops_show_the_scene_upside_down_and_leave_the_rest():
    ramp = np.linspace(30, 220, 192).round().astype(np.uint8)
    image = np.repeat(np.repeat(ramp[:, None], 192, axis=1)[..., None], 3, axis=2)
    slopes, shares = [], []
    for seed in range(4):
        degraded = raindrop(image, 1.0, seed)
        changed = (degraded != image).any(axis=2)
        shares.append(changed.mean())
        drops, number = label(changed)
        for drop in range(1, number + 1):
            rows, columns = np.nonzero(drops == drop)
            if len(rows) > 200 and columns.min() > 0 and columns.max() < 191:
                # the middle column, away from the rim
                middle = rows[columns == round(columns.mean())]
                inner = middle[len(middle) // 4 : -len(middle) // 4]
                values = degraded[inner, round(columns.mean()), 1].astype(float)
                slopes.append(np.polyfit(inner, values, 1)[0])
    assert len(slopes) > 15
    assert np.mean(np.array(slopes) < 0) > 0.9
    assert min(shares) > 0.04 and max(shares) < 0.4


def test_raindrops_are_round_soft_and_apart():
    filled, contrast = [], []
    for seed in range(8):
        drops, _ = label((raindrop(flat(100), 2.0, seed) != 100).any(axis=2))
        for drop, box in enumerate(find_objects(drops), start=1):
            filled.append((drops[box] == drop).mean())
        blurred = raindrop(noise(192, 192, 3), 2.0, seed)[binary_erosion(drops > 0, iterations=4)]
        contrast.append(blurred.std() / noise(192, 192, 3).std())
    assert len(filled) > 190
    assert np.mean(np.array(filled) > 0.6) > 0.9  # an ellipse fills 0.785 of its box
    assert max(contrast) < 0.6


# --- camera shake -------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("length", [0, 0.5, 7, 15, 40])
def test_shake_kernel(length, seed):
    kernel = shake_kernel(length, seed)
    assert kernel.dtype == np.float32
    side = len(kernel)
    assert kernel.shape == (side, side) and side % 2 == 1
    assert kernel.min() >= 0
    assert kernel.sum(dtype=np.float64) == pytest.approx(1, abs=1e-6)
    offsets = np.arange(side) - side // 2
    assert (kernel.sum(axis=0) @ offsets, kernel.sum(axis=1) @ offsets) == pytest.approx(
        (0, 0), abs=1e-5
    )
    y, x = np.nonzero(kernel)
    reach = np.hypot(y[:, None] - y, x[:, None] - x).max()
    assert reach <= length + 2 * np.sqrt(2)
    assert reach >= 0.35 * length
    _, pieces = label(kernel > 0, structure=np.ones((3, 3)))
    assert pieces == 1  # one unbroken path


def test_motion_blur_spreads_a_point_into_the_kernel():
    image = flat(0, 61)
    image[30, 30] = 255
    kernel = shake_kernel(15, 4)
    spread = motion_blur(image, 15, 4)[..., 0]
    half = len(kernel) // 2
    window = spread[30 - half : 31 + half, 30 - half : 31 + half]
    assert spread.sum(dtype=int) == window.sum(dtype=int)
    np.testing.assert_allclose(window[::-1, ::-1], kernel * 255, rtol=0, atol=0.501)


@pytest.mark.parametrize("seed", range(3))
def test_motion_blur_keeps_the_mean_brightness(seed):
    for value in (0, 1, 137, 255):
        assert np.array_equal(motion_blur(flat(value, 40), 15, seed), flat(value, 40))
    for path in PHOTOGRAPHS:
        image = read_image(path)
        shift = motion_blur(image, 15, seed).mean(axis=(0, 1)) - image.mean(axis=(0, 1))
        assert np.abs(shift).max() < 0.5


def test_motion_blur_mirrors_the_border_with_its_edge():
    """Equal to the blur of a copy whose surroundings repeat it mirrored."""
    image = noise(30, 34, 3)
    wide = np.pad(image, ((30, 30), (34, 34), (0, 0)), mode="symmetric")
    expected = motion_blur(wide, 15, 2)[30:60, 34:68].astype(int)
    assert np.abs(motion_blur(image, 15, 2) - expected).max() <= 1


def test_a_path_without_length_blurs_nothing():
    image = noise(30, 31, 3)
    assert np.array_equal(motion_blur(image, 0, 5), image)
    blurred = [psnr(motion_blur(image, length, 5), image) for length in (2, 6, 15)]
    assert blurred == sorted(blurred, reverse=True)


# --- misuse -------------------------------------------------------------------------------------

COLOUR, GREY = np.zeros((24, 24, 3), np.uint8), np.zeros((24, 24), np.uint8)
WRONG = {
    "float32": COLOUR.astype(np.float32),
    "uint16": COLOUR.astype(np.uint16),
    "bool": COLOUR > 0,
    "empty": COLOUR[:0],
    "four channels": np.zeros((4, 4, 4), np.uint8),
    "one channel": np.zeros((4, 4, 1), np.uint8),
    "1d": COLOUR[0, :, 0],
    "4d": COLOUR[None],
    "list": COLOUR.tolist(),
}
ANY = {"to_y": to_y, "jpeg": lambda image: jpeg(image, 10), "check_image": check_image}
ONLY_COLOUR = {
    "bayer": bayer,
    "mosaic": mosaic,
    **{kind: lambda image, kind=kind: SYNTHETIC[kind](image, 0) for kind in SYNTHETIC},
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("name", [*ANY, *ONLY_COLOUR, "malvar"])
def test_only_uint8_images_are_degraded(name, wrong):
    image = WRONG[wrong]
    function = {**ANY, **ONLY_COLOUR, "malvar": malvar}[name]
    with pytest.raises(InputError, match="expected a non-empty uint8 image") as caught:
        function(image)
    kind = getattr(image, "dtype", "list")
    assert f"got {kind} {np.shape(image)}" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ONLY_COLOUR)
def test_grey_is_refused_where_colour_is_needed(name):
    with pytest.raises(InputError, match=r"image \[H,W,3\], got uint8 \(24, 24\)"):
        ONLY_COLOUR[name](GREY)


def test_colour_is_refused_as_a_mosaic():
    with pytest.raises(InputError, match=r"image \[H,W\], got uint8 \(24, 24, 3\)"):
        malvar(COLOUR)


@pytest.mark.parametrize("strength", [float("nan"), -0.1, 2.1, float("inf")])
@pytest.mark.parametrize("kind", WEATHER)
def test_weather_refuses_a_wrong_strength(kind, strength):
    with pytest.raises(InputError, match=f"strength must be 0..2, got {strength}"):
        WEATHER[kind](COLOUR, strength, 0)


@pytest.mark.parametrize("length", [float("nan"), -1, 501, float("inf")])
def test_motion_blur_refuses_a_wrong_length(length):
    with pytest.raises(InputError, match=rf"0..500 pixels, got {length}"):
        motion_blur(COLOUR, length, 0)


@everything
@pytest.mark.parametrize("seed", [-1, 2**32, 1.5, "name", None])
def test_a_wrong_seed_is_refused(kind, seed):
    with pytest.raises(InputError, match=r"seed must be a whole number of 0..4294967295, got "):
        SYNTHETIC[kind](COLOUR, seed)


@pytest.mark.parametrize(
    ("kind", "message"), [("rainfog", "did you mean rain_fog"), ("sun", "unknown kind of weather")]
)
def test_unknown_weather_names_the_nearest(kind, message):
    with pytest.raises(UnknownNameError, match=message):
        weather(COLOUR, kind, 0)
