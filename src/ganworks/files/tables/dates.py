"""Dates and times of day as people write them: forms are found, read to seconds and written again."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from functools import cache, cached_property
from itertools import product
from typing import Any

import numpy as np

MONTHS = ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
          "december")  # fmt: skip
_CODES = {"Y": r"\d{4}", "m": r"\d{1,2}", "d": r"\d{1,2}", "H": r"\d{1,2}", "I": r"\d{1,2}", "M": r"\d{2}",
          "S": r"\d{2}", "y": r"\d{2}", "q": r"[1-4]", "G": r"\d{4}", "V": r"\d{1,2}", "p": r"[AaPp]\.?[Mm]\.?",
          "f": r"(?:[.,]\d{1,9})?", "b": r"[A-Za-z]{3,4}\.?", "B": r"[A-Za-z]{3,9}",
          "z": r"Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?"}  # fmt: skip
_DATES = ("%Y-%m-%d", "%Y/%m/%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y.%m.%d", "%b %d, %Y",
          "%b %d %Y", "%d %b %Y", "%d-%b-%Y", "%B %d, %Y", "%d %B %Y", "%d. %B %Y", "%d.%m.%y", "%m/%d/%y", "%d/%m/%y",
          "%d-%b-%y")  # fmt: skip
_CLOCKS = ("%H:%M:%S%f", "%H:%M", "%I:%M %p", "%I:%M:%S %p", "%I:%M%p", "%H.%M.%S")
_COARSE = ("%Y-%m", "%Y/%m", "%m/%Y", "%m.%Y", "%b %Y", "%b-%Y", "%B %Y", "%YQ%q", "%Y-Q%q", "%Y Q%q", "Q%q %Y",
           "Q%q-%Y", "%G-W%V", "%GW%V", "%G W%V")  # fmt: skip
_COMPACT = ("%Y-%m-%dT%H", "%Y-%m-%d %H", "%Y%m%d", "%Y%m%d%H", "%Y%m%d%H%M", "%Y%m%d%H%M%S", "%Y%m%dT%H%M%S",
            "%Y%m%d %H%M%S", "%Y%m%d %H:%M:%S", "%Y%m%d %H:%M")  # fmt: skip
_SAMPLE, _ENOUGH = 50, 0.95


@dataclass(frozen=True)
class DateForm:
    """How the dates (or times of day) of a column are written.

    format: as of strftime, with %q for the quarter, %G and %V for the ISO week, %z for the offset, and %f for a
    fraction of a second with its point, which may be absent. padded: 05.06.2024 rather than 5.6.2024. digits: of the
    fraction. offset: of a column with %z, minutes east of UTC; zone: how UTC is written (Z); colon: as +02:00.
    """

    format: str
    padded: bool = True
    digits: int = 0
    offset: int = 0
    zone: str = ""
    colon: bool = True

    @staticmethod
    def of(facts: Mapping[str, Any]) -> DateForm:
        """The form that `to_dict` described."""
        return DateForm(facts["format"], **facts.get("form", {}))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON: format, and as form what differs from a DateForm of that format."""
        plain = asdict(DateForm(self.format))
        more = {name: value for name, value in asdict(self).items() if value != plain[name]}
        return {"format": self.format} | ({"form": more} if more else {})

    @property
    def simple(self) -> bool:
        """Whether strftime and strptime write and read it alike everywhere."""
        return self.padded and not self.daily and not set(re.findall(r"%(.)", self.format)) - set("YmdHMS")

    @property
    def daily(self) -> bool:
        """Whether this is the time of a day, without a date."""
        return not re.search(r"%[YyG]", self.format)

    @property
    def dayless(self) -> bool:
        """Whether a date has no time of the day."""
        return not re.search(r"%[HI]", self.format)

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return _compiled(self.format)

    def read(self, cell: str) -> float:
        """Seconds since 1970 in UTC (without an offset: as if in UTC), or of the day; NaN for other cells."""
        found = self._pattern.fullmatch(cell.strip())
        if found is None:
            return math.nan
        try:
            return _seconds(found.groupdict())
        except ValueError:
            return math.nan

    def write(self, seconds: float) -> str:
        """The text of a moment; what the form does not hold is cut off."""
        ticks = round(seconds * 10**6) if self.digits else math.floor(seconds + 1e-6) * 10**6
        moment = datetime(1970, 1, 1) + timedelta(microseconds=ticks, minutes=self.offset)
        return re.sub(r"%(.)", lambda m: self._written(m[1], moment), self.format)

    def _written(self, code: str, moment: datetime) -> str:
        year, week, _ = moment.isocalendar()
        hour = moment.hour % 12 or 12
        if code == "f":
            return f".{moment.microsecond:06d}"[: self.digits + 1] if self.digits else ""
        if code == "z":
            hours, minutes = divmod(abs(self.offset), 60)
            sign = "-" if self.offset < 0 else "+"
            return self.zone or f"{sign}{hours:02d}{':' * self.colon}{minutes:02d}"
        if code in "bB":
            return MONTHS[moment.month - 1].capitalize()[: 3 if code == "b" else None]
        two = {"m": moment.month, "d": moment.day, "H": moment.hour, "I": hour, "V": week}
        if code in two:
            return f"{two[code]:02d}" if self.padded else str(two[code])
        rest = {
            "Y": f"{moment.year:04d}", "y": f"{moment.year % 100:02d}", "G": f"{year:04d}",
            "M": f"{moment.minute:02d}", "S": f"{moment.second:02d}",
            "q": str((moment.month + 2) // 3), "p": "PM" if moment.hour > 11 else "AM",
        }  # fmt: skip
        return rest[code]

    @property
    def spoken(self) -> str:
        """The form as people say it: day.month.year hour:minute."""
        names = {
            "Y": "year", "y": "year", "G": "year", "m": "month", "b": "month", "B": "month", "d": "day", "H": "hour",
            "I": "hour", "M": "minute", "S": "second", "p": "AM/PM", "q": "quarter", "V": "week", "z": "offset",
            "f": "",
        }  # fmt: skip
        return re.sub(r"%(.)", lambda m: names[m[1]], self.format)


@cache
def _compiled(form: str) -> re.Pattern[str]:
    """The pattern of a format; numbers that follow each other directly have two digits."""
    out, at = [], 0
    for found in re.finditer(r"%(.)", form):
        code = found[1]
        out.append(re.escape(form[at : found.start()]).replace(r"\ ", " +"))
        touching = form[found.end() :][:1] == "%" or (found.start() == at and at > 0)
        width = r"\d{2}" if touching and code in "mdHV" else _CODES[code]
        out.append(f"(?P<{code}>{width})")
        at = found.end()
    return re.compile("".join(out) + re.escape(form[at:]), re.ASCII)


def _seconds(part: dict[str, str]) -> float:
    """The seconds of the parts of a moment; raises ValueError if there is none."""
    if "G" in part:
        day = date.fromisocalendar(int(part["G"]), int(part["V"]), 1)
    elif "Y" in part or "y" in part:
        year = int(part["Y"]) if "Y" in part else (2000 if int(part["y"]) < 69 else 1900) + int(part["y"])
        name = part.get("b") or part.get("B", "")
        month = _month(name) if name else 3 * int(part["q"]) - 2 if "q" in part else int(part.get("m", 1))
        day = date(year, month, int(part.get("d", 1)))
    else:
        day = date(1970, 1, 1)
    hour = int(part.get("H", 0))
    if "I" in part:
        if not 1 <= int(part["I"]) <= 12:
            raise ValueError("no such hour")
        hour = int(part["I"]) % 12 + 12 * (part["p"][0] in "Pp")
    minute, second = int(part.get("M", 0)), int(part.get("S", 0))
    if hour > 24 or minute > 59 or second > 60 or (hour == 24 and minute + second):
        raise ValueError("no such time")
    past = 86400 * (day - date(1970, 1, 1)).days + 3600 * hour + 60 * minute + second
    return past + _fraction(part.get("f", "")) - 60 * offset_in(part.get("z", ""))


def _month(name: str) -> int:
    name = name.lower().rstrip(".")
    found = [k for k, month in enumerate(MONTHS) if name in (month, month[:3], month[:4])]
    if not found:
        raise ValueError(name)
    return found[0] + 1


def _fraction(text: str) -> float:
    return float(f"0.{text[1:]}") if text else 0.0


def offset_in(text: str) -> int:
    """Minutes east of UTC: Z, +02, +0200 or +02:00."""
    digits = re.sub(r"\D", "", text)
    minutes = 60 * int(digits[:2] or 0) + int(digits[2:] or 0)
    return -minutes if text.startswith("-") else minutes


@cache
def forms() -> tuple[DateForm, ...]:
    """All forms that are tried, in the order in which they are."""
    clocks = [*_CLOCKS, *(f"{c}{join}%z" for c in _CLOCKS[:2] for join in ("", " "))]
    times = (f"{day}{join}{clock}" for day, join, clock in product(_DATES, (" ", "T", ", "), clocks))
    return tuple(DateForm(f) for f in (*_DATES, *times, *_COARSE, *_COMPACT, *_CLOCKS))


def find_date_forms(cells: Sequence[str], enough: float = _ENOUGH) -> list[DateForm]:
    """The forms that read as many of these cells as the best one, and at least this share of them; [] if there is
    none.

    cells: distinct ones, none missing, in their order. Where 05/06/2024 has two readings, that one comes first in
    which the dates go on more evenly.
    """
    some = cells[:: max(1, len(cells) // _SAMPLE)]
    if not some or not all(any(c.isdigit() for c in cell) and len(cell) < 40 for cell in some[:5]):
        return []
    tried = [form for form in forms() if any(math.isfinite(form.read(cell)) for cell in some[:3])]
    tried = [form for form in tried if sum(map(math.isfinite, map(form.read, some))) >= (enough - 0.1) * len(some)]
    read = [(np.array([form.read(c) for c in cells]), form) for form in tried]
    counts = [int(np.isfinite(x).sum()) for x, _ in read]
    if not read or max(counts) < enough * len(cells):
        return []
    best = [(x, form) for (x, form), n in zip(read, counts, strict=True) if n == max(counts)]
    best.sort(key=lambda pair: _unevenness(pair[0]))  # stable: the order of the forms decides between equals
    return [_detailed(form, cells) for _, form in best]


def _unevenness(stamps: np.ndarray) -> float:
    """0 if the moments go on in equal steps, else how much of their steps differ from the usual one, to a tenth."""
    steps = np.diff(stamps[np.isfinite(stamps)])
    if len(steps) < 3 or (steps <= 0).any():
        return 1.0
    return round(float((np.abs(steps / np.median(steps) - 1) > 0.12).mean()), 1)


def _detailed(form: DateForm, cells: Sequence[str]) -> DateForm:
    """The form with what the cells show: padding, digits of the fraction, offset."""
    parts = [m.groupdict() for cell in cells[:1000] if (m := form._pattern.fullmatch(cell.strip()))]
    two = [p[code] for p in parts for code in "mdHIV" if code in p]
    padded = not any(len(t) == 1 for t in two)
    digits = max((len(p["f"]) - 1 for p in parts if p.get("f")), default=0)
    zones = [p["z"] for p in parts if "z" in p]
    usual = max(set(zones), key=lambda z: (zones.count(z), z)) if zones else ""
    colon = ":" in usual or not usual
    return DateForm(form.format, padded, min(digits, 9), offset_in(usual), usual if usual.isalpha() else "", colon)


def moments(text: str, own: DateForm | None) -> list[tuple[float, DateForm]]:
    """The readings of a text that a user writes: that in the column's own form, else all that differ. [] for none."""
    if own is not None and math.isfinite(value := own.read(text)):
        return [(value, own)]
    daily = own is not None and own.daily
    found = {form.read(text): form for form in reversed((*forms(), DateForm("%Y"))) if form.daily == daily}
    return [(value, form) for value, form in found.items() if math.isfinite(value)]


def offsets(cells: Sequence[str], form: DateForm) -> int:
    """How many different offsets from UTC occur in cells of this form."""
    found = (form._pattern.fullmatch(cell.strip()) for cell in cells)
    return len({offset_in(m.groupdict().get("z", "")) for m in found if m})


def epoch_unit(values: np.ndarray) -> float:
    """The seconds of one unit of numbers that count from 1970 (seconds, milli-, micro- or nanoseconds) to a moment from
    2000 to 2040; 0.0 for other numbers.
    """
    there = values[np.isfinite(values)]
    if not len(there):
        return 0.0
    for unit in (1.0, 1e-3, 1e-6, 1e-9):
        if there.min() * unit >= 946_684_800 and there.max() * unit <= 2_208_988_800:
            return unit
    return 0.0
