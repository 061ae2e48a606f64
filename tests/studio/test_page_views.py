"""Every view of the studio in a real browser: for screen readers, keyboards, phones, in Chinese, light and dark."""

import io
from importlib.resources import files

import numpy as np
import pytest
from PIL import Image
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys
from studio_browser import Browser
from studio_fake import FakeStudio, png

VIEWS = ("#/", "#/new", "#/data/shapes", "#/run/one", "#/run/one/use", "#/compare?runs=one,two", "#/run/none")


@pytest.fixture
def filled(studio: FakeStudio) -> FakeStudio:
    studio.add("one", points=400)
    studio.add("two", points=300, status="failed", alarm="The generator stands still.")
    studio.data.append({"id": "shapes", "name": "shapes", "bytes": 4000})
    return studio


def axe(browser: Browser) -> list[str]:
    """Serious and critical faults of what is shown now."""
    if not browser.run("return Boolean(window.axe)"):
        browser.run((files("axe_core_python") / "axe.min.js").read_text())
    found = browser.driver.execute_async_script(
        "const done = arguments[0]; axe.run(document, {resultTypes: ['violations']}).then((r) => done(r.violations"
        ".map((v) => [v.impact, v.id, v.nodes.slice(0, 3).map((n) => n.html.slice(0, 160)).join(' | ')])))"
    )
    return [f"{rule}: {where}" for impact, rule, where in found if impact in {"serious", "critical"}]


def settle(browser: Browser) -> None:
    browser.until(lambda: browser.run("return !document.querySelector('.waiting, [aria-busy=\"true\"]')"), "rest")


def test_axe_finds_nothing_serious_in_any_view(browser, filled):
    browser.open(filled.url)
    for colours in ("light", "dark"):
        browser.media(prefers_color_scheme=colours)
        for view in VIEWS:
            browser.go(view)
            settle(browser)
            assert not axe(browser), f"{view} in {colours} colours"
    browser.go("#/run/one/use")
    for tab in ("Sliders", "Walk", "Apply to a file", "Name the class"):
        browser.press("[role=tab]", tab)
        settle(browser)
        assert not axe(browser), tab
    assert not [one for one in browser.faults() if "404" not in one]


def test_axe_would_find_a_fault(browser, filled):
    browser.open(filled.url)
    browser.run("document.querySelector('main').append(document.createElement('button'))")
    assert any("button-name" in one for one in axe(browser))


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_phone_needs_no_horizontal_scroll(browser, filled, language):
    browser.size(360, 740, phone=True)
    browser.open(filled.url)
    browser.run("localStorage.setItem('language', arguments[0])", language)
    browser.open(filled.url)
    for view in VIEWS:
        browser.go(view)
        settle(browser)
        assert browser.run("return document.documentElement.scrollWidth") <= 360, view
        heights = browser.run(
            "return [...document.querySelectorAll('button, .button, select')].filter((one) => one.checkVisibility())"
            ".map((one) => one.getBoundingClientRect().height)"
        )
        assert min(heights) >= 24, f"{view} has a button too small for a finger"
    browser.run("localStorage.clear()")


def test_chinese_is_chosen_kept_and_complete(browser, filled):
    browser.open(filled.url)
    browser.run(
        "const s = document.querySelector('header select'); s.value = 'zh'; s.dispatchEvent(new Event('change'))"
    )
    browser.find("h1", "你的训练")
    assert browser.run("return document.documentElement.lang") == "zh-Hans"
    browser.open(filled.url)
    browser.find("a", "新建训练")
    assert "你的训练" in browser.driver.title
    for view in VIEWS[:-1]:
        browser.go(view)
        settle(browser)
        for word in ("Seed", "Training", "Copy", "Start", "Losses", "Scores", "Pause", "Choose"):
            assert word not in browser.text(), f"{view} still says {word}"
    browser.run("localStorage.clear()")


def focused(browser: Browser) -> str:
    return browser.run(
        "const a = document.activeElement; return (a.innerText || a.ariaLabel || a.name || a.tagName).trim()"
    )


def tab_to(browser: Browser, text: str) -> None:
    """Presses Tab until what has the focus says `text`; each stop on the way shows that it has it."""
    for _ in range(60):
        ActionChains(browser.driver).send_keys(Keys.TAB).perform()
        seen = browser.run(
            "const a = document.activeElement; const b = a.closest('.card') || a; const shown = (one) =>"
            " getComputedStyle(one).outlineStyle !== 'none' || one.matches('.skip');"
            "return a === document.body || shown(a) || shown(b) || shown(a.parentElement)"
        )
        assert seen, f"{focused(browser)!r} does not show that it has the focus"
        if text in focused(browser):
            return
    raise AssertionError(f"Tab never came to {text!r}")


def press(browser: Browser, key: str) -> None:
    ActionChains(browser.driver).send_keys(key).perform()


