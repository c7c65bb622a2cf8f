"""Two models compared over seeds and images: intervals and p values, by hand and by simulation."""

import itertools

import numpy as np
import pandas as pd
import pytest
import simulated
from reports.claims.conclusions import Family
from scipy import stats
from simulated import Design

from reports.statistics import Crossed, compare

IMAGES = [f"{n:02}" for n in range(10)]


def scores(differences, seeds=(0, 1, 2), noise=0.02):
    """PSNR of `one` and `other` on ten images: images differ by decibels, models by little."""
    source = np.random.default_rng(5)
    rows = []
    for seed, difference in zip(seeds, differences, strict=True):
        for image in IMAGES:
            level = 25 + 10 * source.random()
            extra = source.normal(0, noise)
            for model, value in (("other", level), ("one", level + difference + extra)):
                rows.append(
                    {"task": "t", "dataset": "set", "level": "l", "seed": seed, "image": image}
                    | {"model": model, "metric": "psnr", "value": value}
                )
    return pd.DataFrame(rows)


def conclusion(frame):
    found = compare(frame, "one", "other")
    return Family(found).conclude(found[0]).name


# --- pairs -----------------------------------------------------------------------------------


def test_differences_are_paired_by_image_and_seed():
    frame = scores([0.1, 0.2, 0.3])
    (found,) = compare(frame, "one", "other")
    wide = frame.pivot_table(index=["seed", "image"], columns="model", values="value")
    expected = wide["one"] - wide["other"]
    assert found.mean == pytest.approx(expected.mean())
    assert found.by_seed == pytest.approx(expected.groupby("seed").mean().to_dict())
    assert (found.images, found.task, found.dataset, found.level) == (10, "t", "set", "l")
    assert found.low < found.mean < found.high


def test_only_common_pairs_are_compared():
    """A seed or an image that one model lacks is left out; without any there is no comparison."""
    frame = scores([0.1, 0.1, 0.1])
    frame = frame[~((frame["model"] == "one") & (frame["seed"] == 2))]
    frame = frame[~((frame["model"] == "other") & (frame["image"] == "03"))]
    (found,) = compare(frame, "one", "other")
    assert (found.images, sorted(found.by_seed)) == (9, [0, 1])
    assert compare(frame, "one", "third") == []


def test_an_image_that_one_seed_lacks_is_left_out_of_all():
    frame = scores([0.1, 0.2, 0.3], noise=0)
    lacking = (frame["seed"] == 1) & (frame["image"] == "03") & (frame["model"] == "one")
    (found,) = compare(frame[~lacking], "one", "other")
    assert found.images == 9 and found.mean == pytest.approx(0.2)


def test_either_way_round():
    (found,) = compare(scores([0.1, 0.2, 0.3]), "one", "other")
    (other,) = compare(scores([0.1, 0.2, 0.3]), "other", "one")
    turned = found.turned
    assert (turned.model, turned.against, turned.by_seed) == ("other", "one", other.by_seed)
    assert (turned.low, turned.high) == pytest.approx((other.low, other.high))
    assert (turned.low, turned.high) == (-found.high, -found.low)


def test_differences_of_differences():
    """What a change costs one model, against what it costs another."""
    changes = {"a": 0.0, "a-less": -0.5, "b": 1.0, "b-less": 0.9}
    frame = scores([0.0, 0.0, 0.0], noise=0)
    base = frame[frame["model"] == "one"]
    frame = pd.concat(
        base.assign(model=name, value=base["value"] + gain) for name, gain in changes.items()
    )
    (found,) = compare(frame, "b-less - b", "a-less - a")
    assert found.mean == pytest.approx(0.4)
    assert (found.model, found.against) == ("b-less - b", "a-less - a")


# --- interval and p, by hand -----------------------------------------------------------------

TABLE = np.array([[0.31, 0.12, 0.25, 0.40], [0.05, -0.11, 0.02, 0.09], [0.22, 0.17, 0.10, 0.38]])


