"""The form in a real browser, before a real server: filled in, answered, explained, and proof against markup.

Needs Chromium and its driver (Debian: chromium, chromium-driver), and is skipped where they are not.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.wait import WebDriverWait

from automl.store import Store

from .conftest import NAME, register_version
from .odd_models import CATEGORY, CLASSES, LEVELS, NUMBER, TARGET, register_fitted, register_of_images, strange_frame
from .test_server import Server, automl, free_port, running

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs Chromium and its driver")

PATIENCE_SECONDS = 20
FLAGS = ["--headless=new", "--no-proxy-server", "--no-first-run", "--disable-background-networking", "--disable-sync"]
FLAGS += ["--disable-component-update", "--disable-dev-shm-usage", "--window-size=1280,1000"]
NOWHERE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"

SHOWN = """
const prediction = document.querySelector("#answer:not(.stale) #prediction");
return prediction ? [document.getElementById("origin").textContent, prediction.textContent] : [];
"""

T = TypeVar("T")


class Page:
    """The form of a model in a browser, by what a person sees."""

    def __init__(self, driver: webdriver.Chrome, url: str) -> None:
        self.driver = driver
        driver.get_log("browser")  # forget those of the page before
        driver.get(url)

    def wait(self, condition: Callable[[], T]) -> T:
        return WebDriverWait(self.driver, PATIENCE_SECONDS).until(lambda _: condition())

    def ready(self) -> Page:
        self.wait(self.at("work").is_displayed)
        return self

    def at(self, place: str) -> WebElement:
        return self.driver.find_element(By.ID, place)

    def field(self, name: str) -> WebElement:
        """The input with this label."""
        labels = self.driver.find_elements(By.CSS_SELECTOR, ".field > label")
        (label,) = [label for label in labels if label.text == name]
        return self.at(label.get_attribute("for") or "")

    def press(self, place: str) -> None:
        self.at(place).click()

    def shown(self) -> list[str]:
        """The id and the prediction of an answer to the row as it is; empty if there is none."""
        return list(self.driver.execute_script(SHOWN))

    def answer_after(self, act: Callable[[], None]) -> str:
        """The prediction of the answer that an action brings."""
        before = self.shown()
        act()
        return self.wait(lambda: [said for said in [self.shown()] if said and said != before])[0][1]

    def predict(self) -> str:
        """The answer to the row as it is."""
        return self.answer_after(lambda: self.press("predict"))

    def bars(self, place: str) -> dict[str, str]:
        """The names and figures of a table."""
        rows = self.at(place).find_elements(By.TAG_NAME, "tr")
        return {
            row.find_element(By.TAG_NAME, "th").text: row.find_element(By.CSS_SELECTOR, ".figure").text for row in rows
        }

    def errors(self) -> list[str]:
        """What the browser complains of, such as a broken policy."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]

    def is_hacked(self) -> bool:
        return bool(self.driver.execute_script("return 'hacked' in window"))


@pytest.fixture(scope="module")
def driver() -> Iterator[webdriver.Chrome]:
    """A browser that reaches this machine only."""
    assert CHROMIUM is not None
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in [*FLAGS, NOWHERE, *(["--no-sandbox"] if os.geteuid() == 0 else [])]:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    # With the driver given, Selenium looks for none elsewhere.
    with webdriver.Chrome(options, Service(executable_path=DRIVER)) as driver:
        yield driver


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("browser")


@pytest.fixture(scope="module")
def store(home: Path) -> Iterator[Store]:
    """A store with a plain model, a strange one and one of images."""
    store = Store(home / "store")
    register_version(store, 1e-3)
    register_fitted(store, "strange", strange_frame())
    register_fitted(store, "discreet", strange_frame(), private=(NUMBER, CATEGORY))
    register_of_images(store, "photos", home)
    yield store
    store.close()


@pytest.fixture(scope="module")
def server(store: Store, home: Path) -> Iterator[Server]:
    """One server for all of them."""
    names = (NAME, "strange", "discreet", "photos")
    port = free_port()
    words = ("serve", *names, "--engine", "plain", "--port", str(port), "--store", str(store.folder))
    with running(automl(*words), home, f"http://127.0.0.1:{port}") as server:
        yield server


def page_of(driver: webdriver.Chrome, server: Server, name: str) -> Page:
    return Page(driver, f"{server.url}/models/{name}/")


