"""Images of sound: waves above their spectrograms, in columns by class."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from ganworks.kinds.audio.data.sound import mix
from ganworks.kinds.audio.metrics.measures import window_of
from ganworks.kinds.audio.spectral import stft

WIDE, TALL, WAVE, GAP, EDGE, HEAD = 128, 80, 30, 6, 40, 22
RANGE = 70.0  # decibels below the loudest that are shown
_INK, _GREY = (40, 40, 40), (120, 120, 120)
# A scale from dark to bright with even steps of lightness: black, violet, red, orange, yellow.
_STOPS = np.array([(10, 8, 32), (58, 28, 98), (124, 40, 110), (196, 66, 86), (240, 130, 60), (252, 238, 170)], float)


def colours(values: np.ndarray) -> np.ndarray:
    """Values [...] in 0..1 -> RGB uint8 [..., 3]."""
    at = np.clip(values, 0, 1) * (len(_STOPS) - 1)
    low = np.minimum(at.astype(int), len(_STOPS) - 2)
    part = (at - low)[..., None]
    return np.rint(_STOPS[low] * (1 - part) + _STOPS[low + 1] * part).astype(np.uint8)


def spectrogram(wave: np.ndarray, rate: int, width: int = WIDE, height: int = TALL) -> Image.Image:
    """The spectrogram of a wave [C, n]: 0 Hz at the bottom, half the rate at the top, 70 dB from dark to bright."""
    size = window_of(rate)
    x = torch.from_numpy(np.ascontiguousarray(mix(wave, 1)[0])).float()
    magnitude = stft(x, size, max(2, size // 8)).abs().numpy() * (4 / size)
    decibels = 20 * np.log10(np.maximum(magnitude, 1e-7))
    top = max(float(decibels.max()), -60.0)
    pixels = colours(1 + (decibels[::-1] - top) / RANGE)
    return Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR)


def cell(wave: np.ndarray, rate: int) -> Image.Image:
    """The outline of a wave [C, n], at full scale, above its spectrogram."""
    image = Image.new("RGB", (WIDE, WAVE + TALL), "white")
    pen = ImageDraw.Draw(image)
    mono = mix(wave, 1)[0]
    edges = np.linspace(0, len(mono), WIDE + 1).astype(int)
    middle = (WAVE - 3) / 2
    for k, (a, b) in enumerate(pairwise(edges.tolist())):
        part = mono[a : max(b, a + 1)]
        high, low = middle * (1 - float(part.max())), middle * (1 - float(part.min()))
        pen.line((k, high, k, max(low, high + 1)), fill=(60, 90, 150))
    image.paste(spectrogram(wave, rate), (0, WAVE))
    return image


def sheet(waves: np.ndarray, rate: int, columns: int, heads: Sequence[str] = ()) -> Image.Image:
    """Waves [n, C, N] in rows of `columns`, with the classes above and axis labels at the first spectrogram."""
    rows = -(-len(waves) // columns)
    size = (EDGE + columns * (WIDE + GAP), HEAD + rows * (WAVE + TALL + GAP) + 18)
    image = Image.new("RGB", size, "white")
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(12)
    for k, wave in enumerate(waves):
        left, top = EDGE + k % columns * (WIDE + GAP), HEAD + k // columns * (WAVE + TALL + GAP)
        image.paste(cell(wave, rate), (left, top))
    for k, text in enumerate(heads[:columns]):
        short = text if len(text) <= 16 else f"{text[:15]}…"
        pen.text((EDGE + k * (WIDE + GAP) + WIDE / 2, HEAD - 6), short, _INK, font, anchor="ms")
    first, small = HEAD + WAVE, ImageFont.load_default(10)
    pen.text((EDGE - 4, first + 4), f"{rate / 2000:g} kHz", _GREY, small, anchor="rm")
    pen.text((EDGE - 4, first + TALL - 4), "0", _GREY, small, anchor="rm")
    pen.text(
        (EDGE, size[1] - 14), f"0 to {waves.shape[2] / rate:.3g} s, {RANGE:.0f} dB from dark to bright", _GREY, small
    )
    return image
