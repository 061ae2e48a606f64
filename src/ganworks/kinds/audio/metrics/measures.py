"""Measures of generated sound: recognition, distances, spread, copies, loudness and pitch, with their baselines.

All but loudness and pitch use named features: the log of a mel spectrogram of 40 bands, averaged over 12 equal parts
of the example (480 numbers), each standardised by the training recordings.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F

from ganworks.core.spec import key
from ganworks.kinds.audio.data import sound
from ganworks.kinds.audio.spectral import mel_bank, stft
from ganworks.metrics import frechet
from ganworks.metrics.estimate import Estimate
from ganworks.metrics.kernel import kernel_distance
from ganworks.metrics.neighbours import Index, closeness, closeness_of_others, copied

MELS, PARTS, FLOOR = 40, 12, 1e-4
COMPONENTS = 32  # principal components of the features, for the Frechet distance
GAUSSIAN = 60  # principal components of the features, for the class Gaussians
MOST = 5000  # recordings that a recogniser is trained on
_CHUNK = 64


def name(rate: int) -> str:
    """The name of the features, which is reported with every distance."""
    return f"log-mel {MELS} x {PARTS} parts, {rate} Hz, window {window_of(rate)}"


def window_of(rate: int) -> int:
    """The window length in samples: the power of two nearest to 32 ms."""
    return 2 ** max(5, round(np.log2(0.032 * rate)))


def features(waves: np.ndarray, rate: int) -> np.ndarray:
    """Waves [n, C, N] -> float64 [n, 480]: log magnitudes (full-scale tone: 1, floor: 1e-4), not standardised."""
    n_fft, parts = window_of(rate), [np.zeros((0, MELS * PARTS))]
    for start in range(0, len(waves), _CHUNK):
        x = _mono(waves[start : start + _CHUNK])
        x = F.pad(x, (0, max(0, PARTS * n_fft // 4 - x.shape[1])))
        bands = mel_bank(rate, n_fft, MELS) @ (stft(x, n_fft, n_fft // 4).abs() * (4 / n_fft))
        log = bands.clamp_min(FLOOR).log()
        parts.append(F.adaptive_avg_pool1d(log, PARTS).flatten(1).double().numpy())
    return np.concatenate(parts)


def _mono(waves: np.ndarray) -> torch.Tensor:
    """Waves [n, C, N] as one channel each, float32 [n, N]."""
    return torch.from_numpy(np.stack([sound.mix(wave, 1)[0] for wave in waves]).astype(np.float32, copy=False))


class Recogniser:
    """A support vector machine that classifies recordings by their features [n, d]."""

    def __init__(self, x: np.ndarray, y: np.ndarray):
        from sklearn.svm import SVC  # slow to import, and sampling needs none

        keep = np.random.default_rng(key("recogniser", len(x))).permutation(len(x))[:MOST]
        self.known = np.unique(y[keep])
        self.net = SVC(C=10).fit(x[keep], y[keep]) if len(self.known) > 1 else None

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Classes int64 [n] of features [n, d]."""
        return self.net.predict(x) if self.net is not None else np.full(len(x), self.known[0])


def class_gaussians(
    x: np.ndarray, y: np.ndarray | None, labels: np.ndarray | None, count: int, seed: int
) -> np.ndarray:
    """A trivial baseline: [count, d] drawn from one Gaussian for each class in principal components of x [n, d].

    labels [count]: the classes asked for. It is recognised well although it makes no sound at all.
    """
    centre = x.mean(0)
    basis = np.linalg.svd(x - centre, full_matrices=False)[2][:GAUSSIAN]
    low, rng = (x - centre) @ basis.T, np.random.default_rng(key(seed, "gaussians"))
    out = np.empty((count, low.shape[1]))
    for c in [None] if y is None or labels is None else np.unique(labels):
        rows = low if c is None else low[y == c]
        place = np.arange(count) if c is None or labels is None else np.flatnonzero(labels == c)
        noise = rng.standard_normal((len(place), len(rows))) / max(1, len(rows) - 1) ** 0.5
        out[place] = rows.mean(0) + noise @ (rows - rows.mean(0))
    return out @ basis + centre


