"""Frechet distance against closed forms and against its own statistical properties."""

import warnings

import numpy as np
import pytest

from ganworks.metrics.frechet import Moments, distance, moments, sample_distance


def gauss(seed, n, d, scale=1.0, shift=0.0):
    return np.random.default_rng(seed).normal(size=(n, d)) * scale + shift


def test_diagonal_gaussians_match_the_closed_form():
    a = Moments(np.array([0.0, 1.0, 2.0]), np.diag([1.0, 4.0, 9.0]), 100)
    b = Moments(np.array([1.0, 1.0, 0.0]), np.diag([4.0, 1.0, 9.0]), 100)
    # |m|^2 = 1 + 4; per axis (sd_a - sd_b)^2 = 1 + 1 + 0
    assert distance(a, b) == pytest.approx(7.0, abs=1e-10)


def test_correlated_gaussians_match_the_general_square_root():
    random = np.random.default_rng(0)
    x, y = random.normal(size=(2, 6, 6))
    a, b = Moments(np.zeros(6), x @ x.T, 9), Moments(np.ones(6), y @ y.T, 9)
    cross = np.sqrt(np.linalg.eigvals(a.cov @ b.cov).astype(complex)).sum().real  # the unsymmetric form
    assert distance(a, b) == pytest.approx(6 + np.trace(a.cov + b.cov) - 2 * cross, abs=1e-8)
    assert distance(a, b) == pytest.approx(distance(b, a), abs=1e-8)


def test_equal_and_singular_moments_have_distance_zero():
    flat = np.outer(np.ones(5), np.ones(5))
    m = Moments(np.zeros(5), flat, 3)
    assert distance(m, m) == pytest.approx(0, abs=1e-6)


def test_moments_divide_by_n_minus_one_and_survive_an_offset_in_float32():
    x = gauss(1, 500, 4).astype(np.float32) + np.float32(5000)
    m = moments(x)
    assert np.allclose(m.cov, np.cov(x.astype(np.float64), rowvar=False), atol=1e-9)
    assert m.cov.dtype == np.float64


def test_weights_are_repeated_rows():
    x, times = gauss(2, 50, 3), np.random.default_rng(3).integers(0, 4, 50)
    repeated = moments(np.repeat(x, times, axis=0))
    weighted = moments(x, times.astype(float))
    assert np.allclose(weighted.cov, repeated.cov) and np.allclose(weighted.mean, repeated.mean)


def test_too_few_examples_warn_and_enough_do_not():
    with pytest.warns(UserWarning, match="8 examples are too few for 8 features"):
        moments(gauss(0, 8, 8))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        moments(gauss(0, 9, 8))


def test_groups_keep_the_bias_of_their_size():
    """Averaging groups of 100 must give what 100 examples give, not what 2,000 give."""
    reference, many = moments(gauss(4, 20000, 16)), gauss(5, 2000, 16)
    grouped = sample_distance(many, reference, 100, repeats=10)
    single = np.mean([sample_distance(gauss(s, 100, 16), reference, repeats=2).value for s in range(20)])
    assert grouped.value == pytest.approx(single, rel=0.1)
    assert sample_distance(many, reference, repeats=2).value < grouped.value / 5


def test_interval_has_the_width_of_the_true_spread():
    reference = moments(gauss(6, 20000, 8))
    draws = [gauss(s, 300, 8, shift=0.3) for s in range(100, 160)]
    values = [sample_distance(x, reference, repeats=2).value for x in draws]
    found = sample_distance(gauss(7, 300, 8, shift=0.3), reference, repeats=50)
    width = found.high - found.low
    assert width / 2 == pytest.approx(1.96 * np.std(values), rel=0.35)
    four = sample_distance(gauss(8, 1200, 8, shift=0.3), reference, 300, repeats=50)
    assert four.high - four.low == pytest.approx(width / 2, rel=0.35)


def test_few_rows_give_the_same_distance_as_their_covariance():
    """Fewer examples than features: their small matrix has the same eigenvalues, and costs little."""
    reference, x = moments(gauss(2, 60, 40)), gauss(3, 12, 40, 2.0, 0.5)
    times = np.array([2.0, 1, 0, 3, 1, 1, 0, 1, 1, 1, 1, 0])
    with warnings.catch_warnings(action="ignore"):
        plain, weighted = moments(x), moments(x[times > 0], times[times > 0])
        repeated = moments(np.repeat(x, times.astype(int), axis=0))
    assert plain.rows is not None and weighted.rows is not None and reference.rows is None
    for few in (plain, weighted):
        assert np.allclose(few.rows.T @ few.rows, few.cov)
        whole = Moments(few.mean, few.cov, few.count)
        assert distance(reference, few) == pytest.approx(distance(reference, whole), rel=1e-6)
    assert distance(reference, weighted) == pytest.approx(distance(reference, repeated), rel=1e-9)
