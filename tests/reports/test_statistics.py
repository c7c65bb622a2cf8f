"""Two models compared over seeds and images: intervals and p values, by hand and by simulation."""

import itertools

import numpy as np
import pandas as pd
import pytest
import simulated
from scipy import stats

from reports.statistics import comparison
from reports.statistics.comparison import Crossed
from reports.statistics.conclusions import Family

IMAGES = [f"{n:02}" for n in range(10)]


def scores(differences, noise=0.02):
    """PSNR of `one` and `other` on ten images: images differ by decibels, models by little."""
    source = np.random.default_rng(5)
    rows = []
    for (seed, difference), image in itertools.product(enumerate(differences), IMAGES):
        level = 25 + 10 * source.random()
        one = level + difference + source.normal(0, noise)
        rows += [(seed, image, "other", level), (seed, image, "one", one)]
    frame = pd.DataFrame(rows, columns=["seed", "image", "model", "value"])
    return frame.assign(task="t", dataset="set", level="l", metric="psnr")


def compare(by_image, model="one", against="other"):
    return comparison.compare(comparison.by_model(by_image), model, against)


def test_differences_are_formed_by_image_and_seed():
    frame = scores([0.1, 0.2, 0.3])
    (one,) = compare(frame)
    wide = frame.pivot_table(index=["seed", "image"], columns="model", values="value")
    expected = wide["one"] - wide["other"]
    assert one.mean == pytest.approx(expected.mean())
    assert one.by_seed == pytest.approx(expected.groupby("seed").mean().to_dict())
    assert (one.images, one.task, one.dataset, one.level) == (10, "t", "set", "l")
    assert one.low < one.mean < one.high
    (other,) = compare(frame, "other", "one")
    turned = one.turned
    assert (turned.model, turned.against, turned.by_seed) == ("other", "one", other.by_seed)
    assert (turned.low, turned.high) == pytest.approx((other.low, other.high))


def test_only_seeds_and_images_that_both_have_are_compared():
    frame = scores([0.1, 0.2, 0.3], noise=0)
    frame = frame[~((frame["model"] == "one") & (frame["seed"] == 2))]
    frame = frame[~((frame["model"] == "other") & (frame["image"] == "03"))]
    lacking = (frame["seed"] == 1) & (frame["image"] == "05") & (frame["model"] == "one")
    (one,) = compare(frame[~lacking])
    assert (one.images, sorted(one.by_seed)) == (8, [0, 1])
    assert one.mean == pytest.approx(0.15)
    assert compare(frame, "one", "third") == []


TABLE = np.array([[0.31, 0.12, 0.25, 0.40], [0.05, -0.11, 0.02, 0.09], [0.22, 0.17, 0.10, 0.38]])


def test_the_interval_by_the_textbooks_sums_with_printed_quantiles():
    """Sums of squared totals less the correction; t(0.975) of 2, 3 and 6 degrees of freedom."""
    crossed = Crossed.of(TABLE)
    correction = TABLE.sum() ** 2 / 12
    seeds = (TABLE.sum(1) ** 2).sum() / 4 - correction
    images = (TABLE.sum(0) ** 2).sum() / 3 - correction
    rest = (TABLE**2).sum() - correction - seeds - images
    squares = (seeds / 2, images / 3, rest / 6)
    assert (crossed.of_seeds, crossed.of_images, crossed.rest) == pytest.approx(squares)
    assert crossed.mean == pytest.approx(TABLE.mean())
    t = (4.302653, 3.182446, 2.446912)
    widths = [square * quantile**2 for square, quantile in zip(squares, t, strict=True)]
    half = ((widths[0] + widths[1] - widths[2]) / 12) ** 0.5
    assert crossed.half_width() == pytest.approx(half, rel=1e-6)


