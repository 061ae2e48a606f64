"""A first-time user with the real server: from an empty folder to samples of their own pictures, clicks counted."""

import io
import os
import socket
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from selenium.webdriver.common.keys import Keys

TOKEN = "a-token-of-this-test-alone"


def pictures(folder: Path, count: int = 48) -> list[Path]:
    """Small pictures of discs and squares of any place, size and colour."""
    folder.mkdir()
    draw = np.random.default_rng(0)
    paths = []
    for i in range(count):
        image = Image.new("RGB", (16, 16), tuple(draw.integers(0, 90, 3).tolist()))
        x, y, size = *draw.integers(0, 6, 2).tolist(), int(draw.integers(5, 10))
        shape = ImageDraw.Draw(image).ellipse if i % 2 else ImageDraw.Draw(image).rectangle
        shape((x, y, x + size, y + size), fill=tuple(draw.integers(120, 255, 3).tolist()))
        image.save(path := folder / f"{i:02}.png")
        paths.append(path)
    return paths


@pytest.fixture
def served(tmp_path):
    """The address of `ganworks studio` over an empty folder."""
    folder = tmp_path / "studio"
    folder.mkdir()
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    words = [sys.executable, "-m", "ganworks", "studio", str(folder), f"port={port}", "open=off", f"token={TOKEN}"]
    with (tmp_path / "said.txt").open("wb") as said:
        server = subprocess.Popen(words, stdout=said, stderr=said, env=os.environ)
    try:
        yield f"http://127.0.0.1:{port}/"
    finally:
        server.terminate()
        server.wait(60)


def reached(url: str) -> None:
    host, port = url.removeprefix("http://").rstrip("/").split(":")
    for _ in range(600):
        with socket.socket() as one:
            if one.connect_ex((host, int(port))) == 0:
                return
        time.sleep(0.1)
    raise AssertionError("ganworks studio did not begin to listen")


def test_from_an_empty_folder_to_a_sample_of_ones_own_data(browser, served, tmp_path):
    reached(served)
    kept = tmp_path / "kept"
    kept.mkdir()
    browser.driver.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(kept)})
    browser.open(served)
    browser.says("Who is there?")  # without the token nothing is shown
    browser.open(f"{served}?token={TOKEN}")
    browser.find("h1", "What shall it learn?")
    assert "token" not in browser.driver.current_url

    paths = pictures(tmp_path / "shapes")
    browser.all(".drop input[type=file]")[0].send_keys("\n".join(map(str, paths)))  # the dialog of the first button
    browser.clicks += 1
    browser.find(".plan", "recommended", seconds=120)
    browser.says("48")
    browser.until(lambda: browser.run("return document.querySelector('.sheet img').naturalWidth"), "the contact sheet")
    browser.find(".plan input[type=range]").send_keys(Keys.HOME)  # ten seconds: as a click at the end of the slider
    browser.clicks += 1
    browser.press("button", "Start training")
    browser.find(".pill", "training", seconds=60)
    browser.find(".pill", "finished", seconds=240)
    assert browser.find(".stage img").get_attribute("src").endswith(".png")
    browser.find(".chart canvas")
    browser.press("a", "Make samples")
    browser.find(".gallery img", seconds=120)
    browser.press("a[download]")
    assert browser.clicks <= 8, browser.clicks

    (file,) = browser.until(lambda: [p for p in kept.iterdir() if p.suffix == ".zip"], "the download")
    with zipfile.ZipFile(io.BytesIO(file.read_bytes())) as archive:
        names = [name for name in archive.namelist() if name.endswith(".png")]
        assert len(names) == 16
        assert Image.open(io.BytesIO(archive.read(names[0]))).size == (16, 16)
    assert not [one for one in browser.faults() if "401" not in one]
