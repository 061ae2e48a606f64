"""Membership inference: telling training examples from unseen ones, by what the generator makes.

nearest      the distance to the nearest sample (Chen et al. 2020, GAN-Leaks, arXiv 1909.03935: full black box)
calibrated   the same, over the distance to the nearest example of a reference set: some examples are near to everything
             (GAN-Leaks, section 5, with real examples of the attacker's own in place of a reference model)
density      the density of samples over that of the reference (DOMIAS; see `densities`)

The reference are held-out examples. So that none of them is lost as a non-member, they are dealt out into folds: an
example is compared with those of all other folds, and a member with those of all folds but one, drawn at random.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ganworks.audit.run.densities import Plane, log_ratio
from ganworks.metrics.neighbours import copies, nearest

FOLDS = 5
MOST = 5000  # members, and others
COMMON = 0.01  # share of examples that stand on both sides, from which both sides are made equally large


@dataclass(frozen=True)
class Sides:
    """Which examples are compared: indices of members and of others, int64, each content once on its side."""

    members: np.ndarray
    others: np.ndarray


def sides(train: np.ndarray, held: np.ndarray, seed: int = 0, most: int = MOST) -> Sides:
    """Members among training points [n, D] and others among held-out ones [h, D], in random order.

    A content that both sides hold tells nothing and is left out. Where that is common (tables of few values), a larger
    side would keep rarer contents than the other, so that both sides are made equally large before.
    """
    rng = np.random.default_rng(seed)
    ins, outs = rng.permutation(len(train)), rng.permutation(len(held))
    content = copies(np.concatenate([train, held])) if len(train) + len(held) > 1 else np.zeros(0, np.int64)
    of_train, of_held = content[: len(train)], content[len(train) :]
    if np.isin(of_held, of_train).mean() > COMMON:
        same = min(len(ins), len(outs))
        ins, outs = ins[:same], outs[:same]
    ins, outs = _once(ins, of_train), _once(outs, of_held)
    both = np.intersect1d(of_train[ins], of_held[outs])
    ins, outs = ins[~np.isin(of_train[ins], both)], outs[~np.isin(of_held[outs], both)]
    return Sides(ins[:most], outs[:most])


def _once(rows: np.ndarray, content: np.ndarray) -> np.ndarray:
    """The first of the rows of each content, in their order."""
    return rows[np.sort(np.unique(content[rows], return_index=True)[1])]


Score = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]  # (examples, samples, reference) -> [n]


def calibrated(x: np.ndarray, made: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """log of the distance to the reference over that to the samples."""
    near, usual = (nearest(x, base).distance[:, 0] for base in (made, reference))
    least = 1e-6 * max(float(np.median(usual)), 1e-30)
    return np.log(usual + least) - np.log(near + least)


def density(x: np.ndarray, made: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """log of the density of samples over that of the reference."""
    return log_ratio(x, made, reference, Plane.of(reference))


def by_distance(members: np.ndarray, others: np.ndarray, made: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The negative distance of members [m, D] and of others [n, D] to the nearest sample: [m], [n]."""
    found = nearest(np.concatenate([members, others]), made).distance[:, 0]
    return -found[: len(members)], -found[len(members) :]


def by_reference(
    score: Score, members: np.ndarray, others: np.ndarray, made: np.ndarray, seed: int = 0, folds: int = FOLDS
) -> tuple[np.ndarray, np.ndarray]:
    """A score that needs a reference, of members [m, D] and of others [n, D]: [m], [n]; `others` are in random order.

    Each other example is compared with the others of the other folds. Needs two others at least.
    """
    folds = min(folds, len(others))
    of_others = np.arange(len(others)) % folds
    of_members = np.random.default_rng(seed).permutation(np.arange(len(members)) % folds)
    inside, outside = np.empty(len(members)), np.empty(len(others))
    for fold in range(folds):
        mine, theirs = of_members == fold, of_others == fold
        found = score(np.concatenate([members[mine], others[theirs]]), made, others[~theirs])
        inside[mine], outside[theirs] = found[: mine.sum()], found[mine.sum() :]
    return inside, outside
