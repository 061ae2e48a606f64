"""Every loss by name against closed forms."""

import math

import pytest
import torch

from ganworks.core.errors import UsageError
from ganworks.games.losses import LOSSES, loss

NAMES = list(LOSSES)


def logits(*values, grad=False):
    return torch.tensor(values, dtype=torch.float32, requires_grad=grad)


@pytest.mark.parametrize("name", NAMES)
def test_losses_are_per_example_float32_and_finite_far_out(name):
    r, f = logits(-500.0, 0.0, 500.0).bfloat16(), logits(500.0, 0.0, -500.0).bfloat16()
    for value in (loss(name).discriminator(r, f), loss(name).generator(r, f)):
        assert value.shape == (3,) and value.dtype == torch.float32 and torch.isfinite(value).all()


@pytest.mark.parametrize("name", NAMES)
def test_discriminator_raises_real_and_lowers_fake_and_generator_raises_fake(name):
    r, f = logits(0.3, grad=True), logits(0.2, grad=True)
    loss(name).discriminator(r, f).sum().backward()
    assert r.grad.item() < 0 < f.grad.item()
    f.grad = None
    loss(name).generator(r.detach(), f).sum().backward()
    assert f.grad.item() < 0


@pytest.mark.parametrize(
    ("name", "optimum"),
    [
        ("minimax", lambda p, q: math.log(p / q)),
        ("non_saturating", lambda p, q: math.log(p / q)),
        ("least_squares", lambda p, q: p / (p + q)),
        ("Hinge", lambda p, q: math.copysign(1, p - q)),
    ],
)
def test_best_discriminator_at_a_point_is_the_published_one(name, optimum):
    """Where real has density p and fake q, D minimises p * loss(r side) + q * loss(f side) at one logit."""
    p, q = 0.7, 0.2
    grid = torch.linspace(-4, 4, 80_001, dtype=torch.float64)
    far = torch.zeros_like(grid)
    side = loss(name).discriminator
    value = p * (side(grid, far) - side(far[:1], far[:1])) + q * side(far, grid)
    assert grid[value.argmin()].item() == pytest.approx(optimum(p, q), abs=2e-3)


def test_values_at_the_indifferent_discriminator():
    zero = logits(0.0)
    two = math.log(2)
    expected = {
        "minimax": (2 * two, -two),
        "non-saturating": (2 * two, two),
        "least-squares": (0.5, 0.5),
        "hinge": (2.0, 0.0),
        "wasserstein": (0.0, 0.0),
        "relativistic": (two, two),
    }
    for name, (d, g) in expected.items():
        assert loss(name).discriminator(zero, zero).item() == pytest.approx(d)
        assert loss(name).generator(zero, zero).item() == pytest.approx(g)


def test_only_the_paired_loss_ignores_a_common_shift():
    r, f = torch.randn(8, generator=torch.Generator().manual_seed(0)), torch.linspace(-2, 2, 8)
    sides = {name: loss(name).discriminator for name in NAMES}
    still = [n for n, side in sides.items() if torch.allclose(side(r, f), side(r + 3, f + 3), atol=1e-5)]
    assert still == ["wasserstein", "relativistic"]
    assert [n for n in NAMES if loss(n).paired] == ["relativistic"]
    with pytest.raises(TypeError, match="real"):
        loss("relativistic").generator(None, f)


def test_saturation_is_where_the_paper_says():
    """With a confident D the minimax generator has no gradient, the non-saturating one a gradient of 1."""
    slopes = {}
    for name in ("minimax", "non-saturating"):
        f = logits(-20.0, grad=True)
        loss(name).generator(None, f).sum().backward()
        slopes[name] = -f.grad.item()
    assert slopes["minimax"] < 1e-6 and slopes["non-saturating"] == pytest.approx(1)


def test_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(UsageError, match="wasserstein"):
        loss("waserstein")
