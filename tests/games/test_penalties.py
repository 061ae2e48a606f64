"""Gradient penalties: closed forms, and the three back-ends against each other."""

import pytest
import torch
from recipe_checks import clamps_between, no_clamp_below_penalties
from torch import nn

from ganworks.core.spec import Draw
from ganworks.games import penalties
from ganworks.games.penalties import LabelledCritic, Probe, gradient_penalty, logits_and_gradient_norms, zero_centred
from ganworks.kinds.audio.augment import louder

torch.set_num_threads(1)


class Quadratic(nn.Module):
    """D(x) = a * |x|^2 / 2: the gradient is a * x."""

    def __init__(self, a: float):
        super().__init__()
        self.a = nn.Parameter(torch.tensor(a))

    def forward(self, x, y=None):
        scale = 1 if y is None else y.float()
        return scale * self.a * x.square().flatten(1).sum(1) / 2


def conv_net() -> nn.Module:
    """Smooth: at the kinks of a ReLU a finite difference sees curvature that double backward does not."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(2, 8, 3, 2, 1),
        nn.SiLU(),
        nn.Conv2d(8, 8, 3, 2, 1),
        nn.SiLU(),
        nn.Flatten(),
        nn.Linear(32, 1),
        nn.Flatten(0),
    )


def images(n: int = 16) -> torch.Tensor:
    return torch.rand(n, 2, 8, 8, generator=torch.Generator().manual_seed(1)) * 2 - 1


def draw(n: int, seed: int = 0) -> Draw:
    return Draw(seed, n, slice(0, n))


@pytest.mark.parametrize("backend", ["exact", "func"])
def test_r1_and_r2_are_half_gamma_times_the_summed_square(backend):
    x, y = images(4), torch.tensor([1, 2, 3, 0])
    expected = 0.5 * 0.3 * (y * 1.5).square() * x.square().flatten(1).sum(1)
    for penalty in (penalties.r1, penalties.r2):
        torch.testing.assert_close(penalty(Quadratic(1.5), x, 0.3, y, backend=backend), expected)


def weight_gradients(D: nn.Module, value: torch.Tensor) -> torch.Tensor:
    return torch.cat(
        [g.flatten() for g in torch.autograd.grad(value.mean(), list(D.parameters()), materialize_grads=True)]
    )


def test_func_equals_exact_in_value_and_weight_gradient():
    D, x = conv_net(), images()
    exact, func = (zero_centred(D, x, 2.0, backend=b) for b in ("exact", "func"))
    torch.testing.assert_close(func, exact, rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(weight_gradients(D, func), weight_gradients(D, exact), rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("fraction", [1.0, 0.25])
def test_finite_difference_agrees_in_the_mean(fraction):
    D, x = conv_net(), images(4).repeat(256, 1, 1, 1)  # every quarter is the same mixture of four examples
    exact = zero_centred(D, x, 2.0)
    draws = [zero_centred(D, x, 2.0, backend="fd", draw=draw(1024, s), fraction=fraction) for s in range(60)]
    mean = torch.stack([d.mean() for d in draws]).mean()
    assert mean.item() == pytest.approx(exact.mean().item(), rel=0.06)
    slope = torch.stack([weight_gradients(D, d) for d in draws]).mean(0)
    wanted = weight_gradients(D, exact)
    assert torch.nn.functional.cosine_similarity(slope, wanted, 0) > 0.99
    assert slope.norm().item() == pytest.approx(wanted.norm().item(), rel=0.1)


def test_finite_difference_measures_only_its_rows():
    x = images(8)
    norms = logits_and_gradient_norms(LabelledCritic(conv_net()), x, "fd", Probe.draw(x, draw(8), 0.3))[1]
    assert (norms[:3] > 0).all() and (norms[3:] == 0).all()


def test_finite_difference_is_not_drowned_by_bfloat16():
    """A large common logit would, rounded to bfloat16, turn into a penalty of its own."""
    D, x = conv_net(), images()
    with torch.no_grad():
        D[5].bias += 50
    exact = zero_centred(D, x, 1.0).mean().item()
    with torch.autocast("cpu", torch.bfloat16):
        draws = [zero_centred(D, x, 1.0, backend="fd", draw=draw(16, s)).mean().item() for s in range(100)]
    got = sum(draws) / 100
    assert got == pytest.approx(exact, rel=0.15)


def test_penalty_reaches_the_weights_but_not_the_generator():
    x = images(4).requires_grad_()
    D = Quadratic(2.0)
    for backend in ("exact", "func", "fd"):
        value = zero_centred(D, x * 1, 1.0, backend=backend, draw=draw(4)).sum()
        (slope,) = torch.autograd.grad(value, D.a)
        assert slope.item() == pytest.approx(2 * value.item() / 2.0, rel=0.05)  # 2/a times the value
        value = zero_centred(D, x * 1, 1.0, backend=backend, draw=draw(4)).sum()
        assert torch.autograd.grad(value, x, allow_unused=True) == (None,)


@pytest.mark.parametrize("backend", ["exact", "func"])
def test_gradient_penalty_is_zero_for_unit_slope_and_weight_times_square_otherwise(backend):
    class Linear(nn.Module):
        def __init__(self, norm):
            super().__init__()
            self.w = nn.Parameter(torch.full((128,), norm / 128**0.5))

        def forward(self, x, y=None):
            return x.flatten(1) @ self.w

    a, b = images(8), -images(8)
    for norm in (1.0, 3.0, 0.0):
        got = gradient_penalty(Linear(norm), a, b, draw(8), weight=10, backend=backend)
        torch.testing.assert_close(got, torch.full((8,), 10 * (norm - 1) ** 2), atol=1e-4, rtol=1e-4)
    D = Linear(0.0)
    gradient_penalty(D, a, b, draw(8)).sum().backward()
    assert torch.isfinite(D.w.grad).all()


def test_gradient_penalty_looks_between_real_and_fake_one_point_per_example():
    seen = []

    class Spy(Quadratic):
        def forward(self, x, y=None):
            seen.append(x.detach())
            return super().forward(x, y)

    gradient_penalty(Spy(1.0), torch.zeros(64, 2, 3, 3), torch.ones(64, 2, 3, 3), draw(64))
    x = seen[0]
    assert (x.flatten(1).std(1) == 0).all(), "one t per example"
    assert 0 <= x.min() < 0.1 and 0.9 < x.max() <= 1 and len(x[:, 0, 0, 0].unique()) == 64


def test_clip_weights():
    D = conv_net()
    penalties.clip_weights(D, 0.01)
    assert max(p.abs().max().item() for p in D.parameters()) <= 0.01 + 1e-9
    assert all(p.requires_grad for p in D.parameters())


def test_a_penalty_through_a_clamp_is_found():
    """At the bounds of a clamp the gradient depends on the version of torch: 1 up to 2.13, 0 since."""
    x = torch.tensor([[1.0, -1.0, 0.5]])
    with no_clamp_below_penalties():
        zero_centred(lambda v: v.square().sum(1) + x.clamp(-1, 1).sum(1), x, 1.0)
        with pytest.raises(AssertionError, match="ClampBackward"):
            zero_centred(lambda v: v.clamp(-1, 1).square().sum(1), x, 1.0)
    leaf = torch.ones(3, requires_grad=True)
    assert clamps_between(nn.functional.hardtanh(leaf).sum(), [leaf]) and not clamps_between(leaf.relu().sum(), leaf)


def test_louder_silence_has_the_gradient_of_silence():
    x = torch.tensor([-1.0, -0.95, -0.5, 1.0]).view(1, 1, 1, 4).requires_grad_()
    made = louder(x, torch.tensor([0.2]))
    assert made.flatten().tolist() == pytest.approx([-1.0, -0.85, -0.3, 1.2])
    (found,) = torch.autograd.grad(made.sum(), x)
    assert found.flatten().tolist() == pytest.approx([0.0, 3.0, 1.0, 1.0]) and not clamps_between(made, x)
