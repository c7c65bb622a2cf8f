"""Pages of tables in a real browser: loading, keyboard, sorting, filters, accessibility, widths."""

from functools import cache

import pytest
from browser import DESKTOP, PHONE
from made_records import PROVENANCE, eval_record

from reports.collect import read_records
from reports.tables import tables
from reports.tables.layouts import layouts
from semanir.plan.runs import cells

pytest_plugins = "browser"
WIDE = "table07"
ROWS = "[...document.querySelectorAll('#printed tbody:nth-of-type({block}) th[scope=row]')]"
NAMES = "return " + ROWS + ".filter(th => th.checkVisibility()).map(th => th.textContent)"


@pytest.fixture(scope="module")
def page(everything, tmp_path_factory):
    """A function: the HTML of a table, which is rendered when it is first asked for."""
    folder, results = tmp_path_factory.mktemp("pages"), read_records(everything)

    @cache
    def rendered(table):
        tables.render(table, "smoke", results, folder)
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
        const rows = [...document.querySelectorAll('#printed tbody tr:not(.group)')];
        return [rows.indexOf(cell.parentElement) + 1, cell.cellIndex]"""
    )


def sort_button(browser, column):
    (button,) = browser.find(f'#printed th[data-column="{column}"] > button')
    return button


LOADS = [(table, *how) for table in layouts() for how in ((DESKTOP, False), (PHONE, True))]
LOADS += [(table, *how) for table in (WIDE, "table10") for how in ((DESKTOP, True), (PHONE, False))]
# the widest, and those with a section of their own
ODD = (WIDE, "table01", "table03", "table12")
QUICK = [load for load in LOADS[: 2 * len(layouts())] if load[0] in ODD]
LOADS = [load if load in QUICK else pytest.param(*load, marks=pytest.mark.slow) for load in LOADS]


@pytest.mark.parametrize(("table", "size", "dark"), LOADS, ids=lambda value: str(value))
def test_a_page_loads_alone_fits_and_is_accessible(browser, page, table, size, dark):
    """No line on the console, no request, no sideways scrolling of the page, nothing for axe."""
    browser.open(page(table), size, dark=dark)
    assert browser.axe() == []
    assert browser.overflow() <= 0
    assert browser.requests() == []
    assert browser.console() == []


def test_the_checks_themselves_find_faults(browser, tmp_path):
    """A page with a request, an error, faint text, a picture without words, too wide."""
    pytest.importorskip("axe_core_python")
    page = tmp_path / "bad.html"
    page.write_text(
        '<!doctype html><html lang="en"><title>bad</title><main><h1>bad</h1>'
        '<p style="color: #ccc; width: 3000px">faint</p><img src="nowhere.png"></main>'
        "<script>throw new Error('broken')</script></html>"
    )
    browser.open(page)
    found = " ".join(browser.axe())
    assert "color-contrast" in found and "image-alt" in found
    assert browser.overflow() > 1000
    assert [url.rpartition("/")[2] for url in browser.requests()] == ["nowhere.png"]
    assert any("broken" in line for line in browser.console())


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_wide_table_scrolls_in_its_box_beside_its_first_column(browser, page, size):
    browser.open(page(WIDE), size)
    edges = browser.run(
        """const box = document.querySelector('#printed').parentElement;
        const first = box.querySelector('tbody th[scope=row]');
        const value = box.querySelector('td');
        box.scrollLeft = 200;
        const left = box.getBoundingClientRect().left;
        return [box.scrollLeft, first.getBoundingClientRect().left - left,
          value.getBoundingClientRect().left - left]"""
    )
    assert edges[0] == 200
    assert abs(edges[1]) <= 1  # px
    assert edges[2] < 0


def test_provenance_is_reached_by_keyboard_and_gives_the_focus_back(browser, page):
    """Tab to the table, arrows to a cell, Enter opens, Escape closes: the cell has the focus."""
    from selenium.webdriver.common.keys import Keys

    browser.open(page("table10"))
    for _ in range(30):
        browser.press(Keys.TAB)
        if focused(browser) and focused(browser)[0]:
            break
    assert focused(browser) == [1, 1]
    browser.press(Keys.ARROW_DOWN * 8, Keys.ARROW_RIGHT * 2)
    assert focused(browser) == [9, 3]
    browser.press(Keys.ENTER)
    assert seen(browser, "dialog h2") == ["SemanIR-S ×2, Set5 SSIM"]
    terms = dict(zip(seen(browser, "dialog dt"), seen(browser, "dialog dd"), strict=True))
    assert terms["printed"] == "0.9651 (paper Table 10 p. 10)"
    assert terms["measured"] == "0.71"
    assert terms["on"] == "embedded_rgb, 2 images"
    assert terms["verdict"] == "scaled down"
    assert terms["machine"] == "A Processor <at> 2 GHz & more, AVX2"
    asked = {"scale", "seeds", "95 % interval over images", "protocol", "commit", "reason"}
    assert asked <= set(terms)
    assert browser.axe() == []
    browser.press(Keys.ESCAPE)
    assert seen(browser, "dialog") == []
    assert focused(browser) == [9, 3]


def test_arrow_keys_pass_over_blocks_and_end_at_the_edges(browser, page):
    """From the header into the cells, over the name of a block of rows; Home and End."""
    from selenium.webdriver.common.keys import Keys

    browser.open(page("table10"))
    browser.run("arguments[0].focus()", sort_button(browser, 0))
    browser.press(Keys.ARROW_UP)
    assert focused(browser) == [0, 1]
    browser.press(Keys.ARROW_DOWN * 11)
    assert focused(browser) == [11, 1]  # the block of x4 begins with the 11th row
    browser.press(Keys.END)
    assert focused(browser) == [11, 11]
    browser.press(Keys.ARROW_RIGHT)
    assert focused(browser) == [11, 11]
    browser.press(Keys.HOME, Keys.ARROW_UP * 11)
    assert focused(browser) == [0, 1]
    stops = "#printed button:not([tabindex='-1'])"
    assert len(browser.find(stops)) == 2  # one in the header, one among the cells
    browser.press(Keys.TAB)
    assert focused(browser) == [1, 1]


def test_a_tap_opens_provenance_on_a_phone(browser, page):
    browser.open(page("table02"), PHONE)
    (cell,) = browser.find("#printed tbody tr:first-child td:nth-child(2) > button")
    cell.click()
    assert seen(browser, "dialog h2") == ["DeblurGAN, GoPro PSNR"]
    # it begins at the top and stays within the window
    box = browser.run(
        """const box = document.querySelector('dialog');
        const place = box.getBoundingClientRect();
        return [box.scrollTop, place.left, place.right, place.bottom]"""
    )
    assert box[0] == 0 and box[1] >= 0 and box[2] <= PHONE[0] and box[3] <= PHONE[1]
    (close,) = browser.find("dialog button")
    close.click()
    assert seen(browser, "dialog") == []


def test_a_column_sorts_up_down_and_as_printed_within_blocks(browser, page):
    """Set5 PSNR of Table 10; the order is worked out from the printed cells."""
    browser.open(page("table10"))
    blocks = {"x2": 1, "x4": 2}
    found = {
        setting: [
            (float(c.value), c.row)
            for c in cells("table10")
            if (c.dataset, c.metric, c.setting) == ("Set5", "PSNR", setting)
        ]
        for setting in blocks
    }
    as_printed = {setting: [row for _, row in rows] for setting, rows in found.items()}

    def shown():
        return {setting: names(browser, block) for setting, block in blocks.items()}

    assert shown() == as_printed
    button = sort_button(browser, 1)
    head = button.find_element("xpath", "..")
    button.click()
    up = {k: [r for _, r in sorted(rows, key=lambda p: p[0])] for k, rows in found.items()}
    assert shown() == up and head.get_attribute("aria-sort") == "ascending"
    button.click()
    down = {k: [r for _, r in sorted(rows, key=lambda p: -p[0])] for k, rows in found.items()}
    assert shown() == down and head.get_attribute("aria-sort") == "descending"
    assert seen(browser, "#told") == ["Sorted by PSNR, descending."]
    assert browser.axe() == []
    button.click()
    assert shown() == as_printed and head.get_attribute("aria-sort") is None


def test_cells_without_a_number_are_sorted_last(browser, page):
    """IPT's SSIM is a dash, up and down; only one column is sorted at a time."""
    browser.open(page("table10"))
    sort_button(browser, 2).click()
    assert names(browser)[-1] == "IPT ×2"
    sort_button(browser, 2).click()
    assert names(browser)[-1] == "IPT ×2" and names(browser)[0] == "SemanIR-B ×2"
    sort_button(browser, -1).click()
    assert names(browser)[0] == "ART ×2"
    assert len(browser.find("#printed th[aria-sort]")) == 1


