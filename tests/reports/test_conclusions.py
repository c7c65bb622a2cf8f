"""What is concluded of comparisons that are judged together, and of claims over them."""

from collections import Counter

import numpy as np
import pytest
from checkout import REPOSITORY

from reports.claims.claims import read_claims
from reports.claims.two_models import judge_two_models
from reports.collect import ACCEPTED, read_results
from reports.evidence import Evidence
from reports.statistics.comparison import Comparison, Crossed
from reports.statistics.conclusions import MARGIN, Family, compare_all


def compared(differences, model="one", against="other", task="t", dataset="set"):
    """A comparison from differences [S,I], or of ten images that each training moves alike."""
    table = np.asarray(differences, np.float64)
    if table.ndim == 1:
        table = table[:, None] + 0.001 * np.cos(np.arange(10))
    by_seed = dict(enumerate(table.mean(1)))
    return Comparison(task, dataset, "l", model, against, by_seed, Crossed.of(table), "paper")


def alone(differences, margin=MARGIN):
    one = compared(differences)
    return Family([one]).conclude(one, margin)


CONCLUSIONS = {
    # few seeds, but their interval says so; almost too small
    "better": [[0.10, 0.12, 0.15], [0.100, 0.101], [0.045, 0.055, 0.045]],
    "worse": [[-0.10, -0.12, -0.15]],
    "inconclusive": [
        *([0.10, 0.12, -0.03], [0.3]),
        [0.10, 0.15],  # t over two seeds is 5, of 12.7 that one degree asks for
        *([[0.3], [0.3], [0.3]], [[0.0], [0.0]]),  # one image
        [0.061, 0.600, 0.016],  # all above zero: p = 0.35
        [0.04, 0.00, -0.04],  # the mean is zero, another training's may not be
    ],
    # the second is certain, and too small to count
    "equal within 0.05 dB": [[0.004, -0.002, 0.001], [0.020, 0.021, 0.022]],
}


@pytest.mark.parametrize(
    ("name", "differences"), [(name, some) for name, each in CONCLUSIONS.items() for some in each]
)
def test_conclusions(differences, name):
    assert str(alone(differences)) == name
    if name.startswith("equal within"):
        assert str(alone(differences, 0.03)) == "equal within 0.03 dB"
        assert str(alone(differences, 0.001)) != "equal within 0.001 dB"


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
    assert Family([found[1]]).conclude(found[1]).name == family.conclude(found[1]).name == "better"


DIFFERENCES = {"a": [0.30, 0.20, 0.25], "b": [0.10, 0.04, 0.05], "c": [0.01, -0.01, 0.015]}


@pytest.mark.parametrize(
    ("more", "text"),
    [
        (np.zeros((3, 10)), "equal (identical)"),
        (1e-5 * np.cos(np.arange(30.0)).reshape(3, 10), "equal (identical)"),  # a back end
        (DIFFERENCES["b"], "inconclusive"),
        (DIFFERENCES["c"], "equal within 0.05 dB"),
    ],
)
def test_a_network_under_a_second_name_changes_no_other_conclusion(more, text):
    """Its p values are those of the first name, or of the base with itself: of no family."""
    ours = [compared(some, model=name) for name, some in DIFFERENCES.items()]
    again = compared(more, model="again")
    alone, together = Family(ours), Family([again, *ours, compared(more, model="and again")])
    for one in ours:
        assert together.conclude(one) == alone.conclude(one)
        assert together.p_as_good(one, 0.05) == alone.p_as_good(one, 0.05)
    assert str(together.conclude(again)) == text
    assert len(together.tested) == len(alone.tested) == 3
    if "identical" in text:
        assert together.conclude(again).equal == again.crossed.p_equal(MARGIN) < 1e-4
        detail = judge_two_models(BETTER | {"ablation": "again"}, together)[1]
        assert "equal (identical), p " in detail


def test_one_seed_is_inconclusive_even_of_a_network_with_itself():
    assert alone(np.zeros((1, 10))) == alone(np.full((1, 10), 0.3))
    other = compared(DIFFERENCES["b"], dataset="another set")
    assert len(Family([compared(DIFFERENCES["b"]), other]).tested) == 2