@dataclass(frozen=True)
class ReferenceFeatures:
    """Features of real recordings, with which generated ones are compared.

    train [n, 480], test [m, 480]: features of recordings that trained the generator and of others.
    train_y, test_y: their classes, or None.
    """

    train: np.ndarray
    test: np.ndarray
    train_y: np.ndarray | None = None
    test_y: np.ndarray | None = None

    @cached_property
    def _scale(self) -> tuple[np.ndarray, np.ndarray]:
        return self.train.mean(0), self.train.std(0).clip(min=0.5)

    def standard(self, x: np.ndarray) -> np.ndarray:
        """Features standardised by the training recordings."""
        mean, deviation = self._scale
        return (x - mean) / deviation

    @cached_property
    def seen(self) -> np.ndarray:
        """Standardised features of the training recordings."""
        return self.standard(self.train)

    @cached_property
    def unseen(self) -> np.ndarray:
        """Standardised features of the other recordings."""
        return self.standard(self.test)

    @cached_property
    def recogniser(self) -> Recogniser | None:
        """A classifier trained on the training recordings; None without classes."""
        return None if self.train_y is None else Recogniser(self.seen, self.train_y)

    @cached_property
    def _basis(self) -> np.ndarray:
        few = min(COMPONENTS, len(self.test) // 2)
        return np.linalg.svd(self.seen - self.seen.mean(0), full_matrices=False)[2][:few]

    @cached_property
    def index(self) -> Index:
        """An index that finds the nearest training recording."""
        return Index(self.seen)

    @cached_property
    def apart(self) -> np.ndarray:
        """Distance of each unseen recording to the nearest training recording."""
        return self.index.nearest(self.unseen).distance[:, 0]

    @property
    def repeats(self) -> float:
        """Share of near copies among real recordings: unseen ones, and training ones compared with the others."""
        unseen = closeness(self.index.nearest(self.unseen), self.index)
        return float(copied(np.concatenate([unseen, closeness_of_others(self.index)])).mean())

    def kd(self, x: np.ndarray) -> Estimate:
        """Kernel distance of standardised features to the unseen recordings."""
        return kernel_distance(x, self.unseen)

    def fd(self, x: np.ndarray) -> float:
        """Frechet distance of standardised features to the unseen recordings, at equal count, in 32 principal
        components or half as many as there are unseen recordings.
        """
        rows = min(len(x), len(self.unseen))
        order = np.random.default_rng(key("fd", len(x))).permutation(len(x))
        groups = [order[k : k + rows] for k in range(0, len(x) - rows + 1, rows)][:8]
        real = frechet.moments(self.unseen @ self._basis.T)
        return float(np.mean([frechet.distance(real, frechet.moments(x[g] @ self._basis.T)) for g in groups]))

    def measure(self, x: np.ndarray, y: np.ndarray | None) -> dict[str, np.ndarray | float | Estimate]:
        """All measures of standardised features [n, 480] with classes y [n]; one value a sample where possible."""
        found = self.index.nearest(x)
        out: dict[str, np.ndarray | float | Estimate] = {
            "kd": self.kd(x),
            "fd": self.fd(x),
            "spread": self.spread(x, y),
            "copied": copied(closeness(found, self.index)).astype(float),
            "nearest": found.distance[:, 0] / float(np.median(self.apart)),
        }
        if self.recogniser is not None and y is not None:
            out["recognised"] = (self.recogniser(x) == y).astype(float)
            if self.test_y is not None:
                out["accuracy_score"] = (Recogniser(x, y)(self.unseen) == self.test_y).astype(float)
        return out

    def spread(self, x: np.ndarray, y: np.ndarray | None) -> float:
        """`spread` relative to the unseen recordings; NaN where no class has two of them."""
        unseen = spread(self.unseen, self.test_y)
        return spread(x, y) / unseen if unseen > 0 else float("nan")

    def own(self) -> dict[str, float]:
        """The scores of real recordings: recognition is that of unseen ones, distances those of training ones."""
        seen, out = (
            self.seen,
            {"kd": self.kd(self.seen).value, "fd": self.fd(self.seen), "copied": self.repeats, "nearest": 1.0},
        )
        out["spread"] = self.spread(seen, self.train_y)
        if self.recogniser is not None and self.test_y is not None:
            out["recognised"] = out["accuracy_score"] = float((self.recogniser(self.unseen) == self.test_y).mean())
        return out

    def gaussians(self, labels: np.ndarray | None, count: int, seed: int = 0) -> dict[str, float]:
        """The scores of the class Gaussians of the training features."""
        made = class_gaussians(self.seen, self.train_y, labels, count, seed)
        return {name: middle(value) for name, value in self.measure(made, labels).items()}


def middle(value: np.ndarray | float | Estimate) -> float:
    """The one number of a measure: its value, or the mean over samples."""
    return value.value if isinstance(value, Estimate) else float(np.mean(value))


def spread(x: np.ndarray, y: np.ndarray | None) -> float:
    """Root mean squared distance of features [n, d] to the mean of their class, all classes weighted alike."""
    groups = [x] if y is None else [x[y == c] for c in np.unique(y)]
    return float(np.mean([(g.var(0, ddof=1).sum()) ** 0.5 for g in groups if len(g) > 1] or [0.0]))


def loudness(waves: np.ndarray) -> np.ndarray:
    """Root mean square of each wave [n, C, N] over the whole example, full scale = 1."""
    return np.sqrt(np.square(waves, dtype=np.float64).mean((1, 2)))


def pitch_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Wasserstein-1 distance of two sets of fundamentals in semitones (12 log2 Hz); NaN if one is all NaN."""
    a, b = (12 * np.log2(v[np.isfinite(v)]) for v in (a, b))
    if not len(a) or not len(b):
        return float("nan")
    grid = (np.arange(200) + 0.5) / 200
    return float(np.abs(np.quantile(a, grid) - np.quantile(b, grid)).mean())


def multi_resolution_stft(made: np.ndarray, real: np.ndarray, sizes: tuple[int, ...] = (128, 256, 512)) -> np.ndarray:
    """Distance of each wave [n, C, N] to its target: [n] float64; 0 is perfect.

    Yamamoto et al. 2020 (arXiv 1910.11480), equation 6: the mean over window sizes (hop: a quarter) of the spectral
    convergence plus the mean absolute difference of log magnitudes.
    """
    a, b = _mono(made), _mono(real)
    total = torch.zeros(len(a))
    for size in sizes:
        p, q = (stft(v, size, size // 4).abs() * (4 / size) for v in (a, b))
        converged = (p - q).flatten(1).norm(dim=1) / q.flatten(1).norm(dim=1).clamp_min(1e-9)
        logs = (p.clamp_min(1e-4).log() - q.clamp_min(1e-4).log()).abs().mean((1, 2))
        total += (converged + logs) / len(sizes)
    return total.double().numpy()