def test_mean_squares_by_the_textbooks_sums():
    """Sums of squared totals less the correction for the mean."""
    found = Crossed.of(TABLE)
    correction = TABLE.sum() ** 2 / 12
    seeds = (TABLE.sum(1) ** 2).sum() / 4 - correction
    images = (TABLE.sum(0) ** 2).sum() / 3 - correction
    rest = (TABLE**2).sum() - correction - seeds - images
    assert (found.of_seeds, found.of_images, found.rest) == pytest.approx(
        (seeds / 2, images / 3, rest / 6)
    )
    assert found.mean == pytest.approx(TABLE.mean())


def test_the_interval_with_printed_quantiles():
    """t(0.975) of 2, 3 and 6 degrees of freedom as tables print them."""
    found = Crossed.of(TABLE)
    squares = [
        found.of_seeds * 4.302653**2,
        found.of_images * 3.182446**2,
        found.rest * 2.446912**2,
    ]
    half = ((squares[0] + squares[1] - squares[2]) / 12) ** 0.5
    assert found.half_width() == pytest.approx(half, rel=1e-6)


@pytest.mark.parametrize("axis", [0, 1])
def test_where_one_factor_alone_varies_it_is_students_test(axis):
    """All images alike: t over seeds; all seeds alike: t over images."""
    values = np.array([0.31, 0.05, 0.22, 0.27])
    shape = (4, 6) if axis == 0 else (6, 4)
    found = Crossed.of(np.broadcast_to(values[:, None] if axis == 0 else values, shape))
    expected = stats.ttest_1samp(values, 0)
    interval = expected.confidence_interval(0.95)
    assert found.mean + found.half_width() == pytest.approx(interval.high)
    assert found.p_differs() == pytest.approx(expected.pvalue, rel=1e-6)
    shifted = stats.ttest_1samp(values, 0.4, alternative="less")  # the nearer of the two margins
    assert found.p_equal(0.4) == pytest.approx(shifted.pvalue, rel=1e-6)


def test_p_is_where_the_interval_ends():
    found = Crossed.of(TABLE)
    assert found.half_width(found.p_differs()) == pytest.approx(found.mean)
    assert found.half_width(found.p_differs(0.1)) == pytest.approx(found.mean - 0.1)
    assert found.half_width(2 * found.p_equal(0.5)) == pytest.approx(0.5 - found.mean)
    assert found.p_differs(0.2) == found.p_equal(0.1) == 1  # the mean is 0.167


def test_many_tables_at_once_are_as_each_alone():
    tables = np.random.default_rng(0).normal(0.1, 0.1, (7, 3, 5))
    together = Crossed.of(tables)
    for number, table in enumerate(tables):
        alone = Crossed.of(table)
        assert together.half_width()[number] == pytest.approx(alone.half_width())
        assert together.p_differs()[number] == pytest.approx(alone.p_differs())


@pytest.mark.parametrize(
    ("differences", "known"),
    [
        (np.full((3, 1), 0.3), False),  # one image
        (np.linspace(0.3, 0.4, 12).reshape(1, 12), False),  # one seed
        (np.full((1, 1), 0.3), False),
        (np.full((2, 2), 0.3), True),
    ],
)
def test_one_image_or_one_seed_is_no_conclusion(differences, known):
    found = Crossed.of(differences)
    assert bool(found.known) is known
    if not known:
        assert found.half_width() == np.inf
        assert found.p_differs() == found.p_equal(1) == 1


def test_equal_results_are_no_difference_for_certain():
    (found,) = compare(scores([0.0, 0.0, 0.0], noise=0), "one", "other")
    assert (found.low, found.mean, found.high) == (0, 0, 0)
    assert found.crossed.p_differs() == 1 and found.crossed.p_equal(0.001) < 1e-12


def test_images_restored_perfectly():
    """Both without error: no difference. One of them: none that numbers could tell."""
    frame = scores([0.0, 0.0, 0.0], noise=0)
    perfect = frame["image"] == "03"
    frame.loc[perfect, "value"] = np.inf
    (found,) = compare(frame, "one", "other")
    assert (found.low, found.high) == (0, 0)
    frame.loc[perfect & (frame["model"] == "other"), "value"] = 60.0
    (found,) = compare(frame, "one", "other")
    assert not found.known and found.mean == np.inf and conclusion(frame) == "inconclusive"


