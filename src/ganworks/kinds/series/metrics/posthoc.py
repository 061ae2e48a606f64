"""Models trained on series to evaluate them: real against generated, the next step, the label.

Discriminative score: |accuracy - 0.5| of a post-hoc classifier (Yoon et al. 2019, TimeGAN, section 5.2), 0 if the two
cannot be told apart. Differences from the common code: two seeds or more, standardised inputs and enough training (with
min-max inputs and 3 hidden units the score of a Gaussian is near 0), lengths and categories as inputs, and separate
series for training and test. Windows that overlap may be on both sides, as usual; `test` of `trees` uses held-out
stretches instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from ganworks.core.chance import seeded
from ganworks.core.settings import Config, Optimizer, Train
from ganworks.core.spec import Draw, key
from ganworks.kinds.series.metrics.measures import DecodedSeries
from ganworks.metrics.estimate import Estimate, wilson
from ganworks.training.engine import Engine

GRU_STEPS, GRU_HIDDEN, GRU_BATCH = 1000, 16, 128
LONG = 48  # above so many steps, the GRU is trained on fewer batches, so that the cost stays about the same
MOST_FEATURES = 4000


def tabular(decoded: DecodedSeries) -> np.ndarray:
    """Values, changes, categories and length of each series as one row [n, features]; NaN after the end."""
    count = len(decoded)
    codes = np.where(np.isfinite(_first(decoded))[:, :, None], decoded.codes, np.nan)
    moves = np.diff(decoded.values, axis=1)
    parts = [decoded.values.reshape(count, -1), moves.reshape(count, -1), codes.reshape(count, -1)]
    parts += [decoded.lengths[:, None].astype(float)]
    return np.concatenate(parts, 1)[:, :MOST_FEATURES].astype(np.float32)


def _first(decoded: DecodedSeries) -> np.ndarray:
    """[n, T]: finite for steps that exist."""
    steps = np.arange(decoded.codes.shape[1]) < decoded.lengths[:, None]
    return np.where(steps, 0.0, np.nan)


def halves(real: int, made: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(order of real examples, order of generated ones), of which the first half is for training a classifier."""
    rng = np.random.default_rng(key(seed, "halves"))
    return rng.permutation(real), rng.permutation(made)


def trees(
    real: DecodedSeries, made: DecodedSeries, seed: int = 0, test: tuple[DecodedSeries, DecodedSeries] | None = None
) -> float:
    """|accuracy - 0.5| of gradient-boosted trees on values and changes, trained on one half of the examples.

    They are tested on the other half, or on test: (real, generated) examples, with balanced accuracy.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    n = min(len(real), len(made))
    r, m = (order[:n] for order in halves(len(real), len(made), seed))
    a, b = tabular(real[r]), tabular(made[m])
    fit = slice(None) if test else slice(0, n // 2)
    model = HistGradientBoostingClassifier(random_state=seed, early_stopping=False)
    x = np.concatenate([a[fit], b[fit]])
    known = np.isfinite(x).any(0)  # leave out steps that no series of the training half reaches
    model.fit(x[:, known], np.repeat([1, 0], len(a[fit])))
    c, d = (tabular(test[0]), tabular(test[1])) if test else (a[n // 2 :], b[n // 2 :])
    right = (model.predict(c[:, known]).mean() + 1 - model.predict(d[:, known]).mean()) / 2
    return abs(float(right) - 0.5)


def margin(value: float, tested: int) -> Estimate:
    """|accuracy - 0.5| of a judge tested on so many series, with Wilson's interval of its accuracy."""
    found = wilson(0.5 + value, tested)
    return Estimate(value, max(0.0, found.low - 0.5), min(0.5, found.high - 0.5))


class GRUClassifier(nn.Module):
    """A GRU over the steps, then one logit: (x [B, T, F], length [B]) -> [B]."""

    def __init__(self, features: int, hidden: int):
        super().__init__()
        self.gru, self.out = nn.GRU(features, hidden, batch_first=True), nn.Linear(hidden, 1)

    def forward(self, x: Tensor, length: Tensor) -> Tensor:
        states = self.gru(x)[0]
        last = states[torch.arange(len(x)), length - 1]
        return self.out(last)[:, 0]


class RealOrGenerated:
    """A game with one player, C, a classifier of real and generated series."""

    def turns(self, step: int, progress: float) -> Iterator[Any]:
        """One turn of C."""
        yield ("C",), self.loss

    def loss(self, nets: dict[str, nn.Module], batch: Any) -> dict[str, Tensor]:
        """Cross-entropy [B]."""
        logits = nets["C"](batch["x"], batch["length"])
        return {"loss": binary_cross_entropy_with_logits(logits, batch["y"], reduction="none")}


def sequences(decoded: DecodedSeries, mean: np.ndarray, scale: np.ndarray, categories: list[int]) -> Tensor:
    """[n, T, F] float32: standardised numbers, one-hot categories, 0 after the end."""
    numbers = np.nan_to_num((decoded.values - mean) / scale).clip(-8, 8)
    parts = [np.eye(k)[decoded.codes[:, :, j]] for j, k in enumerate(categories)]
    steps = (np.arange(numbers.shape[1]) < decoded.lengths[:, None])[:, :, None]
    return torch.from_numpy((np.concatenate([numbers, *parts], 2) * steps).astype(np.float32))