@pytest.mark.parametrize("axis", [0, 1])
def test_where_one_factor_alone_varies_it_is_students_test(axis):
    """All images alike: t over seeds; all seeds alike: t over images."""
    values = np.array([0.31, 0.05, 0.22, 0.27])
    shape = (4, 6) if axis == 0 else (6, 4)
    crossed = Crossed.of(np.broadcast_to(values[:, None] if axis == 0 else values, shape))
    expected = stats.ttest_1samp(values, 0)
    interval = expected.confidence_interval(0.95)
    assert crossed.mean + crossed.half_width() == pytest.approx(interval.high)
    assert crossed.p_differs() == pytest.approx(expected.pvalue, rel=1e-6)
    shifted = stats.ttest_1samp(values, 0.4, alternative="less")  # the nearer of the two margins
    assert crossed.p_equal(0.4) == pytest.approx(shifted.pvalue, rel=1e-6)
    above = stats.ttest_1samp(values, -0.1, alternative="greater")
    assert crossed.p_not_worse(0.1) == pytest.approx(above.pvalue, rel=1e-6)
    assert crossed.p_not_better(0.4) == pytest.approx(shifted.pvalue, rel=1e-6)


def test_p_is_where_the_interval_ends():
    crossed = Crossed.of(TABLE)
    assert crossed.half_width(crossed.p_differs()) == pytest.approx(crossed.mean)
    assert crossed.half_width(crossed.p_differs(0.1)) == pytest.approx(crossed.mean - 0.1)
    assert crossed.half_width(2 * crossed.p_equal(0.5)) == pytest.approx(0.5 - crossed.mean)
    assert crossed.p_differs(0.2) == crossed.p_equal(0.1) == 1  # the mean is 0.167
    both = Crossed.of(np.stack([TABLE, 2 * TABLE]))  # many tables at once
    assert both.p_differs()[0] == pytest.approx(crossed.p_differs())
    assert both.half_width() == pytest.approx(np.array([1, 2]) * crossed.half_width())


@pytest.mark.parametrize("shape", [(3, 1), (1, 12), (1, 1), (2, 2)])
def test_one_image_or_one_seed_is_no_conclusion(shape):
    crossed = Crossed.of(np.linspace(0.3, 0.4, shape[0] * shape[1]).reshape(shape))
    assert bool(crossed.known) is (shape == (2, 2))
    if shape != (2, 2):
        assert crossed.half_width() == np.inf
        assert crossed.p_differs() == crossed.p_equal(1) == 1


def test_images_restored_perfectly():
    """Both without error: no difference. One of them: none that numbers could tell."""
    frame = scores([0.0, 0.0, 0.0], noise=0)
    perfect = frame["image"] == "03"
    frame.loc[perfect, "value"] = np.inf
    (one,) = compare(frame)
    assert (one.low, one.mean, one.high) == (0, 0, 0)
    assert one.crossed.p_differs() == 1 and one.crossed.p_equal(0.001) < 1e-12
    frame.loc[perfect & (frame["model"] == "other"), "value"] = 60.0
    (one,) = compare(frame)
    assert not one.known and one.mean == np.inf
    assert Family([one]).conclude(one).name == "inconclusive"


def test_intervals_cover_as_stated():
    """95 % within four standard errors at least; 97 % at most from five seeds and twelve images."""
    rng, draws = np.random.default_rng(0), 20_000
    for seeds, images in itertools.product(simulated.SEEDS, simulated.IMAGES):
        most = 0.97 if seeds >= 5 and images >= 12 else 0.99
        least = 0.95 - 4 * (0.05 * 0.95 / draws) ** 0.5
        for design in simulated.designs(seeds, images):
            assert least < simulated.coverage(design, rng, draws=draws) < most + 0.003, design


def test_the_tables_of_the_docs_are_what_the_simulation_says():
    text = simulated.DOCS.read_text(encoding="utf-8")
    for title, table in simulated.tables().items():
        assert table in text, f"{title}: python tests/cases/simulated.py prints what belongs here"