# --- by simulation ---------------------------------------------------------------------------


def test_simulated_mean_squares_are_those_of_simulated_tables():
    """The mean squares that simulated.py draws, against tables of seeds, images and rest."""
    design, rng = Design(3, 12, 0.1, 0.2, 0.05), np.random.default_rng(0)
    drawn, made = design.draw(rng, 20_000), Crossed.of(design.tables(rng, 20_000))
    for name in ("of_seeds", "of_images", "rest"):
        one, other = getattr(drawn, name), getattr(made, name)
        assert stats.ks_2samp(one, other).pvalue > 0.001
    assert stats.ks_2samp(drawn.mean, made.mean).pvalue > 0.001


@pytest.mark.parametrize("seeds", simulated.SEEDS)
def test_without_a_difference_one_in_twenty_says_better_or_worse(seeds):
    """Whatever the spread of seeds, images and rest; four standard errors of 20,000 draws."""
    rng = np.random.default_rng(seeds)
    for images in simulated.IMAGES:
        for design in simulated.designs(seeds, images):
            covered = simulated.coverage(design, rng, draws=20_000)
            assert 1 - covered < 0.05 + 4 * (0.05 * 0.95 / 20_000) ** 0.5, design


def test_one_seed_is_inconclusive_whatever_its_images_say():
    rng = np.random.default_rng(0)
    found = Crossed.of(Design(1, 100, 0.4, 0.1, 0.02).tables(rng, 1000, mean=1.0))
    assert (found.p_differs() == 1).all() and (found.p_equal(5) == 1).all()


def test_intervals_cover_as_stated():
    """93 to 97 % from five seeds and twelve images on, 99 % at most with fewer."""
    rng = np.random.default_rng(0)
    for seeds, images in itertools.product(simulated.SEEDS, simulated.IMAGES):
        most = 0.97 if seeds >= 5 and images >= 12 else 0.99
        for design in simulated.designs(seeds, images):
            assert 0.93 < simulated.coverage(design, rng, draws=10_000) < most + 0.003, design


def test_equality_is_false_in_one_of_twenty_at_the_margin():
    rng = np.random.default_rng(0)
    for seeds in simulated.SEEDS:
        for seed_sd in (0.005, 0.02, 0.1):
            design = Design(seeds, 12, seed_sd, 0.02, 0.02)
            assert simulated.equal(design, rng, 0.05, 0.05) < 0.055
            assert simulated.equal(design, rng, -0.08, 0.05) < 0.05


def test_a_real_difference_is_found():
    """0.2 dB by three seeds of SD 0.02 dB almost always, by three of 0.4 hardly ever."""
    rng = np.random.default_rng(0)
    assert simulated.power(Design(3, 12, 0.02, 0.1, 0.1), rng, 0.2, 0.05) > 0.9
    assert simulated.power(Design(3, 12, 0.4, 0.1, 0.1), rng, 0.2, 0.05) < 0.2
    assert simulated.power(Design(8, 12, 0.1, 0.1, 0.1), rng, 0.2, 0.05) > 0.9


def test_seeds_are_no_certainty_whatever_the_images_agree_on():
    """Three trainings of SD 0.4 dB, no effect: one in twenty is better or worse, not one in four.

    Through the frame of results, as pages have it.
    """
    rng = np.random.default_rng(4)
    drawn = [scores(rng.normal(0, 0.4, 3), noise=0.1).assign(task=f"{n}") for n in range(100)]
    found = compare(pd.concat(drawn), "one", "other")
    names = [Family([one]).conclude(one).name for one in found]
    assert len(names) == 100 and names.count("inconclusive") >= 90


def test_the_tables_of_the_docs_are_what_the_simulation_says():
    text = simulated.DOCS.read_text(encoding="utf-8")
    for title, table in simulated.tables().items():
        assert table in text, f"{title}: python tests/cases/simulated.py prints what belongs here"