def test_verdicts_filter_cells_and_rows(browser, page):
    """Counts on the buttons are the cells that stay; two pressed show both; none shows all."""
    browser.open(page("table10"))
    everything = len(seen(browser, "#printed td > button"))
    assert everything == len(cells("table10"))
    buttons = {b.get_attribute("class").split()[1]: b for b in browser.find("#key button")}
    assert all(b.get_attribute("aria-pressed") == "false" for b in buttons.values())

    buttons["match"].click()
    assert buttons["match"].get_attribute("aria-pressed") == "true"
    assert len(seen(browser, "#printed td > button")) == 3
    assert set(seen(browser, "#printed td > button .vh")) == {"match"}
    assert names(browser, 1) == ["SemanIR-S ×2", "SemanIR-B ×2"]
    assert names(browser, 2) == ["SemanIR-S ×4"]
    assert seen(browser, "#told") == ["3 cells shown: match."]
    assert browser.axe() == []

    buttons["scaled"].click()
    assert set(seen(browser, "#printed td > button .vh")) == {"match", "scaled down"}
    assert len(seen(browser, "#printed td > button")) == 3 + 40
    buttons["match"].click()
    buttons["scaled"].click()
    assert len(seen(browser, "#printed td > button")) == everything
    assert seen(browser, "#told") == [""]


