"""The table of counted work: it has every kind of step, and what it says is what is counted."""

import pytest
import torch

from semanir.measure import work
from semanir.network import build
from semanir.network.flops import multiply_adds
from semanir.plan.models import scales
from semanir.plan.work import Step, Work, counted


def test_every_kind_of_step_of_every_scale_is_counted():
    """Else: python -m semanir.measure.work"""
    assert set(scales()) > {"smoke", "paper"}
    assert [step for step in work.wanted() if step not in counted()] == []


@pytest.mark.parametrize("which", [0, -1], ids=["first", "last"])
def test_the_table_says_what_is_counted_now(which):
    """Of the tiny networks, which take milliseconds; full-size ones differ in sizes alone."""
    tiny = sorted(step for step in counted() if "tiny" in step.preset)
    assert counted()[tiny[which]] == work.count(tiny[which])


@pytest.mark.slow
def test_the_table_says_what_is_counted_of_full_size_networks():
    full = [step for step in counted() if step.preset == "semanir-u" and step.patch == 16]
    assert [counted()[step] for step in full] == [work.count(step) for step in full] != []


def test_a_step_is_three_passes_at_the_mean_of_the_drawn_k():
    step = Step("semanir-u-tiny", "window=8", 1, 1, 32, "8 16")
    found = work.count(step)
    networks = [build("semanir-u-tiny", channels=1, window=8, k=k) for k in (8, 16)]
    passes = [multiply_adds(network, (1, 1, 32, 32)) for network in networks]
    assert found.multiply_adds == round(3 * sum(passes) / 2)
    assert found.parameters == sum(
        p.numel() for p in build("semanir-u-tiny", channels=1).parameters()
    )


def test_bytes_of_a_step_are_those_of_its_tensors():
    """From 1 to 8 channels, and ReLU: at the peak the input and two maps of 8 channels.

    On the way forth both outputs, on the way back ReLU's and the gradient of its input.
    """
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 8, 1, bias=False), torch.nn.ReLU())
    one, two = (work.peak_bytes(network, (items, 1, 16, 16)) for items in (1, 2))
    image = 4 * 16 * 16
    assert two - one == (1 + 8 + 8) * image
    assert 0 <= one - (1 + 8 + 8) * image < 16  # of single numbers


def test_what_is_known_is_not_counted_again(tmp_path, monkeypatch):
    kept, new = (Step("semanir-u-tiny", "", 1, 1, 32, k) for k in ("8", "16"))
    monkeypatch.setattr(work, "TABLE", tmp_path / "work.csv")
    monkeypatch.setattr("semanir.plan.work.TABLE", tmp_path / "work.csv")
    monkeypatch.setattr(work, "counted", lambda: {kept: Work(1, 2, 3, 4)})
    monkeypatch.setattr(work, "count", lambda step: Work(5, 6, 7, 8))
    work.write([new, kept])
    counted.cache_clear()
    try:
        assert counted() == {new: Work(5, 6, 7, 8), kept: Work(1, 2, 3, 4)}
    finally:
        counted.cache_clear()
