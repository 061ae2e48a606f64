"""DiffAugment: ranges, keyed randomness, and derivatives of both orders."""

import pytest
import torch

from ganworks.augment.diffaugment import NUMBERS, DiffAugment, _Translate, color, cutout, translation
from ganworks.core.errors import UsageError
from ganworks.core.spec import Draw

torch.set_num_threads(1)
ON = torch.ones(512, dtype=torch.bool)
SHAPES = [(1, 28, 28), (3, 32, 32), (4, 9, 14), (2, 1, 5), (6, 16, 16)]


def draw(n, seed=0, rows=None):
    return Draw(seed, n, slice(0, n) if rows is None else rows)


def images(n, shape=(3, 16, 16), dtype=torch.float32):
    return torch.rand(n, *shape, generator=torch.Generator().manual_seed(n), dtype=dtype) * 2 - 1


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_keeps_shape_dtype_layout_and_does_not_depend_on_the_layout(shape, layout):
    x, augment = images(8, shape), DiffAugment()
    numbers = augment.draw(draw(8))
    assert numbers.shape == (8, NUMBERS)
    out = augment(x.to(memory_format=layout), numbers)
    assert out.shape == x.shape and out.dtype == x.dtype and out.is_contiguous(memory_format=layout)
    torch.testing.assert_close(out, augment(x, numbers), rtol=1e-5, atol=1e-6)
    assert augment(x.bfloat16(), numbers).dtype == torch.bfloat16


def test_rows_are_independent_of_the_rest_of_the_batch():
    x, augment = images(8), DiffAugment()
    whole = augment(x, augment.draw(draw(8)))
    rows = torch.tensor([5, 2])
    torch.testing.assert_close(augment(x[rows], augment.draw(draw(8, rows=rows))), whole[rows])
    assert not torch.equal(whole, augment(x, augment.draw(draw(8, seed=1))))


def test_color_is_brightness_then_saturation_then_contrast():
    x = images(6, dtype=torch.float64)
    u = torch.rand(6, 3, dtype=torch.float64)
    b, s, k = (u[:, i].view(-1, 1, 1, 1) for i in range(3))
    step = x + (b - 0.5)
    grey = step.mean(1, keepdim=True)
    step = (step - grey) * (2 * s) + grey
    mean = step.mean((1, 2, 3), keepdim=True)
    torch.testing.assert_close(color(x, u, ON[:6]), (step - mean) * (k + 0.5) + mean)


def test_color_leaves_saturation_of_grey_images_alone():
    x = images(2, (1, 8, 8))
    u = torch.tensor([[0.5, 0.0, 0.5], [0.5, 0.9, 0.5]])
    torch.testing.assert_close(color(x, u, ON[:2]), x)


def test_translation_moves_whole_pixels_up_to_an_eighth_with_zeros_outside():
    x = images(512, (1, 16, 24)) + 3
    y = translation(x, torch.rand(512, 2, generator=torch.Generator().manual_seed(0)), ON)
    seen = set()
    for before, after in zip(x, y, strict=True):
        rows, columns = (after[0] != 0).any(1).nonzero()[:, 0], (after[0] != 0).any(0).nonzero()[:, 0]
        top, left = 16 - len(rows), 24 - len(columns)
        down, right = rows[0].item() > 0, columns[0].item() > 0
        moved = (top if down else -top, left if right else -left)
        seen.add(moved)
        inner = before[0][: 16 - top] if down else before[0][top:]
        inner = inner[:, : 24 - left] if right else inner[:, left:]
        assert torch.equal(after[0][rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], inner)
    assert {m[0] for m in seen} == set(range(-2, 3)) and {m[1] for m in seen} == set(range(-3, 4))


def test_translation_is_its_own_adjoint_and_has_a_second_derivative():
    x = images(4, (2, 5, 7), torch.float64).requires_grad_()
    dy, dx = torch.tensor([1, -2, 0, 4]), torch.tensor([0, 3, -1, -6])
    assert torch.autograd.gradcheck(lambda v: _Translate.apply(v, dy, dx), x)
    assert torch.autograd.gradgradcheck(lambda v: _Translate.apply(v, dy, dx).square(), x)


def test_cutout_zeroes_half_of_each_side_anywhere():
    x = torch.ones(512, 3, 16, 9)
    y = cutout(x, torch.rand(512, 2, generator=torch.Generator().manual_seed(0)), ON)
    holes = y == 0
    assert torch.equal(holes.all(1), holes.any(1)), "all channels alike"
    height, width = holes[:, 0].any(2).sum(1), holes[:, 0].any(1).sum(1)
    assert height.max() == 8 and width.max() == 5 and height.min() == 4 and width.min() == 3
    assert torch.equal(holes[:, 0].sum((1, 2)), height * width), "a rectangle"
    assert holes[:, 0].any(0).all(), "every pixel is hit by some"


@pytest.mark.parametrize("policy", ["color", "translation", "cutout", "color,translation,cutout"])
def test_differentiable_twice(policy):
    augment = DiffAugment(policy)
    x = images(2, (3, 4, 6), torch.float64).requires_grad_()
    numbers = augment.draw(draw(2)).double()
    assert torch.autograd.gradcheck(lambda v: augment(v, numbers), x)
    assert torch.autograd.gradgradcheck(lambda v: augment(v, numbers).pow(3), x)


def test_probability_gates_each_operation_of_each_example():
    x, augment = images(400), DiffAugment("color")
    changed = (augment(x, augment.draw(draw(400)), 0.3) != x).flatten(1).any(1).float().mean().item()
    assert 0.22 < changed < 0.38
    for policy in ("translation", "cutout"):
        augment = DiffAugment(policy)
        assert torch.equal(augment(x, augment.draw(draw(400)), 0.0), x)
        assert torch.equal(augment(x, augment.draw(draw(400)), 1e-9), x)


def test_empty_policy_changes_nothing_and_wrong_use_is_refused():
    x = torch.randn(3, 2)
    assert DiffAugment("")(x, torch.rand(3, NUMBERS)) is x
    with pytest.raises(UsageError, match=r"\(2,\)"):
        DiffAugment("color")(x, torch.rand(3, NUMBERS))
    with pytest.raises(UsageError, match="cutout"):
        DiffAugment("color,cutuot")
