"""Numbers as text: counts, times, sizes, shares."""

from __future__ import annotations

import math
from collections.abc import Mapping


def short_number(value: float) -> str:
    """Three significant digits, two below 0.1, no exponent from 0.0001 to 10 million: 0.012, 4.10, 1,520."""
    if not math.isfinite(value):
        return "–" if math.isnan(value) else ("∞" if value > 0 else "−∞")
    if value == 0:
        return "0"
    if abs(value) >= 1e7 or abs(value) < 1e-4:
        return f"{value:.2e}"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.{max(0, (2 if abs(value) >= 0.1 else 1) - math.floor(math.log10(abs(value))))}f}"


def count(value: float) -> str:
    """A count as text: 950, 12.4k, 200k, 1.5M."""
    if not math.isfinite(value):
        return "–"
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= limit * 0.9995:
            return f"{value / limit:.{0 if abs(value) >= 99.95 * limit else 1}f}".removesuffix(".0") + unit
    return f"{value:.0f}"


def duration(seconds: float) -> str:
    """A time as text: 8 s, 1 min 30 s, 2 h 5 min, 3 d 4 h."""
    if not math.isfinite(seconds) or seconds < 0:
        return "–"
    whole = round(seconds)
    for big, small, names in ((86400, 3600, "d h"), (3600, 60, "h min"), (60, 1, "min s")):
        if whole >= big:
            first, second = names.split()
            rest = whole % big // small
            return f"{whole // big} {first}" + (f" {rest} {second}" if rest else "")
    return f"{whole} s"


def size(bytes_: float) -> str:
    """A number of bytes as text: 812 B, 4.1 MB."""
    value = float(bytes_)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 999.5 or unit == "GB":
            return f"{value:.0f} {unit}" if unit == "B" or value >= 99.95 else f"{value:.1f} {unit}"
        value /= 1000
    raise AssertionError


def percent(part: float) -> str:
    """0.934 -> "93 %"."""
    return f"{part * 100:.0f} %"


def times(ratio: float) -> str:
    """2.34 -> "2.3 times"."""
    return f"{ratio:.1f} times" if ratio < 9.95 else f"{ratio:,.0f} times"


_FACTS = {"count": "Examples", "train": "Trained on", "held": "Held out for evaluation",
          "duplicates": "Exact duplicates", "corrupt": "Could not be read"}  # fmt: skip


def facts(data: Mapping[str, object]) -> list[tuple[str, int]]:
    """(name, count) of the counts in a data summary that a report shows."""
    values = ((title, data.get(key)) for key, title in _FACTS.items())
    return [(title, value) for title, value in values if isinstance(value, int) and not isinstance(value, bool)]
