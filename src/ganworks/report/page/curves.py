"""Line charts as SVG text, and sparklines for a terminal; no drawing library.

A chart may get a million points, NaN, infinities and zeros on a logarithmic axis. It shows at most `_BUCKETS`
averages per line, with the range around them as a pale band, and breaks the line where nothing is finite.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from ganworks.report.units import count, duration, short_number

WIDTH, HEIGHT = 480, 270
_LEFT, _RIGHT, _BOTTOM = 54, 14, 40
_BUCKETS = 160
_LARGEST = 1e30  # beyond it a training has failed, and there is nothing to draw
_COLOURS = ("#3467d6", "#d1602b", "#1a8f78", "#9a55c4", "#a8810c", "#6b7280")
_DASHES = ("", "6 3", "2 3", "8 3 2 3", "4 2", "1 2")

Point = tuple[float, float]


@dataclass(frozen=True)
class Series:
    """One line: its name and its points (x, y) in the order of x."""

    name: str
    points: Sequence[Point]
    marks: bool = False


@dataclass(frozen=True)
class Floor:
    """A horizontal reference: a value, and the interval around it when it is known."""

    name: str
    value: float
    low: float = math.nan
    high: float = math.nan


@dataclass(frozen=True)
class _Bucket:
    x: float
    mean: float
    low: float
    high: float


class _Axis:
    """Maps values to pixels between `start` and `stop`, linearly or by logarithm."""

    def __init__(self, low: float, high: float, start: float, stop: float, log: bool = False):
        self.log, self.start, self.stop = log, start, stop
        self.low, self.high = low, high

    def __call__(self, value: float) -> float:
        low, high, value = (math.log10(v) if self.log else v for v in (self.low, self.high, value))
        part = (value - low) / (high - low)
        return self.start + min(1.0, max(0.0, part)) * (self.stop - self.start)

    def ticks(self, target: int) -> list[float]:
        if not self.log:
            return linear_ticks(self.low, self.high, target)
        first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        step = max(1, (last - first) // target)
        factors = (1, 2, 5) if last - first <= 2 else (1, 3) if last - first <= 3 else (1,)
        grid = (f * 10.0**e for e in range(first, last + 1, step) for f in factors)
        return [t for t in grid if self.low * 0.999 <= t <= self.high * 1.001]


def linear_ticks(low: float, high: float, target: int) -> list[float]:
    """Round numbers (1, 2 or 5 times a power of ten) between low and high, about `target` of them."""
    raw = (high - low) / max(1, target)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(f * power for f in (1, 2, 5, 10) if f * power >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(i * step, 12) for i in range(first, math.floor(high / step + 1e-9) + 1)]


def time_ticks(low: float, high: float, target: int) -> list[float]:
    """Round times in seconds between low and high: whole minutes, quarters of an hour, days."""
    steps = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400)
    step = next((s for s in steps if (high - low) / s <= target + 1), 0) if high - low >= 1 else 0
    if not step:
        return linear_ticks(low, high, target)
    return [float(i * step) for i in range(math.ceil(low / step), math.floor(high / step) + 1)]


def downsample(points: Iterable[Point], log: bool = False, buckets: int = _BUCKETS) -> list[list[_Bucket]]:
    """At most `buckets` averages with their ranges, as unbroken pieces; no point that cannot be drawn.

    Buckets are of equal width in x, so that a burst of points counts as little as it lasts.
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
    pieces: list[list[_Bucket]] = [[]]
    for _, group in sorted(groups.items()):
        good = [(x, y) for x, y in group if abs(y) < _LARGEST and (y > 0 or not log)]
        if not good:
            pieces.append([])
            continue
        ys = [y for _, y in good]
        pieces[-1].append(_Bucket(math.fsum(x for x, _ in good) / len(good), _mean(ys), min(ys), max(ys)))
    return [piece for piece in pieces if piece]


def _mean(values: list[float]) -> float:
    return math.fsum(v / len(values) for v in values)


