"""Line charts of a report as data for uPlot, bounded in size and with finite values only.

A chart may get a million points, NaN, infinities and zeros on a logarithmic axis. It keeps at most `_BUCKETS` averages
per line, with the range around them as a pale band, and breaks the line where nothing is finite.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ganworks.report.units import short_number

TIME_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400)
_BUCKETS = 160
_LARGEST = 1e30  # beyond it a training has failed, and there is nothing to draw
_LONGEST = 40  # characters of a name in the legend

Point = tuple[float, float]


@dataclass(frozen=True)
class Line:
    """One line: its name and its points (x, y) in the order of x. marks: draw each point as a dot."""

    name: str
    points: Sequence[Point]
    marks: bool = False


@dataclass(frozen=True)
class Floor:
    """A horizontal reference line at a value."""

    name: str
    value: float


@dataclass(frozen=True)
class Bucket:
    """Points of a line that lie close together in x: their mean and the range of their values."""

    x: float
    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Summary:
    """A line in words, for readers without the drawing: its first, last, lowest and highest mean."""

    name: str
    first: str
    last: str
    lowest: str
    highest: str


@dataclass(frozen=True)
class Chart:
    """A chart that can be drawn: `data` is JSON for the page's script, `alt` and `lines` say the same in words."""

    alt: str
    lines: tuple[Summary, ...]
    data: str


def downsample(points: Iterable[Point], log: bool = False, buckets: int = _BUCKETS) -> list[list[Bucket]]:
    """At most `buckets` averages with their ranges, as unbroken pieces, without points that cannot be drawn.

    Buckets have equal widths in x, so that a burst of points has no more weight than its duration.
    log: values that are not positive cannot be drawn.
    """
    usable = [(x, y) for x, y in points if math.isfinite(x)]
    if not usable:
        return []
    first, last = min(x for x, _ in usable), max(x for x, _ in usable)
    single = len(usable) <= buckets or last <= first
    groups: dict[int, list[Point]] = {}
    for index, (x, y) in enumerate(usable):
        slot = index if single else min(buckets - 1, int((x - first) / (last - first) * buckets))
        groups.setdefault(slot, []).append((x, y))
    pieces: list[list[Bucket]] = [[]]
    for _, group in sorted(groups.items()):
        good = [(x, y) for x, y in group if abs(y) < _LARGEST and (y > 0 or not log)]
        if not good:
            pieces.append([])
            continue
        ys = [y for _, y in good]
        pieces[-1].append(Bucket(math.fsum(x for x, _ in good) / len(good), _mean(ys), min(ys), max(ys)))
    return [piece for piece in pieces if piece]


def _mean(values: list[float]) -> float:
    return math.fsum(v / len(values) for v in values)


def line_chart(
    lines: Sequence[Line],
    *,
    title: str,
    x_label: str,
    log: bool = False,
    floor: Floor | None = None,
    time: bool = False,
    y_zero: bool = False,
) -> Chart | None:
    """One chart; None when there is nothing to draw.

    title: for screen readers (the page shows its own). log: logarithmic y axis, values that are not positive are left
    out. floor: a reference line. time: x is in seconds. y_zero: the y axis includes 0.
    """
    drawn = [(line, downsample(line.points, log)) for line in lines]
    drawn = [(line, pieces) for line, pieces in drawn if pieces]
    if not drawn:
        return None
    means = [b for _, pieces in drawn for piece in pieces for b in piece]
    level = floor.value if floor and math.isfinite(floor.value) and (floor.value > 0 or not log) else None
    levels = _without_outliers([b.mean for b in means])
    levels += ([] if level is None else [level]) + ([0.0] if y_zero and not log else [])
    data: dict[str, Any] = {
        "x": {"label": x_label, "time": time, "range": _span([b.x for b in means], pad=0.0)},
        "y": {"log": log, "range": _span(levels, pad=0.06, log=log)},
        "lines": [{"name": _short(line.name), "marks": line.marks, **_columns(pieces)} for line, pieces in drawn],
    }
    if time:
        data["x"]["steps"] = TIME_STEPS
    if floor and level is not None:
        data["floor"] = {"name": _short(floor.name), "value": _digits(level)}
    summaries = tuple(_summary(line.name, pieces) for line, pieces in drawn)
    ends = "; ".join(f"{s.name} from {s.first} to {s.last}" for s in summaries)
    return Chart(f"{title}: {ends}.", summaries, json.dumps(data, allow_nan=False, separators=(",", ":")))


def _columns(pieces: list[list[Bucket]]) -> dict[str, list[float | None]]:
    """The columns of a line for the script; a null between two pieces breaks the line."""
    x: list[float | None] = []
    mean: list[float | None] = []
    low: list[float | None] = []
    high: list[float | None] = []
    for k, piece in enumerate(pieces):
        if k:
            x.append(_digits((pieces[k - 1][-1].x + piece[0].x) / 2, 10))
            for column in (mean, low, high):
                column.append(None)
        x += [_digits(b.x, 10) for b in piece]
        mean += [_digits(b.mean) for b in piece]
        low += [_digits(b.low) for b in piece]
        high += [_digits(b.high) for b in piece]
    columns = {"x": x, "y": mean}
    return columns if low == high else columns | {"low": low, "high": high}


def _digits(value: float, digits: int = 6) -> float:
    """The value rounded to significant digits: six are more than a screen shows, and save bytes."""
    return float(f"{value:.{digits}g}")


def _summary(name: str, pieces: list[list[Bucket]]) -> Summary:
    means = [b.mean for piece in pieces for b in piece]
    values = (means[0], means[-1], min(means), max(means))
    return Summary(name, *(short_number(value) for value in values))


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "…"


def _without_outliers(values: list[float]) -> list[float]:
    """Without the outermost hundredth when there are many, so that one spike does not flatten the rest."""
    values = sorted(values)
    cut = len(values) // 100
    return values[cut : len(values) - cut]


def _span(values: list[float], pad: float, log: bool = False) -> tuple[float, float]:
    """A range with room around it; never empty."""
    low, high = min(values), max(values)
    if log:
        low, high = math.log10(low), math.log10(high)
    if not high - low > 1e-9 * max(abs(low), abs(high), 1e-9):
        room = 0.3 if log else max(abs(low) * 0.1, 1e-6)
        low, high = low - room, high + room
    room = (high - low) * pad
    low, high = (low if low == 0 and not log else low - room), high + room
    return (10.0**low, 10.0**high) if log else (low, high)
