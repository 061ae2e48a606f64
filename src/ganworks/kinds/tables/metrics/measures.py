"""Similarity of two tables: by column, by pair of columns, to a detector, and to models trained on them.

The protocol is that of SDMetrics' column shapes and pair trends with one change: in pairs, numbers are binned by
quantiles of the real table, so that one measure, 1 - total variation, serves all pairs. A value of 5 % of the rows or
more, such as the zero of a column that is mostly zero, has a bin of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ganworks.core.spec import key
from ganworks.kinds.tables.data import columns as table_columns
from ganworks.metrics.estimate import ks

BINS, MOST = 10, 200  # most quantile bins of numbers in pairs; most values of a category with bins of their own
HEAVY, LIGHT = 0.05, 0.01  # share of the rows from which a number has a bin of its own; least share in a quantile bin
LARGEST_TRAIN = 20_000  # most rows on which models are trained
PAIRED_COLUMNS = 60  # most columns whose pairs are compared


class Coder:
    """Converts tables to bins (for pairs) and to numbers (for models), as fitted on a reference table.

    columns: the learnt ones of the data spec (ids and constants are left out). reference: a real DataFrame.
    """

    def __init__(self, columns: list[dict[str, Any]], reference: Any):
        self.columns = [c for c in columns if c["kind"] in ("number", "date", "category", "sum")]
        self.words = np.array([c["kind"] == "category" for c in self.columns])
        self._places, self._edges = {}, {}
        for column in self.columns:
            name = column["name"]
            if column["kind"] == "category":
                counts = reference[name].astype(object).value_counts()
                kept = sorted(
                    zip(-counts.to_numpy(), map(str, counts.index), counts.index, strict=True),
                    key=lambda item: item[:2],
                )[:MOST]
                self._places[name] = {value: k for k, (_, _, value) in enumerate(kept)}
            else:
                x = numbers(column, reference)
                self._edges[name] = bin_edges(x[np.isfinite(x)])

    @property
    def names(self) -> list[str]:
        """The columns that are compared."""
        return [c["name"] for c in self.columns]

    def bins(self, frame: Any) -> tuple[np.ndarray, list[int]]:
        """(bins int64 [n, C], number of bins per column): values, quantile bins, a bin for others, one for missing."""
        out, sizes = [], []
        for column in self.columns:
            name = column["name"]
            if name in self._places:
                places = self._places[name]
                found = self._codes(frame, name)
                out.append(np.where(np.isnan(found), len(places) + _gaps(frame[name]), found).astype(np.int64))
                sizes.append(len(places) + 2)
            else:
                x, edges = numbers(column, frame), self._edges[name]
                out.append(np.where(np.isnan(x), len(edges) + 1, np.searchsorted(edges, x)))
                sizes.append(len(edges) + 2)
        return np.stack(out, 1), sizes

    def matrix(self, frame: Any) -> np.ndarray:
        """float64 [n, C]: numbers as they are, categories by their rank in frequency; NaN for missing and others."""
        return np.stack(
            [self._codes(frame, c["name"]) if c["kind"] == "category" else numbers(c, frame) for c in self.columns], 1
        )

    def _codes(self, frame: Any, name: str) -> np.ndarray:
        return frame[name].astype(object).map(self._places[name]).to_numpy(np.float64, na_value=np.nan)


def bin_edges(x: np.ndarray) -> np.ndarray:
    """The upper ends, included, of all bins but the last, of numbers x [n] without missing ones.

    Heavy values have bins of their own; the rest is divided by quantiles into at most BINS bins.
    """
    values, counts = np.unique(x, return_counts=True)
    heavy = values[counts >= HEAVY * len(x)]
    rest = x[~np.isin(x, heavy)]
    bins = min(BINS, int(len(rest) / (LIGHT * len(x) or 1)))
    edges = np.quantile(rest, np.linspace(0, 1, bins + 1)[1:-1], method="lower") if bins > 1 else rest[:0]
    return np.unique(np.concatenate([edges, heavy, np.nextafter(heavy, -np.inf)]))


def _gaps(series: Any) -> np.ndarray:
    return series.isna().to_numpy().astype(np.int64)


def numbers(column: dict[str, Any], frame: Any) -> np.ndarray:
    """A column of numbers or dates as float64 [n], NaN if missing."""
    kind = column.get("of", column["kind"])
    return table_columns.as_numbers({**column, "kind": kind}, frame[column["name"]])


def shapes(coder: Coder, real: Any, made: Any) -> dict[str, float]:
    """Column -> similarity: 1 - Kolmogorov-Smirnov for numbers, 1 - total variation for categories, missing values
    included.
    """
    out = {}
    a, sizes = coder.bins(real)
    b, _ = coder.bins(made)
    for k, column in enumerate(coder.columns):
        if column["kind"] == "category":
            out[column["name"]] = 1 - variation(a[:, k], b[:, k], sizes[k])
        else:
            x, y = numbers(column, real), numbers(column, made)
            gaps = abs(np.isnan(x).mean() - np.isnan(y).mean())
            out[column["name"]] = (1 - ks(x, y)) * (1 - gaps)
    return out


def variation(a: np.ndarray, b: np.ndarray, size: int) -> float:
    """Total variation distance of two samples of bins from 0 to size - 1."""
    return float(0.5 * np.abs(np.bincount(a, minlength=size) / len(a) - np.bincount(b, minlength=size) / len(b)).sum())


def pairs(coder: Coder, real: Any, made: Any) -> dict[tuple[str, str], float]:
    """Pair of columns -> 1 - total variation of their joint bins, among the first 60 columns."""
    a, sizes = coder.bins(real)
    b, _ = coder.bins(made)
    names, out = coder.names[:PAIRED_COLUMNS], {}
    for i in range(len(names)):
        for j in range(i):
            both = [x[:, i] * sizes[j] + x[:, j] for x in (a, b)]
            out[names[j], names[i]] = 1 - variation(both[0], both[1], sizes[i] * sizes[j])
    return out


# Models -----------------------------------------------------------------------------------------------


def boosting(coder: Coder, skip: int | None = None, regress: bool = False) -> Any:
    """scikit-learn's gradient boosting, which handles missing values and categories natively."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    words = np.delete(coder.words, skip) if skip is not None else coder.words
    make = HistGradientBoostingRegressor if regress else HistGradientBoostingClassifier
    return make(random_state=0, categorical_features=words)