def line_chart(
    series: Sequence[Series],
    *,
    title: str,
    x_label: str,
    y_label: str = "",
    log: bool = False,
    floor: Floor | None = None,
    time: bool = False,
    y_zero: bool = False,
) -> str:
    """One chart as an <svg> element; "" when there is nothing to draw.

    title: for screen readers (the page shows its own). log: logarithmic y, non-positive values left out.
    floor: a reference line with a band. time: x is in seconds. y_zero: let the y axis include 0.
    """
    drawn = [(line, downsample(line.points, log)) for line in series]
    drawn = [(line, pieces) for line, pieces in drawn if pieces]
    if not drawn:
        return ""
    means = [b for _, pieces in drawn for piece in pieces for b in piece]
    legend, top = _legend([line.name for line, _ in drawn], floor)
    x = _Axis(*_span([b.x for b in means], pad=0.0), _LEFT, WIDTH - _RIGHT)
    levels = _trim([b.mean for b in means]) + _floor_levels(floor, log) + ([0.0] if y_zero and not log else [])
    y = _Axis(*_span(levels, pad=0.06, log=log), HEIGHT - _BOTTOM, top, log)
    body = [_grid(x, y, top, time, (x_label, y_label)), _floor(floor, x, y, log)]
    body += [_line(line, pieces, i, x, y) for i, (line, pieces) in enumerate(drawn)]
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(_alt(title, drawn))}" '
        f'xmlns="http://www.w3.org/2000/svg" font-size="12" fill="none">{legend}{"".join(body)}</svg>'
    )


def _alt(title: str, drawn: list[tuple[Series, list[list[_Bucket]]]]) -> str:
    ends = (
        f"{line.name} from {short_number(pieces[0][0].mean)} to {short_number(pieces[-1][-1].mean)}"
        for line, pieces in drawn
    )
    return f"{title}: {'; '.join(ends)}."


def _trim(values: list[float]) -> list[float]:
    """Without the outermost hundredth when there are many, so that one spike does not flatten the rest."""
    values = sorted(values)
    cut = len(values) // 100
    return values[cut : len(values) - cut]


def _floor_levels(floor: Floor | None, log: bool) -> list[float]:
    levels = [floor.value, floor.low, floor.high] if floor else []
    return [v for v in levels if math.isfinite(v) and (v > 0 or not log)]


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


def _legend(names: list[str], floor: Floor | None) -> tuple[str, float]:
    """The legend's rows, and the y where the plot begins."""
    entries = [
        (name, f'class="line c{i % 6}" stroke="{_COLOURS[i % 6]}" stroke-dasharray="{_DASHES[i % 6]}"')
        for i, name in enumerate(names)
    ]
    if floor and math.isfinite(floor.value):
        entries.append((floor.name, 'class="floor" stroke="#6b7280" stroke-dasharray="5 4"'))
    parts, at, row = [], float(_LEFT), 14.0
    for name, style in entries:
        label = name if len(name) <= 40 else name[:39] + "…"
        width = 30 + 6.6 * len(label)
        if at > _LEFT and at + width > WIDTH - _RIGHT:
            at, row = float(_LEFT), row + 18
        parts.append(
            f'<path {style} stroke-width="2" d="M{at:.0f} {row - 4:.0f}h18"/>'
            f'<text class="ink" fill="#57606a" x="{at + 23:.0f}" y="{row:.0f}">{escape(label)}</text>'
        )
        at += width + 10
    return "".join(parts), row + 14


def _grid(x: _Axis, y: _Axis, top: float, time: bool, labels: tuple[str, str]) -> str:
    bottom, right = HEIGHT - _BOTTOM, WIDTH - _RIGHT
    x_label, y_label = labels
    parts = []
    for tick in y.ticks(5):
        at = y(tick)
        parts.append(
            f'<path class="grid" stroke="#d8dee4" d="M{_LEFT} {at:.1f}H{right}"/>'
            f'<text class="ink" fill="#57606a" x="{_LEFT - 7}" y="{at + 4:.1f}" text-anchor="end">'
            f"{_tick(tick)}</text>"
        )
    for tick in time_ticks(x.low, x.high, 5) if time else x.ticks(5):
        at = x(tick)
        anchor = "end" if at > right - 12 else "start" if at < _LEFT + 8 else "middle"
        parts.append(
            f'<path class="axis" stroke="#8c959f" d="M{at:.1f} {bottom}v4"/>'
            f'<text class="ink" fill="#57606a" x="{at:.1f}" y="{bottom + 17}" text-anchor="{anchor}">'
            f"{(duration if time else count)(tick)}</text>"
        )
    parts.append(
        f'<path class="axis" stroke="#8c959f" d="M{_LEFT} {bottom}H{right}"/>'
        f'<text class="ink" fill="#57606a" x="{(_LEFT + right) / 2:.0f}" y="{HEIGHT - 5}" '
        f'text-anchor="middle">{escape(x_label)}</text>'
    )
    if y_label:
        middle = (top + bottom) / 2
        parts.append(
            f'<text class="ink" fill="#57606a" transform="translate(12 {middle:.0f}) rotate(-90)" '
            f'text-anchor="middle">{escape(y_label)}</text>'
        )
    return "".join(parts)


