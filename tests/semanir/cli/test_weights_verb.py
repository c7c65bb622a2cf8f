"""`semanir weights`: which file it gets, and what it refuses."""

from pathlib import Path

import pytest
from restoring import fails

from baselines.registry import COMMERCIAL
from semanir.cli import main
from semanir.train import vgg_download


def test_a_file_got_by_hand_is_taken_from_its_folder(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "RCAN_BIX4.pt").write_bytes(b"one")
    main(["weights", "rcan", "sr-x4", "--weights-dir", "."])
    assert capsys.readouterr().out.splitlines()[-1] == "data/weights/rcan/RCAN_BIX4.pt"


def test_vgg16_goes_where_training_looks_for_it(monkeypatch, capsys):
    calls = []
    monkeypatch.setattr(vgg_download, "fetch_vgg16", lambda *given: calls.append(given))
    main(["weights", "vgg16", "--mirror", "m"])
    assert calls == [(Path("data/vgg/vgg16.safetensors"), "m")]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("dncn denoise_gray", "unknown model 'dncn'; did you mean dncnn"),
        ("dncnn sr-x2", "no weights for sr-x2"),
        ("dncnn", "denoise_gray-sigma15"),
        ("edt", "edt has no weights"),
        ("restormer deblur-motion", "non-commercial use"),
        ("rcan sr-x4 --weights-dir nowhere", "no folder nowhere"),
    ],
)
def test_what_cannot_be_got_is_named(tmp_path, monkeypatch, capsys, arguments, words):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(COMMERCIAL, raising=False)
    assert words in fails(capsys, "weights", *arguments.split())
