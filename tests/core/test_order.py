"""The keyed data order: permutations, resumable, unlike each other, without a list of n numbers."""

import time
import tracemalloc

import numpy as np
import pytest

from ganworks.core.errors import UsageError
from ganworks.core.order import BLOCK, SMALL, Order

LARGE = SMALL + 12_345


@pytest.mark.parametrize("n", [1, 2, 3, 10, 1797, BLOCK + 1, LARGE])
def test_every_epoch_visits_every_example_once(n):
    order = Order(n, seed=3)
    for epoch in range(3):
        assert np.array_equal(np.sort(order.take(epoch * n, n)), np.arange(n))


@pytest.mark.parametrize("n", [100, LARGE])
def test_epochs_and_seeds_differ(n):
    first, second, other = Order(n, 0).take(0, n), Order(n, 0).take(n, n), Order(n, 1).take(0, n)
    for a, b in [(first, second), (first, other), (second, other), (first, np.arange(n))]:
        assert (a == b).mean() < 0.06


@pytest.mark.parametrize("n", [5, 1797, LARGE])
def test_any_piece_is_the_same_as_in_the_whole(n):
    whole = Order(n, 7).take(0, 2 * n + 100)
    for start, count in [(0, 3), (n - 2, 4), (n, 64), (2 * n - 1, 40), (min(BLOCK, n) - 3, 9), (4, 0)]:
        assert np.array_equal(Order(n, 7).take(start, count), whole[start : start + count])
    order = Order(n, 7)
    order.take(5 * n, 10)  # what was asked before does not matter
    assert np.array_equal(order.take(1, 20), whole[1:21])


def test_large_order_looks_random():
    n = LARGE
    values = Order(n, 11).take(0, n).astype(float)
    centred = values - values.mean()
    for lag in (1, 2, 64, 365, 1000):  # standard error of a correlation: 1 / sqrt(n) = 0.0026
        assert abs((centred[lag:] * centred[:-lag]).mean() / centred.var()) < 0.012
    assert abs(np.corrcoef(values, np.arange(n))[0, 1]) < 0.012
    steps = np.diff(values)
    assert len(np.unique(steps)) > n / 4
    counts = np.histogram2d(np.arange(n), values, 16)[0]
    assert abs(((counts - n / 256) ** 2 / (n / 256)).sum() - 255) < 120  # chi-square, 5 sigma


def test_first_batch_is_uniform_over_seeds():
    firsts = np.array([Order(LARGE, seed).take(0, 4) for seed in range(300)]).ravel() / LARGE
    assert abs(firsts.mean() - 0.5) < 0.05 and 0.25 < firsts.std() < 0.33


def test_memory_does_not_grow_with_n():
    tracemalloc.start()
    Order(10**9, 0).take(123_456_789, 4096)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20


@pytest.mark.parametrize("n", [60_000, 10**6])
def test_a_batch_of_64_costs_microseconds(n):
    order, best = Order(n, 0), np.inf
    for attempt in range(3):
        begin = time.thread_time()
        for batch in range(1000):
            order.take((attempt * 1000 + batch) * 64, 64)
        best = min(best, (time.thread_time() - begin) / 1000)
    assert best < 60e-6


def test_known_values_never_change():
    assert Order(10, 0).take(0, 10).tolist() == KNOWN_SMALL
    assert Order(10**6, 5).take(10**6 - 2, 4).tolist() == KNOWN_LARGE


def test_nothing_to_order():
    with pytest.raises(UsageError, match="empty"):
        Order(0, 0)


KNOWN_SMALL = [9, 2, 6, 5, 8, 3, 1, 0, 7, 4]
KNOWN_LARGE = [192694, 286955, 225797, 916287]