def _tick(value: float) -> str:
    if value == 0:
        return "0"
    if abs(value) >= 10_000 or abs(value) < 1e-3:
        return count(value) if abs(value) >= 10_000 else f"{value:.0e}"
    return f"{value:.4g}"


def _floor(floor: Floor | None, x: _Axis, y: _Axis, log: bool) -> str:
    if not floor or not math.isfinite(floor.value) or (log and floor.value <= 0):
        return ""
    band = ""
    if math.isfinite(floor.low) and math.isfinite(floor.high):
        top, bottom = y(floor.high), y(max(floor.low, y.low))
        band = (
            f'<rect class="floorband" fill="#6b7280" fill-opacity=".15" x="{x.start}" y="{top:.1f}" '
            f'width="{x.stop - x.start}" height="{max(1.0, bottom - top):.1f}"/>'
        )
    line = '<path class="floor" stroke="#6b7280" stroke-width="1.5" stroke-dasharray="5 4" '
    return band + line + f'd="M{x.start} {y(floor.value):.1f}H{x.stop}"/>'


def _line(line: Series, pieces: list[list[_Bucket]], index: int, x: _Axis, y: _Axis) -> str:
    index %= 6
    colour, dash = _COLOURS[index], _DASHES[index]
    parts = []
    for piece in pieces:
        if any(b.high > b.low for b in piece) and len(piece) > 1:
            floor = y.low if y.log else -math.inf
            upper = [f"{x(b.x):.1f} {y(b.high):.1f}" for b in piece]
            lower = [f"{x(b.x):.1f} {y(max(b.low, floor)):.1f}" for b in reversed(piece)]
            parts.append(
                f'<path class="band c{index}" fill="{colour}" fill-opacity=".14" d="M{"L".join(upper + lower)}Z"/>'
            )
        path = "L".join(f"{x(b.x):.1f} {y(b.mean):.1f}" for b in piece)
        parts.append(
            f'<path class="line c{index}" stroke="{colour}" stroke-dasharray="{dash}" stroke-width="2" '
            f'stroke-linejoin="round" stroke-linecap="round" d="M{path}{"h.1" if len(piece) == 1 else ""}"/>'
        )
        if line.marks or len(piece) == 1:
            parts += [
                f'<circle class="dot c{index}" fill="{colour}" cx="{x(b.x):.1f}" cy="{y(b.mean):.1f}" r="3"/>'
                for b in piece
            ]
    return "".join(parts)


def sparkline(values: Iterable[float], width: int = 24, unicode: bool = True) -> str:
    """The course of a number in one line of text, low to high; a blank where it is not finite."""
    marks = "▁▂▃▄▅▆▇█" if unicode else "_.-~=+*#"
    values = list(values)
    slots = min(width, len(values))
    cells = []
    for i in range(slots):
        part = values[i * len(values) // slots : (i + 1) * len(values) // slots]
        good = [v for v in part if math.isfinite(v)]
        cells.append(_mean(good) if good else math.nan)
    finite = [c for c in cells if math.isfinite(c)]
    if not finite:
        return ""
    low, high = min(finite), max(finite)
    scale = (len(marks) - 1) / (high - low) if high > low else 0.0
    return "".join(marks[round((c - low) * scale)] if math.isfinite(c) else " " for c in cells)
