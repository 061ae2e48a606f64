"""Masks of holes: stated area, keyed by row, shapes; and the smooth and the harmonic fill."""

import numpy as np
import pytest
import torch

from ganworks.core.errors import UsageError
from ganworks.core.spec import Draw, key
from ganworks.kinds.images.inpainting.masks import KINDS, Masks
from ganworks.layers.fill import harmonic_fill, smooth_fill


def draw(rows=12, seed=0, part=slice(None)):
    return Draw(key("masks", seed), rows, part)


@pytest.mark.parametrize("kind", ["strokes", "box", "border"])
@pytest.mark.parametrize("size", [(64, 64), (40, 72)])
def test_the_area_is_as_stated(kind, size):
    area = Masks(kind, area=(0.25, 0.3))(*size, draw(24)).mean((1, 2, 3))
    slack = 0.0001 if kind == "strokes" else 0.03  # a box is whole rows and columns
    assert area.min() >= 0.25 - slack and area.max() <= 0.3 + slack
    assert area.std() > 0.005  # and the whole range is used


def test_text_covers_what_was_asked_and_scratches_never_more():
    text = Masks("text", area=(0.1, 0.15))(96, 96, draw()).mean((1, 2, 3))
    assert text.min() >= 0.1 and text.max() < 0.18
    lines = Masks("scratches", area=(0.05, 0.08))(96, 96, draw()).mean((1, 2, 3))
    assert lines.min() > 0.02 and lines.max() <= 0.0801


@pytest.mark.parametrize("kind", KINDS)
def test_masks_are_binary_and_differ_from_row_to_row(kind):
    masks = Masks(kind)(48, 64, draw())
    assert masks.shape == (12, 1, 48, 64) and masks.dtype == torch.float32
    assert set(masks.unique().tolist()) == {0.0, 1.0}
    distinct = {m.numpy().tobytes() for m in masks}
    assert len(distinct) == 1 if kind == "centre" else len(distinct) >= 10


def test_a_row_has_its_mask_whoever_draws_it():
    masks = Masks("strokes,box,border,text,scratches")
    whole = masks(32, 40, draw(12))
    for rank in range(3):
        assert torch.equal(masks(32, 40, draw(12, part=slice(rank, None, 3))), whole[rank::3])
    assert not torch.equal(masks(32, 40, draw(12, seed=1)), whole)


def test_strokes_have_the_stated_width():
    """Opening by a square wider than the brush leaves nothing; by a narrower one, nearly all of a thick stroke."""

    def left(width, side):
        hole = Masks("strokes", area=(0.02, 0.02), width=(width, width), length=(30, 30))(128, 128, draw(8))
        inner = -torch.nn.functional.max_pool2d(-hole, side, 1)
        return float(inner.sum() / hole.sum())

    assert left(5, 9) == 0.0
    assert left(12, 5) > 0.3


def test_a_mixture_has_all_its_kinds():
    masks = Masks("box,centre", area=(0.1, 0.1))(32, 32, draw(64))
    centred = (masks.mean((1, 2, 3)) == 0.25).float().mean()
    assert 0.25 < centred < 0.75


def test_wrong_settings_are_explained():
    with pytest.raises(UsageError, match="strokes"):
        Masks("stroke")
    with pytest.raises(UsageError, match="area"):
        Masks(area=(0.4, 0.1))
    with pytest.raises(UsageError, match="masks is empty"):
        Masks("")


def test_harmonic_fill_solves_laplace_and_keeps_what_is_known():
    x = torch.rand(2, 3, 24, 31, generator=torch.Generator().manual_seed(0)) * 2 - 1
    hole = Masks("strokes,border", area=(0.3, 0.5), width=(3, 6), length=(6, 12))(24, 31, draw(2))
    fill = harmonic_fill(x, hole)
    for image, inside in zip(fill.numpy(), hole[:, 0].numpy() > 0, strict=True):
        for i, j in np.argwhere(inside):
            beside = ((i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1))
            around = [(a, b) for a, b in beside if 0 <= a < 24 and 0 <= b < 31]
            mean = np.mean([image[:, a, b] for a, b in around], axis=0)
            assert np.allclose(image[:, i, j], mean, atol=1e-5)
    assert torch.equal((fill * (1 - hole)), (x.double() * (1 - hole)))


def test_harmonic_fill_continues_a_ramp_exactly():
    ramp = torch.linspace(-1, 1, 40)[None, None, None].expand(1, 1, 20, 40).contiguous()
    hole = torch.zeros(1, 1, 20, 40)
    hole[..., 5:15, 10:30] = 1
    assert (harmonic_fill(ramp * (1 - hole), hole) - ramp).abs().max() < 1e-5


@pytest.mark.parametrize("size", [(33, 50), (5, 7), (64, 64)])
def test_smooth_fill_is_near_the_harmonic_and_keeps_what_is_known(size):
    y, x = torch.meshgrid(torch.linspace(0, 3, size[0]), torch.linspace(0, 3, size[1]), indexing="ij")
    picture = torch.stack([torch.sin(x + y), torch.cos(2 * x)])[None].expand(4, 2, *size).contiguous()
    hole = (torch.rand(4, 1, *size, generator=torch.Generator().manual_seed(1)) < 0.6).float()
    hole[..., 0, 0] = 0
    fill, exact = smooth_fill(picture, hole), harmonic_fill(picture, hole)
    assert fill.dtype == torch.float32 and torch.equal(fill * (1 - hole), picture * (1 - hole))
    flat = (picture.mean((2, 3), keepdim=True) - exact).abs()[hole.expand_as(exact) > 0].mean()
    assert (fill - exact).abs()[hole.expand_as(exact) > 0].mean() < 0.15 * flat


def test_smooth_fill_does_not_look_into_the_hole_and_survives_a_picture_that_is_all_hole():
    x, hole = torch.randn(2, 3, 17, 23), torch.ones(2, 1, 17, 23)
    hole[0, :, :5] = 0
    other = torch.where(hole > 0, torch.full_like(x, 99.0), x)
    assert torch.equal(smooth_fill(x, hole), smooth_fill(other, hole))
    assert (smooth_fill(x, hole)[1] == 0).all()
