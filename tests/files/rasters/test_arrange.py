"""The layout of pictures in rows and columns: places, sizes, captions, transparency."""

import numpy as np
from PIL import Image, ImageFont

from ganworks.files.rasters.arrange import Frame, arrange, shortened


def tile(wide: int, tall: int, shade: int, mode: str = "RGB") -> Image.Image:
    return Image.new("RGB", (wide, tall), (shade,) * 3).convert(mode)


def test_cells_are_as_wide_as_the_widest_and_rows_as_high_as_the_highest() -> None:
    pictures = [tile(4, 6, 10), tile(8, 2, 20), tile(4, 3, 30)]
    sheet = np.asarray(arrange(pictures, 2, Frame((0, 0), gap=2, margin=1, caption=5)))[..., 0]
    assert sheet.shape == (1 + 6 + 5 + 2 + 3 + 5 + 1, 1 + 8 + 2 + 8 + 1)
    assert (sheet[1:7, 1:5] == 10).all() and (sheet[1:3, 11:19] == 20).all() and (sheet[14:17, 1:5] == 30).all()
    assert (sheet != 255).sum() == 4 * 6 + 8 * 2 + 4 * 3
    middle = np.asarray(arrange(pictures, 2, Frame((0, 0), margin=1, centred=True)))[..., 0]
    assert (middle[1:7, 3:7] == 10).all()


def test_captions_stand_below_and_are_shortened_to_their_width() -> None:
    frame = Frame((40, 10), caption=14)
    plain, named = arrange([tile(40, 10, 0)], 1, frame), arrange([tile(40, 10, 0)], 1, frame, ["name"])
    changed = (np.asarray(plain) != np.asarray(named)).any((1, 2)).nonzero()[0]
    assert plain.size == named.size == (40, 24) and changed.min() >= 10
    assert shortened("a long caption", 40) == "a long c"[: len(shortened("a long caption", 40))]
    assert "a long caption".endswith(shortened("a long caption", 40, keep_end=True)) and shortened("xyz", 0) == "x"
    assert ImageFont.load_default(11).getlength(shortened("a long caption", 40)) <= 40


def test_nothing_and_transparency() -> None:
    assert arrange([], 3, Frame((5, 7), gap=2, margin=2)).size == (2 + 3 * 7, 2 + 9)
    clear = Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    assert np.asarray(arrange([clear], 1, Frame((4, 4)))).min() == 255  # composited on white
    assert np.asarray(arrange([clear], 1, Frame((4, 4), mode="RGBA"))).max() == 0  # kept as it is
