"""How well a score tells members from others, and what could have been told with so many of each.

The area under the ROC curve with the interval of DeLong et al. 1988, and the share of members found at a small share
of false alarms (Carlini et al. 2022, arXiv 2112.03570, section IV: an attack that is sure of a few people does harm
even where its average success is small). What chance alone reaches follows exactly: members and others whose scores
are exchangeable stand in random order, so that the number of members above the (k + 1)-th other has a negative
hypergeometric distribution.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ganworks.metrics.estimate import Z95, Estimate, wilson

SURE = 0.002  # chance of a false accusation by one attack: a run meets about ten of them
FALSE_ALARMS = (0.01, 0.001)
Z_SURE = 2.8781617390954826  # of a standard normal number, one-sided


@dataclass(frozen=True)
class Rate:
    """The share of members found when at most `alarms` of the others may be taken for members.

    found: with its interval for this threshold; None: too few others to speak of such a share (`needs` of them).
    false: the share of others that are taken for members at this threshold, with its interval. least: the smallest
    share of members that chance reaches with a probability below 1 in 500, with as many members and others; above 1
    where no share is that rare. known: whether the share found is that large.
    """

    alarms: float
    found: Estimate | None
    false: Estimate | None
    least: float
    known: bool
    needs: int


@dataclass(frozen=True)
class Telling:
    """What a score tells of membership.

    members, others: their numbers. auc: 0.5 is guessing. least: the smallest area that chance reaches with a
    probability below 1 in 500. known: whether the area is that large.
    """

    members: int
    others: int
    auc: Estimate
    least: float
    known: bool
    rates: tuple[Rate, ...]


def telling(members: np.ndarray, others: np.ndarray) -> Telling:
    """What scores of members [m] and of others [n] tell; larger ones mean "a member". Needs one of each."""
    area = area_under_curve(members, others)
    least = least_area(len(members), len(others))
    rates = tuple(rate(members, others, alarms) for alarms in FALSE_ALARMS)
    return Telling(len(members), len(others), area, least, bool(area.value >= least), rates)


def area_under_curve(members: np.ndarray, others: np.ndarray) -> Estimate:
    """The chance that a member scores above another example, ties counted half, with DeLong's 95 % interval.

    Its standard error is at least that of Hanley and McNeil 1982 for an area half an example away from 0 and 1: scores
    that separate a sample wholly would else have none.
    """
    above, below = (np.sort(x) for x in (members, others))
    of_members = (np.searchsorted(below, members, "left") + np.searchsorted(below, members, "right")) / (2 * len(below))
    of_others = 1 - (np.searchsorted(above, others, "left") + np.searchsorted(above, others, "right")) / (
        2 * len(above)
    )
    area = float(of_members.mean())
    parts = [x.var(ddof=1) / len(x) if len(x) > 1 else 0.25 for x in (of_members, of_others)]
    error = math.sqrt(max(sum(parts), _least_variance(area, len(members), len(others))))
    return Estimate(area, max(0.0, area - Z95 * error), min(1.0, area + Z95 * error))


def _least_variance(area: float, m: int, n: int) -> float:
    edge = 0.5 / min(m, n)
    a = min(max(area, edge), 1 - edge)
    if edge < area < 1 - edge:
        return 0.0
    q1, q2 = a / (2 - a), 2 * a * a / (1 + a)
    return (a * (1 - a) + (m - 1) * (q1 - a * a) + (n - 1) * (q2 - a * a)) / (m * n)


def least_area(m: int, n: int) -> float:
    """The smallest area under the curve that chance reaches with a probability below 1 in 500, by the normal limit of
    the U test; above 1 where there are too few.
    """
    return 0.5 + Z_SURE * math.sqrt((m + n + 1) / (12 * m * n))


def rate(members: np.ndarray, others: np.ndarray, alarms: float) -> Rate:
    """The share of members above the threshold that floor(alarms * n) of the others exceed."""
    m, n = len(members), len(others)
    needs = math.ceil(1 / alarms - 1e-9)
    allowed = int(alarms * n + 1e-9)
    least = least_found(m, n, allowed)
    if n < needs:
        return Rate(alarms, None, None, least / m, False, needs)
    threshold = np.sort(others)[n - allowed - 1]
    found = int((members > threshold).sum())
    false = wilson(float((others > threshold).mean()), n)
    return Rate(alarms, wilson(found / m, m), false, least / m, found >= least, needs)


def least_found(m: int, n: int, allowed: int) -> int:
    """The smallest number of members above the (allowed + 1)-th of n others that chance reaches with a probability
    below 1 %; m + 1 where no number is that rare.
    """
    total = math.lgamma(m + n + 1) - math.lgamma(m + 1) - math.lgamma(n + 1)
    beyond, found = 1.0, 0
    while found <= m and beyond >= SURE:
        beyond -= math.exp(_ways(found + allowed, found) + _ways(m + n - found - allowed - 1, m - found) - total)
        found += 1
    return found


def _ways(n: int, k: int) -> float:
    """The logarithm of the number of ways to choose k of n."""
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def curve(members: np.ndarray, others: np.ndarray, points: int = 200) -> list[tuple[float, float]]:
    """(share of false alarms, share of members found) at up to `points` thresholds, for a picture."""
    n = len(others)
    allowed = np.unique(np.geomspace(1, n, points).astype(int)) - 1
    thresholds = np.sort(others)[n - allowed - 1]
    ranked = np.sort(members)
    found = 1 - np.searchsorted(ranked, thresholds, "right") / len(members)
    return [(float(a / n), float(f)) for a, f in zip(allowed, found, strict=True)]
