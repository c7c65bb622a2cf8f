"""The page of the other systems, as committed and by what it says."""

from semanir.cli import systems_page
from semanir.paths import ROOT


def test_the_page_of_the_systems_is_what_the_registry_says():
    committed = (ROOT / "docs" / "systems.md").read_text(encoding="utf-8")
    assert committed == systems_page.page(), "python -m semanir.cli.systems_page docs/systems.md"


def test_the_page_says_what_decides_a_number(tmp_path):
    systems_page.main([str(tmp_path / "page.md")])
    page = (tmp_path / "page.md").read_text(encoding="utf-8")
    for words in (
        "window_size 32",
        "tiles of 256 that overlap by 32, averaged",
        "a map of (100 - QF) / 100",
        "https://github.com/cszn/DPIR/blob/15bca3f/main_dpir_deblocking_color.py#L92-L104",
        "`4ee053c42461187846dc0e93aa5abd34591c0725a8e044a59000e92ee215e833`",
        "for non-commercial use",
        "symmetric to 8, always",
        "1 channel, sides from 65",
    ):
        assert words in page, words
