"""Two models compared over seeds and images: both are random, and they are crossed.

The difference of two networks trained with one seed is formed on every image. One training moves
all images together, images differ, and something is left of every training on every image:

    d[s,i] = mean + seed[s] + image[i] + rest[s,i]

Of S seeds and I images the mean squares of seeds, images and rest estimate the variance of the
mean, (seeds + images - rest) / (S I), as those of readers and cases do in studies of many readers
(Obuchowski and Rockette 1995; Hillis 2007). One number of degrees of freedom for this sum, after
Satterthwaite, is too large where two or three seeds meet many images; here each mean square has
the quantile of its own (modified large sample: Burdick and Graybill 1992). The interval at
1 - alpha is mean +- half, with quantiles F(1, n) of 1 - alpha,

    half^2 = (F(1, S-1) seeds + max(F(1, I-1) images - F(1, (S-1)(I-1)) rest, 0)) / (S I)

One seed or one image have no interval. Error rates, coverage and power: docs/statistics.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import stdtrit

ALPHA = 0.05
SMALLEST_P = 1e-15
SAME = 0.001  # dB; the gate's tolerance for evaluations, whose rounding moves no image by a tenth
KEY = ["task", "dataset", "level", "seed", "image"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Crossed:
    """Mean and mean squares of tables of differences; arrays [...] of many tables, or numbers.

    largest: of the differences, up or down.
    """

    seeds: int
    images: int
    mean: Array
    largest: Array
    of_seeds: Array
    of_images: Array
    rest: Array

    @classmethod
    def of(cls, differences: Array) -> Self:
        """From differences [...,S,I] in dB; mean squares are infinite where a difference is."""
        s, i = differences.shape[-2:]
        with np.errstate(invalid="ignore"):
            mean = differences.mean((-2, -1))
            seeds = differences.mean(-1) - mean[..., None]  # [...,S]
            images = differences.mean(-2) - mean[..., None]  # [...,I]
            rest = differences - mean[..., None, None] - seeds[..., None] - images[..., None, :]
            squares = (
                i * (seeds**2).sum(-1) / max(s - 1, 1),
                s * (images**2).sum(-1) / max(i - 1, 1),
                (rest**2).sum((-2, -1)) / max((s - 1) * (i - 1), 1),
            )
        finite = np.isfinite(differences).all((-2, -1))
        largest = np.abs(differences).max((-2, -1))
        return cls(s, i, mean, largest, *(np.where(finite, square, np.inf) for square in squares))

    @property
    def known(self) -> NDArray[np.bool_]:
        """Whether there is an interval: two seeds, two images, finite differences."""
        return np.isfinite(self.of_seeds) & (min(self.seeds, self.images) > 1)

    def half_width(self, alpha: float | Array = ALPHA) -> Array:
        """Half of the interval at 1 - alpha, dB; infinite where none is known."""
        if min(self.seeds, self.images) < 2:
            return np.full_like(self.of_seeds, np.inf)
        s, i = self.seeds - 1, self.images - 1
        of_seeds, of_images, of_rest = (stdtrit(n, alpha / 2) ** 2 for n in (s, i, s * i))
        with np.errstate(invalid="ignore"):
            images = np.maximum(of_images * self.of_images - of_rest * self.rest, 0)
            half = np.sqrt((of_seeds * self.of_seeds + images) / (self.seeds * self.images))
        return np.where(self.known, half, np.inf)

    def p_differs(self, margin: float = 0.0) -> Array:
        """Two-sided p of "the mean is within the margin", or zero; 1 if no interval is known."""
        return self._p(np.abs(self.mean) - margin)

    def p_equal(self, margin: float) -> Array:
        """p of "the mean is at the margin or beyond": two one-sided tests (TOST)."""
        return self._p_above(margin - np.abs(self.mean))

    def p_not_worse(self, margin: float) -> Array:
        """One-sided p of "the mean is -margin or lower": a test of non-inferiority."""
        return self._p_above(self.mean + margin)

    def p_not_better(self, margin: float) -> Array:
        """One-sided p of "the mean is margin or higher": the same, the other way round."""
        return self._p_above(margin - self.mean)

    def _p_above(self, distance: Array) -> Array:
        return np.where(self.known & (distance > 0), self._p(distance) / 2, 1.0)

    def _p(self, distance: Array) -> Array:
        """The alpha whose interval is as wide as the distance, by bisection of its logarithm."""
        low, high = np.full_like(distance, np.log(SMALLEST_P)), np.zeros_like(distance)
        for _ in range(50):
            middle = (low + high) / 2
            wider = self.half_width(np.exp(middle)) >= distance
            low, high = np.where(wider, middle, low), np.where(wider, high, middle)
        return np.exp(high)


@dataclass(frozen=True)
class Comparison:
    """`model` minus `against`, PSNR in dB, on one task, set and level.

    by_seed: mean difference of each seed. scale, machine: of the run that both are of, as Evidence
    has them.
    """

    task: str
    dataset: str
    level: str
    model: str
    against: str
    by_seed: dict[int, float]
    crossed: Crossed
    scale: str = ""
    machine: str = ""

    @property
    def images(self) -> int:
        return self.crossed.images

    @property
    def mean(self) -> float:
        return float(self.crossed.mean)

    @property
    def known(self) -> bool:
        """Whether seeds and images are enough for an interval."""
        return bool(self.crossed.known)

    @property
    def identical(self) -> bool:
        """Whether it has an interval, and no image of any seed differs by SAME."""
        return self.known and bool(self.crossed.largest < SAME)

    @property
    def low(self) -> float:
        return float(self.crossed.mean - self.crossed.half_width()) if self.known else -np.inf

    @property
    def high(self) -> float:
        return float(self.crossed.mean + self.crossed.half_width()) if self.known else np.inf

    @property
    def turned(self) -> "Comparison":
        """`against` minus `model`."""
        return replace(
            self,
            model=self.against,
            against=self.model,
            by_seed={seed: -value for seed, value in self.by_seed.items()},
            crossed=replace(self.crossed, mean=-self.crossed.mean),
        )

    @property
    def text(self) -> str:
        """Mean, interval, p, seeds, and what was measured, in one line."""
        seeds = ", ".join(map(signed, self.by_seed.values()))
        ends = f"[{signed(self.low)}, {signed(self.high)}]"
        interval = ends if self.known else "without an interval"
        return (
            f"{signed(self.mean)} dB {interval}; {self.dataset} {self.level}, {self.images} "
            f"image{'s' * (self.images > 1)}, seed{'s' * (len(self.by_seed) > 1)} {seeds}"
        )


def signed(value: float, digits: int = 3) -> str:
    """A difference with its sign; zero, to these digits, has none."""
    text = f"{value:+.{digits}f}"
    return text if float(text) else text[1:]


def by_model(by_image: pd.DataFrame) -> dict[str, pd.Series]:
    """PSNR of every model by task, set, level, seed and image."""
    psnr = by_image[(by_image["metric"] == "psnr") & (by_image["image"] != "")]
    return {
        str(model): rows.set_index(KEY)["value"]
        for model, rows in psnr.groupby("model", sort=False)
    }


def compare(psnr: Mapping[str, pd.Series], model: str, against: str) -> list[Comparison]:
    """One comparison for each task, set and level where both models were scored with a seed.

    psnr: of `by_model`. Of the seeds that both have, and the images that all of these have. A name
    "one - other" stands for the difference of two models.
    """
    if not all(name in psnr for both in (model, against) for name in both.split(" - ")):
        return []
    differences = _minus(_values(psnr, model), _values(psnr, against))
    comparisons = []
    for (task, dataset, level), group in differences.groupby(KEY[:3], sort=False):
        table = group.unstack("image").droplevel(KEY[:3]).dropna(axis="columns").sort_index()
        if table.empty:
            continue
        crossed = Crossed.of(table.to_numpy(np.float64))
        by_seed = {int(seed): float(mean) for seed, mean in table.mean(axis=1).items()}
        comparisons.append(Comparison(task, dataset, level, model, against, by_seed, crossed))
    return comparisons


def _values(psnr: Mapping[str, pd.Series], name: str) -> pd.Series:
    one, *others = (psnr[model] for model in name.split(" - "))
    return _minus(one, others[0]) if others else one


def _minus(one: pd.Series, other: pd.Series) -> pd.Series:
    """Where both are known; 0 where both are the same infinity."""
    both = pd.concat({"one": one, "other": other}, axis=1, join="inner")
    return (both["one"] - both["other"]).where(both["one"] != both["other"], 0.0)
