"""Draws the pictures of docs/studio.md: the main views of `ganworks studio`, in a real browser.

  python docs/studio_pictures.py FOLDER

FOLDER is the folder of a studio with finished trainings: `digits` (of the built-in digits), one that fills in pictures
called `inpaint`, and any others for the first view. The pictures are written beside this file, in studio/.
"""

from __future__ import annotations

import io
import subprocess
import sys
import time
from pathlib import Path

from PIL import Image

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests" / "helpers"))

from studio_browser import Browser  # noqa: E402

PORT, TOKEN = 8471, "pictures-of-the-page"
WIDE, PHONE = (1280, 860), (390, 780)
# name -> (route, tab or "", colours, size)
VIEWS = {
    "home": ("#/", "", "light", WIDE),
    "data": ("#/data/builtin%3Adigits", "", "light", WIDE),
    "run": ("#/run/digits", "", "light", WIDE),
    "samples": ("#/run/digits/use", "", "dark", WIDE),
    "sliders": ("#/run/digits/use", "Sliders", "light", WIDE),
    "phone": ("#/run/digits", "", "dark", PHONE),
}


def main(folder: str) -> None:
    (HERE / "studio").mkdir(exist_ok=True)
    words = ["-m", "ganworks", "studio", folder, f"port={PORT}", "open=off", f"token={TOKEN}"]
    server = subprocess.Popen([sys.executable, *words], stdout=subprocess.PIPE, text=True)
    while "Ctrl-C" not in server.stdout.readline():
        pass
    browser = Browser()
    try:
        browser.open(f"http://127.0.0.1:{PORT}/?token={TOKEN}")
        for name, view in VIEWS.items():
            draw(browser, name, *view)
    finally:
        browser.close()
        server.terminate()
        server.wait(60)


def draw(browser: Browser, name: str, route: str, tab: str, colours: str, size: tuple[int, int]) -> None:
    """One view as docs/studio/NAME.png, with at most 128 colours so that it stays small."""
    browser.size(*size, phone=size == PHONE)
    browser.media(prefers_color_scheme=colours)
    browser.run("location.hash = '#/compare'")
    browser.find("h1", "Compare")
    browser.go(route)
    if tab:
        browser.press("[role=tab]", tab)
    calm = "return !document.querySelector('.waiting, [aria-busy=\"true\"]')"
    browser.until(lambda: browser.run(calm), f"the end of the work of {name}", 120)
    time.sleep(1.5)
    picture = Image.open(io.BytesIO(browser.driver.get_screenshot_as_png())).convert("RGB")
    picture.quantize(128, dither=Image.Dither.NONE).save(HERE / "studio" / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main(sys.argv[1])
