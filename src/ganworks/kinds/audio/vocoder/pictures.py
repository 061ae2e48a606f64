"""Spectrograms as images."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ganworks.kinds.audio.spectral import stft

HEIGHT, CAPTION, GAP = 128, 16, 4  # pixels
WIDEST = 480
_PATH = np.array([[0, 0, 4], [60, 15, 110], [150, 40, 110], [225, 90, 45], [250, 175, 20], [252, 255, 164]], float)


def spectrogram_image(x: Tensor, rate: int) -> Image.Image:
    """The spectrogram of samples [n]: time to the right, frequency upwards, 80 dB from bright to dark."""
    n_fft = 2 ** int(np.log2(max(64, 0.04 * rate)))
    level = 20 * torch.log10(stft(x, n_fft, n_fft // 4).abs().clamp_min(1e-7))
    top = max(float(level.max()), -60.0)
    share = ((level - (top - 80)) / 80).clamp(0, 1).flip(0).numpy()
    at = share * (len(_PATH) - 1)
    low = np.minimum(at.astype(int), len(_PATH) - 2)
    part = (at - low)[..., None]
    image = Image.fromarray((_PATH[low] * (1 - part) + _PATH[low + 1] * part).astype(np.uint8))
    wide = min(WIDEST, max(96, 2 * image.width))
    return image.resize((wide, HEIGHT), Image.Resampling.BILINEAR)


def spectrogram_sheet(rows: list[list[Tensor]], rate: int, titles: list[str]) -> Image.Image:
    """Spectrograms of rows of sounds [n], with the titles above the columns."""
    cells = [[spectrogram_image(x, rate) for x in row] for row in rows]
    wide = max(cell.width for row in cells for cell in row) + GAP
    image = Image.new("RGB", (wide * len(titles), CAPTION + len(rows) * (HEIGHT + GAP)), "white")
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(12)
    for column, title in enumerate(titles):
        pen.text((column * wide + 2, 1), title, "black", font)
        for row, line in enumerate(cells):
            image.paste(line[column], (column * wide, CAPTION + row * (HEIGHT + GAP)))
    return image
