"""What stands around every page in a real browser: links, legend, copies, edges, paper."""

import pandas as pd
import pytest
from browser import DESKTOP, PHONE

from reports.collect import read_records
from reports.evidence import Evidence
from reports.legend import CLAIM_VERDICTS, CONCLUSIONS, VERDICTS
from reports.tables import tables
from reports.tables.layouts import default_tables, layouts

pytest_plugins = "browser"
WIDE = "table07"
MASK = "return getComputedStyle(document.querySelector('.scroll')).maskImage"


@pytest.fixture(scope="module")
def page(everything, tmp_path_factory):
    """The page of the widest table."""
    folder = tmp_path_factory.mktemp("framed")
    tables.render(WIDE, [Evidence("smoke", read_records(everything))], folder)
    return folder / f"{WIDE}.html"


def test_links_lead_to_every_page_and_name_the_tables(browser, page):
    browser.open(page)
    links = {
        link.get_attribute("href").rpartition("/")[2]: link for link in browser.find("header nav a")
    }
    others = ("index", "claims", "ablations", "visual", "figure04")
    assert set(links) == {f"{name}.html" for name in (*others, *default_tables())}
    assert links["table07.html"].text == "7"
    assert links["table07.html"].get_attribute("title") == layouts()[WIDE]["title"]
    here = [name for name, link in links.items() if link.get_attribute("aria-current")]
    assert here == [f"{WIDE}.html"]


def test_the_foot_explains_every_mark_and_says_how_to_cite(browser, page):
    browser.open(page)
    for folded in browser.find("footer details"):
        assert folded.get_attribute("open") is None
        browser.run("arguments[0].open = true", folded)
    terms = [" ".join(term.text.split()[1:]) for term in browser.find("#legend dt")]
    assert terms == [verdict.name for verdict in (*VERDICTS, *CLAIM_VERDICTS, *CONCLUSIONS)]
    assert all(text.text for text in browser.find("#legend dd"))
    cited = browser.find("#cite pre")[0].text
    assert cited.count("@") == 2 and "Ren, Bin and Li, Yawei" in cited
    assert cited.count("{") == cited.count("}")
    assert "commit" in browser.find("footer > p")[0].text


@pytest.mark.parametrize(("format", "ending"), [("Markdown", "md"), ("LaTeX", "tex")])
def test_a_table_is_copied(browser, page, format, ending):
    """The text of its file goes to the clipboard; where there is none it is shown, selected."""
    browser.open(page)
    browser.run(
        "Object.defineProperty(navigator, 'clipboard',"
        " {value: {writeText: async (text) => { window.taken = text; }}})"
    )
    (button,) = (one for one in browser.find("button.copy") if format in one.text)
    browser.run("arguments[0].click()", button)
    expected = page.with_suffix(f".{ending}").read_text(encoding="utf-8")
    assert browser.run("return window.taken") == expected

    browser.run("navigator.clipboard.writeText = async () => { throw new Error('denied'); }")
    browser.run("arguments[0].click()", button)
    assert browser.run("return getSelection().toString()").split() == expected.split()
    assert browser.find("#copied")[0].text.startswith("Selected")


def test_without_a_script_copies_are_unfolded_by_hand(browser, page):
    browser.open(page, script=False)
    assert not [one for one in browser.find("button.copy") if one.is_displayed()]
    browser.find(".copies summary")[0].click()
    assert browser.find("#as-markdown")[0].is_displayed()
    browser.open(page)  # scripts run again for who comes next


def test_the_edge_of_a_wide_table_fades_until_its_end_is_in_sight(browser, page):
    browser.open(page, PHONE)
    assert "gradient" in browser.run(MASK)
    browser.run("const box = document.querySelector('.scroll'); box.scrollLeft = box.scrollWidth")
    browser.run("return new Promise(done => requestAnimationFrame(() => setTimeout(done, 50)))")
    assert browser.run(MASK) == "none"
    # a box that holds all of its table has nothing to hint at
    browser.run("document.querySelector('.scroll').replaceChildren('short')")
    browser.run("return new Promise(done => requestAnimationFrame(() => setTimeout(done, 50)))")
    assert browser.run(MASK) == "none"


def test_on_paper_rows_stay_whole_and_what_is_folded_is_printed(browser, page):
    browser.open(page, DESKTOP)
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    style = "return getComputedStyle(document.querySelector(arguments[0]))[arguments[1]]"
    assert browser.run(style, "tbody tr", "breakInside") == "avoid"
    assert browser.run(style, "h2", "breakAfter") == "avoid"
    assert browser.run(style, "thead", "display") == "table-header-group"
    assert browser.run(style, "main p", "orphans") == "3"
    assert browser.run(style, ".scroll", "maskImage") == "none"
    for control in ("header nav", ".copies", "footer"):
        assert browser.run(style, control, "display") == "none"
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def test_among_numbers_only_the_best_printed_value_is_bold(browser, page):
    browser.open(page)
    script = """return [...document.querySelectorAll('.printed td *')]
      .filter(one => one.children.length === 0 && getComputedStyle(one).fontWeight >= 600)
      .map(one => one.className)"""
    bold = pd.Series(browser.run(script))
    assert len(bold) and set(bold) == {"p best"}
