"""Privacy of generated rows: exact copies, and a membership inference attack.

No number here proves that a generator is private: a failed attack says only that this attack failed. Only training with
differential privacy (`d.clip_each`, `d.noise`) bounds all attacks.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ganworks.kinds.tables.metrics.measures import Coder, auc, auc_interval, numbers

MOST = 2000  # most members, with as many non-members
REFERENCES = 10_000


def plane(coder: Coder, frames: list[Any], reference: Any) -> list[np.ndarray]:
    """Rows as points: numbers by their rank in the reference, categories so that different values are at distance 1."""
    real = coder.matrix(reference)
    ranks = [np.sort(real[:, k][np.isfinite(real[:, k])]) for k in range(real.shape[1])]
    out = []
    for frame in frames:
        x = coder.matrix(frame)
        for k, sorted_ in enumerate(ranks):
            if not coder.words[k]:
                place = (np.searchsorted(sorted_, x[:, k], "left") + np.searchsorted(sorted_, x[:, k], "right")) / 2
                x[:, k] = np.where(np.isnan(x[:, k]), -1, place / max(1, len(sorted_)))
            else:
                x[:, k] = np.nan_to_num(x[:, k], nan=-1)
        out.append(x.astype(np.float32))
    return out


def nearest(words: np.ndarray, x: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Distance [n] of each row to the nearest of the others, summed over columns; different categories count 1."""
    out = np.empty(len(x), np.float32)
    for start in range(0, len(x), 64):
        part = x[start : start + 64]
        total = np.zeros((len(part), len(others)), np.float32)
        for k, word in enumerate(words):
            gap = part[:, k, None] - others[None, :, k]
            total += (gap != 0) if word else np.abs(gap)
        out[start : start + 64] = total.min(1)
    return out


def contents(coder: Coder, frame: Any) -> list[tuple[Any, ...]]:
    """All learnt columns of each row as a comparable tuple: numbers as numbers, everything else as text."""
    parts = []
    for column in coder.columns:
        if column["kind"] == "category":
            parts.append(frame[column["name"]].astype(object).map(str).tolist())
        else:
            parts.append(np.nan_to_num(numbers(column, frame), nan=-1e300).tolist())
    return list(zip(*parts, strict=True))


def distinct(coder: Coder, frame: Any) -> Any:
    """Each content once. Copies of a row are on the same side of the split, which would help to tell the sides
    apart.
    """
    first: dict[tuple[Any, ...], int] = {}
    for place, row in enumerate(contents(coder, frame)):
        first.setdefault(row, place)
    return frame.iloc[list(first.values())]


def audit(coder: Coder, train: Any, held: Any, made: Any, seed: int = 0) -> dict[str, Any]:
    """Membership inference: tells training rows from held-out ones by their distance to generated rows.

    The attacker owns other rows of the same kind (half of the held-out ones) and compares the distance to the nearest
    generated row with that to the nearest of his own (as Hilprecht et al. 2019 and van Breugel et al. 2023 do, with
    distances for densities). Returns attack (AUC; 0.5 is guessing) with low and high, and the shares of generated and
    of held-out rows that equal a training row in all columns.
    """
    rng = np.random.default_rng(seed)
    known = set(contents(coder, train))
    same = [float(np.mean([row in known for row in contents(coder, f)])) for f in (made, held)]
    train, held = distinct(coder, train), distinct(coder, held)
    half = len(held) // 2
    count = min(MOST, half, len(train))
    if count < 20:
        return {}
    order = rng.permutation(len(held))
    members, others = train.iloc[rng.permutation(len(train))[:count]], held.iloc[order[:count]]
    own = held.iloc[order[half:]].iloc[:REFERENCES]
    made = made.iloc[:REFERENCES]
    x_in, x_out, x_own, x_made = plane(coder, [members, others, own, made], train)
    scores = []
    for x in (x_in, x_out):
        near, usual = nearest(coder.words, x, x_made), nearest(coder.words, x, x_own)
        scores.append(np.log(usual + 1e-3) - np.log(near + 1e-3))
    scored = np.stack([np.repeat([1.0, 0.0], count), np.concatenate(scores)], 1)
    low, high = auc_interval(scored)
    return {"attack": auc(scored), "low": low, "high": high, "copies": same[0], "held_copies": same[1], "count": count}
