"""Spectral norm against singular values that numpy computes in float64, and what may and what may not move it."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from ganworks.layers.weights.spectral import Layers, Spectral, settle

LAYERS = Layers(spectral=True)
MADE = {
    "conv": lambda: LAYERS.conv(5, 7),
    "channels-last": lambda: LAYERS.conv(5, 7).to(memory_format=torch.channels_last),
    "wide": lambda: LAYERS.linear(40, 6),
    "tall": lambda: LAYERS.linear(6, 40, bias=False),
    "table": lambda: LAYERS.embedding(12, 9),
}


def largest(layer: nn.Module) -> float:
    """The largest singular value, by numpy in float64, of the weights flattened as torch stores them."""
    weight = layer.weight.detach().double().numpy()
    return float(np.linalg.svd(weight.reshape(len(weight), -1), compute_uv=False)[0])


@pytest.fixture(autouse=True)
def _fixed():
    torch.manual_seed(0)


@pytest.mark.parametrize("name", MADE)
def test_sigma_is_the_largest_singular_value(name: str):
    layer = MADE[name]()
    assert float(layer.sigma().detach()) < 0.999 * largest(layer), "the first guess is right by chance"
    settle(layer, 300)
    assert float(layer.sigma().detach()) == pytest.approx(largest(layer), rel=1e-5)
    matrix = layer.normed().detach().double().numpy()
    assert np.linalg.norm(matrix.reshape(len(matrix), -1), 2) == pytest.approx(1.0, rel=1e-5)


def test_the_gradient_is_that_of_the_singular_value():
    """d sigma / dW = u v' (1802.05957, equation 10), u and v from numpy's decomposition."""
    layer = LAYERS.conv(3, 4)
    settle(layer, 1000)
    (slope,) = torch.autograd.grad(layer.sigma(), layer.weight)
    u, _, v = np.linalg.svd(layer.weight.detach().double().numpy().reshape(4, -1), full_matrices=False)
    assert np.allclose(slope.reshape(4, -1).double().numpy(), np.outer(u[:, 0], v[0]), atol=1e-5)


def test_only_updates_move_it():
    layer = LAYERS.linear(8, 5)
    x, before = torch.randn(3, 8), layer.u.clone()
    first = layer(x)
    assert torch.equal(layer(x), first) and torch.equal(layer.eval()(x), first) and torch.equal(layer.u, before)
    layer.weights_changed()
    assert not torch.equal(layer.u, before)
    matrix = layer.weight.detach().double()
    v = matrix.t() @ before.double()
    u = matrix @ (v / v.norm())
    assert torch.allclose(layer.u.double(), u / u.norm(), atol=1e-6)
    assert "u" in layer.state_dict()


def test_it_normalises_what_the_layers_compute():
    conv, linear, table = LAYERS.conv(2, 3), LAYERS.linear(4, 3), LAYERS.embedding(5, 3)
    x, z, y = torch.randn(2, 2, 6, 6), torch.randn(2, 4), torch.tensor([1, 4])
    wanted = nn.functional.conv2d(x, conv.weight / conv.sigma(), conv.bias, padding=1)
    assert torch.allclose(conv(x), wanted, atol=1e-6)
    assert torch.allclose(linear(z), z @ (linear.weight / linear.sigma()).t() + linear.bias, atol=1e-6)
    assert torch.allclose(table(y), table.weight[y] / table.sigma(), atol=1e-6)


def test_a_mean_of_two_estimates_serves():
    """The engine averages buffers: u is a unit vector only once it is read."""
    layer = LAYERS.linear(30, 10)
    settle(layer, 300)
    twin = copy.deepcopy(layer)
    twin.u.mul_(0.3)
    assert float(twin.sigma().detach()) == pytest.approx(float(layer.sigma().detach()), rel=1e-6)


def test_low_precision_does_not_reach_sigma():
    layer = LAYERS.linear(64, 32)
    exact = float(layer.sigma().detach())
    with torch.autocast("cpu", torch.bfloat16):
        assert float(layer.sigma().detach()) == exact and layer(torch.randn(2, 64)).dtype == torch.bfloat16


def test_weights_of_zero_stay_finite():
    layer = LAYERS.linear(3, 2)
    nn.init.zeros_(layer.weight)
    settle(layer, 3)
    layer(torch.ones(1, 3)).sum().backward()
    assert layer.weight.grad.isfinite().all() and layer.u.isfinite().all()


def test_without_spectral_norm_the_layers_are_torchs():
    plain = Layers(spectral=False)
    made = [plain.conv(2, 3, 1), plain.linear(2, 3), plain.embedding(4, 2)]
    assert not any(isinstance(layer, Spectral) for layer in made)
    assert made[0].padding == (0, 0) and LAYERS.conv(2, 3).padding == (1, 1)
