"""Two models compared: intervals, exact tests, and what counts as a difference."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from reports.statistics import RESAMPLES, compare, judge_claim, spread

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


def test_differences_are_paired_by_image_and_seed():
    frame = scores([0.1, 0.2, 0.3])
    (found,) = compare(frame, "one", "other")
    wide = frame.pivot_table(index=["seed", "image"], columns="model", values="value")
    expected = wide["one"] - wide["other"]
    assert found.mean == pytest.approx(expected.mean())
    assert found.by_seed == pytest.approx(expected.groupby("seed").mean().to_dict())
    assert (found.images, found.task, found.dataset, found.level) == (10, "t", "set", "l")
    per_image = expected.groupby("image").mean()
    assert found.effect == pytest.approx(per_image.mean() / per_image.std())
    assert found.low < found.mean < found.high


def test_only_common_pairs_are_compared():
    """A seed or an image that one model lacks is left out; without any there is no comparison."""
    frame = scores([0.1, 0.1, 0.1])
    frame = frame[~((frame["model"] == "one") & (frame["seed"] == 2))]
    frame = frame[~((frame["model"] == "other") & (frame["image"] == "03"))]
    (found,) = compare(frame, "one", "other")
    assert (found.images, sorted(found.by_seed)) == (9, [0, 1])
    assert compare(frame, "one", "third") == []


def test_p_is_that_of_every_sign_flip():
    """Counted out by hand for eight differences: two-sided, over all 256 signs."""
    differences = np.array([0.3, -0.1, 0.25, 0.4, 0.05, 0.2, -0.02, 0.35])
    signs = np.array(list(itertools.product((1, -1), repeat=8)))
    means = (signs * differences).mean(1)
    exact = min(1, 2 * (means >= differences.mean() - 1e-12).mean())
    *_, p, _ = spread(differences)
    assert p == pytest.approx(exact)


def test_interval_is_scipys_bootstrap_and_covers():
    """95 % intervals of the mean of normal differences cover it about 95 % of the time."""
    source = np.random.default_rng(0)
    covered = 0
    for _ in range(60):
        low, high, *_ = spread(source.normal(0.1, 0.05, 20))
        covered += low < 0.1 < high
    assert 50 <= covered <= 60
    one = source.normal(0, 1, 12)
    low, high, *_ = spread(one)
    again = stats.bootstrap(
        (one,), np.mean, confidence_level=0.95, n_resamples=RESAMPLES, rng=np.random.default_rng(0)
    ).confidence_interval
    assert (low, high) == (again.low, again.high)


@pytest.mark.parametrize(
    ("differences", "seeds", "conclusion"),
    [
        ([0.1, 0.12, 0.15], (0, 1, 2), "better"),
        ([-0.1, -0.12, -0.15], (0, 1, 2), "worse"),
        ([0.1, 0.12, -0.03], (0, 1, 2), "inconclusive"),  # the seeds do not agree
        ([0.1, 0.12], (0, 1), "inconclusive"),  # too few seeds, whatever the images say
    ],
)
def test_conclusions(differences, seeds, conclusion):
    (found,) = compare(scores(differences, seeds), "one", "other")
    assert found.conclusion == conclusion


def test_a_difference_within_the_spread_of_the_images_is_inconclusive():
    (found,) = compare(scores([0.01, 0.01, 0.01], noise=0.5), "one", "other")
    assert found.low < 0 < found.high and found.p > 0.05
    assert found.conclusion == "inconclusive"


def test_equal_results_are_no_difference_for_certain():
    (found,) = compare(scores([0.0, 0.0, 0.0], noise=0), "one", "other")
    assert (found.low, found.mean, found.high) == (0, 0, 0) and found.conclusion == "equal"
    assert (found.p, found.effect) == (1, 0)


def test_rounding_is_no_difference():
    """Another back end moves every image by a millionth, all alike."""
    frame = scores([0.0, 0.0, 0.0], noise=1e-6)
    frame.loc[frame["model"] == "one", "value"] += 5e-6
    (found,) = compare(frame, "one", "other")
    assert found.low > 0 and set(np.sign(list(found.by_seed.values()))) == {1}
    assert found.conclusion == "equal"


@pytest.mark.parametrize(
    ("expect", "within", "differences", "answer"),
    [
        ("better", None, [0.1, 0.1, 0.1], "yes"),
        ("better", None, [-0.1, -0.1, -0.1], "no"),
        ("better", None, [0.1, -0.1, 0.1], "open"),
        ("worse", None, [-0.1, -0.1, -0.1], "yes"),
        ("as good", 0.05, [0.0, 0.001, 0.0], "yes"),
        ("as good", 0.05, [0.3, 0.3, -0.2], "open"),  # one training lost it
        ("as good", 0.05, [-0.2, -0.2, -0.2], "no"),
        ("as good", 0.05, [-0.045, -0.045, -0.045], "open"),
    ],
)
def test_claims_over_two_models(expect, within, differences, answer):
    form = {"ablation": "one", "against": "other", "expect": expect}
    form |= {} if within is None else {"within": within}
    found, detail = judge_claim(form, scores(differences))
    assert found == answer
    assert "10 images" in detail and "seeds" in detail


def test_sets_with_few_seeds_decide_nothing_beside_those_with_enough():
    form = {"ablation": "one", "against": "other", "expect": "better"}
    few = scores([-0.4], (0,)).assign(dataset="few")
    answer, detail = judge_claim(form, pd.concat([scores([0.1, 0.2, 0.3]), few]))
    assert answer == "yes" and "with fewer seeds -0.4" in detail and "on few l" in detail
    against = scores([-0.4, -0.3, -0.2]).assign(dataset="few")
    assert judge_claim(form, pd.concat([scores([0.1, 0.2, 0.3]), against]))[0] == "open"


def test_a_claim_without_results_is_open_for_want_of_them():
    form = {"ablation": "one", "against": "third", "expect": "better"}
    assert judge_claim(form, scores([0.1, 0.1, 0.1])) == ("", "one was not run beside third")
    assert judge_claim({**form, "against": "other"}, scores([0.1], (0,)))[0] == "open"
    of_task = {**form, "against": "other", "task": "t"}
    assert judge_claim(of_task, scores([0.1, 0.1, 0.1]))[0] == "yes"
    assert judge_claim({**of_task, "task": "u"}, scores([0.1, 0.1, 0.1]))[0] == ""