def gru_tested(count: int) -> int:
    """How many of `count` series on each side `gru` tests."""
    return count - max(1, int(0.8 * count))


def gru(real: DecodedSeries, made: DecodedSeries, seed: int = 0, steps: int = 0) -> float:
    """|accuracy - 0.5| of a GRU, trained on 80 % of the examples and tested on 20 %. steps: 0 means GRU_STEPS."""
    n = min(len(real), len(made))
    steps = steps or max(200, int(GRU_STEPS * min(1.0, LONG / real.values.shape[1])))
    r, m = (order[:n] for order in halves(len(real), len(made), seed))
    mean, scale = np.nanmean(real.values, (0, 1)), np.nanstd(real.values, (0, 1)) + 1e-12
    categories = [int(max(real.codes[..., j].max(), made.codes[..., j].max())) + 1 for j in range(real.codes.shape[2])]
    x = torch.stack([sequences(part, mean, scale, categories) for part in (real[r], made[m])])
    length = torch.from_numpy(np.stack([real.lengths[r], made.lengths[m]]).astype(np.int64))
    cut = n - gru_tested(n)
    y = torch.tensor([1.0, 0.0])[:, None].expand(2, n)

    def feed(start: int, draw: Draw) -> dict[str, Tensor]:
        side, row = draw.integers(2), draw.integers(cut)
        return {"x": x[side, row], "length": length[side, row], "y": y[side, row]}

    with seeded(seed, "gru"):
        net = GRUClassifier(x.shape[3], GRU_HIDDEN)
        learn = Optimizer(lr=5e-3, lr_end=1e-5, betas=(0.9, 0.999))
        train = Train(batch=GRU_BATCH, seed=seed, ema=(0.0,))
        config = Config("judge", None, None, RealOrGenerated(), d=learn, train=train)
        engine = Engine({"C": net}, RealOrGenerated(), config, feed, steps * GRU_BATCH, averaged=())
        while engine.progress < 1:
            engine.step()
    net.eval().requires_grad_(False)
    right = [((net(x[s, cut:], length[s, cut:]) > 0).float() == 1.0 - s).float().mean() for s in (0, 1)]
    return abs(float(sum(right)) / 2 - 0.5)


def predictive(train: DecodedSeries, test: DecodedSeries) -> float:
    """Mean absolute error of the next step, in units of the test data's range, of a linear model of the last two steps.

    The model is trained on one set and tested on another. It hardly tells good series from bad ones: series with
    shuffled steps nearly reach the same value (see `ganworks help series`). It is reported because other work reports
    it.
    """
    low, high = np.nanmin(test.values, (0, 1)), np.nanmax(test.values, (0, 1))
    scale = np.where(high > low, high - low, 1.0)

    def pairs(decoded: DecodedSeries) -> tuple[np.ndarray, np.ndarray]:
        x = (decoded.values - low) / scale
        before = np.concatenate([x[:, 1:-1], x[:, :-2], np.ones_like(x[:, :-2, :1])], 2)
        after = x[:, 2:]
        known = np.isfinite(after).all(2)
        return before[known], after[known]

    if train.values.shape[1] < 3 or not train.values.shape[2]:
        return float("nan")
    (a, b), (c, d) = pairs(train), pairs(test)
    if not len(a) or not len(c):
        return float("nan")
    ridge = 1e-6 * len(a) * np.eye(a.shape[1])
    weights = np.linalg.solve(a.T @ a + ridge, a.T @ b)
    return float(np.abs(c @ weights - d).mean())


def summaries(decoded: DecodedSeries) -> np.ndarray:
    """Statistics on which a label may depend: per column mean, spread, range, ends, quarters, trend, roughness;
    length.
    """
    x, count = decoded.values, len(decoded)
    rows = np.arange(count)
    last = decoded.lengths - 1
    parts = [np.nanmean(x, 1), np.nanstd(x, 1), np.nanmin(x, 1), np.nanmax(x, 1), x[:, 0], x[rows, last]]
    for share in (0.25, 0.5, 0.75, 0.9):
        parts.append(x[rows, (last * share).astype(int)])
    parts += [x[rows, last] - x[rows, (last * 0.75).astype(int)], np.nanmean(np.abs(np.diff(x, axis=1)), 1)]
    return np.nan_to_num(np.concatenate([*parts, decoded.lengths[:, None]], 1))


def label_accuracy(train: DecodedSeries, test: DecodedSeries, seed: int = 0) -> float:
    """Accuracy on `test` of extremely randomised trees trained to predict the label on `train`."""
    from sklearn.ensemble import ExtraTreesClassifier

    assert train.labels is not None and test.labels is not None
    if len(set(train.labels.tolist())) < 2:
        return float((test.labels == train.labels[0]).mean())
    model = ExtraTreesClassifier(300, min_samples_leaf=2, random_state=seed, n_jobs=1)
    return float(model.fit(summaries(train), train.labels).score(summaries(test), test.labels))