def test_the_form_is_filled_in_and_answered_and_explained(
    driver: webdriver.Chrome, server: Server, store: Store
) -> None:
    page = page_of(driver, server, NAME).ready()
    page.wait(lambda: page.at("title").text == NAME)
    assert "predicts Churn" in page.at("about").text
    example = server.http.get(f"/models/{NAME}/schema").json()["example"]
    assert page.field("tenure").get_attribute("value") == str(example["tenure"])
    assert page.field("signed").get_attribute("value") == example["signed"]

    tenure = page.field("tenure")
    tenure.clear()
    tenure.send_keys("300")
    plan = page.field("plan")
    Select(plan).select_by_visible_text("another …")
    driver.switch_to.active_element.send_keys("platinum")
    predicted = page.answer_after(lambda: driver.switch_to.active_element.send_keys(Keys.ENTER))

    row = {**example, "tenure": 300, "plan": "platinum"}
    answer = server.http.post(f"/models/{NAME}/predict", json={"rows": [row]}).json()["predictions"][0]
    assert predicted == str(answer["prediction"])
    shares = page.bars("probabilities")
    assert list(shares) == sorted(shares, key=lambda name: -answer["probabilities"][name])
    assert float(shares["1"].strip("<>% ")) == pytest.approx(100 * answer["probabilities"]["1"], abs=0.1)
    assert "tenure" in page.at("flags").text
    assert "plan" in page.at("flags").text

    page.press("why")
    page.wait(lambda: driver.find_elements(By.ID, "reasons"))
    assert set(page.bars("reasons")) <= set(example)
    assert page.errors() == []

    version, shown = page.at("origin").text.split(" · ")
    assert version == "version 1"
    entry = page.wait(lambda: [e for e in store.log.newest(NAME, 100) if f"id {e.id}" == shown])[0]
    assert dict(entry.features) == row


def test_an_answer_to_another_row_is_shown_as_old(driver: webdriver.Chrome, server: Server) -> None:
    page = page_of(driver, server, NAME).ready()
    page.predict()
    page.field("tenure").send_keys("1")
    assert "stale" in (page.at("answer").get_attribute("class") or "")


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
@pytest.mark.parametrize("name", [NAME, "strange"])
def test_the_command_that_is_shown_works_in_a_shell(
    driver: webdriver.Chrome, server: Server, name: str, tmp_path: Path
) -> None:
    page = page_of(driver, server, name).ready()
    predicted = page.predict()
    done = in_shell(page.at("curl").get_attribute("textContent") or "", tmp_path)
    assert str(done["predictions"][0]["prediction"]) == predicted
    assert list(tmp_path.iterdir()) == []


