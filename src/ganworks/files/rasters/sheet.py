"""Sheets that show several images before and after processing, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from ganworks.files.rasters.arrange import Frame, arrange, shortened
from ganworks.files.rasters.read import read
from ganworks.files.rasters.write import picture

_SIDE = 320  # most pixels of the longer side of a shown image
_SMALL = 160  # a smaller image is enlarged by a whole factor
_GAP, _CAPTION, _FONT = 6, 18, 12


def shown(image: Image.Image) -> Image.Image:
    """An image at a size for display: large ones are shrunk, small ones enlarged by a whole factor."""
    longer = max(image.size)
    if longer > _SIDE:
        size = (max(1, image.width * _SIDE // longer), max(1, image.height * _SIDE // longer))
        return image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    factor = max(1, _SMALL // longer)
    return image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)


def side_by_side(pairs: Sequence[tuple[str, Image.Image, Image.Image]]) -> Image.Image:
    """(name, before, after) -> one image with a pair in each row; from four pairs on, two pairs in each row."""
    cells, names = [], []
    for name, before, after in pairs:
        right = shown(after.convert("RGB"))
        left = before.convert("RGB")
        left = shown(left) if left.size == after.size else left.resize(right.size, Image.Resampling.BICUBIC)
        cells.append(arrange([left, right], 2, Frame(right.size)))
        names.append(shortened(name, 2 * left.width, _FONT, keep_end=True))
    wide = max(cell.width for cell in cells) + _GAP - 2
    frame = Frame((wide, 0), gap=_GAP, margin=_GAP, caption=_CAPTION, drop=1, font=_FONT)
    return arrange(cells, 1 if len(cells) < 4 else 2, frame, names)


def sheet_of(pairs: Sequence[tuple[Path, Path]]) -> Image.Image:
    """The sheet of (input file, output file) pairs; of an animation, the first frame is shown."""

    def first(path: Path) -> Image.Image:
        return picture(read(path.read_bytes(), path.name).frames[0], alpha=False)

    return side_by_side([(before.name, first(before), first(after)) for before, after in pairs])
