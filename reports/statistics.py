"""Two models compared over images and seeds: interval, exact test, effect size.

The difference of two networks trained with one seed is formed on every image. Two things vary: the
images (bootstrap interval and sign-flip test over the means per image) and the training (the mean
of every seed). A difference counts only if the interval excludes zero and all seeds agree in sign,
of which there must be at least three; one below a thousandth of a decibel is rounding.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

CONFIDENCE = 0.95
FEWEST_SEEDS = 3
RESAMPLES = 9999
ROUNDING = 0.001  # dB


@dataclass(frozen=True)
class Comparison:
    """`model` minus `against`, PSNR in dB, on one task, set and level.

    by_seed: mean difference of each seed; low, high: bootstrap interval (BCa) of the mean over
    images; p: two-sided, of the exact sign-flip permutation test, sampled above 14 images; effect:
    mean over the standard deviation of the images' differences (Cohen's d of pairs).
    """

    task: str
    dataset: str
    level: str
    model: str
    against: str
    images: int
    by_seed: dict[int, float]
    mean: float
    low: float
    high: float
    p: float
    effect: float

    @property
    def conclusion(self) -> str:
        """better, worse, equal (to rounding) or inconclusive."""
        if max(map(abs, (self.low, self.high, *self.by_seed.values()))) < ROUNDING:
            return "equal"
        signs = {np.sign(value) for value in self.by_seed.values()}
        if len(self.by_seed) < FEWEST_SEEDS or len(signs) != 1:
            return "inconclusive"
        return "better" if self.low > 0 else "worse" if self.high < 0 else "inconclusive"

    @property
    def text(self) -> str:
        seeds = ", ".join(f"{value:+.3f}" for value in self.by_seed.values())
        return (
            f"{self.mean:+.3f} dB [{self.low:+.3f}, {self.high:+.3f}], p={self.p:.2g}, "
            f"d={self.effect:+.2f}; {self.dataset} {self.level}, {self.images} images, "
            f"seeds {seeds}"
        )


def compare(by_image: pd.DataFrame, model: str, against: str) -> list[Comparison]:
    """One comparison for each task, set and level where both models were scored with a seed."""
    key = ["task", "dataset", "level", "seed", "image"]
    psnr = by_image[(by_image["metric"] == "psnr") & (by_image["image"] != "")]
    one, other = (psnr[psnr["model"] == name].set_index(key)["value"] for name in (model, against))
    paired = pd.concat({"one": one, "other": other}, axis=1, join="inner")
    paired["difference"] = paired["one"] - paired["other"]
    found = []
    for (task, dataset, level), group in paired.groupby(["task", "dataset", "level"], sort=False):
        differences = group["difference"]
        per_image = differences.groupby("image").mean().to_numpy()
        by_seed = {int(s): float(v) for s, v in differences.groupby("seed").mean().items()}
        facts = (task, dataset, level, model, against, len(per_image), by_seed)
        found.append(Comparison(*facts, float(per_image.mean()), *spread(per_image)))
    return found


def spread(differences: NDArray[np.float64]) -> tuple[float, float, float, float]:
    """(low, high, p, effect) of paired differences; equal ones are certain, two are too few."""
    if np.ptp(differences) < 1e-12:
        mean = float(differences.mean())
        if abs(mean) < 1e-12:
            return mean, mean, 1.0, 0.0
        return mean, mean, 2.0 ** (1 - len(differences)), np.inf
    if len(differences) < 3:
        return -np.inf, np.inf, 1.0, float("nan")
    low, high = stats.bootstrap(
        (differences,),
        np.mean,
        confidence_level=CONFIDENCE,
        n_resamples=RESAMPLES,
        rng=np.random.default_rng(0),
    ).confidence_interval
    test = stats.permutation_test(
        (differences,),
        np.mean,
        permutation_type="samples",
        n_resamples=2**14,
        vectorized=True,
        rng=np.random.default_rng(0),
    )
    return low, high, float(test.pvalue), float(differences.mean() / differences.std(ddof=1))


def judge_claim(form: dict[str, Any], by_image: pd.DataFrame) -> tuple[str, str]:
    """("yes", "no", "open" or "" without results, the numbers) of a claim over two models.

    expect: "better", "worse", or "as good": interval and seeds stay above -`within` dB. Where some
    sets have enough seeds, those with fewer are told but decide nothing: they never can.
    """
    found = compare(by_image, form["ablation"], form["against"])
    found = [one for one in found if one.task == form.get("task", one.task)]
    if not found:
        return "", f"{form['ablation']} was not run beside {form['against']}"
    enough = [one for one in found if len(one.by_seed) >= FEWEST_SEEDS]
    answers = []
    for one in enough or found:
        if form["expect"] == "as good":
            answers.append(_as_good(one, form.get("within", 0.05)))
        else:
            other = {"better": "worse", "worse": "better"}[form["expect"]]
            table = {form["expect"]: "yes", other: "no", "equal": "no", "inconclusive": "open"}
            answers.append(table[one.conclusion])
    detail = "; ".join(one.text for one in enough or found)
    rest = [one for one in found if one not in enough]
    if enough and rest:
        told = (f"{one.mean:+.3f} dB on {one.dataset} {one.level}" for one in rest)
        detail += f"; with fewer seeds {', '.join(told)}"
    return answers[0] if len(set(answers)) == 1 else "open", detail


def _as_good(one: Comparison, margin: float) -> str:
    """ "yes" if the loss is below `margin` dB for all seeds and images, "no" if above, else "open".

    For the images the interval speaks, and every seed for itself.
    """
    seeds = list(one.by_seed.values())
    if len(seeds) < FEWEST_SEEDS:
        return "open"
    if min(one.low, *seeds) > -margin:
        return "yes"
    return "no" if max(one.high, *seeds) < -margin else "open"