def in_shell(command: str, folder: Path) -> Any:
    environment = {"PATH": os.environ["PATH"], "no_proxy": "*"}
    done = subprocess.run(
        ["sh", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def test_names_and_levels_that_are_markup_are_shown_and_never_run(driver: webdriver.Chrome, server: Server) -> None:
    page = page_of(driver, server, "strange").ready()
    shown = Select(page.field(CATEGORY))
    assert [option.get_attribute("textContent") for option in shown.options][1:-1] == server_levels(server)
    for level in LEVELS:
        shown.select_by_index(1 + server_levels(server).index(level))
        assert page.predict() in CLASSES
    assert set(page.bars("probabilities")) == set(CLASSES)
    assert TARGET in page.at("answer").text
    page.press("why")
    page.wait(lambda: driver.find_elements(By.ID, "reasons"))
    assert set(page.bars("reasons")) <= {NUMBER, CATEGORY}
    assert not page.is_hacked()
    assert driver.find_elements(By.CSS_SELECTOR, "main img, main script, main svg, main b") == []
    assert page.errors() == []


def server_levels(server: Server) -> list[str]:
    columns = server.http.get("/models/strange/schema").json()["columns"]
    levels: list[str] = next(column["levels"] for column in columns if column["name"] == CATEGORY)
    return levels


def test_private_columns_are_empty_and_take_what_is_typed(driver: webdriver.Chrome, server: Server) -> None:
    page = page_of(driver, server, "discreet").ready()
    for name in (NUMBER, CATEGORY):
        assert page.field(name).get_attribute("value") == ""
        assert page.field(name).tag_name == "input"
    page.press("predict")
    assert "empty" in page.wait(lambda: page.at("problem").text)
    page.field(NUMBER).send_keys("7")
    assert page.predict() in CLASSES


def test_what_cannot_be_read_is_named_at_its_field(driver: webdriver.Chrome, server: Server) -> None:
    page = page_of(driver, server, NAME).ready()
    tenure = page.field("tenure")
    tenure.clear()
    tenure.send_keys("1e", Keys.ENTER)
    page.wait(lambda: tenure.get_attribute("aria-invalid"))
    assert driver.switch_to.active_element == tenure
    tenure.send_keys(Keys.BACKSPACE)
    assert tenure.get_attribute("aria-invalid") is None


def test_an_image_is_chosen_seen_and_answered_and_no_image_is_refused(
    driver: webdriver.Chrome, server: Server, home: Path, tmp_path: Path
) -> None:
    page = page_of(driver, server, "photos").ready()
    (tmp_path / "no image.png").write_text("words")
    photo = page.field("photo")
    photo.send_keys(str(tmp_path / "no image.png"))
    page.press("predict")
    page.wait(lambda: photo.get_attribute("aria-invalid"))
    assert "an image" in page.at("fields").text

    named = tmp_path / "it's $HOME.png"
    shutil.copy(home / "teal.png", named)
    photo.send_keys(str(named))
    preview = driver.find_element(By.CSS_SELECTOR, ".drop img")
    page.wait(
        lambda: preview.is_displayed() and driver.execute_script("return arguments[0].naturalWidth", preview) == 8
    )
    page.errors()  # the browser's own word on the refusal above
    assert page.predict() == "red"
    assert page.errors() == []
    if shutil.which("curl"):
        command = page.at("curl").get_attribute("textContent") or ""
        assert in_shell(command, tmp_path)["predictions"][0]["prediction"] == "red"


def test_every_input_has_its_columns_name_and_can_be_reached_by_keyboard(
    driver: webdriver.Chrome, server: Server
) -> None:
    page = page_of(driver, server, NAME).ready()
    names = list(server.http.get(f"/models/{NAME}/schema").json()["example"])
    for name in names:
        assert page.field(name).accessible_name == name
    page.field(names[0]).send_keys("")
    reached = [driver.switch_to.active_element.accessible_name]
    while reached[-1] != "Predict" and len(reached) < 30:
        driver.switch_to.active_element.send_keys(Keys.TAB)
        reached.append(driver.switch_to.active_element.accessible_name)
    assert [name for name in dict.fromkeys(reached) if name in names] == names
    assert reached[-1] == "Predict"


@pytest.mark.parametrize("name", [NAME, "strange", "photos"])
def test_a_narrow_screen_is_wide_enough(driver: webdriver.Chrome, server: Server, name: str) -> None:
    size = driver.get_window_size()
    try:
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", PHONE)
        page = page_of(driver, server, name).ready()
        if name != "photos":
            page.predict()
        assert driver.execute_script("return document.documentElement.scrollWidth") <= PHONE["width"]
    finally:
        driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        driver.set_window_size(size["width"], size["height"])


PHONE = {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": True}


def test_a_server_of_several_models_lists_them(driver: webdriver.Chrome, server: Server) -> None:
    page = Page(driver, server.url)
    page.wait(lambda: driver.find_elements(By.CSS_SELECTOR, "#models a"))
    driver.find_element(By.LINK_TEXT, "strange").click()
    page.wait(lambda: page.at("title").text == "strange")
    assert page.errors() == []


@pytest.mark.parametrize("name", [NAME, "strange"])
def test_swagger_shows_the_routes_and_runs_nothing_of_a_strangers(
    driver: webdriver.Chrome, server: Server, name: str
) -> None:
    page = Page(driver, f"{server.url}/models/{name}/docs")
    page.wait(lambda: driver.find_elements(By.CSS_SELECTOR, ".opblock-post"))
    assert not page.is_hacked()
    errors = page.errors()
    if name == "strange":  # Swagger takes descriptions for Markdown and cleans them; the policy refuses the rest
        errors = [said for said in errors if "inline event handler violates" not in said]
    assert errors == []


def test_a_key_is_asked_for_where_one_is_needed(
    driver: webdriver.Chrome, store: Store, home: Path, tmp_path: Path
) -> None:
    key = store.keys.create("browser", ("predict",)).text
    words = (
        "serve",
        NAME,
        "--engine",
        "plain",
        "--port",
        "0",
        "--store",
        str(store.folder),
        "--keys",
        "--private-docs",
    )
    with running(automl(*words), tmp_path) as server:
        page = Page(driver, server.url)
        page.wait(lambda: driver.find_elements(By.ID, "key-form"))
        assert not page.at("work").is_displayed()
        page.at("key").send_keys("automl_wrong_key", Keys.ENTER)
        page.wait(page.at("problem").is_displayed)
        assert not page.at("work").is_displayed()
        page.at("key").send_keys(key, Keys.ENTER)
        page.ready()
        assert driver.find_elements(By.ID, "key-form") == []
        assert page.predict() in ("0", "1")
        assert key not in (page.at("curl").get_attribute("textContent") or "")
        assert driver.get_cookies() == []
        assert driver.execute_script("return localStorage.length + sessionStorage.length") == 0
        assert key not in server.output.read_text()
