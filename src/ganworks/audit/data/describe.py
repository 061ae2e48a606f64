"""Features of small pictures without any training: a dictionary of whitened patches, pooled over quarters.

Coates, Ng and Lee, "An analysis of single-layer networks in unsupervised feature learning" (2011): patches of 6 x 6,
normalised and whitened, are compared with a dictionary found by k-means; what is alike above a threshold is averaged
over each quarter of the picture. Also plain measures (brightness, edges, flat areas), which see what features do not.
"""

from __future__ import annotations

import numpy as np

PATCH, WORDS, STEP, LEAST = 6, 160, 2, 0.25
_TAUGHT_BY, _ROUNDS, _NOISE, _RIDGE = 20_000, 3, 10 / 255**2, 0.1
_TOGETHER = 32


class PatchFeatures:
    """float32 features [n, 4 * WORDS] of pictures [n, C, H, W] of 0..255; the dictionary is found in some of them."""

    def __init__(self, some: np.ndarray):
        rng = np.random.default_rng(0)
        side = self.side = min(PATCH, *some.shape[2:])
        n, _, height, width = some.shape
        at = rng.integers((n, height - side + 1, width - side + 1), size=(_TAUGHT_BY, 3))
        patches = np.stack([some[i, :, r : r + side, c : c + side].reshape(-1) for i, r, c in at.tolist()])
        x = _normalised(patches.astype(np.float32) / 255)
        x = x[x.any(1)] if (np.abs(x).sum(1) > 1).sum() > 2 * WORDS else x
        centre = x.mean(0)
        values, turns = np.linalg.eigh(np.cov(x.T) + 1e-9 * np.eye(x.shape[1]))
        white = (turns / np.sqrt(np.maximum(values, 0) + _RIDGE)) @ turns.T
        z = (x - centre) @ white
        words = _unit(z[rng.permutation(len(z))[:WORDS]])
        for _ in range(_ROUNDS):
            nearest = (z @ words.T).argmax(1)
            sums = np.zeros_like(words)
            np.add.at(sums, nearest, z)
            words = _unit(np.where(np.abs(sums).sum(1, keepdims=True) > 0, sums, words))
        self.weights = (white @ words.T).astype(np.float32)
        self.bias = (-LEAST - centre @ white @ words.T).astype(np.float32)

    def __call__(self, pictures: np.ndarray) -> np.ndarray:
        parts = [np.zeros((0, 4 * self.weights.shape[1]), np.float32)]
        for start in range(0, len(pictures), _TOGETHER):
            parts.append(self._pooled(pictures[start : start + _TOGETHER].astype(np.float32) / 255))
        return np.concatenate(parts)

    def _pooled(self, x: np.ndarray) -> np.ndarray:
        side = (self.side, self.side)
        cut = np.lib.stride_tricks.sliding_window_view(x, side, (2, 3))[:, :, ::STEP, ::STEP].transpose(
            0, 2, 3, 1, 4, 5
        )
        n, height, width = cut.shape[:3]
        z = _normalised(np.ascontiguousarray(cut).reshape(n * height * width, -1)) @ self.weights
        z += self.bias
        np.maximum(z, 0, out=z)
        z = z.reshape(n, height, width, -1)
        a, b = max(1, height // 2), max(1, width // 2)
        halves = ((slice(0, a), slice(height - a, height)), (slice(0, b), slice(width - b, width)))
        return np.concatenate([z[:, r, c].mean((1, 2)) for r in halves[0] for c in halves[1]], 1)


def _normalised(patches: np.ndarray) -> np.ndarray:
    patches = patches - patches.mean(1, keepdims=True)
    return patches / np.sqrt(np.square(patches).mean(1, keepdims=True) + np.float32(_NOISE))


def _unit(x: np.ndarray) -> np.ndarray:
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-9)


def measures(pictures: np.ndarray) -> np.ndarray:
    """Plain measures float32 [n, k] of pictures [n, C, H, W] of 0..255: colour, brightness, edges, flat areas."""
    parts = [_measures(pictures[k : k + 500].astype(np.float32) / 255) for k in range(0, len(pictures), 500)]
    return np.concatenate(parts) if parts else np.zeros((0, 1), np.float32)


def _measures(x: np.ndarray) -> np.ndarray:
    n, grey, colour = len(x), x.mean(1), x.max(1) - x.min(1)
    across, down = np.abs(np.diff(grey, axis=2)), np.abs(np.diff(grey, axis=1))
    edges = np.sqrt(np.square(across[:, :-1]) + np.square(down[:, :, :-1])).reshape(n, -1)
    height, width = max(1, grey.shape[1] // 4), max(1, grey.shape[2] // 4)
    middle = grey[:, height : 3 * height, width : 3 * width].mean((1, 2))
    shares = [((grey >= low) & (grey < low + 0.2)).mean((1, 2)) for low in (0.0, 0.2, 0.4, 0.6, 0.8)]
    ends = [(grey < 4 / 255).mean((1, 2)), (grey > 251 / 255).mean((1, 2))]
    slopes = [edges.mean(1), np.median(edges, 1), np.quantile(edges, 0.95, axis=1), (across < 2 / 255).mean((1, 2))]
    more = [colour.mean((1, 2)), colour.reshape(n, -1).std(1), middle - grey.mean((1, 2))]
    return np.concatenate([x.mean((2, 3)), x.std((2, 3)), np.stack([*shares, *ends, *slopes, *more], 1)], 1)
