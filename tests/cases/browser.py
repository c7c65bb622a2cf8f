"""A real browser for tests of pages: headless Chromium, driven by selenium.

A test module says `pytest_plugins = "browser"` and takes the fixture `browser`. Without Chromium,
chromedriver or selenium its tests are skipped. (PYTEST_DONT_REWRITE: nothing is asserted here.)
"""

import json
import shutil
import warnings

import pytest

FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--disable-dev-shm-usage",
)
DESKTOP, PHONE = (1280, 900), (390, 844)


class Browser:
    """A page in Chromium, and what it did: console lines, requests, accessibility."""

    def __init__(self, driver):
        self.driver = driver

    def open(self, path, size=DESKTOP, *, dark=False, script=True):
        """Load a file at a window size in CSS pixels; `script=False` leaves JavaScript out."""
        tell = self.driver.execute_cdp_cmd
        width, height = size
        screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        tell("Emulation.setDeviceMetricsOverride", screen)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        tell("Emulation.setEmulatedMedia", {"features": [scheme]})
        tell("Emulation.setScriptExecutionDisabled", {"value": not script})
        self.driver.get("about:blank")
        self.driver.get_log("browser"), self.driver.get_log("performance")
        self.address = path.resolve().as_uri()
        self.driver.get(self.address)

    def run(self, script, *arguments):
        """The value of a function body run in the page."""
        return self.driver.execute_script(script, *arguments)

    def wait(self, script):
        """Until a function body run in the page says yes."""
        from selenium.webdriver.support.ui import WebDriverWait

        WebDriverWait(self.driver, 600).until(lambda _: self.run(script))

    def find(self, css):
        return self.driver.find_elements("css selector", css)

    def press(self, *keys):
        """Keys go to whatever has the focus."""
        from selenium.webdriver.common.action_chains import ActionChains

        ActionChains(self.driver).send_keys(*keys).perform()

    def console(self):
        """Lines of the console since the page was opened, errors of the page among them."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requests(self):
        """Addresses asked for since the page was opened, without the page and data inside it."""
        events = [json.loads(e["message"])["message"] for e in self.driver.get_log("performance")]
        sent = [event for event in events if event["method"] == "Network.requestWillBeSent"]
        urls = [event["params"]["request"]["url"] for event in sent]
        return [url for url in urls if url != self.address and not url.startswith("data:")]

    def overflow(self):
        """By how many pixels the page is wider than its window."""
        page = "document.documentElement"
        return self.run(f"return {page}.scrollWidth - {page}.clientWidth")

    def axe(self):
        """What axe-core finds wrong with the page as it stands, a line an element.

        Where it is not installed nothing is found, and the summary of the tests says so.
        """
        try:
            from axe_core_python.base import AXE_SCRIPT
        except ModuleNotFoundError:
            warnings.warn("accessibility was not checked; pip install -e '.[axe]'", stacklevel=2)
            return []
        self.run(AXE_SCRIPT)
        violations = self.driver.execute_async_script(
            "const done = arguments[0]; axe.run(document, {resultTypes: ['violations']})"
            ".then(found => done(found.violations), fault => done([{id: `${fault}`, nodes: []}]))"
        )
        return [
            f"{rule['id']}: {' '.join(map(str, node['target']))} {node['failureSummary']}"
            for rule in violations
            for node in rule["nodes"] or [{"target": [], "failureSummary": ""}]
        ]

    def screenshot(self, path):
        self.driver.save_screenshot(str(path))


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """One Chromium for all tests of a session."""
    webdriver = pytest.importorskip("selenium.webdriver")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    chromedriver = shutil.which("chromedriver")
    if not chromium or not chromedriver:
        pytest.skip("no Chromium with its chromedriver; apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = webdriver.ChromeService(executable_path=chromedriver)
    driver = webdriver.Chrome(options=options, service=service)
    driver.set_script_timeout(600)
    yield Browser(driver)
    driver.quit()
