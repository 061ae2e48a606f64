"""Numbers as people write them: decimal points or commas, thousands, percent, currency and units."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

PLAIN = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[+-]?inf(?:inity)?", re.IGNORECASE)
MOST_DECIMALS = 12  # most decimal places of a grid; beyond, a number counts as continuous
_SIGNS = "$€£¥₹₽₩₺₪₫฿₴₦"
_SPACES = " \u00a0\u202f\u2009"
_BODY = rf"[0-9.,][0-9.,'’{_SPACES}]*(?<=[0-9.,])"
_WRITTEN = re.compile(
    rf"(?P<open>\()?(?P<minus>[-+\u2212])?(?P<prefix>(?:[A-Z]{{3}}|[A-Z]{{0,2}}[{_SIGNS}])[{_SPACES}]?)?(?P<inner>[-\u2212])?"
    rf"(?P<body>{_BODY})(?P<suffix>[{_SPACES}]?(?:%|‰|°[CF]?|[{_SIGNS}])|[{_SPACES}][A-Za-zµ°/²³]{{1,6}})?(?P<close>\))?"
)
_MARKS = (("." , ""), (",", ""), (".", ","), (",", "."), *((d, t) for t in "'’" + _SPACES for d in ".,"))  # fmt: skip


@dataclass(frozen=True)
class NumberForm:
    """How the numbers of a column are written.

    decimal, thousands: the separators ("" for none). prefix, suffix: a currency, "%" or a unit, blanks included.
    places: digits after the decimal separator, -1 if not always as many. brackets: (5) is minus five.
    """

    decimal: str = "."
    thousands: str = ""
    prefix: str = ""
    suffix: str = ""
    places: int = -1
    brackets: bool = False

    @property
    def plain(self) -> bool:
        """Whether Python's float() reads these numbers."""
        return (self.decimal, self.thousands, self.prefix, self.suffix, self.brackets) == (".", "", "", "", False)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON; `NumberForm(**d)` is the inverse."""
        return asdict(self)

    def read(self, cell: str) -> float:
        """The number in a cell; NaN if it is not written in this form."""
        if self.plain:
            return number_in(cell)
        found = _WRITTEN.fullmatch(cell.strip())
        if not found or (found["prefix"] or "", found["suffix"] or "") != (self.prefix, self.suffix):
            return math.nan
        body = _undone(found["body"], self.decimal, self.thousands)
        minus = found["minus"] not in (None, "+") or found["inner"] or (found["open"] and found["close"])
        return math.nan if body is None else -float(body) if minus else float(body)

    def write(self, value: float, decimals: int | None) -> str:
        """A number as a cell. decimals: most places of the column, None for as many as it takes."""
        places = self.places if self.places >= 0 else decimals
        text = f"{abs(value):,.{places}f}" if places is not None else f"{abs(value):,.12g}"
        if self.places < 0 and "." in text:
            text = text.rstrip("0").rstrip(".")
        text = text.replace(",", "\0").replace(".", self.decimal).replace("\0", self.thousands)
        text = f"{self.prefix}{text}{self.suffix}"
        return text if value >= 0 else f"({text})" if self.brackets else f"-{text}"


def number_in(cell: str) -> float:
    """The number in a cell that is written plainly, as `1.5e3`; NaN for other cells. (float() also reads 1_000.)"""
    cell = cell.strip()
    return float(cell) if PLAIN.fullmatch(cell) else math.nan


def _undone(body: str, decimal: str, thousands: str) -> str | None:
    """The digits of a number with a decimal point; None if it is not separated in this way."""
    whole, mark, rest = body.partition(decimal)
    if (rest and not rest.isdecimal()) or not (whole or rest):
        return None
    if thousands and thousands in whole:
        groups = whole.split(thousands)
        if not 1 <= len(groups[0]) <= 3 or any(len(g) != 3 for g in groups[1:]):
            return None
        whole = "".join(groups)
    return f"{whole}{'.' if mark else ''}{rest}" if (whole + rest).isdecimal() else None


def find_number_form(cells: Sequence[str], commas: bool = False) -> NumberForm | None:
    """The form that reads most of these cells, if there is one; the plain one first.

    cells: distinct ones, none missing. commas: the file writes decimal commas, which decides for 1,234 and 1.234.
    """
    plain = sum(PLAIN.fullmatch(cell) is not None for cell in cells)
    unsure = commas and plain == len(cells) and _only_threes(cells, ".")
    if plain >= 0.95 * len(cells) and not unsure:
        return NumberForm()
    found = [m for cell in cells[:1000] if (m := _WRITTEN.fullmatch(cell))]
    if len(found) < 0.95 * min(len(cells), 1000):
        return None
    around = Counter((m["prefix"] or "", m["suffix"] or "") for m in found).most_common(1)[0][0]
    bodies = [m["body"] for m in found if (m["prefix"] or "", m["suffix"] or "") == around]
    best = _separators(bodies, commas) if len(bodies) >= 0.95 * len(found) else None
    if best is None:
        return None
    digits = {len(b.partition(best[0])[2]) for b in bodies}
    places = digits.pop() if len(digits) == 1 else -1
    return NumberForm(*best, *around, places=places, brackets=any(m["open"] for m in found))


def _separators(bodies: list[str], commas: bool) -> tuple[str, str] | None:
    """(decimal, thousands) that read at least 95 % of the numbers; where two do, see `comma_decimals`."""
    reads = [(sum(_undone(b, d, t) is not None for b in bodies), -k) for k, (d, t) in enumerate(_MARKS)]
    count, place = max(reads)
    if count < 0.95 * len(bodies):
        return None
    best = _MARKS[-place]
    if best == (",", "") and not commas and _only_threes(bodies, ","):
        return ".", ","
    if best == (".", "") and commas and _only_threes(bodies, "."):
        return ",", "."
    return best


def _only_threes(bodies: Iterable[str], mark: str) -> bool:
    """Whether all that a mark sets off are groups of three digits, after one to three others that do not begin with
    zero: 1,234 and 12,345.
    """
    marked = [b for b in bodies if mark in b]
    return bool(marked) and all(re.fullmatch(rf"[-+]?[1-9][0-9]{{0,2}}\{mark}[0-9]{{3}}", b) for b in marked)


def comma_decimals(cells: Sequence[str]) -> bool:
    """Whether these cells of one column can only be numbers with a decimal comma."""
    marked = [c for c in cells if "," in c]
    if not marked:
        return False
    form = find_number_form(sorted(set(cells)))
    return form is not None and form.decimal == ","


def decimal_places(values: np.ndarray) -> int | None:
    """The fewest decimal places, at most 12, that write all numbers [n] exactly; None if that is not enough."""
    there = np.unique(values[np.isfinite(values)])
    largest = float(np.abs(there).max()) if len(there) else 0.0
    for places in range(MOST_DECIMALS + 1):
        scaled = there * 10.0**places
        if largest * 10.0**places > 2.0 ** (52 if places <= 6 else 43):  # beyond, any number seems to lie on the grid
            return None
        if (np.abs(scaled - np.round(scaled)) <= (1e-12 if places <= 6 else 1e-15) * np.abs(scaled)).all():
            return places
    return None


def shortest(values: np.ndarray) -> np.ndarray:
    """Numbers [n] as float64; those of few bits as the number that is written alike: float32 .1 is .1, not
    .10000000149.
    """
    if values.dtype not in (np.float32, np.float16):
        return values.astype(np.float64)
    distinct, place = np.unique(values, return_inverse=True)
    return np.array([float(str(v)) for v in distinct])[place.reshape(-1)]
