"""Text that others wrote: nothing of it acts on a terminal, a page or in JSON, and all of it can be read."""

import json
import unicodedata

import pytest

from ganworks.core.console.text import fitting, json_text, on_line, on_page, plain, printable, shown

ACTING = ["\0", "\x07", "\x08", "\t", "\n", "\r", "\x1b", "\x7f", "\x85", "\x9b", "\u2028", "\u2029",
          *map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A)), "\ud800", "\udcff"]  # fmt: skip
SPEAKING = "naïve 日本\u3000語 می\u200cخواهم 👩\u200d👧 שלום\u200f a\u00a0b \ue000"


@pytest.mark.parametrize("character", ACTING, ids=ascii)
def test_what_acts_is_written_as_an_escape(character):
    escape = character.encode("unicode_escape").decode()
    assert shown(f"a{character}b") == plain(f"a{character}b") == printable(f"a{character}b") == f"a{escape}b"
    assert on_line(f"a{character}b") == "a b"
    assert on_page(f"a{character}b") == ("a" + (character if character in "\t\n" else "\ufffd") + "b")
    text = json_text({character: [character]})
    assert json.loads(text) == {character: [character]} and shown(text) == text


def test_every_control_is_covered_and_nothing_that_a_script_needs():
    turning = {*range(0x202A, 0x202F), *range(0x2066, 0x206A)}
    acting = [k for k in range(0x110000) if unicodedata.category(chr(k)) in ("Cc", "Cs", "Zl", "Zp") or k in turning]
    others = "".join(map(chr, sorted({*range(0x110000)} - {*acting})))
    assert all(shown(chr(k)) != chr(k) for k in acting) and shown(others) == others
    assert shown(SPEAKING) == on_page(SPEAKING) == plain(SPEAKING) == SPEAKING
    assert json_text([SPEAKING]) == json.dumps([SPEAKING], ensure_ascii=False)


def test_a_name_shows_what_cannot_be_seen():
    assert printable("cat\u200b") == "cat\\u200b" and printable("Müller 1") == "Müller 1"


def test_a_stream_of_few_characters_gets_what_it_can_show():
    assert plain("a – b … é ü 日", unicode=False) == "a - b ... e ? ?"
    assert fitting("ü – 日", "latin-1") == "ü - ?" and fitting("ü – 日", "utf-8") == "ü – 日"