def test_keys_alone_lead_from_nothing_to_samples(browser, studio):
    browser.open(studio.url)
    tab_to(browser, "Skip to the content")
    press(browser, Keys.ENTER)
    assert browser.run("return document.activeElement.id") == "main"
    tab_to(browser, "Try the built-in digits")
    press(browser, Keys.ENTER)
    browser.find("h1", "shapes")
    tab_to(browser, "Start training")
    press(browser, Keys.ENTER)
    browser.find("h1", "shapes-image-1")
    assert browser.run("return document.activeElement.tagName") == "H1"
    tab_to(browser, "Pause")
    press(browser, Keys.ENTER)
    browser.find(".pill", "paused")
    browser.run("document.querySelector('h1').focus()")
    tab_to(browser, "Make samples")
    press(browser, Keys.ENTER)
    browser.find(".gallery img")
    tab_to(browser, "Samples")
    press(browser, Keys.ARROW_RIGHT)
    browser.find("[role=tab][aria-selected=true]", "Sliders")
    browser.find(".result img")


def test_a_chart_is_a_table_and_obeys_keys(browser, filled):
    browser.open(filled.url + "#/run/one")
    browser.find(".chart canvas")
    assert "d_loss" in browser.find(".chart").get_attribute("aria-label")
    browser.press("details.numbers summary")
    rows = browser.all("details.numbers tbody tr")
    assert len(rows) == 12 and rows[-1].text.startswith("25,600")
    browser.find(".chart").send_keys("+")
    browser.press(".tick input")
    browser.press(".key input")
    assert not browser.run("return document.querySelector('.key input').checked")
    assert "d_loss" not in browser.find(".chart").get_attribute("aria-label")
    assert not browser.faults()


def test_settings_are_checked_before_they_are_sent(browser, filled):
    browser.open(filled.url + "#/data/shapes")
    browser.press("summary", "All settings")
    batch = browser.find("input[name='train.batch']")
    batch.clear()
    batch.send_keys("9000")
    browser.press("button", "Start training")
    browser.says("1 to 4,096")
    assert browser.run("return document.activeElement.name") == "train.batch" and not filled.posted
    batch.clear()
    batch.send_keys("32")
    browser.find("input[name='domain.size']").send_keys("16")
    browser.press("button", "Start training")
    browser.find("h1", "shapes-image-1")
    sent = filled.posted[-1][1]
    assert sent["settings"] == {"domain.size": "16", "train.batch": "32", "budget": "10m"} and sent["data"] == "shapes"


def test_a_mask_is_painted_by_keys_and_sent(browser, filled, tmp_path):
    picture = tmp_path / "picture.png"
    picture.write_bytes(png(3))
    browser.open(filled.url + "#/run/one/use")
    browser.press("[role=tab]", "Apply")
    browser.all(".panel input[type=file]")[0].send_keys(str(picture))
    canvas = browser.find(".painter canvas")
    browser.press(".controls button", "Apply")
    browser.says("Paint first")
    canvas.send_keys(Keys.ARROW_LEFT, Keys.ARROW_UP, Keys.SPACE)
    browser.press(".controls button", "Apply")
    browser.find(".slide input").send_keys(Keys.ARROW_RIGHT)
    assert browser.run("return document.querySelector('.slide').style.getPropertyValue('--at')") == "51%"
    (form,) = [given for what, given in filled.posted if what == "apply"]
    mask = np.asarray(Image.open(io.BytesIO(form["mask"].file.read())).convert("L"))
    assert mask.shape == (64, 64) and 0.01 < (mask > 128).mean() < 0.2 and mask[0, 0] == 0


def test_a_walk_plays_and_sliders_move(browser, filled):
    browser.open(filled.url + "#/run/one/use")
    browser.press("[role=tab]", "Walk")
    browser.find(".stage img")
    browser.press("button", "Play")
    browser.until(lambda: "1 / 24" not in browser.text(), "a step of the walk")
    browser.press("button", "Stop")
    browser.press("[role=tab]", "Sliders")
    browser.find(".bank input").send_keys(Keys.ARROW_RIGHT)
    browser.until(lambda: any(what == "latent" and given["moves"] for what, given in filled.posted), "a move")


def test_several_files_travel_as_one_archive(browser, studio, tmp_path):
    import zipfile

    for i in range(3):
        (tmp_path / f"{i}.png").write_bytes(png(i))
    browser.open(studio.url)
    browser.all(".drop input[type=file]")[0].send_keys("\n".join(str(tmp_path / f"{i}.png") for i in range(3)))
    browser.find("h1", "shapes")
    (_, (name, content)) = studio.posted[-1]
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None and name == "files.zip"
        assert [archive.read(f"{i}.png") for i in range(3)] == [png(i) for i in range(3)]
