"""Text that others wrote (names, cells, messages of libraries), made safe for a terminal, a page and JSON.

Unsafe are characters that move the cursor, end a line or turn the direction of what follows: the controls C0, DEL and
C1, the separators of lines and paragraphs, the bidirectional embeddings, overrides and isolates, and lone surrogates,
which no encoding can write. Joiners, marks and spaces that scripts need stay.
"""

from __future__ import annotations

import json
import re
from typing import Any

_UNSAFE = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_UNSAFE_ON_PAGE = re.compile(_UNSAFE.pattern.replace("\0-\x1f", "\0-\x08\x0b-\x1f"))  # tabs and lines may stay
_ASCII = str.maketrans(
    {"–": "-", "−": "-", "·": "|", "…": "...", "é": "e", "×": "x", "∞": "inf", "“": '"', "”": '"', "’": "'"}
)


def shown(line: object) -> str:
    """One line of text for a terminal: what is unsafe there is written as an escape, such as \\x1b."""
    return _UNSAFE.sub(_escape, str(line))


def printable(name: str) -> str:
    """A name without a character that cannot be seen: unlike in `shown`, invisible ones are escaped as well."""
    return "".join(c if c.isprintable() else _escape(c) for c in name)


def counted(count: int, one: str, many: str = "") -> str:
    """A count with the words that agree with it: "1 file is", "1,200 files are".

    one: the words after 1, "file is". many: those after any other count; by default, an s is added.
    """
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def on_page(text: str) -> str:
    """Text for a page, with its tabs and ends of lines; in place of what is unsafe stands U+FFFD."""
    return _UNSAFE_ON_PAGE.sub("\N{REPLACEMENT CHARACTER}", text)


def on_line(text: object) -> str:
    """Text as one line of a page; whatever is unsafe there, and each run of spaces, is one space."""
    return " ".join(_UNSAFE.sub(" ", str(text)).split())


def plain(line: object, unicode: bool = True) -> str:
    """One line of text for a terminal, as `shown`; in ASCII when `unicode` is False."""
    return fitting(shown(line), "utf-8" if unicode else "ascii")


def fitting(text: str, encoding: str) -> str:
    """The text in characters that the encoding has: common marks are respelt, others become question marks."""
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.translate(_ASCII).encode(encoding, "replace").decode(encoding)
    return text


def json_text(value: Any, indent: int | None = None) -> str:
    """The value as JSON that a terminal and every encoding of Unicode can take: what is unsafe is written \\uXXXX."""
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    return _UNSAFE_ON_PAGE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _escape(found: re.Match[str] | str) -> str:
    return found[0].encode("unicode_escape").decode("ascii")
