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


def a_set(folder: Path, images: dict[str, np.ndarray], grey: str, clean: bool) -> None:
    folder.mkdir(parents=True)
    index = []
    for name, image in images.items():
        Image.fromarray(image).save(folder / name)
        facts = {"grey": True} if clean and name == grey else {}
        facts |= {} if clean else {"clean": name}
        index.append({"file": name, "sha256": sha256(folder / name), **facts})
    (folder / "index.json").write_text(json.dumps(index))


@pytest.mark.parametrize("grey", ["a.png", "neither"])
def test_grey_files_are_scored_in_both_conventions(tmp_path, monkeypatch, grey):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    large = {name: rng.integers(0, 256, (32, 32, 3), dtype=np.uint8) for name in ("a.png", "b.png")}
    large["a.png"][:] = large["a.png"][..., :1]
    small = {name: image[::2, ::2] for name, image in large.items()}
    a_set(tmp_path / "data/sets/two", large, grey, clean=True)
    a_set(tmp_path / "data/degraded/sr/two/x2", small, grey, clean=False)

    def enlarge(image, level):
        return image.repeat(2, 0).repeat(2, 1), None

    scores = {
        entry["image"]: entry for entry in score_images(enlarge, get_task("sr-x2"), [("two", "x2")])
    }
    full = {name: entry.get("psnr_grey_full_range") for name, entry in scores.items()}
    if grey == "neither":
        assert full == {"a": None, "b": None}
        return
    # the grey values themselves, not their Y
    inner = (slice(2, -2), slice(2, -2), 0)
    restored = small["a.png"].repeat(2, 0).repeat(2, 1)[inner].astype(float)
    error = np.mean((restored - large["a.png"][inner]) ** 2)
    assert full["a"] == pytest.approx(10 * np.log10(255**2 / error), abs=1e-9)
    assert full["b"] == scores["b"]["psnr"]
    target = large["a.png"]
    doubled = small["a.png"].repeat(2, 0).repeat(2, 1)
    assert scores["a"]["psnr"] == score(doubled, target, "sr-x2")["psnr"]
