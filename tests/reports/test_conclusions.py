"""What is concluded of comparisons that are judged together, and of claims over them."""

import numpy as np
import pytest
from reports.claims.conclusions import MARGIN, Family, compare_all, judge_claim
from scipy import stats
from simulated import Design

from reports.claims.claims import claims
from reports.collect import read_results
from reports.gate.accepted import ACCEPTED
from reports.statistics import Comparison, Crossed


def compared(differences, model="one", against="other", task="t", dataset="set"):
    """A comparison from differences [S,I], or of ten images that each training moves alike."""
    table = np.asarray(differences, np.float64)
    if table.ndim == 1:
        table = table[:, None] + 0.001 * np.cos(np.arange(10))
    by_seed = dict(enumerate(table.mean(1)))
    return Comparison(task, dataset, "l", model, against, by_seed, Crossed.of(table))


def alone(differences, margin=MARGIN):
    one = compared(differences)
    return Family([one]).conclude(one, margin)


@pytest.mark.parametrize(
    ("differences", "name"),
    [
        ([0.10, 0.12, 0.15], "better"),
        ([-0.10, -0.12, -0.15], "worse"),
        ([0.10, 0.12, -0.03], "inconclusive"),
        ([0.10, 0.15], "inconclusive"),  # t over two seeds is 5, of 12.7 that one degree asks for
        ([0.100, 0.101], "better"),  # few seeds, but their interval says so
        ([0.3], "inconclusive"),
        ([0.061, 0.600, 0.016], "inconclusive"),  # all above zero: p = 0.35
        ([0.004, -0.002, 0.001], "equal within 0.05 dB"),
        ([0.020, 0.021, 0.022], "equal within 0.05 dB"),  # certain, and too small to count
        ([0.045, 0.055, 0.045], "better"),
        ([0.04, 0.00, -0.04], "inconclusive"),  # the mean is zero, another training's may not be
    ],
)
def test_conclusions(differences, name):
    assert str(alone(differences)) == name


def test_the_margin_is_said():
    assert str(alone([0.004, -0.002, 0.001], 0.02)) == "equal within 0.02 dB"
    assert str(alone([0.004, -0.002, 0.001], 0.001)) == "inconclusive"


def test_one_image_is_no_conclusion():
    for table in ([[0.3], [0.3], [0.3]], [[0.3]], [[0.0], [0.0]]):
        assert alone(table).name == "inconclusive"


# --- together --------------------------------------------------------------------------------


def test_p_values_are_adjusted_for_all_that_have_an_interval():
    """Benjamini and Hochberg by hand: p times the number over the rank, from the largest down."""
    means = [0.30, 0.16, 0.10, 0.02, -0.25]
    found = [
        compared(mean + np.array([0.05, -0.05, 0.02, -0.02]), task=f"{number}")
        for number, mean in enumerate(means)
    ]
    single = compared([0.9], task="one seed")
    family = Family([*found, single])
    p = np.array([float(one.crossed.p_differs()) for one in found])
    order = np.argsort(p)
    adjusted = p[order] * 5 / np.arange(1, 6)
    by_hand = np.empty(5)
    by_hand[order] = np.minimum.accumulate(adjusted[::-1])[::-1]
    assert [family.conclude(one).differs for one in found] == pytest.approx(list(by_hand))
    assert family.conclude(single).differs == family.conclude(single).equal == 1


def test_what_is_certain_alone_need_not_be_among_many():
    rng = np.random.default_rng(0)
    one = compared([0.157, 0.250, 0.184])
    assert Family([one]).conclude(one).name == "better"
    others = [compared(rng.normal(0, 0.1, 3), task=f"{number}") for number in range(30)]
    assert Family([one, *others]).conclude(one).name == "inconclusive"


def test_a_comparison_may_be_turned():
    one = compared([0.10, 0.12, 0.15])
    family = Family([one])
    (found,) = family.find("other", "one")
    assert (found.mean, family.conclude(found).name) == (-one.mean, "worse")
    assert family.find("one", "other") == [one] and family.find("one", "third") == []


def test_of_the_conclusions_of_a_page_one_in_twenty_is_false():
    """Pages of 20 comparisons against one network: the trainings of that one move all of them.

    Half of them, or none, are of networks that differ by 0.5 dB; equal at 0.05 dB is tested beside.
    """
    rng = np.random.default_rng(0)
    pages, count, design = 1000, 20, Design(3, 12, 0.1, 0.1, 0.1)
    base = design.tables(rng, pages)
    for real in (0, 10):
        gains = np.where(np.arange(count) < real, 0.5, 0.0)
        tables = np.stack([design.tables(rng, pages, gain) - base for gain in gains], axis=1)
        found = Crossed.of(tables)
        differs = stats.false_discovery_control(found.p_differs(), axis=1) <= 0.05
        equal = stats.false_discovery_control(found.p_equal(MARGIN), axis=1) <= 0.05
        concluded = differs | equal
        false = np.where(gains == 0, differs & ~equal, equal)
        share = false.sum(1) / np.maximum(concluded.sum(1), 1)
        assert share.mean() < 0.05 + 3 * share.std() / pages**0.5


