"""A keyed random order of 0..n-1 for every epoch, without a list of n numbers.

Position p lies in epoch p // n. Each epoch is a permutation keyed by (seed, epoch): resuming needs the
position alone. Small n: the order of a keyed hash (Knuth's sort of random keys), exact. Large n: an
eight-round Feistel network over Z_a x Z_b with a * b >= n (Black and Rogaway, "Ciphers with arbitrary finite
domains", 2002) and cycle walking.
"""

from __future__ import annotations

import math

import numpy as np

from ganworks.core.errors import UsageError
from ganworks.core.spec import key

SMALL = 1 << 17
BLOCK = 1 << 13
ROUNDS = 8


class Order:
    """An endless keyed shuffle of 0..n-1, of which `take` gives any stretch."""

    def __init__(self, n: int, seed: int):
        if n < 1:
            raise UsageError("The data set is empty: there is nothing to shuffle.")
        self.n, self.seed = n, seed
        self._blocks: dict[tuple[int, int], np.ndarray] = {}
        self._size = n if n <= SMALL else BLOCK

    def take(self, start: int, count: int) -> np.ndarray:
        """Indices [count] int64 at positions `start` to `start + count - 1` of the endless order."""
        parts = []
        while count > 0:
            epoch, offset = divmod(start, self.n)
            number, within = divmod(offset, self._size)
            part = self._block(epoch, number)[within : within + count]
            parts.append(part)
            start, count = start + len(part), count - len(part)
        if len(parts) == 1:
            return parts[0]
        return np.concatenate(parts) if parts else np.zeros(0, np.int64)

    def chance(self, at: int, size: float) -> np.ndarray:
        """Places int64, rising: each of 0..n-1 with probability size / n on its own (Poisson sampling), keyed by at."""
        draw = np.random.Generator(np.random.PCG64(key(self.seed, "chance", at)))
        return np.flatnonzero(draw.random(self.n) < size / self.n)

    def _block(self, epoch: int, number: int) -> np.ndarray:
        at = (epoch, number)
        if at not in self._blocks:
            while len(self._blocks) >= 2:
                del self._blocks[next(iter(self._blocks))]
            block = self._sorted(epoch) if self.n <= SMALL else self._ciphered(epoch, number)
            block.setflags(write=False)
            self._blocks[at] = block
        return self._blocks[at]

    def _sorted(self, epoch: int) -> np.ndarray:
        keys = mix(np.arange(self.n, dtype=np.uint64) + np.uint64(key(self.seed, "order", epoch)))
        return np.argsort(keys, kind="stable")

    def _ciphered(self, epoch: int, number: int) -> np.ndarray:
        first = number * BLOCK
        values = np.arange(first, min(first + BLOCK, self.n), dtype=np.uint64)
        keys = [np.uint64(key(self.seed, "order", epoch, turn)) for turn in range(ROUNDS)]
        values = self._rounds(values, keys)
        outside = np.flatnonzero(values >= self.n)
        while len(outside):  # walk on along the cycle until inside again
            values[outside] = self._rounds(values[outside], keys)
            outside = outside[values[outside] >= self.n]
        return values.astype(np.int64)

    def _rounds(self, values: np.ndarray, keys: list[np.uint64]) -> np.ndarray:
        a = math.isqrt(self.n - 1) + 1
        b = -(-self.n // a)
        left, right = values // np.uint64(b), values % np.uint64(b)
        for turn, secret in enumerate(keys):
            if turn % 2:
                right = (right + mix(left + secret) % np.uint64(b)) % np.uint64(b)
            else:
                left = (left + mix(right + secret) % np.uint64(a)) % np.uint64(a)
        return left * np.uint64(b) + right


def mix(values: np.ndarray) -> np.ndarray:
    """SplitMix64's output function on uint64 (Steele, Lea and Flood 2014)."""
    values = values * np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
