"""Differentially private updates, and what they promise."""

import math

import pytest
import torch
from table_data import people
from torch import nn

import ganworks as gw
from ganworks.core.errors import GanworksError, UsageError
from ganworks.core.settings import Optimizer
from ganworks.metrics.dp_accountant import Releases, epsilon, renyi
from ganworks.training.privacy.dp_sgd import add_clipped, add_noise


def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 1))


def grads(model, x):
    model.zero_grad()
    model(x)[:, 0].square().mean().backward()
    return torch.cat([p.grad.flatten() for p in model.parameters()])


def clipped(model, x, limit, defect=False):
    params = list(model.parameters())
    for p in params:
        p.grad = torch.zeros_like(p)
    if defect:  # the gradient of the batch cut as a whole: one row still moves it by as much as it likes
        whole = grads(model, x)
        return whole * min(1.0, limit / float(whole.norm()))
    add_clipped([model(x)[:, 0].square()], params, limit, len(x), len(x))
    return torch.cat([p.grad.flatten() for p in params])


def test_without_a_limit_it_is_the_mean_gradient():
    model, x = net(), torch.randn(150, 3)
    assert torch.allclose(clipped(model, x, 1e9), grads(model, x), atol=1e-6)


def test_one_row_moves_the_sum_by_no_more_than_the_limit():
    model, x = net(), torch.randn(20, 3)
    other = x.clone()
    other[7] *= 100

    def moved(**how):
        return float((clipped(model, x, 0.1, **how) - clipped(model, other, 0.1, **how)).norm()) * 20

    assert moved() <= 0.2 + 1e-5
    assert moved(defect=True) > 0.2
    each = torch.stack([clipped(model, row[None], 0.1) for row in x])
    assert torch.allclose(each.mean(0), clipped(model, x, 0.1), atol=1e-6) and each.norm(dim=1).max() <= 0.1 + 1e-5


def test_the_penalty_of_a_critic_can_be_cut_too():
    model, x = net(), torch.randn(6, 3, requires_grad=True)
    gradient = torch.autograd.grad(model(x).sum(), x, create_graph=True)[0]
    for p in model.parameters():
        p.grad = torch.zeros_like(p)
    add_clipped([(gradient.norm(dim=1) - 1) ** 2, model(x)[:, 0]], list(model.parameters()), 0.5, 6, 6)
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())
    with pytest.raises(GanworksError, match="one loss for each of 6 examples"):
        add_clipped([model(x)[:, 0], model(x)[:3, 0]], list(model.parameters()), 0.5, 6, 6)


def test_noise_has_the_size_that_it_is_accounted_for():
    grad = torch.zeros(200_000)
    add_noise(grad, 0.5, 1.2, 10, 3)
    assert abs(float(grad.std()) - 1.2 * 0.5 / 10) < 5e-4
    again = torch.zeros(200_000)
    add_noise(again, 0.5, 1.2, 10, 3)
    assert torch.equal(grad, again)


def test_the_accountant_agrees_with_closed_forms():
    for noise in (0.8, 2.0):
        assert renyi(1.0, noise, 7) == pytest.approx(7 / (2 * noise**2))
        assert renyi(1.0 - 1e-12, noise, 7) == pytest.approx(7 / (2 * noise**2), rel=1e-6)
        for rate in (0.001, 0.3):  # order 2 has a closed form
            assert renyi(rate, noise, 2) == pytest.approx(math.log1p(rate**2 * math.expm1(1 / noise**2)))
    steps, noise, delta = 10, 4.0, 1e-5
    best = steps / (2 * noise**2) + math.sqrt(2 * steps * math.log(1 / delta)) / noise  # Gaussian, classic conversion
    found = epsilon([Releases(1.0, noise, steps)], delta)
    assert 0.8 * best < found < best
    assert epsilon([Releases(0.01, 1.0, 100)], 1e-5) < epsilon([Releases(0.02, 1.0, 100)], 1e-5)
    assert epsilon([Releases(0.01, 0.0, 1)], 1e-5) == math.inf
    with pytest.raises(UsageError, match="delta"):
        epsilon([], 0.0)
    with pytest.raises(UsageError, match="clip_each"):
        Optimizer(noise=1.0)


SMALL = {
    "budget": "300",
    "batch": 50,
    "train.threads": 1,
    "networks.width": 16,
    "networks.d_width": 16,
    "networks.pac": 1,
    "train.precision": "fp32",
}
D = {"d.clip_each": 1.0, "d.noise": 1.0}


def test_private_trainings_say_their_epsilon_and_resume(tmp_path):
    frame = people(500)
    out = tmp_path / "run"
    settings = {**SMALL, "g.clip_each": 1.0, "g.noise": 2.0, "train.save": 0.0}
    list(gw.train("table", frame, tmp_path / "straight", **settings))
    for event in gw.train("table", frame, out, **settings):
        if getattr(event, "seen", 0) >= 100:
            break
    list(gw.train("table", frame, out, **settings))
    first, second = ((tmp_path / n / "generator.safetensors") for n in ("straight", "run"))
    assert gw.load(first).fingerprint == gw.load(second).fingerprint
    (said,) = [s for s in gw.evaluate(out, frame).protocol if "epsilon" in s]
    delta, rate = 1e-4, 50 / 450
    assert f"epsilon {epsilon([Releases(rate, 2.0, 6)], delta):.2f} at delta 0.0001" in said
    assert "one example more or less" in said
    adversarial = {**SMALL, **D, "game.likelihood": 0.0, "game.adversarial_from": 0.0, "train.judge": False}
    begun, *_ = gw.train("ctgan", frame, tmp_path / "d", **adversarial, **{"domain.balanced": False})
    assert any(f"epsilon {epsilon([Releases(rate, 1.0, 6)], delta):.2f}" in note for note in begun.notes)


@pytest.mark.parametrize(
    "recipe, more, said",
    [
        ("table", {**D}, "g.clip_each"),
        ("ctgan", {**D, "domain.balanced": True}, "domain.balanced=off"),
        ("ctgan", {**D, "networks.pac": 5, "domain.balanced": False}, "networks.pac=1"),
    ],
)
def test_what_would_not_be_private_is_refused(tmp_path, recipe, more, said):
    with pytest.raises(UsageError, match=said):
        list(gw.train(recipe, people(200), tmp_path / "r", **{**SMALL, **more}))