# --- claims ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expect", "within", "differences", "answer"),
    [
        ("better", None, [0.10, 0.12, 0.11], "yes"),
        ("better", None, [-0.10, -0.12, -0.11], "no"),
        ("better", None, [0.001, 0.000, -0.001], "no"),  # equal
        ("better", None, [0.1, -0.1, 0.1], "open"),
        ("worse", None, [-0.10, -0.12, -0.11], "yes"),
        ("worse", None, [0.10, 0.12, 0.11], "no"),
        ("as good", 0.05, [0.000, 0.001, 0.000], "yes"),
        ("as good", 0.05, [0.30, 0.32, 0.31], "yes"),
        ("as good", 0.05, [0.3, 0.3, -0.2], "open"),  # one training lost it
        ("as good", 0.05, [-0.20, -0.21, -0.20], "no"),
        ("as good", 0.05, [-0.060, -0.040, -0.050], "open"),
        ("as good", 0.05, [-0.046, -0.044, -0.045], "yes"),  # lower, by less than counts
        ("as good", 0.01, [-0.046, -0.044, -0.045], "no"),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_claims_over_two_models(expect, within, differences, answer, turned):
    form = {"ablation": "one", "against": "other", "expect": expect}
    form |= {} if within is None else {"within": within}
    one = compared(differences)
    found, detail = judge_claim(form, Family([one.turned if turned else one]))
    assert found == answer
    assert "10 images" in detail and "seeds" in detail and "adjusted p" in detail


def test_sets_without_an_interval_decide_nothing_beside_those_with_one():
    form = {"ablation": "one", "against": "other", "expect": "better"}
    few = compared([-0.4], dataset="few")
    answer, detail = judge_claim(form, Family([compared([0.10, 0.12, 0.11]), few]))
    assert answer == "yes" and "without an interval -0.4" in detail and "on few l" in detail
    against = compared([-0.40, -0.42, -0.41], dataset="few")
    assert judge_claim(form, Family([compared([0.10, 0.12, 0.11]), against]))[0] == "open"
    assert judge_claim(form, Family([few]))[0] == "open"


def test_a_claim_is_of_the_tasks_and_sets_that_it_names():
    places = [compared([0.10, 0.12, 0.11]), compared([-0.40, -0.42, -0.41], task="u", dataset="x")]
    form = {"ablation": "one", "against": "other", "expect": "better"}
    for field, value, answer in (
        ("task", "t", "yes"),
        ("task", ["u"], "no"),
        ("task", ["t", "u"], "open"),
        ("dataset", "x", "no"),
        ("task", "v", ""),
    ):
        assert judge_claim({**form, field: value}, Family(places))[0] == answer
    assert judge_claim({**form, "against": "third"}, Family(places)) == (
        "",
        "one was not run beside third",
    )


# --- committed results -----------------------------------------------------------------------


@pytest.mark.slow
def test_the_documents_say_what_the_committed_results_conclude():
    """On ablations: how many, which are equal, and the numbers of the rest."""
    (path,) = ACCEPTED.glob("mini-*.csv.gz")
    family = compare_all(read_results(path), claims())
    known = [one for one in family.comparisons if one.known]
    concluded = {
        (one.task, one.model, one.against): family.conclude(one).name
        for one in known
        if one.dataset in ("set12", "mcmaster")
    }
    assert len(concluded) == len(known)
    equal = {key for key, name in concluded.items() if name == "equal"}
    grey = "denoise_gray-sigma25"
    others = ("at-k16", "at-k24", "window8", "with-mask", "with-gather", "with-fused")
    assert equal == {
        *((grey, f"semanir-u-{name}", "semanir-u") for name in others),
        ("denoise_color-sigma25", "semanir-u-window8", "semanir-u"),
        (grey, "semanir-u-with-gather", "semanir-u-with-mask"),
    }
    assert set(concluded.values()) == {"equal", "inconclusive"}
    root = ACCEPTED.parent.parent
    text = " ".join((root / "docs" / "results.md").read_text(encoding="utf-8").split())
    assert (
        f"Of {len(known)} comparisons eight are *equal within 0.05 dB*" in text and len(equal) == 8
    )
    short = " ".join((root / "README.md").read_text(encoding="utf-8").split())
    assert f"**{len(equal)} of {len(known)}** ablations" in short
    assert f"and {len(known) - len(equal)} are inconclusive" in short
    for model, against in (
        ("semanir-u-fixed", "semanir-u-fixed-at-k8"),
        ("semanir-u", "semanir-u-at-k8"),
        ("semanir-u-at-k8", "semanir-u-fixed-at-k8"),
    ):
        (one,) = [one for one in family.find(model, against) if one.known]
        assert f"{one.mean:.2f} dB" in text and f"({one.low:.2f} to {one.high:.2f})" in text
    (one,) = [one for one in family.find("semanir-u", "semanir-u-at-k8") if one.known]
    assert f"(adjusted p {family.conclude(one).differs:.2f})" in text
