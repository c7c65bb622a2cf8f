"""Training patches: what is drawn, from where, and how it is degraded."""

import json
from functools import partial
from itertools import product

import numpy as np
import pytest
import torch
from made_sets import pairs_of, ponds, static, textures, write_set
from PIL import Image

from data_prep.degradations import awgn, degradation
from data_prep.images import to_grey
from data_prep.resize import imresize
from data_prep.tasks import get_task
from semanir.errors import InputError
from semanir.train.patches import TrainingPatches

TURNS = [partial(np.rot90, k=turns) for turns in range(4)]
SYMMETRIES = [*TURNS, *(lambda x, turn=turn: turn(x[:, ::-1]) for turn in TURNS)]


def eight_bit(batch):
    """[S,C,H,W] on [0,1] -> [S,H,W,C] uint8."""
    return (batch.numpy().transpose(0, 2, 3, 1) * 255).round().astype(np.uint8)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return ponds(tmp_path_factory.mktemp("set"))


BATCHES = [("denoise_gray-blind", 1, 1), ("denoise_color-sigma25", 3, 1), ("sr-x2", 3, 2)]


@pytest.mark.parametrize(("task", "channels", "scale"), BATCHES)
def test_batch_is_a_function_of_seed_and_step(data, task, channels, scale):
    one, other = (pairs_of(data, task, "wine", 16) for _ in range(2))
    steps = [one.batch(5, step, 3) for step in range(4)]
    degraded, clean = steps[0]
    assert list(degraded.shape) == [3, channels, 16, 16]
    assert list(clean.shape) == [3, channels, 16 * scale, 16 * scale]
    assert degraded.dtype == clean.dtype == torch.float32
    assert clean.min() >= 0 and 0.5 < clean.max() <= 1
    for step in (3, 1, 0, 2):
        assert all(map(torch.equal, other.batch(5, step, 3), steps[step]))
    # an item does not depend on the batch size, and no two are alike
    assert torch.equal(one.batch(5, 2, 1)[0][0], steps[2][0][0])
    items = [item for degraded, _ in [*steps, one.batch(6, 0, 3)] for item in degraded]
    assert len({item.numpy().tobytes() for item in items}) == len(items)


def where(patch, photographs):
    """(name, position of the eight, top, left) of the one place where a patch comes from."""
    size, places = patch.shape[0], []
    for name, whole in photographs.items():
        views = np.lib.stride_tricks.sliding_window_view(whole, (size, size), axis=(0, 1))
        views = np.moveaxis(views, 2, -1)  # [top,left,size,size,C]
        for position in SYMMETRIES:
            at = np.argwhere((views == position(patch)).all((2, 3, 4)))
            places += [(name, position, *map(int, place)) for place in at]
    assert len(places) == 1
    return places[0]


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_small_patches_are_cut_from_the_reduced_photograph(tmp_path, scale):
    """In one of the eight positions, with the clean patch in the same place and position."""
    photographs = static(["a.png", "b.png", "c.png"], 43, 50)
    pairs = pairs_of(write_set(tmp_path, photographs), f"sr-x{scale}", "", 6)
    height, width = 43 - 43 % scale, 50 - 50 % scale
    reduced = {n: imresize(x[:height, :width], 1 / scale) for n, x in photographs.items()}
    for step in range(6):
        for small, large in zip(*map(eight_bit, pairs.batch(1, step, 2)), strict=True):
            name, position, top, left = where(small, reduced)
            expected = photographs[name][top * scale :, left * scale :]
            np.testing.assert_array_equal(position(large), expected[: 6 * scale, : 6 * scale])


