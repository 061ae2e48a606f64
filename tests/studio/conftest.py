"""One browser and one stand-in server for all tests of the page."""

from collections.abc import Iterator

import pytest
from studio_browser import Browser
from studio_fake import FakeStudio


@pytest.fixture(scope="session")
def shared_browser() -> Iterator[Browser]:
    browser = Browser()
    yield browser
    browser.close()


@pytest.fixture
def browser(shared_browser: Browser) -> Browser:
    """The shared window as at the start: its size, its colours, nothing remembered, no click counted."""
    shared_browser.size(1280, 900)
    shared_browser.media()
    shared_browser.driver.get_log("browser")
    shared_browser.clicks = 0
    return shared_browser


@pytest.fixture
def studio() -> Iterator[FakeStudio]:
    fake = FakeStudio()
    yield fake
    fake.kill()
