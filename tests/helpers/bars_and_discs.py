"""Small pictures of two kinds, for audits: what is planted in them is known."""

import numpy as np


def shapes(n=600, seed=0, side=24, channels=1):
    """Pictures of two kinds, bars and discs at any place, on a noisy ground; and their kinds."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:side, :side]
    kind = rng.integers(2, size=n)
    x = rng.normal(60, 6, size=(n, channels, side, side))
    for k in range(n):
        at, across, wide = rng.uniform(6, side - 6, 2), rng.uniform(0, np.pi), rng.uniform(2.0, 4.0)
        apart = rows - at[0], columns - at[1]
        bar = np.abs(apart[0] * np.cos(across) + apart[1] * np.sin(across)) < wide / 2
        disc = apart[0] ** 2 + apart[1] ** 2 < (wide + 1.5) ** 2
        x[k] += 120 * np.where(kind[k], bar, disc)
    return np.clip(x, 0, 255).astype(np.uint8), kind