@pytest.mark.parametrize(
    ("expect", "within", "differences", "answer"),
    [
        ("better", None, [0.10, 0.12, 0.11], "holds"),
        ("better", None, [-0.10, -0.12, -0.11], "does not hold"),
        ("better", None, [0.001, 0.000, -0.001], "does not hold"),  # equal
        ("better", None, [0.1, -0.1, 0.1], "inconclusive"),
        ("worse", None, [-0.10, -0.12, -0.11], "holds"),
        ("worse", None, [0.10, 0.12, 0.11], "does not hold"),
        ("as good", 0.05, [0.000, 0.001, 0.000], "holds"),
        ("as good", 0.05, [0.30, 0.32, 0.31], "holds"),
        ("as good", 0.05, [0.3, 0.3, -0.2], "inconclusive"),  # one training lost it
        ("as good", 0.05, [-0.20, -0.21, -0.20], "does not hold"),
        ("as good", 0.05, [-0.060, -0.040, -0.050], "inconclusive"),
        ("as good", 0.05, [-0.046, -0.044, -0.045], "holds"),  # lower, by less than counts
        ("as good", 0.05, [0.00, 0.09, 0.045], "holds"),  # perhaps better, certainly not worse
        ("as good", 0.01, [-0.046, -0.044, -0.045], "does not hold"),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_claims_over_two_models(expect, within, differences, answer, turned):
    form = {"ablation": "one", "against": "other", "expect": expect}
    form |= {} if within is None else {"within": within}
    one = compared(differences)
    verdict, detail = judge_two_models(form, Family([one.turned if turned else one]))
    assert verdict.name == answer
    assert "10 images" in detail and "seeds" in detail and "adjusted p" in detail


@pytest.mark.parametrize(
    ("differences", "found"),
    [
        ([0.00, 0.09, 0.045], "certainly not worse by 0.05 dB, adjusted p 0.034"),
        ([-0.20, -0.21, -0.20], "certainly worse by 0.05 dB, adjusted p 0.00047"),
        ([0.3, 0.3, -0.2], "perhaps worse by 0.05 dB, adjusted p 0.19"),
    ],
)
def test_a_claim_of_as_good_shows_the_p_that_decides_it(differences, found):
    """One-sided t tests over the seeds against -0.05, of a worse mean two-sided."""
    form = {"ablation": "one", "against": "other", "expect": "as good"}
    one = compared(differences)
    for each in (one, one.turned):
        assert judge_two_models(form, Family([each]))[1].endswith(found)
    assert "worse by" not in judge_two_models(form | {"expect": "better"}, Family([one]))[1]
    assert "worse by" not in judge_two_models(form, Family([compared([0.1])]))[1]


BETTER = {"ablation": "one", "against": "other", "expect": "better"}
GAIN, LOSS = [0.10, 0.12, 0.11], [-0.40, -0.42, -0.41]


@pytest.mark.parametrize(
    ("places", "form", "verdict"),
    [
        # a set without an interval decides nothing beside one that has it
        ([GAIN, [-0.4]], {}, "holds"),
        ([GAIN, LOSS], {}, "inconclusive"),
        ([[-0.4]], {}, "inconclusive"),
        # a claim is of the tasks and sets that it names
        ([GAIN, LOSS], {"task": "t0"}, "holds"),
        ([GAIN, LOSS], {"task": ["t1"]}, "does not hold"),
        ([GAIN, LOSS], {"task": ["t0", "t1"]}, "inconclusive"),
        ([GAIN, LOSS], {"dataset": "set1"}, "does not hold"),
        ([GAIN, LOSS], {"task": "v"}, "not measured"),
        ([GAIN, LOSS], {"against": "third"}, "not measured"),
    ],
)
def test_claims_over_several_sets(places, form, verdict):
    named = [compared(some, task=f"t{n}", dataset=f"set{n}") for n, some in enumerate(places)]
    family = Family(named)
    judged, detail = judge_two_models(BETTER | form, family)
    assert judged.name == verdict
    if places == [GAIN, [-0.4]]:
        assert "without an interval -0.4" in detail and "on set1 l" in detail
    if "against" in form:
        assert detail == "one was not run beside third"


@pytest.mark.slow
def test_the_documents_say_what_the_accepted_results_conclude():
    (path,) = ACCEPTED.glob("mini-*.csv.gz")
    claims = read_claims()
    family = compare_all([Evidence("mini", read_results(path))], claims)
    known = [one for one in family.comparisons if one.known]
    concluded = Counter(family.conclude(one).name for one in known)
    text, short = (
        " ".join((REPOSITORY / name).read_text(encoding="utf-8").split())
        for name in ("docs/results.md", "README.md")
    )
    identical = sum(one.identical for one in known)
    repeated = len(known) - identical - len(family.tested)
    assert (identical, repeated, concluded["equal"] - identical) == (6, 2, 7)
    assert f"Of {len(known)} comparisons over several seeds six are of a network with" in text
    assert f"and two repeat others. Of the {len(family.tested)} that are left seven are eq" in text
    assert f"{concluded['better'] + concluded['worse']} better or worse, ten inconcl" in text
    assert concluded["inconclusive"] - repeated == 10  # both repeat an inconclusive one
    on_sets = {
        f"{one.dataset} {one.level}": family.conclude(one).name
        for one in family.find("semanir-b-fixed", "semanir-b")
    }
    assert [place for place, name in on_sets.items() if name != "inconclusive"] == ["set14 x3"]
    assert "equal within 0.05 dB at x3 on Set14, inconclusive at x2, x4 and on Set5" in text
    for model, against, words in (
        ("semanir-u-dense", "semanir-u", "all keys instead of the dictionary's"),
        ("semanir-u-rebuilt", "semanir-u", "a dictionary for every layer"),
        ("semanir-u-cosine", "semanir-u", "normalised similarity"),
        ("semanir-u-self", "semanir-u", "a token may select itself"),
        ("semanir-u-fixed", "semanir-u", "k fixed in training, at the largest"),
        ("semanir-u-at-k8", "semanir-u-fixed-at-k8", "8 keys: random against fixed k in training"),
        ("semanir-u-at-k8", "semanir-u-trained-k8", "8 keys: random k against a network for 8"),
    ):
        one = next(o for o in family.find(model, against) if o.known and o.dataset == "set12")
        assert f"| {words} | {one.mean:+.3f} | {one.low:.3f} to {one.high:.3f} |" in text

    forms = [claim.get("measured", {}) for claim in claims if "quote" in claim]
    verdicts = [judge_two_models(form, family)[0].name for form in forms if "ablation" in form]
    decided = len(verdicts) - verdicts.count("inconclusive")
    held = verdicts.count("holds, scaled down")
    assert f"**{decided} of {len(verdicts)}** sentences about ablations" in short
    assert f"{held} of them for the paper" in short
    not_equal = [c["id"] for c in claims if _as_good_alone(c.get("measured", {}), family)]
    assert not_equal == ["last-keys-marginal", "fixed-as-good-at-its-k"]
    assert "own k, and 24 keys against 32 within 0.01 dB, inconclusive" in text
    ours = [judge_two_models(c["measured"], family)[0].name for c in claims if _of_ours(c)]
    assert sorted(ours) == ["holds, scaled down", "inconclusive"]
    assert "of two findings of ours one holds (k in training), the other (a tok" in text


def _as_good_alone(form, family):
    """Whether a claim of as good holds somewhere without a proof of equality."""
    if form.get("expect") != "as good" or not judge_two_models(form, family)[0].name.startswith(
        "h"
    ):
        return False
    known = [one for one in family.find(form["ablation"], form["against"]) if one.known]
    return any(family.conclude(one, form.get("within", MARGIN)).name != "equal" for one in known)


def _of_ours(claim):
    return "text" in claim and "ablation" in claim.get("measured", {})
