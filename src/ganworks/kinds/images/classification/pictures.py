"""Pictures of a classifier: its predictions, most confident mistakes, confusion matrix and reliability diagram."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ganworks.metrics.sheets import grid

COLUMNS = 10
GREEN, RED, GREY, BLUE = (30, 120, 60), (190, 40, 40), (170, 170, 170), (40, 90, 170)


def _font(size: int) -> Any:
    return ImageFont.load_default(size)


def _short(name: str, most: int = 9) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"


def answers(data: Any, indices: np.ndarray, chances: np.ndarray) -> Image.Image:
    """Images with the predicted class and its probability, and with the true class where the prediction is wrong."""
    names, captions = data.spec.classes, []
    for label, row in zip(data.labels[indices], chances, strict=True):
        answer = int(row.argmax())
        said = f"{_short(names[answer])}: {100 * row[answer]:.0f} %"
        captions.append(said if answer == label else f"{said}\nnot {_short(names[label])}")
    return grid(data.raw(indices), data.spec, COLUMNS, captions)


def mistakes(data: Any, indices: np.ndarray, chances: np.ndarray, y: np.ndarray, count: int = 30) -> Image.Image:
    """The wrong predictions with the most confidence."""
    wrong = np.flatnonzero(chances.argmax(1) != y)
    worst = wrong[np.argsort(-chances[wrong].max(1), kind="stable")][:count]
    return answers(data, indices[worst], chances[worst])


def stacked(images: Sequence[Image.Image]) -> Image.Image:
    """Images one below the other on white."""
    sheet = Image.new("RGB", (max(i.width for i in images), sum(i.height for i in images)), "white")
    top = 0
    for image in images:
        sheet.paste(image.convert("RGB"), (0, top))
        top += image.height
    return sheet


def confusion_picture(table: np.ndarray, names: Sequence[str]) -> Image.Image:
    """The confusion matrix, counts [K, K], shaded by each count's share of its row: green on the diagonal, else red."""
    classes, cell = len(names), max(6, min(44, 1400 // len(names)))
    font = _font(11)
    edge = 8 + max(round(font.getlength(_short(n, 16))) for n in names) if cell >= 12 else 8
    sheet = Image.new("RGB", (edge + classes * cell + 1, edge + classes * cell + 1), "white")
    pen = ImageDraw.Draw(sheet)
    share = table / np.maximum(table.sum(1, keepdims=True), 1)
    for i in range(classes):
        for j in range(classes):
            left, top, colour = edge + j * cell, edge + i * cell, GREEN if i == j else RED
            strength = float(share[i, j]) ** (1.0 if i == j else 0.5)  # so that rare confusions are visible
            shade = tuple(round(255 + (c - 255) * strength) for c in colour)
            pen.rectangle((left, top, left + cell, top + cell), fill=shade, outline=GREY)
            if cell >= 24 and table[i, j]:
                ink = "white" if strength > 0.6 else "black"
                pen.text((left + cell / 2, top + cell / 2), str(int(table[i, j])), ink, font, anchor="mm")
        if cell >= 12:
            pen.text((edge - 4, edge + (i + 0.5) * cell), _short(names[i], 16), "black", font, anchor="rm")
            _upright(sheet, _short(names[i], 16), edge + i * cell, edge - 4, cell)
    return sheet


def _upright(sheet: Image.Image, text: str, left: int, bottom: int, width: int) -> None:
    """Draw text that reads from bottom to top and starts at `bottom`."""
    font = _font(11)
    strip = Image.new("RGB", (round(font.getlength(text)) + 2, min(width, 14)), "white")
    ImageDraw.Draw(strip).text((0, strip.height / 2), text, "black", font, anchor="lm")
    turned = strip.rotate(90, expand=True)
    sheet.paste(turned, (left + (width - turned.width) // 2, max(0, bottom - turned.height)))


def reliability_picture(bins: Sequence[tuple[float, float, int]], side: int = 360) -> Image.Image:
    """Reliability diagram: accuracy over confidence, one bar per bin; the diagonal is perfect calibration.

    bins: (mean confidence, accuracy, count). The darker a bar, the more examples it stands for.
    """
    edge = 46
    sheet = Image.new("RGB", (edge + side + 12, side + edge + 12), "white")
    pen, font, total = ImageDraw.Draw(sheet), _font(12), max(1, sum(n for *_, n in bins))
    base, step = 8 + side, side / 10
    for sure, right, count in bins:
        left = edge + min(9, int(sure * 10)) * step
        shade = tuple(round(230 + (c - 230) * (count / total) ** 0.5) for c in BLUE)
        pen.rectangle((left + 1, base - right * side, left + step - 1, base), fill=shade)
        x, y = edge + sure * side, base - right * side
        pen.ellipse((x - 3, y - 3, x + 3, y + 3), fill=RED)
    pen.rectangle((edge, 8, edge + side, base), outline="black")
    pen.line((edge, base, edge + side, 8), fill=GREY, width=2)
    for tick in (0.0, 0.5, 1.0):
        pen.text((edge + tick * side, base + 4), f"{tick:g}", "black", font, anchor="ma")
        pen.text((edge - 4, base - tick * side), f"{tick:g}", "black", font, anchor="rm")
    pen.text((edge + side / 2, base + 20), "confidence (dots: its mean in the bin)", "black", font, anchor="ma")
    pen.text((edge + 6, 12), "accuracy", "black", font)
    return sheet