def detection(coder: Coder, real: Any, made: Any, seed: int = 0) -> np.ndarray:
    """float [m, 2]: whether a row is generated, and the score that gradient boosting gives it, trained on the other 70
    %.

    Real and generated rows are equally many; 30 % are scored. `auc` of the result is 0.5 if they cannot be told apart,
    1 if always.
    """
    count = min(len(real), len(made), LARGEST_TRAIN)
    x = np.concatenate([coder.matrix(real.iloc[:count]), coder.matrix(made.iloc[:count])])
    y = np.repeat([0.0, 1.0], count)
    order = np.random.default_rng(key(seed, "detect")).permutation(2 * count)
    cut = max(1, int(0.3 * 2 * count))
    model = boosting(coder).fit(x[order[cut:]], y[order[cut:]])
    return np.stack([y[order[:cut]], model.predict_proba(x[order[:cut]])[:, 1]], 1)


def auc(scored: np.ndarray) -> float:
    """Area under the ROC curve of [m, 2] (truth, score); NaN if only one class occurs."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(scored[:, 0], scored[:, 1])) if len(set(scored[:, 0])) > 1 else float("nan")


def auc_interval(scored: np.ndarray, draws: int = 200) -> tuple[float, float]:
    """95 % bootstrap interval of `auc`."""
    rng = np.random.default_rng(key("auc", len(scored)))
    found = [auc(scored[rng.integers(len(scored), size=len(scored))]) for _ in range(draws)]
    return float(np.nanquantile(found, 0.025)), float(np.nanquantile(found, 0.975))


@dataclass(frozen=True)
class Task:
    """A prediction task. place: index of the target among the coder's columns. kind: "two", "several" or "number"."""

    place: int
    kind: str
    positive: float = 1.0

    @staticmethod
    def of(coder: Coder, target: str, real: Any) -> Task | None:
        """The task of a target column, None if there is none; the rarer of two values is the positive class."""
        if target not in coder.names:
            return None
        place = coder.names.index(target)
        y = coder.matrix(real)[:, place]
        values, counts = np.unique(y[~np.isnan(y)], return_counts=True)
        if len(values) < 2:
            return None
        if len(values) == 2:
            return Task(place, "two", float(values[counts.argmin()]))
        return Task(place, "several" if coder.words[place] else "number")


