"""The index, the comparisons and Figure 4 in a real browser: sliders, widths, schemes, axe."""

import base64
import io

import numpy as np
import pandas as pd
import pytest
from browser import DESKTOP, PHONE
from made_records import activation_record, denoised, visual_record
from made_speed import speed_records
from PIL import Image

from reports.claims import claims
from reports.collect import read_results, write_results
from reports.evidence import Evidence
from reports.figures import figure04, visual
from reports.pages import ablations, index, speed

pytest_plugins = "browser"

PAGES = ("index", "visual", "figure04", "claims", "ablations", "speed")
EVIL = '"><script>document.title="taken"</script>'


@pytest.fixture(scope="module")
def pages(everything, tmp_path_factory):
    """A folder with the pages that are no tables."""
    folder = tmp_path_factory.mktemp("pages")
    tasks = ["sr-x2", "denoise_gray-sigma50", "deblur-motion", "jpeg_color-blind", "sr-x4"]
    visuals = [visual_record(folder, task, level="x2", image=EVIL) for task in tasks]
    gains = {"semanir-u": 0, "semanir-u-fixed": 0.1}
    gains |= {"semanir-u-at-k8": -0.2, "semanir-u-fixed-at-k8": -0.4}
    path, activation = folder / "results.csv", activation_record(folder)
    write_results([*everything, *visuals, *denoised(folder, gains, images=5)], path)
    results = read_results(path)
    figure04.render(activation, folder)
    speed.render(*speed_records(folder), folder)
    visual.render("smoke", visual.visuals(visuals, results), folder)
    ablations.render([Evidence("smoke", results)], folder)
    evidence = [Evidence("smoke", results)]
    claims.render(evidence, folder)
    index.render(evidence, folder / "index.html", visuals, activation)
    return folder


