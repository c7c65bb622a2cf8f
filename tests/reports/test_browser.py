"""Pages of tables in a real browser: loading, keyboard, sorting, filters, accessibility, widths."""

from functools import cache

import pytest
from browser import DESKTOP, PHONE

from reports.collect import read_records
from reports.evidence import Evidence
from reports.tables import tables
from reports.tables.layouts import layouts
from semanir.plan.cells import cells

pytest_plugins = "browser"
WIDE = "table07"
ROWS = "[...document.querySelectorAll('table.printed tbody:nth-of-type({block}) th[scope=row]')]"
NAMES = "return " + ROWS + ".filter(th => th.checkVisibility()).map(th => th.textContent)"


@pytest.fixture(scope="module")
def page(everything, tmp_path_factory):
    """A function: the HTML of a table, which is rendered when it is first asked for."""
    folder, results = tmp_path_factory.mktemp("pages"), read_records(everything)

    @cache
    def rendered(table):
        tables.render(table, [Evidence("smoke", results)], folder)
        return folder / f"{table}.html"

    return rendered


def names(browser, block=1):
    """Row names of a block of rows that are to be seen, in the order they are seen."""
    return browser.run(NAMES.format(block=block))


def seen(browser, css):
    """Texts of the elements that are neither hidden nor left out."""
    script = """return [...document.querySelectorAll(arguments[0])]
      .filter(one => one.checkVisibility({visibilityProperty: true})).map(one => one.textContent)"""
    return [" ".join(text.split()) for text in browser.run(script, css)]


def focused(browser):
    """Row and column of the button that has the focus; row 0 and column 0 are names."""
    return browser.run(
        """const cell = document.activeElement.closest('td, th');
        if (!cell) return null;
        if (cell.tagName === 'TH') return [0, Number(cell.dataset.column) + 1];
        const rows = [...document.querySelectorAll('table.printed tbody tr:not(.group)')];
        return [rows.indexOf(cell.parentElement) + 1, cell.cellIndex]"""
    )


def sort_button(browser, column):
    (button,) = browser.find(f'table.printed th[data-column="{column}"] > button')
    return button


LOADS = [(table, *how) for table in layouts() for how in ((DESKTOP, False), (PHONE, True))]
LOADS += [(table, *how) for table in (WIDE, "table10") for how in ((DESKTOP, True), (PHONE, False))]
# the widest, and those with a section of their own
ODD = (WIDE, "table01", "table03", "table12")
QUICK = [load for load in LOADS[: 2 * len(layouts())] if load[0] in ODD]
LOADS = [load if load in QUICK else pytest.param(*load, marks=pytest.mark.slow) for load in LOADS]


@pytest.mark.parametrize(("table", "size", "dark"), LOADS, ids=lambda value: str(value))
def test_a_page_loads_alone_fits_and_is_accessible(browser, page, table, size, dark):
    browser.open(page(table), size, dark=dark)
    assert browser.axe() == []
    assert browser.overflow() <= 0
    assert browser.requests() == []
    assert browser.console() == []


def test_provenance_is_reached_by_keyboard_and_gives_the_focus_back(browser, page):
    from selenium.webdriver.common.keys import Keys

    browser.open(page("table10"))
    for _ in range(30):
        browser.press(Keys.TAB)
        if focused(browser) and focused(browser)[0]:
            break
    assert focused(browser) == [1, 1]
    browser.press(Keys.ARROW_DOWN * 8, Keys.END)
    assert focused(browser) == [9, 13]
    browser.press(Keys.ENTER)
    assert seen(browser, "dialog h2") == ["SemanIR-S ×2, embedded photographs SSIM"]
    terms = dict(zip(seen(browser, "dialog dt"), seen(browser, "dialog dd"), strict=True))
    command = "snakemake --cores 4 results/smoke/eval/sr-x2/semanir-released/seed0.json"
    known = {
        **{"measured": "0.71", "scale": "release", "verdict": "scaled down"},
        **{"on": "embedded_rgb, 2 images", "made": "here", "measured by": f"{command}Copy"},
        "machine": "A Processor <at> 2 GHz & more, AVX2",
    }
    assert {name: terms[name] for name in known} == known
    asked = {"record", "seeds", "95 % interval over photographs", "protocol", "commit", "reason"}
    assert asked <= set(terms)
    assert seen(browser, "dialog figcaption")[0].startswith("2 photographs, each its difference")
    assert browser.axe() == []
    browser.press(Keys.ESCAPE)
    assert seen(browser, "dialog") == []
    assert focused(browser) == [9, 13]