def learnt(coder: Coder, task: Task, learn: Any, test: Any) -> dict[str, dict[str, float]]:
    """Model family -> scores on `test` when trained on `learn`: f1 and auc (two classes), accuracy, or r2."""
    x, y = _parted(coder, task, learn.iloc[:LARGEST_TRAIN])
    x_test, y_test = _parted(coder, task, test)
    if task.kind != "number" and len(np.unique(y)) < 2:
        return {name: {"f1": 0.0, "auc": 0.5} if task.kind == "two" else {"accuracy": 0.0} for name in FAMILIES}
    out = {}
    for name, make in FAMILIES.items():
        model = make(coder, task)
        if name == "boosting":
            a, b = x, x_test
        else:
            spread = _Spread(coder, task, x)
            a, b = spread(x), spread(x_test)
        model.fit(a, y)
        out[name] = _graded(task, model, b, y_test)
    return out


def _parted(coder: Coder, task: Task, frame: Any) -> tuple[np.ndarray, np.ndarray]:
    whole = coder.matrix(frame)
    whole = whole[~np.isnan(whole[:, task.place])]
    y = whole[:, task.place]
    return np.delete(whole, task.place, 1), (y == task.positive).astype(int) if task.kind == "two" else y


def _graded(task: Task, model: Any, x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    from sklearn.metrics import accuracy_score, f1_score, r2_score

    if task.kind == "number":
        return {"r2": float(r2_score(y, model.predict(x)))}
    if task.kind == "several":
        return {"accuracy": float(accuracy_score(y, model.predict(x)))}
    chance = model.predict_proba(x)[:, 1]
    return {"f1": float(f1_score(y, chance > 0.5)), "auc": auc(np.stack([y, chance], 1))}


class _Spread:
    """Numbers standardised, categories one-hot (the 30 most frequent), missing values at the mean: [n, C] -> [n, W]."""

    def __init__(self, coder: Coder, task: Task, x: np.ndarray):
        self.words = np.delete(coder.words, task.place)
        there = np.isfinite(x)
        count = np.maximum(there.sum(0), 1)
        self.mean = np.where(there, x, 0).sum(0) / count
        self.sd = np.sqrt((np.where(there, x - self.mean, 0) ** 2).sum(0) / count) + 1e-9

    def __call__(self, x: np.ndarray) -> np.ndarray:
        parts = []
        for k, word in enumerate(self.words):
            if word:
                parts.append((x[:, k, None] == np.arange(30)).astype(np.float32))
            else:
                scaled = np.nan_to_num((x[:, k, None] - self.mean[k]) / self.sd[k])
                parts.append(np.clip(scaled, -10, 10).astype(np.float32))
        return np.concatenate(parts, 1)


def _linear(coder: Coder, task: Task) -> Any:
    from sklearn.linear_model import LogisticRegression, Ridge

    return Ridge() if task.kind == "number" else LogisticRegression(max_iter=200)


def _forest(coder: Coder, task: Task) -> Any:
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    make = RandomForestRegressor if task.kind == "number" else RandomForestClassifier
    return make(50, min_samples_leaf=3, random_state=0)


FAMILIES = {
    "boosting": lambda coder, task: boosting(coder, task.place, task.kind == "number"),
    "linear": _linear,
    "forest": _forest,
}


# Baselines -------------------------------------------------------------------------------------------------


def independent(frame: Any, seed: int = 0, within: str = "") -> Any:
    """A baseline: the table with every column shuffled independently; within the groups of column `within` if given."""
    rng = np.random.default_rng(key(seed, "floor"))
    groups = [np.arange(len(frame))]
    if within:
        codes = frame[within].astype(object).map(str).to_numpy()
        groups = [np.flatnonzero(codes == value) for value in np.unique(codes)]
    out = {}
    for name in frame.columns:
        order = np.arange(len(frame))
        if name != within:
            for group in groups:
                order[group] = rng.permutation(group)
        out[name] = frame[name].iloc[order].reset_index(drop=True)
    return frame.__class__(out)