def test_photographs_are_trained_on_at_every_reduction(tmp_path):
    """Each as often, whole photographs of it as `imresize` makes them; those held out are whole."""
    photographs = static(["pond.png", "wine.png"], 41, 41)
    folder = write_set(tmp_path, photographs)
    pairs = pairs_of(folder, "sr-x2", "wine", 10, reductions=(1, 0.75, 0.5))
    sizes = {part: imresize(photographs["pond.png"], part) for part in (0.75, 0.5)}
    assert [image.shape for image in sizes.values()] == [(31, 31, 3), (21, 21, 3)]
    known = {"whole": photographs["pond.png"]} | {str(part): x for part, x in sizes.items()}
    drawn = []
    for small, large in zip(*map(eight_bit, pairs.batch(0, 0, 90)), strict=True):
        name, position, top, left = where(large, known)
        drawn.append(name)
        sides = [side - side % 2 for side in known[name].shape[:2]]
        reduced = imresize(known[name][: sides[0], : sides[1]], 1 / 2)
        cut = reduced[top // 2 :, left // 2 :][:10, :10]
        np.testing.assert_array_equal(position(small), cut)
    assert all(drawn.count(name) >= 15 for name in known)  # 30 expected, 3.4 deviations
    ((_, clean, _),) = pairs.validation()
    np.testing.assert_array_equal(clean, photographs["wine.png"])


@pytest.mark.parametrize("task", ["denoise_gray-sigma15", "denoise_color-sigma50"])
def test_noise_is_gaussian_of_the_level_and_not_clipped(tmp_path, task):
    pairs = pairs_of(write_set(tmp_path, static(["a.png", "b.png"], 40, 40)), task, "", 32)
    degraded, clean = pairs.batch(0, 0, 16)
    noise = (degraded - clean).double().numpy()
    assert noise.std() * 255 == pytest.approx(int(task[-2:]), rel=0.03)
    # not clipped, not quantised, and new for every patch; the clean patch is 8-bit
    assert degraded.min() < 0 and degraded.max() > 1
    levels = degraded.double().numpy() * 255
    assert np.abs(levels - levels.round()).mean() > 0.2
    np.testing.assert_allclose(clean * 255, (clean * 255).round(), rtol=0, atol=1e-4)
    assert abs(np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1]) < 0.15


def test_clean_patches_are_cut_from_the_grey_photograph(tmp_path):
    """Anywhere, and in all eight positions."""
    photographs = static(["a.png", "b.png"], 23, 31)
    pairs = pairs_of(write_set(tmp_path, photographs), "denoise_gray-sigma25", "", 7)
    grey = {name: to_grey(image)[..., None] for name, image in photographs.items()}
    patches = eight_bit(pairs.batch(0, 0, 120)[1])
    _, positions, *corners = zip(*(where(p, grey) for p in patches), strict=True)
    assert min(positions.count(position) for position in SYMMETRIES) >= 4  # 15 expected each
    assert len(set(zip(*corners, strict=True))) > 80  # of 17 x 25


def test_blind_tasks_draw_every_level(tmp_path):
    pairs = pairs_of(write_set(tmp_path, static(["a.png"], 32, 32)), "denoise_gray-blind", "", 32)
    degraded, clean = pairs.batch(0, 0, 60)
    sigma = ((degraded - clean).flatten(1).std(1) * 255).tolist()
    near = [min((15, 25, 50), key=lambda level, s=s: abs(level - s)) for s in sigma]
    assert sigma == pytest.approx(near, rel=0.12)
    assert all(near.count(level) >= 10 for level in (15, 25, 50))


def flat(value, side=8):
    return np.full((side, side, 3), value, np.uint8)


def drawn_values(patches, number):
    return (patches.batch(0, 0, number)[1][:, 0, 0, 0] * 255).round().tolist()


def test_held_out_photographs_are_never_drawn(tmp_path):
    flats = {f"{'pond' if v % 3 else 'wine'}_{v:02}.png": flat(v) for v in range(12)}
    pairs = pairs_of(write_set(tmp_path, flats), "denoise_color-sigma15", "wine", 8)
    assert set(drawn_values(pairs, 300)) == {value for value in range(12) if value % 3}
    assert [p.clean.name for p in pairs.held_out] == [f"wine_{v:02}.png" for v in (0, 3, 6, 9)]


