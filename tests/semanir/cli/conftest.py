"""Weights and folders that the tests of the command share."""

import pytest
from restoring import picture, save

from semanir.cli import restore as command_restore
from semanir.inference import shipped as shipped_weights
from semanir.network import build


@pytest.fixture(scope="session")
def identity(tmp_path_factory):
    """Weights of grey and of colour that hand their input through: fresh U-shapes."""
    folder = tmp_path_factory.mktemp("identity")
    return [
        save(folder / f"{task}.safetensors", build("semanir-u-tiny", channels=c), task=task)
        for task, c in (("denoise_gray-sigma25", 1), ("denoise_color-sigma25", 3))
    ]


@pytest.fixture(autouse=True)
def shipped(tmp_path_factory, monkeypatch):
    """An empty folder in place of the shipped weights."""
    folder = tmp_path_factory.mktemp("shipped")
    monkeypatch.setattr(shipped_weights, "WEIGHTS", folder)
    command_restore._note_once.cache_clear()
    return folder


@pytest.fixture
def album(tmp_path, identity):
    """A folder of three good pictures, a broken one and a text, and a command to restore it."""
    folder = tmp_path / "album"
    (folder / "inner").mkdir(parents=True)
    for seed, name in enumerate(("b.png", "c.bmp", "d.JPG", "inner/e.png"), 1):
        picture(folder / name, 9, 11, 3, seed=seed)
    (folder / "a.tif").write_bytes(b"II*\0 broken")
    (folder / "notes.txt").write_text("no picture")
    return folder, ("restore", folder, "-o", tmp_path / "out", "--weights", identity[1])
