"""What comparisons conclude of simulated trainings: the tables of docs/statistics.md.

python tests/cases/simulated.py

Means and mean squares of normal seeds, images and rest are drawn from their exact distributions.
"""

import itertools
from dataclasses import dataclass

import numpy as np
import pandas as pd
from checkout import REPOSITORY

from reports.gate.compare import CHANCE, KINDS
from reports.gate.spreads import SPREADS, Spread
from reports.statistics.comparison import ALPHA, Crossed

DOCS = REPOSITORY / "docs/statistics.md"

SEEDS, IMAGES = (2, 3, 5, 8), (5, 12, 20, 100)
SEED_SDS, IMAGE_SDS, REST_SDS = (0.0, 0.01, 0.05, 0.1, 0.4), (0.0, 0.05, 0.3), (0.01, 0.1)
DRAWS = 40_000


@dataclass(frozen=True)
class Design:
    """So many seeds and images; standard deviations of seeds, images and rest in dB."""

    seeds: int
    images: int
    seed_sd: float
    image_sd: float
    rest_sd: float

    def draw(self, rng: np.random.Generator, shape: int = DRAWS, mean: float = 0.0) -> Crossed:
        s, i = self.seeds, self.images
        rest = self.rest_sd**2
        of_seeds, of_images = i * self.seed_sd**2 + rest, s * self.image_sd**2 + rest
        squares = [
            expected * rng.chisquare(n, shape) / n
            for expected, n in ((of_seeds, s - 1), (of_images, i - 1), (rest, (s - 1) * (i - 1)))
        ]
        deviation = ((of_seeds + of_images - rest) / (s * i)) ** 0.5
        largest = np.full(shape, np.inf)  # of what is drawn nothing is identical
        return Crossed(s, i, rng.normal(mean, deviation, shape), largest, *squares)


def designs(seeds, images):
    return [Design(seeds, images, *sds) for sds in itertools.product(SEED_SDS, IMAGE_SDS, REST_SDS)]


def coverage(design, rng, alpha=ALPHA, draws=DRAWS):
    """Share of intervals at 1 - alpha that hold the mean; the others conclude falsely."""
    drawn = design.draw(rng, draws)
    return float((np.abs(drawn.mean) <= drawn.half_width(alpha)).mean())


def power(design, rng, difference, alpha):
    """Share of intervals at 1 - alpha above zero."""
    drawn = design.draw(rng, mean=difference)
    return float((drawn.mean > drawn.half_width(alpha)).mean())


def equal(design, rng, difference, margin):
    """Share of the tests for equality that say so at 5 %."""
    drawn = design.draw(rng, mean=difference)
    return float((np.abs(drawn.mean) + drawn.half_width(2 * ALPHA) < margin).mean())


def table(head, rows):
    lines = [head, ["---:"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def percent(share):
    return f"{100 * share:.0f}"


def coverage_table():
    """Lowest and highest coverage of 95 % intervals, in percent, over all spreads of a design."""
    rng, rows = np.random.default_rng(1), []
    for seeds in SEEDS:
        found = [[coverage(d, rng) for d in designs(seeds, images)] for images in IMAGES]
        rows.append([str(seeds), *(f"{100 * min(x):.1f} to {100 * max(x):.1f}" for x in found)])
    return table(["seeds", *(f"{images} images" for images in IMAGES)], rows)


def power_table(comparisons=1):
    """Power in percent at 12 images, image and rest SD 0.1 dB; one real difference of some."""
    rng, differences, rows = np.random.default_rng(2), (0.05, 0.1, 0.2, 0.5, 1.0), []
    for seed_sd, seeds in itertools.product((0.02, 0.1, 0.4), SEEDS):
        design = Design(seeds, 12, seed_sd, 0.1, 0.1)
        shares = [power(design, rng, d, ALPHA / comparisons) for d in differences]
        rows.append([f"{seed_sd:g}", str(seeds), *map(percent, shares)])
    return table(["seed SD [dB]", "seeds", *(f"{d:g} dB" for d in differences)], rows)


def equality_table(margin=0.05):
    """How often two equal networks are found equal within the margin, in percent; 12 images."""
    rng, sds, rows = np.random.default_rng(3), (0.005, 0.01, 0.02, 0.05), []
    for seeds in SEEDS:
        shares = [equal(Design(seeds, 12, sd, 0.02, 0.02), rng, 0.0, margin) for sd in sds]
        rows.append([str(seeds), *map(percent, shares)])
    return table(["seeds", *(f"seed SD {sd:g}" for sd in sds)], rows)


def gate_failures(spread, change, rng, draws=DRAWS):
    """Share of cells of one seed that fail when the mean PSNR changes by so many dB.

    The accepted and the new training have the spread that was measured, and the measured one is
    as uncertain as its degrees of freedom say.
    """
    moved = change + rng.normal(0, 2**0.5 * spread.sd, draws)
    measured = (rng.chisquare(spread.degrees, draws) / spread.degrees) ** 0.5
    chance = measured * spread.half_width(1, 1 - 2 * CHANCE)
    return float((moved < -np.maximum(KINDS["psnr"].trained, chance)).mean())


def gate_table(scale="smoke"):
    """False alarms and power of the gate over the PSNR cells of a scale, by their own spreads."""
    rng = np.random.default_rng(4)
    lines = pd.read_csv(SPREADS / f"{scale}.csv", comment="#", keep_default_na=False)
    lines = lines[(lines["metric"] == "psnr")]
    rows = []
    for name, kind in (("rounding", "rounding"), ("seeds (--redrawn)", "seed")):
        known = lines[lines[f"{kind}_degrees"] > 0]
        columns = known[[kind, f"{kind}_degrees"]]
        spreads = [Spread(*row) for row in columns.itertuples(index=False)]
        false = np.array([gate_failures(one, 0.0, rng) for one in spreads])
        found = np.array([gate_failures(one, -0.1, rng) for one in spreads])
        sds, run = known[kind], 1 - np.prod(1 - false)
        row = [name, f"{sds.median():.4f}, {sds.max():.4f}", f"{100 * false.max():.2f} %"]
        row += [f"{100 * run:.1f} %", f"{(found > 0.99).sum()} of {len(found)}"]
        rows.append([*row, f"{100 * found.mean():.0f} %"])
    head = ["chance", "SD [dB]: median, largest", "false alarm, worst cell", "a whole run, at most"]
    return table([*head, "cells that fail for sure at -0.1 dB", "power at -0.1 dB, mean"], rows)


def tables():
    """title -> table, in the order of the page."""
    found = {
        "Coverage": coverage_table(),
        "Power, one comparison": power_table(),
        "Power, one difference among 30 comparisons": power_table(30),
        "Equality": equality_table(),
    }
    return found | ({"Gate": gate_table()} if (SPREADS / "smoke.csv").is_file() else {})


if __name__ == "__main__":
    for title, text in tables().items():
        print(f"{title}\n\n{text}")
