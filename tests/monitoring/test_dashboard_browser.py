"""The dashboard in a real browser: the retraining, its reason and its gain, on a desk and on a phone, by day and night.

Needs Chromium and its driver (Debian: chromium, chromium-driver), and is skipped where they are not. AUTOML_SHOTS names
a folder for the screenshots.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

from automl.store import Store
from tests.monitoring.dashboards import DEADLINE_S, Dashboard, running
from tests.monitoring.seeded import COLUMN, NAME, STRANGE

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs Chromium and its driver")

FLAGS = ["--headless=new", "--no-proxy-server", "--no-first-run", "--disable-background-networking", "--disable-sync"]
FLAGS += ["--disable-component-update", "--disable-dev-shm-usage", "--window-size=1280,1000"]
NOWHERE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
WIDTHS = (1280, 390, 320)
SCHEMES = ("light", "dark")
LEAST_CONTRAST = 4.5  # of small text (WCAG 2.2, 1.4.3)

# The contrast of each text with what is behind it; half-transparent backs are laid over what is behind them.
CONTRASTS = """
const parse = text => [...text.match(/[\\d.]+/g).map(Number), 1].slice(0, 4);
const over = (top, back) => [0, 1, 2].map(at => top[at] * top[3] + back[at] * (1 - top[3])).concat(1);
const light = ([r, g, b]) => [r, g, b].map(v => v / 255).map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, at) => sum + v * [.2126, .7152, .0722][at], 0);
const behind = element => {
  const layers = [];
  for (let at = element; at; at = at.parentElement) layers.push(parse(getComputedStyle(at).backgroundColor));
  return layers.reverse().reduce((back, top) => over(top, back), [255, 255, 255, 1]);
};
return [...document.querySelectorAll("main *, header *, footer *")].filter(element => element.checkVisibility() &&
    [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim())).map(element => {
  const style = getComputedStyle(element), back = behind(element);
  const front = over(parse(element.closest("svg") ? style.fill : style.color), back);
  const [high, low] = [light(front), light(back)].sort((one, other) => other - one);
  return [(high + .05) / (low + .05), element.textContent.slice(0, 40)];
}).sort((one, other) => one[0] - other[0])[0];
"""


@pytest.fixture(scope="module")
def driver() -> Iterator[webdriver.Chrome]:
    """A browser that reaches this machine only."""
    assert CHROMIUM is not None
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in [*FLAGS, NOWHERE, *(["--no-sandbox"] if os.geteuid() == 0 else [])]:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with webdriver.Chrome(options, Service(executable_path=DRIVER)) as driver:
        yield driver


@pytest.fixture(scope="module")
def dashboard(seeded: Store) -> Iterator[Dashboard]:
    with running(seeded.folder) as found:
        yield found


def errors(driver: webdriver.Chrome) -> list[str]:
    """What the browser complains of, such as a broken policy."""
    return [entry["message"] for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]


def show(driver: webdriver.Chrome, width: int, scheme: str) -> None:
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    media = [{"name": "prefers-color-scheme", "value": scheme}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": media})
    driver.get_log("browser")  # forget those of the page before


def test_the_retraining_its_reason_and_its_gain_are_found_from_the_first_page(
    driver: webdriver.Chrome, dashboard: Dashboard, seeded: Store
) -> None:
    show(driver, 1280, "light")
    driver.get(dashboard.url)
    decision = seeded.decisions.of(NAME)[-1]
    figures = decision.record["parts"][0]["figures"]
    gain = f"+{figures['challenger'] - figures['champion']:.4g} {figures['metric']}"
    found = driver.find_element(By.CSS_SELECTOR, ".retraining").text
    assert "promoted" in found
    assert decision.why in found
    assert gain in found
    driver.find_element(By.LINK_TEXT, NAME).click()
    shown = driver.find_element(By.CSS_SELECTOR, ".retraining")
    assert gain in shown.text
    shown.find_element(By.TAG_NAME, "summary").click()
    assert all(part["what"] in shown.text for part in decision.record["parts"])
    assert errors(driver) == []


def test_no_name_of_a_column_or_a_level_is_ever_run(
    driver: webdriver.Chrome, dashboard: Dashboard, seeded: Store
) -> None:
    show(driver, 1280, "light")
    newest = seeded.checks.of(STRANGE)[-1].sequence
    for path in ("/", f"/models/{STRANGE}", f"/models/{STRANGE}/checks/{newest}"):
        driver.get(dashboard.url + path)
        assert COLUMN in driver.find_element(By.TAG_NAME, "body").text
        assert not driver.execute_script("return 'hacked' in window")
        assert driver.find_elements(By.CSS_SELECTOR, "main img, main script") == []
        assert errors(driver) == []


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_every_page_fits_and_can_be_read(
    driver: webdriver.Chrome, dashboard: Dashboard, seeded: Store, width: int, scheme: str
) -> None:
    reported = next(check for check in seeded.checks.of(NAME) if check.report)
    paths = ("/", f"/models/{NAME}", f"/models/{STRANGE}", f"/models/{NAME}/checks/{reported.sequence}", "/nowhere")
    for path in paths:
        show(driver, width, scheme)
        driver.get(dashboard.url + path)
        assert driver.execute_script("return document.documentElement.scrollWidth") <= width, path
        contrast, text = driver.execute_script(CONTRASTS)
        assert contrast >= LEAST_CONTRAST, (path, text)
        keep_picture(driver, f"{path.strip('/').replace('/', '-') or 'models'}-{width}-{scheme}.png")


def keep_picture(driver: webdriver.Chrome, name: str) -> None:
    folder = os.environ.get("AUTOML_SHOTS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        driver.save_screenshot(str(Path(folder) / name))


def test_pages_are_told_to_those_who_cannot_see_them(driver: webdriver.Chrome, dashboard: Dashboard) -> None:
    show(driver, 1280, "light")
    driver.get(f"{dashboard.url}/models/{NAME}")
    assert len(driver.find_elements(By.TAG_NAME, "h1")) == 1
    assert driver.find_element(By.TAG_NAME, "html").get_attribute("lang") == "en"
    pictures = driver.find_elements(By.TAG_NAME, "svg")
    assert len(pictures) > 5
    assert all(each.get_attribute("role") == "img" and each.accessible_name for each in pictures)
    assert all(each.find_elements(By.TAG_NAME, "caption") for each in driver.find_elements(By.TAG_NAME, "table"))
    show(driver, 390, "light")
    assert driver.find_element(By.TAG_NAME, "td").aria_role == "cell", "a table is one where it does not look like one"
    show(driver, 1280, "light")
    driver.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    assert driver.switch_to.active_element.text == "To the content"
    reached = []
    for _ in range(60):
        driver.switch_to.active_element.send_keys(Keys.TAB)
        reached.append(driver.switch_to.active_element.accessible_name)
    assert {"Models", "Evidently", "Hold still"} <= set(reached)


def test_evidentlys_pages_work_below_ours_and_change_nothing(
    driver: webdriver.Chrome, dashboard: Dashboard, seeded: Store
) -> None:
    show(driver, 1280, "light")
    projects = dashboard.http.get("/evidently/api/projects").json()
    assert [project["name"] for project in projects] == [NAME]
    identity = projects[0]["id"]
    assert dashboard.http.delete(f"/evidently/api/projects/{identity}").status_code == 405
    driver.get(f"{dashboard.url}/evidently/projects/{identity}")
    wait = WebDriverWait(driver, DEADLINE_S)
    wait.until(lambda _: "Drift by column" in driver.find_element(By.TAG_NAME, "body").text)
    wait.until(lambda _: driver.find_elements(By.CSS_SELECTOR, "main svg, #root svg path"))
    driver.find_element(By.XPATH, "//*[text()='Reports']").click()
    wait.until(lambda _: f"{NAME} version 1: act" in driver.find_element(By.TAG_NAME, "body").text)
    assert driver.current_url.startswith(f"{dashboard.url}/evidently/projects/{identity}/reports")
    assert not driver.execute_script("return 'hacked' in window")
    assert errors(driver) == []


def test_evidentlys_report_of_a_check_opens_and_reaches_nothing(
    driver: webdriver.Chrome, dashboard: Dashboard, seeded: Store
) -> None:
    show(driver, 1280, "light")
    reported = next(check for check in seeded.checks.of(NAME) if check.report)
    driver.get(f"{dashboard.url}/models/{NAME}/checks/{reported.sequence}")
    driver.find_element(By.LINK_TEXT, "Open the interactive report").click()
    wait = WebDriverWait(driver, DEADLINE_S)
    wait.until(lambda _: "Drift in column" in driver.find_element(By.TAG_NAME, "body").text)
    assert driver.execute_script("return window.origin") == "null"
