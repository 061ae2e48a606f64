"""The files of the studio's page: words in both languages, no text or markup in the modules, weight, addresses."""

import json
import re

import pytest
from studio_fake import STATIC, VENDOR

MODULES = sorted(STATIC.rglob("*.js"))
STYLES = sorted(STATIC.rglob("*.css"))
WORDS = {name: json.loads((STATIC / "i18n" / f"{name}.json").read_text()) for name in ("en", "zh")}
# What stands in quotes in the modules and is no text: names that the platform fixes.
FIXED = {
    "POST",
    "DELETE",
    "X-Ganworks",
    "Content-Type",
    "AbortError",
    "ArrowLeft",
    "ArrowRight",
    "ArrowUp",
    "ArrowDown",
    "Enter",
    "Home",
    "End",
    "English",
    "中文",
    "zh-Hans",
}
LITERAL = re.compile(r'"((?:[^"\\\n]|\\.)*)"|`((?:[^`\\]|\\.)*)`')


def code(path):
    """A module without its comments."""
    text = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.S)
    return re.sub(r"(^|\s)//[^\n]*", r"\1", text)


def literals(path):
    for plain, template in LITERAL.findall(code(path)):
        yield plain or re.sub(r"\$\{[^{}]*(\{[^{}]*\}[^{}]*)*\}", "", template)


def used_keys():
    """Keys that the modules ask for: whole ones, and beginnings of those that are put together."""
    text = "\n".join(code(path) for path in MODULES)
    whole = set(re.findall(r'"([a-z]+(?:[._][a-z_]+)*)"', text))
    begun = set(re.findall(r"`([a-z]+\.)\$\{", text)) | set(re.findall(r"`([a-z]+\.[a-z]+\.)\$\{", text))
    return whole, begun


def test_every_key_stands_in_both_languages():
    assert WORDS["en"].keys() == WORDS["zh"].keys()
    for key, text in WORDS["en"].items():
        names = re.findall(r"\{(\w+)\}", text)
        assert sorted(names) == sorted(re.findall(r"\{(\w+)\}", WORDS["zh"][key])), key
        assert text.strip() and WORDS["zh"][key].strip(), key


def test_the_chinese_is_chinese():
    same = {key for key, text in WORDS["zh"].items() if not re.search(r"[\u4e00-\u9fff]", text)}
    assert same <= {"run.python", "said.status", "title"}, same


def test_every_key_is_used_and_every_used_key_is_there():
    whole, begun = used_keys()
    for key in WORDS["en"]:
        stem = key.removesuffix(".one")
        assert stem in whole or any(key.startswith(one) for one in begun), f"{key} is used nowhere"
    asked = set(re.findall(r'\bt\("([\w.]+)"', "\n".join(code(path) for path in MODULES)))
    assert asked and asked <= WORDS["en"].keys(), asked - WORDS["en"].keys()


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.stem)
def test_no_text_stands_in_the_modules(path):
    """Every literal is a key, a class, a name of the platform, or signs: text comes from the language files."""
    classes = set(re.findall(r"\.([a-zA-Z][\w-]*)", "".join(p.read_text() for p in STYLES)))
    for text in literals(path):
        for word in re.findall(r"[^\W\d_][\w-]*", text):
            lower = word == word.lower() or re.fullmatch(r"[a-z]+([A-Z][a-z]+)+", word)
            assert word in FIXED or lower or re.fullmatch(r"[MLHVhvlzm\d-]+", word), f"{path.name}: {text!r}"
        spaced = [w for w in text.split() if re.fullmatch(r"[a-z]{2,}", w)]
        if len(text.split()) > 1 and "(" not in text and "[" not in text and not text.endswith("-serif"):
            assert set(spaced) <= classes | {"button", "img", "tone", "footer"}, (
                f"{path.name}: {text!r} reads like a sentence"
            )


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.stem)
def test_modules_keep_the_security_policy(path):
    text = code(path)
    for banned in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "new Function",
        "cssText",
    ):
        assert banned not in text, f"{path.name} uses {banned}"
    assert not re.search(r'setAttribute\("style"|[{,] style:[^,]*[`"][a-z]+:', text), path.name
    assert len(path.read_text().splitlines()) <= 400


def test_the_page_needs_nothing_from_outside():
    page = (STATIC / "index.html").read_text()
    assert "<style" not in page and "style=" not in page and not re.search(r"\son\w+=", page)
    assert all(re.search(r"\bsrc=", one) for one in re.findall(r"<script[^>]*>", page))
    for path in [STATIC / "index.html", *MODULES, *STYLES]:
        text = code(path).replace("http://www.w3.org/2000/svg", "")
        assert "://" not in text, f"{path.name} names an outside address"
        assert not re.search(r"""(?:src|href|fetch|url)\s*[=(]\s*["'`]/""", text), f"{path.name} has an absolute link"


def test_the_page_weighs_less_than_400_kb():
    vendored = [VENDOR / name for name in re.findall(r"vendor/([\w.-]+)", (STATIC / "index.html").read_text())]
    assert len(vendored) == 2
    assert sum(p.stat().st_size for p in [*STATIC.rglob("*"), *vendored] if p.is_file()) < 400_000