def test_validation_pairs_are_those_of_a_test_set(tmp_path):
    """Every level of every held-out photograph, with the noise that test sets get."""
    photographs = static(["wine_b.png", "pond.png", "wine_a.png"], 14, 12)
    folder = write_set(tmp_path, photographs)
    pairs = list(pairs_of(folder, "denoise_color-blind", "wine", 8).validation())
    assert [level for *_, level in pairs] == ["sigma15", "sigma25", "sigma50"] * 2
    names = ["wine_a.png"] * 3 + ["wine_b.png"] * 3
    for (degraded, clean, level), name in zip(pairs, names, strict=True):
        np.testing.assert_array_equal(clean, photographs[name])
        np.testing.assert_array_equal(degraded, awgn(photographs[name], int(level[5:]), 0))

    ((degraded, clean, level),) = pairs_of(folder, "sr-x2", "wine_a", 4).validation()
    assert level == "x2" and degraded.dtype == np.float32
    reduced = imresize(photographs["wine_a.png"], 1 / 2)
    np.testing.assert_allclose(degraded * 255, reduced, atol=1e-4)


@pytest.mark.parametrize(
    ("other", "task", "holdout", "patch", "message"),
    [
        ("big.png", "denoise_gray-sigma15", "vine", 8, "holdout 'vine'"),
        ("big.png", "denoise_gray-sigma15", "wine", 41, r"40x48 .* patch of 41"),
        ("big.png", "sr-x4", "wine", 11, "40x48 .*patch of 44; lower `patch`"),
        ("wine_1.png", "denoise_gray-sigma15", "wine", 8, "no photograph.*'wine'"),
    ],
)
def test_unfit_photographs_are_refused(tmp_path, other, task, holdout, patch, message):
    folder = write_set(tmp_path, textures(["wine.png", other]))
    with pytest.raises(InputError, match=message):
        pairs_of(folder, task, holdout, patch)
    pairs_of(folder, task, "", 10)  # 40 / 4: the largest that fits
    with pytest.raises(InputError, match=r"reduced to 0.24, of 10x12 .*training patch of"):
        pairs_of(folder, task, "", 11, reductions=(1, 0.24))


REGIONS = ["sr-x2", "sr-x3", "sr-x4", "jpeg_color-qf10", "jpeg_gray-qf40", "demosaick-rggb"]


@pytest.mark.parametrize("size", [(121, 131), (96, 144)])
@pytest.mark.parametrize("task", REGIONS)
def test_a_degraded_region_is_the_part_of_the_degraded_photograph(tmp_path, task, size):
    """Whole photographs degraded by the function of the test sets, patches cut from them."""
    folder = write_set(tmp_path, textures(["a.png"], *size, seed=3, frequency=2.5))
    pairs = pairs_of(folder, task, "", 13)
    assert pairs.task.degrades == "region"
    (value,) = pairs.task.levels.values()
    clean = pairs._clean(folder / "a.png", 1.0)
    whole = degradation(pairs.task.degradation)(clean, value, 0)
    bottom, right = (side - 13 for side in whole.shape[:2])
    corners = np.random.default_rng(0).integers(0, (bottom + 1, right + 1), (40, 2))
    for top, left in [(0, 0), (bottom, right), (0, right), (bottom, 0), *corners]:
        patch = pairs._degrade_region(clean, top, left, value)
        np.testing.assert_array_equal(patch, whole[top : top + 13, left : left + 13])


def test_photographs_of_several_sets_are_drawn(tmp_path):
    """Of both sets, also where they use one name, and in proportion to their sizes."""
    one = write_set(tmp_path / "one", {"a.png": flat(10)}), None
    other = write_set(tmp_path / "other", {f"{name}.png": flat(200, 9) for name in "abc"}), None
    patches = TrainingPatches([one, other], get_task("denoise_color-sigma15"), "", 8)
    drawn = drawn_values(patches, 400)
    assert set(drawn) == {10, 200}
    assert 65 < drawn.count(10) < 135  # a quarter, four standard deviations


