"""A real browser for the studio's page, by selenium and an installed Chromium."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

FLAGS = (
    "--headless=new --no-sandbox --disable-quic --disable-background-networking --disable-component-update "
    "--disable-dev-shm-usage --disable-gpu --disable-extensions --no-first-run --hide-scrollbars"
)
TRACED = "devtools.timeline,disabled-by-default-devtools.timeline"
MISSING = (
    "These tests need a browser: install Chromium and its driver (Debian: apt-get install chromium chromium-driver; "
    "macOS: brew install chromium chromedriver), so that `chromium` and `chromedriver` are found on PATH."
)
WAIT = 25  # seconds that a machine under load may take for any one step


def browser_paths() -> tuple[str, str]:
    names = ("chromium", "chromium-browser", "google-chrome")
    browser = next((found for name in names if (found := shutil.which(name))), None)
    driver = shutil.which("chromedriver")
    if not browser or not driver:
        raise AssertionError(MISSING)
    return browser, driver


class Browser:
    """One window with its own profile. `find` waits; `clicks` counts what a person would press."""

    def __init__(self, *, language: str = "en-US", downloads: Path | None = None, trace: bool = False):
        path, driver = browser_paths()
        self.profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        options = Options()
        options.binary_location = path
        for flag in (*FLAGS.split(), f"--user-data-dir={self.profile.name}", f"--lang={language}"):
            options.add_argument(flag)
        options.add_experimental_option(
            "prefs", {"intl.accept_languages": language, "download.default_directory": str(downloads or "")}
        )
        logs = {"browser": "ALL"}
        if trace:
            logs["performance"] = "ALL"
            kinds = {"traceCategories": TRACED, "enableNetwork": False, "enablePage": False}
            options.add_experimental_option("perfLoggingPrefs", kinds)
        options.set_capability("goog:loggingPrefs", logs)
        self.driver = webdriver.Chrome(options=options, service=Service(driver))
        self.clicks = 0
        self.size(1280, 900)

    def close(self) -> None:
        self.driver.quit()
        self.profile.cleanup()

    def size(self, width: int, height: int, *, phone: bool = False) -> None:
        facts = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": phone}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", facts)

    def media(self, **features: str) -> None:
        """`media(prefers_color_scheme="dark")` and the like."""
        given = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": given})

    def open(self, url: str) -> None:
        self.driver.get("about:blank")
        self.driver.get(url)
        self.find("h1")

    def go(self, route: str) -> None:
        """Another view of the open page, by its hash, once it is drawn."""
        self.run("window.gone = document.querySelector('main .view'); location.hash = arguments[0]", route)
        self.until(
            lambda: self.run("return document.querySelector('main .view h1') && window.gone?.isConnected !== true")
        )

    def run(self, script: str, *given: Any) -> Any:
        return self.driver.execute_script(script, *given)

    def until(self, true: Callable[[], Any], what: str = "", seconds: float = WAIT) -> Any:
        end = time.monotonic() + seconds
        while True:
            found = true()
            if found:
                return found
            if time.monotonic() > end:
                raise AssertionError(f"{what or 'What was waited for'} did not come: {self.text()[:1500]}")
            time.sleep(0.05)

    def text(self) -> str:
        return self.run("return document.body.innerText")

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def find(self, selector: str, text: str = "", seconds: float = WAIT) -> WebElement:
        def look() -> WebElement | None:
            shown = self.run(
                "return [...document.querySelectorAll(arguments[0])].find((one) =>"
                " one.innerText.includes(arguments[1]) && one.checkVisibility())",
                selector,
                text,
            )
            return shown or None

        return self.until(look, f"{selector} {text}", seconds)

    def press(self, selector: str, text: str = "", seconds: float = WAIT) -> None:
        """Clicks as a person does: in the middle of what is seen."""
        node = self.find(selector, text, seconds)
        self.run("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", node)
        node.click()
        self.clicks += 1

    def says(self, text: str, seconds: float = WAIT) -> None:
        self.until(lambda: text in self.text(), repr(text), seconds)

    def faults(self) -> list[str]:
        """What the console holds against the page itself, lost connections aside."""
        entries = [one["message"] for one in self.driver.get_log("browser") if one["level"] == "SEVERE"]
        return [one for one in entries if "net::ERR" not in one and "favicon" not in one]

    def longest_task(self, url: str) -> float:
        """CPU time in ms of the longest task of the page at `url`: unlike its duration, it hardly grows with the load
        of the machine. The browser has to be made with trace=True."""
        events = [json.loads(one["message"])["message"]["params"] for one in self.driver.get_log("performance")]
        ours = {(e["pid"], e["tid"]) for e in events if e.get("name") == "EvaluateScript" and url in str(e.get("args"))}
        tasks = [e for e in events if e.get("name") == "RunTask" and (e["pid"], e["tid"]) in ours]
        return max(e.get("tdur", 0) for e in tasks) / 1000

    def shot(self, path: Path) -> None:
        self.driver.save_screenshot(str(path))
