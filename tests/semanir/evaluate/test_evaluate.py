"""Scores of a set with one grey photograph, in both conventions of super-resolution."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data_prep.tasks import get_task
from semanir.evaluate.evaluation import score_images
from semanir.evaluate.metrics import score
from semanir.files import sha256


def a_set(folder: Path, images: dict[str, np.ndarray], facts: dict[str, dict]) -> None:
    folder.mkdir(parents=True)
    for name, image in images.items():
        Image.fromarray(image).save(folder / name)
    index = [{"file": n, "sha256": sha256(folder / n)} | facts.get(n, {}) for n in images]
    (folder / "index.json").write_text(json.dumps(index))


@pytest.mark.parametrize("grey", ["a.png", "neither"])
def test_grey_files_are_scored_in_both_conventions(tmp_path, monkeypatch, grey):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    large = {name: rng.integers(0, 256, (32, 32, 3), dtype=np.uint8) for name in ("a.png", "b.png")}
    large["a.png"][:] = large["a.png"][..., :1]
    small = {name: image[::2, ::2] for name, image in large.items()}
    a_set(tmp_path / "data/sets/two", large, {grey: {"grey": True}})
    a_set(tmp_path / "data/degraded/sr/two/x2", small, {name: {"clean": name} for name in small})

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
