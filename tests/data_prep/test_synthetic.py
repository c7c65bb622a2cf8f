"""Synthetic stand-ins for real pairs, by their properties."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from photographs import EMBEDDED, mean_psnr, pixels
from scipy.ndimage import label

from data_prep.degradations import DEGRADATIONS, name_seed
from data_prep.images import read_image
from data_prep.synthetic import motion_blur, rain_fog, raindrop, shake_kernel, snow, weather
from semanir.errors import InputError
from semanir.names import UnknownNameError

WEATHER = {"snow": snow, "rain_fog": rain_fog, "raindrop": raindrop}
LEVELS = {**{kind: ("weather", kind) for kind in WEATHER}, "motion_blur": ("motion_blur", 15)}
every_kind, every_weather = (pytest.mark.parametrize("kind", each) for each in (LEVELS, WEATHER))


def degraded_by(kind, image, seed):
    name, level = LEVELS[kind]
    return DEGRADATIONS[name](image, level, seed)


def flat(value, side=192):
    return np.full((side, side, 3), value, np.uint8)


@every_kind
def test_seeds_and_generators(kind):
    image = read_image(EMBEDDED[2])
    first = degraded_by(kind, image, 1)
    assert np.array_equal(first, degraded_by(kind, image, np.int64(1)))
    assert not np.array_equal(first, degraded_by(kind, image, 2))
    running = np.random.RandomState(1)
    assert np.array_equal(first, degraded_by(kind, image, running))
    assert not np.array_equal(first, degraded_by(kind, image, running))
    one, same = (degraded_by(kind, image, np.random.default_rng(1)) for _ in range(2))
    assert np.array_equal(one, same)


@every_kind
@pytest.mark.parametrize("path", EMBEDDED, ids=lambda path: path.stem)
def test_photographs_are_degraded_as_much_as_real_ones(kind, path):
    image = read_image(path)
    before = image.copy()
    degraded = degraded_by(kind, image, name_seed(path.name))
    assert np.array_equal(image, before)
    assert 17 < mean_psnr(degraded, image) < 30


SIDES = st.integers(1, 75)


@settings(max_examples=40)
@given(st.sampled_from(list(LEVELS)), SIDES, SIDES, st.integers(0, 2**32 - 1))
def test_every_size(kind, height, width, seed):
    degraded = degraded_by(kind, pixels(height, width, 3), seed)
    assert degraded.dtype == np.uint8 and degraded.shape == (height, width, 3)
    assert degraded.flags["C_CONTIGUOUS"]


@every_weather
def test_strength(kind):
    image, function = read_image(EMBEDDED[4]), WEATHER[kind]
    assert np.array_equal(function(image, 0, 3), image)
    scores = [
        np.mean([mean_psnr(function(image, strength, seed), image) for seed in range(4)])
        for strength in (0.3, 1, 2)
    ]
    assert scores == sorted(scores, reverse=True)
    assert np.array_equal(weather(image, kind, 3), function(image, 1.0, 3))


@every_weather
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
    assert number > 150 and bare.max() > 170
    assert np.percentile(areas, 98) > 12 * np.percentile(areas, 30)
    assert np.median(bare) < 40  # the veil between them is thin


def test_fog_thickens_with_height_and_hides_contrast():
    y, x = np.indices((192, 192))
    checks = np.where((x // 16 + y // 16) % 2, 160, 20).astype(np.uint8)
    foggy = np.mean([rain_fog(np.dstack([checks] * 3), 1.0, seed) for seed in range(12)], axis=0)
    bands = [(foggy[rows], checks[rows]) for rows in np.split(np.arange(192), 4)]
    contrast = [fog[bright == 160].mean() - fog[bright == 20].mean() for fog, bright in bands]
    assert contrast == sorted(contrast)  # from the far top to the near bottom
    assert 60 < contrast[0] < 0.93 * contrast[3] < 125


def test_raindrops_show_the_scene_upside_down_and_leave_the_rest():
    ramp = np.linspace(30, 220, 192).round().astype(np.uint8)
    image = np.broadcast_to(ramp[:, None, None], (192, 192, 3)).copy()
    slopes, shares = [], []
    for seed in range(4):
        degraded = raindrop(image, 1.0, seed)
        changed = (degraded != image).any(axis=2)
        shares.append(changed.mean())
        drops, number = label(changed)
        for drop in range(1, number + 1):
            rows, columns = np.nonzero(drops == drop)
            if len(rows) > 200 and columns.min() > 0 and columns.max() < 191:
                middle = round(columns.mean())
                _, *inner, _ = np.array_split(rows[columns == middle], 4)  # away from the rim
                inner = np.concatenate(inner)
                slopes.append(np.polyfit(inner, degraded[inner, middle, 1].astype(float), 1)[0])
    assert len(slopes) > 15 and np.mean(np.array(slopes) < 0) > 0.9
    assert min(shares) > 0.04 and max(shares) < 0.4


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("length", [0, 0.5, 7, 15, 40])
def test_shake_kernel(length, seed):
    kernel = shake_kernel(length, seed)
    side = len(kernel)
    assert kernel.dtype == np.float32 and kernel.shape == (side, side) and side % 2 == 1
    assert kernel.min() >= 0
    assert kernel.sum(dtype=np.float64) == pytest.approx(1, abs=1e-6)
    for axis in (0, 1):
        assert abs(kernel.sum(axis=axis) @ (np.arange(side) - side // 2)) <= 1e-5
    y, x = np.nonzero(kernel)
    reach = np.hypot(y[:, None] - y, x[:, None] - x).max()
    assert 0.35 * length <= reach <= length + 2 * np.sqrt(2)
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
    for path in EMBEDDED:
        image = read_image(path)
        shift = motion_blur(image, 15, seed).mean(axis=(0, 1)) - image.mean(axis=(0, 1))
        assert np.abs(shift).max() < 0.5


def test_motion_blur_mirrors_the_border_with_its_edge():
    image = pixels(30, 34, 3)
    wide = np.pad(image, ((30, 30), (34, 34), (0, 0)), mode="symmetric")
    expected = motion_blur(wide, 15, 2)[30:60, 34:68].astype(int)
    assert np.abs(motion_blur(image, 15, 2) - expected).max() <= 1


@pytest.mark.parametrize("kind", [*WEATHER, "motion_blur"])
@pytest.mark.parametrize("level", [np.nan, -0.1, 501, np.inf])
def test_a_wrong_strength_or_length_is_refused(kind, level):
    with pytest.raises(InputError, match=rf"0\.\.\d+.*, got {level}"):
        (WEATHER | {"motion_blur": motion_blur})[kind](flat(0, 24), level, 0)


@every_kind
@pytest.mark.parametrize("seed", [-1, 2**32, 1.5, "name", None])
def test_a_wrong_seed_is_refused(kind, seed):
    with pytest.raises(InputError, match=rf"0..4294967295, got {seed!r}"):
        degraded_by(kind, flat(0, 24), seed)
    with pytest.raises(UnknownNameError, match="did you mean rain_fog"):
        weather(flat(0, 24), "rainfog", 0)
