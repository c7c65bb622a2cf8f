"""Prepared sets made for tests, and the training patches of them."""

import json

import numpy as np
from PIL import Image

from data_prep.tasks import get_task
from semanir.files import sha256
from semanir.train.patches import TrainingPatches


def write_set(folder, photographs, facts=None):
    """PNGs and their index; photographs: name -> uint8 image, facts: name -> more of its entry."""
    folder.mkdir(parents=True, exist_ok=True)
    index = []
    for name, image in photographs.items():
        Image.fromarray(image).save(folder / name)
        entry = {"file": name, "sha256": sha256(folder / name), "shape": list(image.shape)}
        index.append(entry | (facts or {}).get(name, {}))
    (folder / "index.json").write_text(json.dumps(index))
    return folder


def textures(names, height=40, width=48, seed=0, frequency=0.35):
    """Colour photographs of smooth random waves: a network can learn to tell them from noise."""
    source = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    found = {}
    for name in names:
        waves = source.uniform(-frequency, frequency, (3, 4, 2))
        phases = source.uniform(0, 6, (3, 4))
        layers = [
            sum(np.sin(fy * y + fx * x + phase) for (fy, fx), phase in zip(f, p, strict=True))
            for f, p in zip(waves, phases, strict=True)
        ]
        image = np.stack(layers, -1) * 28 + 127.5
        found[name] = image.clip(0, 255).round().astype(np.uint8)
    return found


def ponds(folder, **options):
    """A prepared set of five ponds and one wine."""
    names = [*(f"pond_{i}.png" for i in range(5)), "wine_0.png"]
    return write_set(folder, textures(names, **options))


def static(names, height, width, seed=0):
    """Photographs of random pixels: every patch occurs in one place only."""
    source = np.random.default_rng(seed)
    return {name: source.integers(0, 256, (height, width, 3), np.uint8) for name in names}


def pairs_of(folder, task, holdout, patch, degraded=None, **options):
    """Training patches of one prepared set, and its degraded set if given."""
    return TrainingPatches([(folder, degraded)], get_task(task), holdout, patch, **options)
