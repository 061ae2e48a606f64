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
    r, f = logits(-500.0, 0.0, 500.0).bfloat16(), logits(500.0, 0.0, -500.0).bfloat16()  # kl: finite by its tangent
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
        ("kl", lambda p, q: 1 + math.log(p / q)),
    ],
)
def test_best_discriminator_at_a_point_is_the_published_one(name, optimum):
    """Where real has density p and fake q, D minimises p * loss(r side) + q * loss(f side) at one logit."""
    p, q = 0.7, 0.2
    grid = torch.linspace(-4, 4, 80_001, dtype=torch.float64)
    far = torch.zeros_like(grid)
    side = loss(name).discriminator
    value = p * (side(grid, far) - side(far[:1], far[:1])) + q * side(far, grid)  # pairs of separable losses
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
        "relativistic-average": (2 * two, 2 * two),
        "relativistic-average-least-squares": (2.0, 2.0),
        "relativistic-average-hinge": (2.0, 2.0),
        "dual-contrastive": (2 * two, 2 * two),
        "softmax": (two, two),
        "kl": (math.exp(-1), 0.0),
    }
    assert set(expected) == set(NAMES)
    for name, (d, g) in expected.items():
        assert loss(name).discriminator(zero, zero).item() == pytest.approx(d)
        assert loss(name).generator(zero, zero).item() == pytest.approx(g)


def test_only_paired_losses_ignore_a_common_shift():
    r, f = torch.randn(8, generator=torch.Generator().manual_seed(0)), torch.linspace(-2, 2, 8)
    sides = {name: loss(name).discriminator for name in NAMES}
    still = [n for n, side in sides.items() if torch.allclose(side(r, f), side(r + 3, f + 3), atol=1e-5)]
    pairs = [n for n in NAMES if loss(n).paired]
    assert still == ["wasserstein", *pairs]
    assert pairs == [n for n in NAMES if "relativistic" in n or n in ("dual-contrastive", "softmax")]
    for name in pairs:
        with pytest.raises(TypeError, match="real"):
            loss(name).generator(None, f)


R, F = (torch.randn(5, generator=torch.Generator().manual_seed(k), dtype=torch.float64) for k in (1, 2))


def independent(name):
    """(D's mean loss, G's mean loss) of R and F by the papers' equations, example by example in Python floats."""
    r, f = R.tolist(), F.tolist()
    mean_r, mean_f, n = sum(r) / 5, sum(f) / 5, 5

    def sigmoid(x):
        return 1 / (1 + math.exp(-x))

    if name == "relativistic-average":
        d = [-math.log(sigmoid(a - mean_f)) - math.log(1 - sigmoid(b - mean_r)) for a, b in zip(r, f, strict=True)]
        g = [-math.log(sigmoid(b - mean_r)) - math.log(1 - sigmoid(a - mean_f)) for a, b in zip(r, f, strict=True)]
    elif name == "relativistic-average-least-squares":
        d = [(a - mean_f - 1) ** 2 + (b - mean_r + 1) ** 2 for a, b in zip(r, f, strict=True)]
        g = [(b - mean_r - 1) ** 2 + (a - mean_f + 1) ** 2 for a, b in zip(r, f, strict=True)]
    elif name == "relativistic-average-hinge":
        d = [max(0, 1 - (a - mean_f)) + max(0, 1 + (b - mean_r)) for a, b in zip(r, f, strict=True)]
        g = [max(0, 1 - (b - mean_r)) + max(0, 1 + (a - mean_f)) for a, b in zip(r, f, strict=True)]
    elif name == "dual-contrastive":

        def found(own, others):  # -log of the softmax share of one among others of the other kind
            return -math.log(math.exp(own) / (math.exp(own) + sum(math.exp(other) for other in others)))

        d = [found(a, f) for a in r] + [found(-b, [-a for a in r]) for b in f]
        g = [found(b, r) for b in f] + [found(-a, [-b for b in f]) for a in r]
    else:
        whole = math.log(sum(map(math.exp, r + f)))
        d, g = [whole - a for a in r], [2 * (whole - x) / 2 for x in r + f]
        return sum(d) / n, sum(g) / (2 * n)
    return sum(d) / n, sum(g) / n


@pytest.mark.parametrize("name", [n for n in NAMES if loss(n).paired and n != "relativistic"])
def test_losses_of_whole_batches_are_those_of_their_papers(name):
    d, g = independent(name)
    assert loss(name).discriminator(R, F).mean().item() == pytest.approx(d, rel=1e-5)
    assert loss(name).generator(R, F).mean().item() == pytest.approx(g, rel=1e-5)


@pytest.mark.parametrize("name", [n for n in NAMES if loss(n).paired])
def test_patches_are_compared_place_by_place(name):
    r, f = (x.float()[:, None, None, None] + torch.arange(4.0).view(1, 1, 2, 2) for x in (R, F))
    for side in ("discriminator", "generator"):
        maps = getattr(loss(name), side)(r, f)
        assert maps.shape == r.shape
        one = getattr(loss(name), side)(r[:, 0, 1, 0], f[:, 0, 1, 0])
        torch.testing.assert_close(maps[:, 0, 1, 0], one)


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
