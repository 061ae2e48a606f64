"""Hints of personal data in tables and texts: shapes of cells, and columns that single out a row.

Shapes are recognised, not persons: a match is a reason to look. Nothing that was matched is kept; the counts are, and
the numbers of rows.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np

_MAIL = re.compile(
    r"(?<![\w.+-])[\w.+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){0,4}\.[A-Za-z]{2,24}(?![\w-])"
)
_PHONE = re.compile(r"(?<![\w.,/-])(?:\+|00|\(?0)\d{0,4}[\s()/.-]{0,3}(?:\d[\s()/.-]{0,2}){6,14}(?![\w/-])")
_PLAIN_PHONE = re.compile(r"(?<![\w.,/-])\(?\d{3}\)?[\s.-]\d{3}[\s.-]\d{4}(?![\w/-])")
_CARD = re.compile(r"(?<![\w.-])(?:\d[ -]?){12,18}\d(?![\w-])")
_IBAN = re.compile(r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?!\w)")
_SOCIAL = re.compile(r"(?<![\w-])\d{3}-\d{2}-\d{4}(?![\w-])")
_ADDRESS = re.compile(r"(?<![\w.])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\w.])")
_DATE = re.compile(r"\b(?:(\d{4})-\d{1,2}-\d{1,2}|\d{1,2}[./]\d{1,2}[./](\d{4}))\b")
_FULL_NAME = re.compile(r"(?:(?:Mr|Mrs|Ms|Dr)\.? )?[^\W\d_][^\W\d_'’-]+(?: [A-Z]\.)?(?: [^\W\d_][^\W\d_'’-]+){1,2}")
NAMED = {  # words in a column's name -> what its cells are
    "names of persons": ("name", "surname", "firstname", "lastname", "forename", "fullname", "patient", "customer"),
    "addresses": ("address", "street", "postcode", "zip", "zipcode", "postal"),
    "birth dates": ("birth", "birthday", "birthdate", "dob", "born"),
    "ids of persons": ("ssn", "passport", "iban", "insurance", "taxid", "nationalid", "licence", "license"),
    "phone numbers": ("phone", "telephone", "mobile", "fax"),
    "e-mail addresses": ("email", "mail"),
}
LONGEST = 2_000  # characters of a text that are looked at
UNIQUE, SHARE = 0.95, 0.02  # distinct cells of a column that singles out rows; matches of a column that are told
RARE, MOST_COLUMNS, MOST_ROWS = 5, 12, 50_000


@dataclass(frozen=True)
class Hint:
    """What was found: its kind, the column ("" for texts), rows int64 where it stands, and of how many."""

    kind: str
    column: str
    rows: np.ndarray
    looked: int


def shapes_in(text: str) -> set[str]:
    """The kinds of personal data of which a text holds the shape."""
    text, found = text[:LONGEST], set()
    if "@" in text and _MAIL.search(text):
        found.add("e-mail addresses")
    if not any(c.isdigit() for c in text):
        return found
    if _SOCIAL.search(text):
        found.add("ids of persons")
        text = _SOCIAL.sub(" ", text)
    if _IBAN.search(text) or any(_luhn(match[0]) for match in _CARD.finditer(text)):
        found.add("account or card numbers")
    elif _PHONE.search(text) or _PLAIN_PHONE.search(text):
        found.add("phone numbers")
    if _ADDRESS.search(text):
        found.add("network addresses")
    return found


def _luhn(text: str) -> bool:
    """Whether digits carry the check digit of card numbers (ISO/IEC 7812-1, annex B)."""
    digits = [int(c) for c in text if c.isdigit()][::-1]
    doubled = [d if k % 2 == 0 else d * 2 - 9 * (d > 4) for k, d in enumerate(digits)]
    return len(digits) >= 13 and sum(doubled) % 10 == 0 and len(set(digits)) > 1


def in_texts(texts: Sequence[str]) -> list[Hint]:
    """Hints in texts, by kind."""
    rows: dict[str, list[int]] = {}
    for row, text in enumerate(texts):
        for kind in shapes_in(text):
            rows.setdefault(kind, []).append(row)
    return [Hint(kind, "", np.array(found), len(texts)) for kind, found in sorted(rows.items())]


def in_column(name: str, cells: Sequence[str]) -> list[Hint]:
    """Hints in one column of a table, by its name and the shapes of its cells."""
    given = [(row, cell) for row, cell in enumerate(cells) if cell]
    if not given:
        return []
    found = [h for h in in_texts(cells) if len(h.rows) >= max(1, SHARE * len(given))]
    parts = re.findall(r"[a-z]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", name).lower())
    words = {*parts, *("".join(pair) for pair in pairwise(parts))}
    for kind, known in NAMED.items():
        if words & set(known) and kind not in {h.kind for h in found} and _fits(kind, [c for _, c in given]):
            found.append(Hint(kind, name, np.array([row for row, _ in given]), len(cells)))
    return [Hint(h.kind, name, h.rows, h.looked) for h in found]


def _fits(kind: str, cells: Sequence[str]) -> bool:
    """Whether cells look like what the column's name says: a column "name" may hold products."""
    some, distinct = cells[:500], len(set(cells)) / len(cells)
    if kind == "names of persons":
        return distinct > 0.2 and sum(bool(_FULL_NAME.fullmatch(c) or c.isalpha()) for c in some) > 0.7 * len(some)
    if kind == "birth dates":
        years = [int(y) for c in some if (m := _DATE.search(c)) for y in m.groups() if y]
        return len(years) > 0.7 * len(some) and all(1900 <= y <= 2100 for y in years)
    return distinct > 0.2 or kind == "addresses"


def singling(name: str, cells: Sequence[str]) -> bool:
    """Whether nearly every row has a cell of its own in a column of words or whole numbers."""
    given = [cell for cell in cells if cell]
    if len(given) < 20 or len(set(given)) < UNIQUE * len(given):
        return False
    return sum(("." not in cell and "e" not in cell.lower()) or not _number(cell) for cell in given) > 0.9 * len(given)


def _number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def rare_together(columns: Mapping[str, Sequence[str]]) -> tuple[tuple[str, ...], np.ndarray, int] | None:
    """(three columns of few values, rows whose combination of them fewer than RARE rows share, rows looked at).

    Of all triples of columns with 3 to 200 values, the one that singles out most rows (quasi-identifiers, Sweeney
    2002); None where no triple does.
    """
    count = min(MOST_ROWS, min(map(len, columns.values()), default=0))
    codes = {name: _codes(cells[:count]) for name, cells in columns.items()}
    few = [name for name, code in codes.items() if 3 <= code.max(initial=0) + 1 <= min(200, count // 10)]
    few = sorted(few, key=lambda name: -int(codes[name].max()))[:MOST_COLUMNS]
    best: tuple[tuple[str, ...], np.ndarray] | None = None
    for triple in combinations(few, 3):
        together = np.zeros(count, np.int64)
        for name in triple:
            together = together * 200 + codes[name]
        _, place, shared = np.unique(together, return_inverse=True, return_counts=True)
        rows = np.flatnonzero(shared[place.reshape(-1)] < RARE)
        if len(rows) and (best is None or len(rows) > len(best[1])):
            best = (triple, rows)
    return None if best is None else (best[0], best[1], count)


def _codes(cells: Sequence[str]) -> np.ndarray:
    numbers = {cell: k for k, cell in enumerate(Counter(cells))}
    return np.array([numbers[cell] for cell in cells], np.int64)
