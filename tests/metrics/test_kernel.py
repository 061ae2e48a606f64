"""Kernel distance against the definition written out in loops."""

import numpy as np
import pytest

from ganworks.metrics import kernel
from ganworks.metrics.kernel import kernel_distance, unbiased_mmd


def loops(x, y):
    def k(a, b):
        return (float(a @ b) / len(a) + 1) ** 3

    n, m = len(x), len(y)
    xx = sum(k(x[i], x[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    yy = sum(k(y[i], y[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    return xx + yy - 2 * sum(k(a, b) for a in x for b in y) / (n * m)


def test_mmd_is_the_definition():
    random = np.random.default_rng(0)
    x, y = random.normal(size=(12, 5)), random.normal(size=(9, 5)) + 0.5
    assert unbiased_mmd(x, y) == pytest.approx(loops(x, y), rel=1e-12)


def test_mmd_is_unbiased_so_equal_populations_average_to_zero():
    random = np.random.default_rng(1)
    values = [unbiased_mmd(*random.normal(size=(2, 20, 4))) for _ in range(400)]
    assert abs(np.mean(values)) < 3 * np.std(values) / 20
    assert min(values) < 0


def test_shift_matches_the_closed_form_in_one_dimension():
    """For d = 1, k = (xy + 1)^3 compares the first three moments with weights 3, 3, 1."""
    random = np.random.default_rng(2)
    x, y = random.normal(size=(1500, 1)), random.normal(size=(1500, 1)) + 1
    expected = 3 * 1**2 + 3 * 1**2 + 4**2  # means 0 -> 1, squares 1 -> 2, cubes 0 -> 4
    assert unbiased_mmd(x, y) == pytest.approx(expected, rel=0.15)


def test_distance_is_seeded_leaves_the_global_state_and_brackets_the_truth():
    random = np.random.default_rng(3)
    x, y = random.normal(size=(600, 8)) + 0.2, random.normal(size=(900, 8))
    np.random.seed(5)
    before = np.random.get_state()[1].copy()
    a, b = kernel_distance(x, y, subsets=20), kernel_distance(x, y, subsets=20)
    assert a == b and (np.random.get_state()[1] == before).all()
    assert kernel_distance(x, y, subsets=20, seed=1) != a
    assert a.low < unbiased_mmd(x, y) < a.high


def test_subsets_are_of_1000_or_half_of_what_there_is(monkeypatch):
    sizes = []
    monkeypatch.setattr(kernel, "unbiased_mmd", lambda x, y: sizes.append((len(x), len(y))) or len(sizes))
    kernel_distance(np.zeros((5000, 1)), np.zeros((2500, 1)))
    kernel_distance(np.zeros((5000, 1)), np.zeros((90, 1)), subsets=3)
    assert sizes == [(1000, 1000)] * 100 + [(45, 45)] * 3


def test_too_few_examples_are_refused():
    with pytest.raises(ValueError, match="at least 4"):
        kernel_distance(np.zeros((3, 2)), np.zeros((9, 2)))
