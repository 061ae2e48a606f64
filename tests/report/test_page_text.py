"""What strangers wrote stays text on both pages: no control bytes, no markup, no links."""

from pathlib import Path

import fake_run
import pytest
from markdown_it import MarkdownIt

from ganworks.core.console.text import on_page
from ganworks.report.page.fill import code, text
from ganworks.report.page.html import render
from ganworks.report.page.model_card import card
from ganworks.report.read import read_run

NAMES = ["# x", "- x", "+ x", "* x", "1. x", "12) x", "===", "---", "-", "> q", "http://e.x", "www.e.x", "a@b.c",
         "<b>x</b>", "[a](b)", "![a](b)", "`a`", "|x|", "~~a~~", "&amp;", "a\\", "$x$", "a_b_c", "- [ ] x", "-5.2",
         "0.5 s", "é 日"]  # fmt: skip
ACTING = "\x1b[2J\0\x07\r\x85\x9b\x7f\u2028\u202e\u2066"


@pytest.mark.parametrize("name", NAMES)
def test_in_markdown_a_name_is_text(name):
    markdown, said = MarkdownIt("commonmark").enable(["table", "strikethrough"]), text(name)
    for place, before in (("{}", 0), ("# {}", 0), ("- {}", 2), ("| {} | a |\n|---|---|\n| b | c |", 3)):
        inline = next(token for token in markdown.parse(place.format(said)) if token.type == "inline")
        assert "".join(child.content for child in inline.children) == name and inline.level >= before
        assert {child.type for child in inline.children} <= {"text", "text_special"}, place
    assert "://" not in said and "www." not in said  # which GitHub makes links of
    (only,) = markdown.parse(code(name))[1].children
    assert only.type == "code_inline" and only.content == name


def test_nothing_acts_on_either_page(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(fake_run, "HOSTILE", fake_run.HOSTILE + ACTING)
    run = read_run(fake_run.build(tmp_path, hostile=True))
    (run.folder / "eval").mkdir(exist_ok=True)
    for page in (render(run), card(run)):
        assert on_page(page) == page and page.encode()
        assert "alert(" in page and "\x1b" not in page


def test_texts_keep_the_spaces_and_joiners_of_their_script(tmp_path: Path):
    from ganworks.report.page.media import _head

    path = tmp_path / "texts.txt"
    path.write_text("می\u200cخواهم\n日本\u3000語\ta\n\x1b[31mred\u2028x\n", encoding="utf-8")
    assert _head(path, 1000) == (["می\u200cخواهم", "日本\u3000語\ta", "\ufffd[31mred\ufffdx"], False)
