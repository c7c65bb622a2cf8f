"""The page of the other systems, as committed and by what it says."""

from semanir.cli import systems_page
from semanir.paths import ROOT

DECIDES_A_NUMBER = """
window_size 32
tiles of 256 that overlap by 32, averaged
a map of (100 - QF) / 100
https://github.com/cszn/DPIR/blob/15bca3f/main_dpir_deblocking_color.py#L92-L104
`4ee053c42461187846dc0e93aa5abd34591c0725a8e044a59000e92ee215e833`
for non-commercial use
symmetric to 8, always
1 channel, sides from 65
"""


def test_the_page_of_the_systems_is_what_the_registry_says(tmp_path):
    page = (ROOT / "docs" / "systems.md").read_text(encoding="utf-8")
    assert page == systems_page.page(), "python -m semanir.cli.systems_page docs/systems.md"
    assert [words for words in DECIDES_A_NUMBER.splitlines() if words not in page] == []
    systems_page.main([str(tmp_path / "page.md")])
    assert (tmp_path / "page.md").read_text(encoding="utf-8") == page
