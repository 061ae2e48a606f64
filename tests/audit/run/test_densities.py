"""Density ratios against closed forms."""

import numpy as np
import pytest

from ganworks.audit.run.densities import Plane, bandwidth, log_density, log_ratio


def test_a_sum_of_gaussians_is_what_its_formula_says():
    rng = np.random.default_rng(0)
    x, points = rng.normal(size=(5, 3)), rng.normal(size=(7, 3))
    apart = ((x[:, None] - points[None]) ** 2).sum(-1)
    wanted = np.log(np.exp(-apart / (2 * 0.3**2)).mean(1) / (2 * np.pi * 0.3**2) ** 1.5)
    assert log_density(x, points, 0.3) == pytest.approx(wanted)


def test_the_ratio_of_two_gaussians_is_the_known_one():
    """N(0, 1) generated, N(m, 4) real: the log ratio is a quadratic function."""
    rng = np.random.default_rng(1)
    made, real = rng.normal(size=(2000, 2)), rng.normal([1.0, 0.0], 2.0, (2000, 2))
    x = rng.normal([0.5, 0], 1.2, (200, 2))
    wanted = -0.5 * (x**2).sum(1) + ((x - [1.0, 0.0]) ** 2).sum(1) / 8 + 2 * np.log(2)
    found = log_ratio(x, made, real)
    assert np.corrcoef(found, wanted)[0, 1] > 0.94
    assert np.abs(found - wanted).mean() < 0.25


def test_copies_get_a_narrow_bandwidth():
    rng = np.random.default_rng(2)
    free = rng.normal(size=(1000, 4))
    few = np.repeat(rng.normal(size=(50, 4)), 20, axis=0) + 0.01 * rng.normal(size=(1000, 4))
    assert bandwidth(few) < 0.3 * bandwidth(free)


def test_the_plane_whitens_and_leaves_out_what_does_not_vary():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(2000, 5)) * [10.0, 1.0, 0.1, 0.0, 0.0] + 3
    plane = Plane.of(x)
    assert plane.axes.shape == (5, 3)
    assert np.cov(plane(x), rowvar=False) == pytest.approx(np.eye(3), abs=1e-6)
