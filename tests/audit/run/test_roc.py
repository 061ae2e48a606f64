"""What scores tell of membership: areas, shares at few false alarms, and what chance reaches."""

import itertools
import math

import numpy as np
import pytest

from ganworks.audit.run import roc

RNG = np.random.default_rng(0)


def test_the_area_is_that_of_all_pairs_with_ties_counted_half():
    members, others = RNG.integers(0, 6, 40).astype(float), RNG.integers(0, 5, 30).astype(float)
    pairs = [(a > b) + 0.5 * (a == b) for a, b in itertools.product(members, others)]
    assert roc.area_under_curve(members, others).value == pytest.approx(np.mean(pairs))


def test_the_interval_of_the_area_holds_the_truth_about_95_times_of_100():
    """Normal scores that are one standard deviation apart: the area is Phi(1 / sqrt 2)."""
    truth = 0.5 * (1 + math.erf(0.5))
    draws = [(RNG.normal(1, 1, 60), RNG.normal(0, 1, 90)) for _ in range(400)]
    held = [(e := roc.area_under_curve(a, b)).low <= truth <= e.high for a, b in draws]
    assert 0.91 < np.mean(held) < 0.985


def test_scores_that_part_both_sides_wholly_still_have_an_interval():
    found = roc.area_under_curve(np.arange(10) + 20.0, np.arange(10.0))
    assert found.value == 1 and 0.7 < found.low < 0.99 and found.high == 1


@pytest.mark.parametrize(("m", "n", "allowed"), [(5, 4, 0), (6, 5, 1), (4, 7, 2)])
def test_what_chance_finds_follows_the_negative_hypergeometric_law(m, n, allowed, monkeypatch):
    """Against the enumeration of all orders of m members and n others."""
    above = []
    for places in itertools.combinations(range(m + n), n):  # places of others, the best score first
        above.append(places[allowed] - allowed)
    for sure in (0.5, 0.2, 0.1):
        monkeypatch.setattr(roc, "SURE", sure)
        wanted = next((k for k in range(m + 1) if np.mean(np.array(above) >= k) < sure), m + 1)
        assert roc.least_found(m, n, allowed) == wanted


def test_guessing_is_rarely_taken_for_more():
    found = [roc.telling(RNG.normal(size=200), RNG.normal(size=150)) for _ in range(300)]
    accused = [t.known or any(r.known for r in t.rates) for t in found]
    assert np.mean(accused) < 0.02


def test_a_few_members_who_are_sure_are_found_where_the_area_says_nothing():
    members, others = RNG.normal(size=2000), RNG.normal(size=2000)
    members[:100] += 8
    found = roc.telling(members, others)
    assert found.auc.value < 0.56
    one = found.rates[0]
    assert one.known and one.found is not None and one.found.value == pytest.approx(0.06, abs=0.01)
    assert one.false is not None and one.false.value <= 0.01


def test_too_few_others_say_nothing_of_rare_false_alarms():
    found = roc.telling(RNG.normal(5, 1, 500), RNG.normal(size=180))
    few = found.rates[1]
    assert found.rates[0].found is not None and few.found is None and not few.known and few.needs == 1000


def test_ties_at_the_threshold_are_no_finds():
    """Scores that are all equal find nobody."""
    assert roc.rate(np.zeros(300), np.zeros(300), 0.01).found.value == 0


def test_the_curve_ends_where_all_are_taken_for_members():
    line = roc.curve(RNG.normal(1, 1, 300), RNG.normal(size=200))
    assert line[0][0] == 0 and line[-1][0] < 1
    assert all(a[0] < b[0] and a[1] <= b[1] for a, b in itertools.pairwise(line))