HOW = [
    pytest.param(DESKTOP, False, id="desktop-light"),
    pytest.param(PHONE, True, id="phone-dark"),
    pytest.param(DESKTOP, True, id="desktop-dark", marks=pytest.mark.slow),
    pytest.param(PHONE, False, id="phone-light", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("size", "dark"), HOW)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_quiet_accessible_and_as_wide_as_its_window(browser, pages, name, size, dark):
    browser.open(pages / f"{name}.html", size, dark=dark)
    browser.run("for (const d of document.querySelectorAll('details')) d.open = true")
    assert browser.console() == []
    assert browser.requests() == []
    assert browser.overflow() <= 0
    assert browser.axe() == []
    assert browser.driver.title != "taken"
    scripts = browser.run("return document.scripts.length")
    assert scripts == (0 if name in ("figure04", "ablations", "speed") else 1)


def claims_shown(browser):
    """Ids of the claims that are to be seen."""
    return browser.run(
        "return [...document.querySelectorAll('.claim')].filter(one => one.checkVisibility())"
        ".map(one => one.id)"
    )


def test_claims_are_filtered_by_their_verdicts(browser, pages):
    """Of one side any of the pressed, of two sides both; what is folded opens where it has some."""
    browser.open(pages / "claims.html")
    ledger = pd.read_csv(pages / "claims.csv", keep_default_na=False)
    assert 0 < len(claims_shown(browser)) < len(ledger)  # the others are folded
    holds, unprinted = ledger["printed"] == "holds", ledger["printed"] == "not printed"
    presses = [
        ("printed", "holds", holds),
        ("printed", "not printed", holds | unprinted),
        ("measured", "not measured", (holds | unprinted) & (ledger["verdict"] == "not measured")),
        ("printed", "not printed", holds & (ledger["verdict"] == "not measured")),
    ]
    for side, verdict, wanted in presses:
        (chip,) = (
            one
            for one in browser.find(f"[aria-labelledby=by-{side}] button")
            if verdict == " ".join(one.text.split()[1:-1])
        )
        chip.click()
        assert set(claims_shown(browser)) == set(ledger["id"][wanted])
        assert browser.find("#shown")[0].text.startswith(f"{wanted.sum()} of {len(ledger)} shown")
    assert browser.console() == []


def test_an_address_unfolds_its_claim(browser, pages):
    browser.open(pages / "claims.html")
    folded = browser.find(".folded .claim")[0]
    assert not folded.is_displayed()
    browser.run("location.hash = arguments[0].id", folded)
    browser.run("return new Promise((done) => setTimeout(done, 50))")
    assert folded.is_displayed()


def test_without_javascript_every_claim_is_there(browser, pages):
    browser.open(pages / "claims.html", script=False)
    assert not browser.find(".filters button") and browser.find(".claim")[0].is_displayed()
    assert not [one for one in browser.find(".js") if one.is_displayed()]
    browser.find(".folded summary")[0].click()
    assert browser.find(".folded .claim")[0].is_displayed()
    browser.open(pages / "claims.html")  # scripts run again for who comes next


def test_verdicts_of_claims_are_on_a_phones_screen(browser, pages):
    browser.open(pages / "claims.html", PHONE)
    ends = browser.run(
        "return [...document.querySelectorAll('.claim .chip')].filter(one => one.checkVisibility())"
        ".map(one => one.getBoundingClientRect().right)"
    )
    assert len(ends) > 40 and max(ends) <= PHONE[0]


@pytest.mark.parametrize("name", ["figure04", "ablations"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_text_of_figures_has_the_colour_of_the_page(browser, pages, name, dark):
    """axe looks at no text within SVG."""
    browser.open(pages / f"{name}.html", dark=dark)
    colours = browser.run(
        "return [...document.querySelectorAll('svg text')].map(text => getComputedStyle(text).fill)"
    )
    assert set(colours) == {browser.run("return getComputedStyle(document.body).color")}


def found(browser, words):
    """What a search says, and the files and anchors that it links."""
    (field,) = browser.find("search input")
    field.clear()
    field.send_keys(words)
    links = [one.get_attribute("href").rpartition("/")[2] for one in browser.find("search li a")]
    return browser.find("search [role=status]")[0].text, links


def test_numbers_and_claims_are_found_by_words_in_any_order(browser, pages):
    """Table 10 prints SwinIR at scale 4 on Set5: 32.92 dB and 0.9044."""
    browser.open(pages / "index.html")
    swinir = [
        "table10.html#table10-swinir-x4-set5-psnr",
        "table10.html#table10-swinir-x4-set5-ssim",
    ]
    assert found(browser, "set5 SwinIR x4") == ("2 found.", swinir)
    assert found(browser, "set5 swinir x4 32.92") == ("1 found.", swinir[:1])
    assert found(browser, "41.7%")[1] == [
        "claims.html#fewer-parameters-than-hat",
        "claims.html#faster-than-hat",
    ]
    told, links = found(browser, "psnr")
    assert told.endswith("found, the first 20 shown.") and len(links) == 20
    assert found(browser, "nowhere") == ("0 found.", [])
    assert browser.axe() == [] and browser.console() == []


def test_without_javascript_there_is_no_search(browser, pages):
    browser.open(pages / "index.html", script=False)
    assert not browser.find("search")[0].is_displayed()
    browser.open(pages / "index.html")  # scripts run again for who comes next


def on_paper(browser, path):
    """The page as it is printed: A4 landscape within margins of 10 mm."""
    browser.open(path, (1047, 718))
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})


@pytest.mark.parametrize("name", PAGES)
def test_on_paper_what_stays_together_fits_a_sheet_and_no_foot_stands_alone(browser, pages, name):
    """190 mm are 718 pixels. What Chromium keeps together are boxes within a line."""
    on_paper(browser, pages / f"{name}.html")
    script = """return [...document.querySelectorAll('.together, figure.compare')]
      .map(one => [getComputedStyle(one).display, one.getBoundingClientRect().height])"""
    kept = browser.run(script)
    upright = browser.run(
        "return [...document.querySelectorAll('.upright')]"
        ".map(one => one.getBoundingClientRect().height)"
    )
    foot = browser.run("return getComputedStyle(document.querySelector('footer')).display")
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    number = {"ablations": 3, "claims": 1, "figure04": 1, "visual": 5, "index": 4, "speed": 0}[name]
    assert len(kept) == number and all(height <= 718 for _, height in kept)
    assert {how for how, _ in kept} <= {"inline-block", "block"}
    assert all(height <= 1047 for height in upright) and len(upright) == (name == "ablations")
    assert foot == "none"


def test_on_paper_the_pair_of_crops_stands_side_by_side(browser, pages):
    on_paper(browser, pages / "visual.html")
    pair = [one.rect for one in browser.find(".compare:first-of-type .stack .one")]
    slider = browser.find(".stack input")[0].is_displayed()
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert pair[0]["y"] == pair[1]["y"] and pair[0]["x"] + pair[0]["width"] <= pair[1]["x"]
    assert not slider


def share(browser):
    """Share of the first picture's columns that are degraded, as painted on the screen."""
    stack = browser.find(".stack")[0]
    with Image.open(io.BytesIO(base64.b64decode(stack.screenshot_as_base64))) as image:
        line = np.asarray(image.convert("L"))[20]
    # 40 degraded, 120 restored; the edge is white within black
    return float((abs(line.astype(int) - 40) < 10).mean())


@pytest.mark.parametrize("name", ["index", "visual"])
def test_the_slider_moves_with_the_keyboard(browser, pages, name):
    from selenium.webdriver.common.keys import Keys

    browser.open(pages / f"{name}.html")
    assert share(browser) == pytest.approx(0.5, abs=0.02)
    slider = browser.find(".stack input")[0]
    browser.run("arguments[0].focus()", slider)
    browser.press(*[Keys.ARROW_RIGHT] * 10)
    assert slider.get_attribute("aria-valuetext") == "60 % degraded"
    assert share(browser) == pytest.approx(0.6, abs=0.02)
    browser.press(Keys.HOME)
    assert share(browser) == pytest.approx(0, abs=0.01)
    browser.press(Keys.END)
    assert share(browser) == pytest.approx(1, abs=0.02)
    others = [other.get_attribute("value") for other in browser.find(".stack input")[1:]]
    assert others and set(others) == {"50"}
    assert browser.console() == []


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_edge_follows_the_pointer(browser, pages, size):
    from selenium.webdriver.common.action_chains import ActionChains

    browser.open(pages / "visual.html", size)
    stack = browser.find(".stack")[0]
    width = stack.rect["width"]
    pointer = ActionChains(browser.driver, duration=50)
    pointer.move_to_element_with_offset(stack, round(-0.3 * width), 0).click_and_hold()
    pointer.move_by_offset(round(0.55 * width), 0).release().perform()
    assert share(browser) == pytest.approx(0.75, abs=0.03)


@pytest.mark.parametrize(("size", "across"), [(DESKTOP, 4), (PHONE, 1)], ids=["desktop", "phone"])
def test_without_javascript_pictures_stand_in_order_with_their_names(browser, pages, size, across):
    """In a row of four, on a phone below each other; with JavaScript clean is beside the pair."""
    browser.open(pages / "visual.html", size, script=False)
    shown = browser.find(".compare:first-of-type .one")[:4]
    names = [one.find_element("css selector", "small b").text for one in shown]
    assert names == ["bicubic", "restored", "clean", "error"]
    places = [(round(one.rect["y"]), round(one.rect["x"])) for one in shown]
    assert places == sorted(places) and len({x for _, x in places}) == across
    assert len({y for y, _ in places}) == 4 // across
    captions = browser.find(".both") + browser.find(".stack input")
    assert captions and not any(one.is_displayed() for one in captions)
    browser.open(pages / "visual.html", size)
    pair, clean = browser.find(".stack")[0], browser.find(".pictures > .one")[0]
    assert (clean.rect["y"] == pair.rect["y"]) == (across == 4)
    browser.open(pages / "visual.html")  # scripts run again for who comes next
    assert browser.find(".sliding")
