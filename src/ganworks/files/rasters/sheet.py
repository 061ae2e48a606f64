"""Before and after, side by side: a sheet of several pairs for a person to look at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from ganworks.files.rasters.read import read
from ganworks.files.rasters.write import picture

_SIDE = 320  # pixels that the longer side of a shown picture has at most
_SMALL = 160  # a picture below this is enlarged by a whole factor
_GAP, _CAPTION = 6, 18


def shown(image: Image.Image) -> Image.Image:
    """A picture at a size to look at: large ones made smaller, tiny ones larger pixel by pixel."""
    longer = max(image.size)
    if longer > _SIDE:
        size = (max(1, image.width * _SIDE // longer), max(1, image.height * _SIDE // longer))
        return image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    factor = max(1, _SMALL // longer)
    return image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)


def side_by_side(pairs: Sequence[tuple[str, Image.Image, Image.Image]]) -> Image.Image:
    """(name, before, after) -> one picture, a pair a row, two rows of pairs beside each other from four pairs on."""
    cells = []
    for name, before, after in pairs:
        right = shown(after.convert("RGB"))
        left = before.convert("RGB")
        left = shown(left) if left.size == after.size else left.resize(right.size, Image.Resampling.BICUBIC)
        cells.append((name, left, right))
    columns = 1 if len(cells) < 4 else 2
    wide = max(2 * right.width for _, _, right in cells) + 2 * _GAP
    rows = [cells[k : k + columns] for k in range(0, len(cells), columns)]
    heights = [max(right.height for _, _, right in row) + _CAPTION + _GAP for row in rows]
    sheet = Image.new("RGB", (columns * wide + _GAP, sum(heights) + _GAP), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    top = _GAP
    for row, tall in zip(rows, heights, strict=True):
        for place, (name, left, right) in enumerate(row):
            at = _GAP + place * wide
            sheet.paste(left, (at, top))
            sheet.paste(right, (at + left.width + 2, top))
            text = name
            while len(text) > 1 and pen.textlength(text, font) > 2 * left.width:
                text = text[1:]
            pen.text((at, top + right.height + 1), text, "black", font)
        top += tall
    return sheet


def sheet_of(pairs: Sequence[tuple[Path, Path]]) -> Image.Image:
    """The sheet of (input, output) picture files; an animation is shown by its first frame."""

    def first(path: Path) -> Image.Image:
        return picture(read(path.read_bytes(), path.name).frames[0], alpha=False)

    return side_by_side([(before.name, first(before), first(after)) for before, after in pairs])
