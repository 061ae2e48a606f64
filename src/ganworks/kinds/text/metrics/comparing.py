"""Texts as points, for audits of what a generator gives away."""

from __future__ import annotations

import numpy as np

from ganworks.kinds.text.data.vocabulary import END

PLACES = 512


def token_counts(ids: np.ndarray) -> np.ndarray:
    """Token numbers [n, length] -> float32 [n, 512] of length 1: counts of tokens and of pairs of tokens.

    Each token and pair has a place by a hash, and a sign, so that two that share a place do not add up.
    """
    codes = np.asarray(ids, np.int64)
    pairs = (codes[:, :-1] + 1) * 65_537 + codes[:, 1:]
    there = codes != END
    out = np.zeros((len(codes), PLACES), np.float32)
    for found, real in ((codes, there), (pairs, there[:, :-1])):
        mixed = found.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
        mixed *= np.uint64(0xBF58476D1CE4E5B9)
        place = (mixed >> np.uint64(40)).astype(np.int64) % PLACES
        sign = np.where(mixed >> np.uint64(63), 1.0, -1.0).astype(np.float32)
        rows = np.repeat(np.arange(len(codes)), found.shape[1]).reshape(found.shape)
        np.add.at(out, (rows[real], place[real]), sign[real])
    return out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-9)