@pytest.fixture
def real(tmp_path):
    """Two degraded photographs of each clean one: 3 or 5 is added to every pixel, modulo 256."""
    clean, pairs = static(["a.png", "wine.png"], 20, 24), product(("a", "wine"), (3, 5))
    shifted = {f"{name}_{x}.png": clean[f"{name}.png"] + np.uint8(x) for name, x in pairs}
    index = write_set(tmp_path / "degraded", shifted) / "index.json"
    entries = [e | {"clean": e["file"][:-6] + ".png"} for e in json.loads(index.read_text())]
    index.write_text(json.dumps(entries))
    return write_set(tmp_path / "clean", clean), index.parent


@pytest.mark.parametrize("task", ["deblur-motion", "weather-blind"])
def test_real_pairs_are_trained_on_as_they_are(real, task):
    """Every degraded file with its clean photograph; nothing is degraded here."""
    pairs = pairs_of(real[0], task, "wine", 8, degraded=real[1])
    degraded, clean = map(eight_bit, pairs.batch(0, 0, 60))
    offsets = (degraded - clean).reshape(60, -1)
    assert (offsets == offsets[:, :1]).all() and set(offsets[:, 0].tolist()) == {3, 5}

    validation = list(pairs.validation())
    assert [name for *_, name in validation] == [task.partition("-")[2]] * 2
    for (source, target, _), offset in zip(validation, (3, 5), strict=True):
        assert source.dtype == np.float32
        np.testing.assert_array_equal(target, np.asarray(Image.open(real[0] / "wine.png")))
        shifted = target + np.uint8(offset)
        np.testing.assert_array_equal((source * 255).round().astype(np.uint8), shifted)

    with pytest.raises(InputError, match="real pairs, which are not reduced"):
        pairs_of(real[0], task, "wine", 8, degraded=real[1], reductions=(1, 0.5))

    Image.fromarray(np.zeros((20, 24, 3), np.uint8)).save(real[1] / "a_5.png")
    with pytest.raises(InputError, match=r"a_5\.png changed since it was prepared"):
        pairs_of(real[0], task, "", 8, degraded=real[1])


def test_workers_prepare_the_same_batches(data):
    """In the order of the steps, and torch's own random state is left alone."""
    state, steps = torch.get_rng_state(), range(3, 7)
    pairs = pairs_of(data, "denoise_color-blind", "wine", 8)
    expected = [pairs.batch(5, step, 2) for step in steps]
    for workers in (0, 2):
        for batch, wanted in zip(pairs.batches(5, steps, 2, workers), expected, strict=True):
            assert all(map(torch.equal, batch, wanted))
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("reductions", [(1.0,), (1, 0.75, 0.5), (0.5,)])
def test_what_fits_into_memory_is_decoded_once_before_the_first_batch(data, reductions):
    """Six photographs, of which one is held out, which is never reduced."""
    pairs = pairs_of(data, "denoise_color-sigma15", "wine_0", 8, reductions=reductions)
    held = len(pairs.held_out)
    decoded = len(reductions) * (6 - held) + held
    assert pairs._clean.cache_info().currsize == decoded
    pairs.batch(0, 0, 60)
    assert len(list(pairs.validation())) == held > 0
    assert pairs._clean.cache_info().misses == decoded


def test_large_sets_are_not_held_in_memory(data, monkeypatch):
    """What is decoded stays below DECODED_BYTES, and the batches are the same."""
    large = pairs_of(data, "sr-x2", "wine", 8)
    assert large._clean.cache_info().currsize == 6
    monkeypatch.setattr("semanir.train.patches.DECODED_BYTES", 2 * 40 * 48 * 3)  # two of them
    small = pairs_of(data, "sr-x2", "wine", 8)
    assert small._clean.cache_info().currsize == 0
    for step in range(8):
        assert all(map(torch.equal, small.batch(0, step, 2), large.batch(0, step, 2)))
    assert small._clean.cache_info().currsize == 2