def test_the_address_of_a_cell_opens_its_dialog(browser, page):
    """As loaded, and as followed on the page; the dialog's own link is that address."""
    first, second = (f"table10-{name}-x2-set5-psnr" for name in ("ipt", "semanir-b"))
    browser.open(page("table10"))
    browser.run("location.hash = arguments[0]", first)
    browser.wait("return document.getElementById('facts').open")
    assert seen(browser, "dialog h2") == ["IPT ×2, Set5 PSNR"]
    assert browser.run("return document.querySelector('dialog p.link a').hash") == f"#{first}"
    assert seen(browser, "dialog p.claims") == []  # no claim names it
    browser.run("location.hash = arguments[0]", second)
    browser.wait("return document.querySelector('dialog h2').textContent.startsWith('SemanIR-B')")
    about = [link.get_attribute("href") for link in browser.find("dialog p.claims a")]
    assert {link.partition("#")[2] for link in about} == {"state-of-the-art", "sr-base-over-small"}
    assert browser.console() == []


def test_a_command_is_copied(browser, page):
    browser.open(page("table10"))
    browser.run("location.hash = 'table10-semanir-b-x2-set5-psnr'")
    browser.wait("return document.getElementById('facts').open")
    (button,) = browser.find("dialog .copy")
    button.click()
    browser.wait("return document.querySelector('dialog p [role=status]').textContent")
    # a browser that asks nobody selects the text instead
    told = seen(browser, "dialog p [role=status]")[0]
    assert told in ("Copied.", "Selected; press the keys that copy.")
    command = "snakemake --cores 4 reports/table10.html --config scale=paper"
    assert browser.find("dialog code")[0].text == command


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_a_switch_shows_this_machine_alone(browser, everything, tmp_path, script):
    """Counts of another machine; without a script too."""
    results = read_records(everything)
    evidence = [Evidence("smoke", results[:0]), Evidence("mini", results, "box", "there")]
    tables.render("table11", evidence, tmp_path)
    browser.open(tmp_path / "table11.html", script=script)
    try:
        measured = "table.printed .m"
        assert len(seen_of(browser, measured)) == 10
        browser.find("label:has(#evidence-here)")[0].click()
        assert seen_of(browser, measured) == []
        assert len([one for one in browser.find("table.printed") if one.is_displayed()]) == 1
        if script:
            assert browser.axe() == [] and browser.console() == []
    finally:
        browser.open(tmp_path / "table11.html")


def seen_of(browser, css):
    """Elements in sight, without a script."""
    return [one for one in browser.find(css) if one.is_displayed()]


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_wide_table_scrolls_in_its_box_beside_its_first_column(browser, page, size):
    browser.open(page(WIDE), size)
    scrolled, first, value = browser.run(
        """const box = document.querySelector('table.printed').parentElement;
        box.scrollLeft = 200;
        const left = (css) => box.querySelector(css).getBoundingClientRect().left;
        const edge = box.getBoundingClientRect().left;
        return [box.scrollLeft, left('tbody th[scope=row]') - edge, left('td') - edge]"""
    )
    assert scrolled == 200 and abs(first) <= 1 and value < 0  # px


def test_arrow_keys_pass_over_blocks_and_what_a_filter_hides(browser, page):
    """From the header into the cells, over the name of a block of rows; Home and End; edges."""
    from selenium.webdriver.common.keys import Keys

    browser.open(page("table10"))
    browser.run("arguments[0].focus()", sort_button(browser, 0))
    for keys, place in (
        (Keys.ARROW_UP, [0, 1]),
        (Keys.ARROW_DOWN * 11, [11, 1]),  # the block of x4 begins with the 11th row
        (Keys.END, [11, 11]),
        (Keys.ARROW_RIGHT, [11, 11]),
        (Keys.HOME + Keys.ARROW_UP * 11, [0, 1]),
        (Keys.TAB, [1, 1]),
    ):
        browser.press(keys)
        assert focused(browser) == place
    # one stop in the header, one among the cells
    assert len(browser.find("table.printed button:not([tabindex='-1'])")) == 2
    browser.find('ul.key button[class~="match"]')[0].click()
    browser.run("document.querySelector('table.printed td.shown > button').focus()")
    assert focused(browser) == [9, 1]
    browser.press(Keys.ARROW_DOWN * 2, Keys.ARROW_RIGHT)
    assert focused(browser) == [19, 1]


