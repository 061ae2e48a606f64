"""Masks of every kind mark the same pixels, and one that marks nothing or everything is refused."""

import numpy as np
import pytest
import torch
from PIL import Image

from ganworks.core.errors import UsageError
from ganworks.files.rasters.masks import mask_tensor

HOLE = np.zeros((6, 8), bool)
HOLE[1:4, 2:5] = True


def rgba(colour, alpha):
    return Image.fromarray(np.dstack([np.broadcast_to(np.asarray(colour), (6, 8, 3)), alpha]).astype(np.uint8))


def palette(*colours):
    image = Image.fromarray(HOLE.astype(np.uint8), "P")
    image.putpalette([channel for colour in colours for channel in colour])
    return image


NOISE = np.random.default_rng(0).integers(0, 256, (6, 8, 3))
SHOWN, ERASED = np.where(HOLE, 255, 0), np.where(HOLE, 0, 255)
KINDS = {
    "0-255": (HOLE * 255).astype(np.uint8),
    "0-1": HOLE.astype(np.uint8),
    "0-200": (HOLE * 200).astype(np.uint8),
    "soft": (HOLE * 200 + 20).astype(np.uint8),
    "bool": HOLE,
    "int64": HOLE * 255,
    "int64-0-1": HOLE.astype(np.int64),
    "float": HOLE * 1.0,
    "uint16": (HOLE * 65535).astype(np.uint16),
    "12-bits": (HOLE * 4095).astype(np.uint16),
    "hwc": np.repeat(HOLE[..., None] * 255, 3, 2),
    "tensor": torch.from_numpy(HOLE)[None, None],
    "image-1": Image.fromarray(HOLE),
    "image-0-1": Image.fromarray(HOLE.astype(np.uint8)),
    "image-16": Image.fromarray((HOLE * 4095).astype(np.uint16)),
    "palette": palette((0, 0, 0), (128, 0, 0)),
    "red": Image.fromarray(np.where(HOLE[..., None], [255, 0, 0], [0, 0, 0]).astype(np.uint8)),
    "blue": Image.fromarray(np.where(HOLE[..., None], [0, 0, 255], [0, 0, 0]).astype(np.uint8)),
    "white-strokes": rgba([255, 255, 255], SHOWN),
    "red-strokes": rgba([255, 0, 0], SHOWN),
    "white-on-black-strokes": rgba(np.where(HOLE[..., None], 255, 0), np.where(np.arange(8) < 6, 255, 0) + 0 * SHOWN),
    "erased-photo": rgba(NOISE, ERASED),
    "erased-black": rgba([0, 0, 0], ERASED),
}


@pytest.mark.parametrize("kind", KINDS)
def test_one_mask_in_many_forms(kind, tmp_path):
    assert np.array_equal(mask_tensor(KINDS[kind], (6, 8))[0, 0].numpy(), HOLE.astype(np.float32))
    if isinstance(KINDS[kind], Image.Image):
        KINDS[kind].save(tmp_path / "mask.png")
        assert np.array_equal(mask_tensor(tmp_path / "mask.png", (6, 8))[0, 0].numpy(), HOLE.astype(np.float32))


WRONG = {
    "black": (np.zeros((6, 8), np.uint8), "marks nothing"),
    "all-false": (HOLE & False, "marks nothing"),
    "white": (np.full((6, 8), 255, np.uint8), "marks everything"),
    "all-true": (HOLE | True, "marks everything"),
    "jpeg-black": (np.arange(48, dtype=np.uint8).reshape(6, 8) % 4, "from 0 to 3 only"),
    "transparent": (rgba([255, 255, 255], 0 * SHOWN), "marks everything"),
    "nan": (np.full((6, 8), np.nan), "not finite"),
    "channels": (np.zeros((6, 8, 2)), "must be"),
    "two-tensors": (torch.zeros(2, 1, 6, 8), "must be"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_mask_that_says_nothing_is_refused(name):
    mask, words = WRONG[name]
    with pytest.raises(UsageError, match=words):
        mask_tensor(mask, (6, 8))
