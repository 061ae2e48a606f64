"""Labels that may be wrong: confident learning (Northcutt, Jiang and Chuang 2021, arXiv 1911.00068).

Probabilities of the classes are those of ridge regression on features, each row by a model of the other folds. The
confident joint counts rows of a given label whose probability of another class is above that class's mean among its own
rows (section 3.1); from it the numbers of wrong labels are estimated, and pruned both by class and by noise rate
(section 3.2, "C+NR"). Where a classifier is weak, its own mistakes are counted as noise; therefore a row also has to be
more likely a label drawn at random than a rare case, in a mixture of both that is fitted to the given labels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FOLDS, RIDGES = 5, (1e-3, 1e-2, 0.1, 1.0)
MIXED = 0.4  # chance that a label was drawn at random, from which it is doubted
FEWEST = 3  # rows of a class
MANY, WIDER, _DIRECTIONS = 2_000, 500, 120  # rows from which features are widened; by how many; from how many
_SHARPNESS = (1, 2, 3, 4, 6, 8, 10, 12, 16, 20, 26, 34)
_NOISE = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.04, 0.06, 0.08, 0.12, 0.2, 0.3)
_TRIED, _MOST_TRIED = 0.02, 10_000  # share of labels that are swapped to see how many are found; rows of the trial


@dataclass
class Doubts:
    """rows: int64 [m], the most doubtful first. better: int64 [m], the classes that fit. chance: float [m], that the
    label was drawn at random. accuracy: how often the classifier agrees with the given labels. noise: estimated share
    of wrong labels. power: share of labels swapped for a trial that was found; None where it was not tried.
    """

    rows: np.ndarray
    better: np.ndarray
    chance: np.ndarray
    accuracy: float
    noise: float
    power: float | None = None


def doubtful(features: np.ndarray, labels: np.ndarray, classes: int, trial: bool = True) -> Doubts | None:
    """Rows of features [n, d] whose label, int64 [n] from 0 to classes - 1, may be wrong; None for too few rows.

    trial: swap some labels that are not doubted, and see how many of these are found.
    """
    if len(np.unique(labels)) < 2 or np.bincount(labels, minlength=classes)[np.unique(labels)].min() < FEWEST:
        return None
    x = _widened(_scaled(features))
    found = _doubts(x, labels, classes)
    if trial:
        found.power = _power(x, labels, classes, found.rows)
    return found


def _power(x: np.ndarray, labels: np.ndarray, classes: int, doubted: np.ndarray) -> float:
    """The share of some swapped labels that is found, among at most _MOST_TRIED rows."""
    rng = np.random.default_rng(1)
    some = rng.permutation(len(labels))[:_MOST_TRIED]
    trusted = np.flatnonzero(~np.isin(some, doubted))
    chosen = rng.permutation(trusted)[: max(5, round(_TRIED * len(some)))]
    swapped = labels[some]
    swapped[chosen] = (swapped[chosen] + rng.integers(1, classes, size=len(chosen))) % classes
    return float(np.isin(chosen, _doubts(x[some], swapped, classes).rows).mean())


def _widened(x: np.ndarray) -> np.ndarray:
    """Scaled features [n, d] and, of many rows, WIDER random combinations of their main directions above zero.

    Random hidden units (Huang, Zhu and Siew 2006) let the regression see what no single feature shows.
    """
    if len(x) < MANY:
        return x
    some = x[np.random.default_rng(0).permutation(len(x))[:4_000]]
    sizes, turns = np.linalg.eigh((some.T @ some / len(some)).astype(np.float64))
    first = np.argsort(-sizes)[:_DIRECTIONS]
    weight = np.sqrt(np.maximum(sizes[first], 1e-12))
    scale = np.minimum(weight / weight.mean(), 3) / weight
    rng = np.random.default_rng(1)
    mix = (turns[:, first] * scale) @ rng.standard_normal((len(first), WIDER)) / np.sqrt(len(first))
    hidden = x @ mix.astype(np.float32) + rng.standard_normal(WIDER).astype(np.float32) / 2
    return np.concatenate([x, np.maximum(hidden, 0, out=hidden)], 1)


def _doubts(x: np.ndarray, labels: np.ndarray, classes: int) -> Doubts:
    scores = cross_validated(x, labels, classes)
    chances, random = _mixture(scores, labels)
    flagged = _confident(chances, labels)
    wrong = flagged & (random > MIXED)
    other = np.where(np.arange(classes) == labels[:, None], -np.inf, scores).argmax(1)
    rows = np.flatnonzero(wrong)[np.argsort(-random[wrong], kind="stable")]
    accuracy = float((scores.argmax(1) == labels).mean())
    return Doubts(rows, other[rows], random[rows], accuracy, float(wrong.mean()))


def suspicion(features: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """The chance [n] that each label was drawn at random: to rank all rows."""
    return _mixture(cross_validated(_widened(_scaled(features)), labels, classes), labels)[1]


def _scaled(features: np.ndarray) -> np.ndarray:
    x = np.asarray(features, np.float32)
    x = x - x.mean(0)
    x /= x.std(0) + 1e-3 * max(1e-9, float(x.std()))
    return np.concatenate([x, np.ones((len(x), 1), np.float32)], 1)


def cross_validated(x: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """Scores float32 [n, K] of rows [n, d], each by ridge regression on the other folds; copies share a fold.

    Of RIDGES the penalty is taken under which the scores are nearest to the labels.
    """
    same = np.unique(x[:, :8].round(4), axis=0, return_inverse=True)[1].reshape(-1)
    fold = np.random.default_rng(0).integers(FOLDS, size=len(x))[same]
    wanted = np.eye(classes, dtype=np.float32)[labels]
    tried = _by_products(x, wanted, fold) if x.shape[1] > len(x) else _by_sums(x, wanted, fold)
    return tried[int(np.argmin([np.square(scores - wanted).sum() for scores in tried]))]


def _by_sums(x: np.ndarray, wanted: np.ndarray, fold: np.ndarray) -> list[np.ndarray]:
    """Scores under each penalty, from sums over folds: the cost grows with n d^2."""
    squares = [x[fold == k].T @ x[fold == k] for k in range(FOLDS)]
    sums = [x[fold == k].T @ wanted[fold == k] for k in range(FOLDS)]
    tried = [np.empty_like(wanted) for _ in RIDGES]
    for k in range(FOLDS):
        left = (np.sum(squares, 0) - squares[k]).astype(np.float64)
        for ridge, scores in zip(RIDGES, tried, strict=True):
            penalty = ridge * len(x) * np.eye(x.shape[1])
            scores[fold == k] = x[fold == k] @ np.linalg.solve(left + penalty, np.sum(sums, 0) - sums[k])
    return tried


def _by_products(x: np.ndarray, wanted: np.ndarray, fold: np.ndarray) -> list[np.ndarray]:
    """The same for more features than rows, from products of rows: the cost grows with n^2 d."""
    products = (x @ x.T).astype(np.float64)
    tried = [np.tile(wanted.mean(0), (len(x), 1)) for _ in RIDGES]
    for k in range(FOLDS):
        inside, outside = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
        if not len(outside) or not len(inside):
            continue
        mean, own = wanted[inside].mean(0), products[np.ix_(inside, inside)]
        for ridge, scores in zip(RIDGES, tried, strict=True):
            weights = np.linalg.solve(own + ridge * len(x) * np.eye(len(inside)), wanted[inside] - mean)
            scores[outside] = mean + products[np.ix_(outside, inside)] @ weights
    return tried


def _mixture(scores: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(probabilities [n, K] by a softmax of the scores, chance [n] that a label was drawn at random).

    The sharpness of the softmax and the share of random labels are those under which the given labels are likeliest.
    """
    own, best = np.arange(len(labels)), (-np.inf, np.empty(0), np.empty(0))
    for sharp in _SHARPNESS:
        chances = np.exp(sharp * (scores - scores.max(1, keepdims=True)).astype(np.float64))
        chances /= chances.sum(1, keepdims=True)
        given = chances[own, labels]
        for noise in _NOISE:
            random = noise / scores.shape[1]
            total = (1 - noise) * given + random
            likely = float(np.log(total).mean())
            if likely > best[0]:
                best = (likely, chances, random / total)
    return best[1], best[2]


def _confident(chances: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """bool [n]: pruned both by class and by noise rate, as many as the confident joint estimates."""
    n, classes = chances.shape
    counts = np.bincount(labels, minlength=classes)
    means = np.array([chances[labels == k, k].mean() if counts[k] else 2.0 for k in range(classes)])
    sure = chances >= means
    like = np.where(sure, chances, -1.0).argmax(1)
    joint = np.zeros((classes, classes))
    np.add.at(joint, (labels[sure.any(1)], like[sure.any(1)]), 1)
    joint = joint / np.maximum(joint.sum(1, keepdims=True), 1e-9) * counts[:, None]
    by_class, by_rate = np.zeros(n, bool), np.zeros(n, bool)
    for k in np.flatnonzero(counts):
        rows = np.flatnonzero(labels == k)
        worst = np.argsort(chances[rows, k], kind="stable")
        by_class[rows[worst[: round(joint[k].sum() - joint[k, k])]]] = True
        for other in np.flatnonzero(np.rint(joint[k]) > 0):
            if other != k:
                margin = chances[rows, other] - chances[rows, k]
                by_rate[rows[np.argsort(-margin, kind="stable")[: round(joint[k, other])]]] = True
    return by_class & by_rate