def test_a_column_sorts_up_down_and_as_printed_within_blocks(browser, page):
    """Set5 PSNR of Table 10; a dash is last whichever way."""
    browser.open(page("table10"))
    wanted = ("Set5", "PSNR")
    printed = [c for c in cells("table10") if (c.dataset, c.metric) == wanted]
    blocks = [[c for c in printed if c.setting == setting] for setting in ("x2", "x4")]

    def shown():
        return [names(browser, block) for block in (1, 2)]

    def rows(sign):
        return [[c.row for c in sorted(b, key=lambda c: sign * float(c.value))] for b in blocks]

    assert shown() == rows(0)
    button = sort_button(browser, 1)
    head = button.find_element("xpath", "..")
    for sign, order in ((1, "ascending"), (-1, "descending"), (0, None)):
        button.click()
        assert shown() == rows(sign) and head.get_attribute("aria-sort") == order
        told = f"Sorted by printed PSNR, {order}." if order else ""
        assert seen(browser, ".told") == [told]
    for first in (None, "SemanIR-B ×2"):  # IPT's SSIM is a dash
        sort_button(browser, 2).click()
        assert names(browser)[-1] == "IPT ×2" and first in (None, names(browser)[0])
    assert browser.axe() == []
    sort_button(browser, -1).click()
    assert names(browser)[0] == "ART ×2" and len(browser.find("table.printed th[aria-sort]")) == 1


def test_verdicts_filter_cells_and_rows(browser, page):
    browser.open(page("table10"))
    cell, word = "table.printed td > button", "table.printed td > button .vh"
    everything = len(cells("table10")) + 8  # measured on embedded photographs
    assert len(seen(browser, cell)) == everything
    buttons = {b.get_attribute("class").split()[1]: b for b in browser.find("ul.key button")}
    assert all(b.get_attribute("aria-pressed") == "false" for b in buttons.values())

    buttons["match"].click()
    assert buttons["match"].get_attribute("aria-pressed") == "true"
    assert len(seen(browser, cell)) == 3 and set(seen(browser, word)) == {"match"}
    assert names(browser, 1) == ["SemanIR-S ×2", "SemanIR-B ×2"]
    assert names(browser, 2) == ["SemanIR-S ×4"]
    assert seen(browser, ".told") == ["3 cells shown: match."]
    assert browser.axe() == []

    buttons["differs"].click()
    assert set(seen(browser, word)) == {"match", "differs"}
    assert len(seen(browser, cell)) == 3 + 11
    buttons["match"].click()
    buttons["differs"].click()
    assert len(seen(browser, cell)) == everything and seen(browser, ".told") == [""]


def test_the_switch_shows_printed_measured_or_difference(browser, page):
    from selenium.webdriver.common.keys import Keys

    shown_parts = (".p", ".m", ".d", ".s")
    browser.open(page("table03"))
    browser.run("document.querySelector('#view-both').focus()")
    for parts, key in (  # .s: the scale of the scores among the measured
        ({".p": 32, ".m": 16, ".d": 14, ".s": 2}, Keys.ARROW_RIGHT),
        ({".p": 32}, Keys.ARROW_RIGHT),
        ({".m": 16, ".s": 2}, None),
    ):
        shown = {part: len(seen(browser, f"table.printed {part}")) for part in shown_parts}
        assert {part: count for part, count in shown.items() if count} == parts
        if key:
            browser.press(key)
    sort_button(browser, 0).click()
    assert names(browser)[-1] == "×4 SR: SemanIR-S"  # 12.02 M measured, the others 1.23 M here
    browser.find("label:has(#view-difference)")[0].click()
    assert len(seen(browser, "table.printed .d")) == 14
    assert seen(browser, "table.printed .s") == ["release, here"] * 2
    assert names(browser)[0] == "×4 SR: HAT"  # printed 20.77 M, so the most negative
    assert browser.axe() == []


def test_without_a_script_everything_is_shown(browser, page):
    browser.open(page("table10"), script=False)
    try:
        assert len(browser.find("table.printed td[title]")) == len(cells("table10")) + 8
        assert browser.find("table.printed button, ul.key button") == []
        assert not any(hint.is_displayed() for hint in browser.find(".js"))
    finally:
        browser.open(page("table10"))


def test_print_leaves_controls_out_and_fits_a_page(browser, page):
    """A4 landscape within 10 mm margins is 1047 px wide."""
    tell = browser.driver.execute_cdp_cmd
    browser.open(page(WIDE), (1047, 740), dark=True)
    tell("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        assert browser.overflow() <= 0
        assert not any(one.is_displayed() for one in browser.find(".screen, nav, dialog"))
        ground = browser.run("return getComputedStyle(document.body).backgroundColor")
        assert ground == "rgb(255, 255, 255)"
    finally:
        tell("Emulation.setEmulatedMedia", {"media": ""})
