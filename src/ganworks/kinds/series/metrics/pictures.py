"""Pictures of series: small multiples of real and generated series on the same scale, and plots of errors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ganworks.kinds.series.metrics.measures import DecodedSeries, autocorrelation

COLOURS = ((31, 90, 166), (214, 96, 38), (44, 140, 72), (150, 60, 150), (190, 150, 20), (20, 150, 160), (90, 90, 90))
CELL, GAP, LEFT, TOP = (132, 84), 6, 66, 20
MOST_COLUMNS = 7
GREY, DARK = (222, 222, 222), (70, 70, 70)


def small_multiples(
    real: DecodedSeries, made: DecodedSeries, names: Sequence[str], classes: Sequence[str] = ()
) -> Image.Image:
    """Two rows of six real series above two rows of generated ones.

    Every column of the data has its own colour and its own scale, which all cells share. Lines end where series end.
    """
    names = list(names)[:MOST_COLUMNS]
    low, high = (np.nanquantile(real.values, q, (0, 1)) for q in (0.002, 0.998))
    wide, tall = CELL[0] + GAP, CELL[1] + GAP
    sheet = Image.new("RGB", (LEFT + 6 * wide, 2 * TOP + 4 * tall + 24), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    for block, (title, decoded) in enumerate((("real", real), ("generated", made))):
        top = block * (TOP + 2 * tall)
        pen.text((6, top + TOP + tall - 6), title, DARK, font)
        for k in range(min(12, len(decoded))):
            box = (LEFT + k % 6 * wide, top + TOP + k // 6 * tall)
            pen.rectangle((*box, box[0] + CELL[0], box[1] + CELL[1]), outline=GREY)
            if decoded.labels is not None and len(classes):
                pen.text(
                    (box[0] + 3, box[1] + 1), str(classes[int(decoded.labels[k])])[:12], DARK, ImageFont.load_default(9)
                )
            _lines(pen, box, decoded.values[k], low, high, len(names))
    at = LEFT
    for name, colour in zip(names, COLOURS, strict=False):
        pen.line((at, sheet.height - 12, at + 14, sheet.height - 12), colour, 2)
        pen.text((at + 18, sheet.height - 19), str(name)[:12], DARK, font)
        at += 30 + 7 * len(str(name)[:12])
    return sheet


def _lines(
    pen: ImageDraw.ImageDraw, box: tuple[int, int], values: np.ndarray, low: np.ndarray, high: np.ndarray, most: int
) -> None:
    steps = max(1, len(values) - 1)
    for c in range(min(most, values.shape[1])):
        known = np.flatnonzero(np.isfinite(values[:, c]))
        share = ((values[known, c] - low[c]) / max(high[c] - low[c], 1e-12)).clip(-0.05, 1.05)
        x, y = box[0] + known / steps * CELL[0], box[1] + CELL[1] - 4 - share * (CELL[1] - 8)
        points = list(zip(x.tolist(), y.tolist(), strict=True))
        if len(points) > 1:
            pen.line(points, COLOURS[c % len(COLOURS)], 1)


def acf_picture(real: DecodedSeries, made: DecodedSeries, names: Sequence[str]) -> Image.Image:
    """The autocorrelation of each column at lags 1 to 8: real thick and pale, generated thin and dark."""
    pair = autocorrelation(real), autocorrelation(made)
    names = list(names)[:MOST_COLUMNS]
    wide = 160
    sheet = Image.new("RGB", (max(1, len(names)) * wide + GAP, 150), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    for c, name in enumerate(names):
        left, top, height = GAP + c * wide, 22, 110
        pen.text((left, 4), str(name)[:18], DARK, font)
        pen.rectangle((left, top, left + wide - 14, top + height), outline=GREY)
        for values, width, colour in ((pair[0], 5, (170, 195, 225)), (pair[1], 1, (20, 20, 20))):
            x = left + np.linspace(4, wide - 18, len(values))
            y = top + height / 2 - values[:, c].clip(-1, 1) * (height / 2 - 3)
            pen.line(list(zip(x.tolist(), y.tolist(), strict=True)), colour, width)
        pen.line((left, top + height / 2, left + wide - 14, top + height / 2), GREY)
    return sheet


def length_picture(real: np.ndarray, made: np.ndarray) -> Image.Image:
    """Histograms of the lengths: real filled, generated as a line."""
    sheet = Image.new("RGB", (420, 170), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    edges = np.histogram_bin_edges(np.concatenate([real, made]), 24)
    bars = [np.histogram(v, edges)[0] / max(1, len(v)) for v in (real, made)]
    top = max(float(b.max()) for b in bars) or 1.0
    x = 10 + np.arange(len(edges)) * (400 / (len(edges) - 1))
    for k, share in enumerate(bars[0]):
        pen.rectangle((x[k], 145 - share / top * 120, x[k + 1] - 1, 145), fill=(170, 195, 225))
    y = 145 - bars[1] / top * 120
    pen.line([(p, v) for k, v in enumerate(y) for p in (x[k], x[k + 1])], (20, 20, 20), 1)
    pen.text((10, 4), "lengths: real (filled), generated (line)", DARK, font)
    pen.text((10, 150), f"{edges[0]:.0f}", DARK, font)
    pen.text((380, 150), f"{edges[-1]:.0f}", DARK, font)
    return sheet