def test_arrow_keys_skip_what_a_filter_hides(browser, page):
    from selenium.webdriver.common.keys import Keys

    browser.open(page("table10"))
    (match,) = browser.find('#key button[class~="match"]')
    match.click()
    browser.run("document.querySelector('#printed td.shown > button').focus()")
    assert focused(browser) == [9, 1]
    browser.press(Keys.ARROW_DOWN * 2)
    assert focused(browser) == [19, 1]
    browser.press(Keys.ARROW_RIGHT)
    assert focused(browser) == [19, 1]


def test_the_switch_shows_printed_measured_or_difference(browser, page):
    """Radio buttons: arrow keys switch; sorting follows what is shown."""
    from selenium.webdriver.common.keys import Keys

    browser.open(page("table03"))
    assert len(seen(browser, "#printed .p")) == 32 and len(seen(browser, "#printed .m")) == 16
    (both,) = browser.find("#view-both")
    browser.run("arguments[0].focus()", both)
    browser.press(Keys.ARROW_RIGHT)
    assert len(seen(browser, "#printed .p")) == 32
    assert seen(browser, "#printed :is(.m, .d, .s)") == []
    browser.press(Keys.ARROW_RIGHT)
    assert len(seen(browser, "#printed .m")) == 16
    assert seen(browser, "#printed :is(.p, .d, .s)") == []
    sort_button(browser, 0).click()
    assert names(browser)[-1] == "×4 SR: SemanIR-S"  # 12.02 M measured, the others 1.23 M here
    (change,) = browser.find("label:has(#view-difference)")
    change.click()
    assert len(seen(browser, "#printed .d")) == 14
    assert seen(browser, "#printed :is(.p, .m, .s)") == []
    assert names(browser)[0] == "×4 SR: HAT"  # printed 20.77 M, so the most negative
    assert browser.axe() == []


def test_without_a_script_everything_is_shown(browser, page):
    """Values, verdicts and titles; no button that would do nothing."""
    browser.open(page("table10"), script=False)
    try:
        assert len(browser.find("#printed td[title]")) == len(cells("table10"))
        assert browser.find("#printed button, #key button") == []
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


def test_markup_from_data_shows_as_text(browser, tmp_path, monkeypatch):
    """A machine, a protocol and a title that are elements: nothing of them runs."""
    bad = "<script>document.title = 'run'</script><img src=x onerror=\"document.title = 'run'\">"
    path = eval_record(
        tmp_path,
        *("sr-x2", "semanir-s", [("embedded_rgb", "x2", 26.0, 0.7, 0.7)]),
        protocols={"x2": {"name": bad, "version": 1}},
        provenance=PROVENANCE | {"machine": bad},
    )
    monkeypatch.setitem(layouts()["table10"], "title", bad)
    tables.render("table10", "smoke", read_records([path]), tmp_path)
    browser.open(tmp_path / "table10.html")
    browser.run("document.querySelector('#printed td.scaled > button').click()")
    assert bad in seen(browser, "h1")[0]
    assert f"{bad}, AVX2" in seen(browser, "dialog dd")
    assert browser.driver.title == bad
    assert browser.find("img") == [] and browser.requests() == []
