"""The layout of images in rows and columns with captions, which all grids, sheets and pairs share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont


@dataclass(frozen=True)
class Frame:
    """Measures of a layout in pixels, and its colour mode.

    size: smallest (width, height) of a cell. gap: between cells. margin: around all of them. caption: height of a row's
    captions, 0 for none. drop: distance from an image to its caption. font: size of the captions. mode: Pillow's mode
    of the result. centred: whether an image narrower than its cell is centred; otherwise it is at the left.
    """

    size: tuple[int, int]
    gap: int = 2
    margin: int = 0
    caption: int = 0
    drop: int = 0
    font: int = 11
    mode: str = "RGB"
    centred: bool = False


def arrange(
    pictures: Sequence[Image.Image], columns: int, frame: Frame, captions: Sequence[str] | None = None
) -> Image.Image:
    """Lay images out row by row on white; a row is as high as its highest image.

    captions: one per image, of one or more lines, placed at the left of its cell. RGBA images are composited unless the
    mode is RGBA.
    """
    rows = [range(k, min(k + columns, len(pictures))) for k in range(0, max(1, len(pictures)), columns)]
    wide = max([frame.size[0], *(picture.width for picture in pictures)])
    heights = [max([frame.size[1], *(pictures[k].height for k in row)]) for row in rows]
    across = 2 * frame.margin + columns * (wide + frame.gap) - frame.gap
    down = 2 * frame.margin + sum(tall + frame.gap + frame.caption for tall in heights) - frame.gap
    sheet = Image.new(frame.mode, (across, down), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(frame.font)
    top = frame.margin
    for row, tall in zip(rows, heights, strict=True):
        for column, k in enumerate(row):
            picture, left = pictures[k], frame.margin + column * (wide + frame.gap)
            mask = picture if picture.mode == "RGBA" != frame.mode else None
            inset = (wide - picture.width) // 2 if frame.centred else 0
            sheet.paste(picture, (left + inset, top), mask)
            if captions is not None and captions[k]:
                pen.text((left, top + picture.height + frame.drop), captions[k], "black", font, spacing=2)
        top += tall + frame.gap + frame.caption
    return sheet


def shortened(text: str, width: int, font: int = 11, *, keep_end: bool = False) -> str:
    """The start (or end, with keep_end) of a line of text that fits into `width` pixels; at least one character."""
    letters = ImageFont.load_default(font)
    while len(text) > 1 and letters.getlength(text) > width:
        text = text[1:] if keep_end else text[:-1]
    return text
