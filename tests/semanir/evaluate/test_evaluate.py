"""Scores of a set with one grey photograph, in both conventions of super-resolution."""

from pathlib import Path

import numpy as np
import pytest
from made_sets import write_set
from photographs import pixels

from data_prep.tasks import get_task
from semanir.evaluate.evaluation import score_images
from semanir.evaluate.metrics import score


@pytest.mark.parametrize("grey", ["a.png", "neither"])
def test_grey_files_are_scored_in_both_conventions(tmp_path, monkeypatch, grey):
    monkeypatch.chdir(tmp_path)
    large = {name: pixels(32, 32, 3, seed=seed) for seed, name in enumerate(("a.png", "b.png"))}
    large["a.png"][:] = large["a.png"][..., :1]
    small = {name: image[::2, ::2] for name, image in large.items()}
    write_set(Path("data/sets/two"), large, {grey: {"grey": True}})
    write_set(Path("data/degraded/sr/two/x2"), small, {name: {"clean": name} for name in small})

    def enlarge(image, level):
        return image.repeat(2, 0).repeat(2, 1), None

    found = list(score_images(enlarge, get_task("sr-x2"), [("two", "x2")]))
    full = {entry["image"]: entry.get("psnr_grey_full_range") for entry in found}
    if grey == "neither":
        assert full == {"a": None, "b": None}
        return
    psnr = {entry["image"]: entry["psnr"] for entry in found}
    restored, target = enlarge(small["a.png"], "")[0], large["a.png"]
    # the grey values themselves, not their Y
    error = np.mean((restored.astype(float) - target)[2:-2, 2:-2] ** 2)
    assert full["a"] == pytest.approx(10 * np.log10(255**2 / error), abs=1e-9)
    assert psnr == {"a": score(restored, target, "sr-x2")["psnr"], "b": full["b"]}
