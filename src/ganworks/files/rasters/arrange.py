"""The one layout of pictures in rows and columns, with captions below them: grids, sheets and pairs are made by it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont


@dataclass(frozen=True)
class Frame:
    """The measures of a layout in pixels, and its mode.

    size: least (width, height) of a cell. gap: between cells. margin: around all of them. caption: height of the
    captions of a row, 0 for none; drop: from a picture down to its caption; font: size of its letters. centred: whether
    a picture that is narrower than its cell stands in the middle, else at the left.
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
    """Pictures row by row on white; a row is as high as its highest picture.

    captions: one for each picture, of one or more lines, at the left of its cell. RGBA on another mode is composited.
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
    """The start of one line of text that fits the width in pixels, or its end; at least one letter."""
    letters = ImageFont.load_default(font)
    while len(text) > 1 and letters.getlength(text) > width:
        text = text[1:] if keep_end else text[:-1]
    return text
