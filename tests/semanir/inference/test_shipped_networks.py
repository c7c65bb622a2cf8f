"""The networks that come with the project, and their cards."""

import pytest

from semanir.cli import cards_page
from semanir.inference import checkpoint
from semanir.inference.shipped import WEIGHTS, facts, parameters, shipped


def test_the_cards_are_those_of_the_files():
    assert (WEIGHTS / "README.md").read_text(encoding="utf-8") == cards_page.page()


def test_a_card_says_which_test_photographs_earlier_trainings_have_seen():
    """BSD400 is the train and test splits of BSDS500, Set12 and CBSD68 are no part of it."""
    cards = cards_page.page().split("\n## ")[1:]
    told = {card.split()[0]: card.partition("**Seen in training**")[2] for card in cards}
    assert [name for name, seen in told.items() if seen] == ["jpeg_color-blind"]
    assert "bsds500_test, " in told["jpeg_color-blind"]
    assert "`denoise_color-blind`" in told["jpeg_color-blind"]


@pytest.mark.parametrize("name", shipped())
def test_every_shipped_network_is_small_and_better_than_its_input(name):
    path = shipped()[name]
    network = checkpoint.load(path)
    assert parameters(path) == sum(p.numel() for p in network.parameters()) <= 900_000
    assert path.stat().st_size <= 3_000_000
    about = facts(path)
    assert about["task"] == name and about["trainings"][-1]["task"] == name
    assert about["scores"]
    for score in about["scores"]:
        assert score["psnr"] > score["input"] + 0.5, score
