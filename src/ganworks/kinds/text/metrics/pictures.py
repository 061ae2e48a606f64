"""The plot of quality against diversity: BLEU-4 over self-BLEU-4, as lines of generators and dots of lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image, ImageDraw, ImageFont

WIDE, HIGH, LEFT, BOTTOM, TOP, RIGHT = 760, 480, 60, 50, 20, 20
COLOURS = ((30, 100, 200), (200, 90, 30), (60, 140, 70), (140, 70, 160))
GREY = (110, 110, 110)


class _Axis:
    """A linear axis: values -> pixels, with a margin at both ends."""

    def __init__(self, values: Sequence[float], start: float, stop: float):
        low, high = min(values), max(values)
        room = 0.08 * (high - low) or 0.05
        self.low, self.high, self.start, self.stop = low - room, high + room, start, stop

    def __call__(self, value: float) -> float:
        return self.start + (self.stop - self.start) * (value - self.low) / (self.high - self.low)

    def ticks(self) -> list[float]:
        """Round values for at most nine ticks."""
        step = next(s for s in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5) if (self.high - self.low) / s <= 9)
        first = int(self.low / step) + 1
        return [round(step * k, 4) for k in range(first, int(self.high / step) + 1)]


def curve(
    lines: Mapping[str, Sequence[tuple[float, float, float]]], points: Mapping[str, tuple[float, float]]
) -> Image.Image:
    """The plot. lines: name -> (temperature, self-BLEU-4, BLEU-4); points: name -> (self-BLEU-4, BLEU-4).

    Higher and further left is better.
    """
    sheet = Image.new("RGB", (WIDE, HIGH), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    xs = [x for line in lines.values() for _, x, _ in line] + [x for x, _ in points.values()]
    ys = [y for line in lines.values() for _, _, y in line] + [y for _, y in points.values()]
    across, up = _Axis(xs, LEFT, WIDE - RIGHT), _Axis(ys, HIGH - BOTTOM, TOP)
    _frame(pen, font, across, up)
    for number, (name, line) in enumerate(lines.items()):
        colour = COLOURS[number % len(COLOURS)]
        places = [(across(x), up(y)) for _, x, y in line]
        pen.line(places, fill=colour, width=2)
        for (x, y), (t, _, _) in zip(places, line, strict=True):
            pen.ellipse((x - 3, y - 3, x + 3, y + 3), fill=colour)
            pen.text((x + 5, y + 2), f"{t:g}", colour, font)
        pen.text((LEFT + 12, TOP + 8 + 16 * number), f"{name} (over temperature)", colour, font)
    for name, (alike, good) in points.items():
        x, y = across(alike), up(good)
        pen.rectangle((x - 3, y - 3, x + 3, y + 3), fill=GREY)
        side = "la" if x < WIDE - 120 else "ra"
        pen.text((x + (6 if side == "la" else -6), y - 14), name, GREY, font, anchor=side)
    return sheet


def _frame(pen: ImageDraw.ImageDraw, font: Any, across: _Axis, up: _Axis) -> None:
    pen.rectangle((LEFT, TOP, WIDE - RIGHT, HIGH - BOTTOM), outline=(180, 180, 180))
    for value in across.ticks():
        x = across(value)
        pen.line((x, HIGH - BOTTOM, x, HIGH - BOTTOM + 4), fill=GREY)
        pen.text((x, HIGH - BOTTOM + 6), f"{value:g}", GREY, font, anchor="ma")
    for value in up.ticks():
        y = up(value)
        pen.line((LEFT - 4, y, LEFT, y), fill=GREY)
        pen.text((LEFT - 7, y), f"{value:g}", GREY, font, anchor="rm")
    pen.text(((LEFT + WIDE) / 2, HIGH - 20), "self-BLEU-4: left is more varied", GREY, font, anchor="ma")
    pen.text((LEFT + 6, HIGH - BOTTOM - 18), "BLEU-4: up reads better", GREY, font)
