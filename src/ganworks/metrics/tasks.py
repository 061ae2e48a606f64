"""What the evaluators of several tasks share: values with intervals beside those of simple baselines, and the
report.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ganworks.core.console.text import counted
from ganworks.core.contracts import Nets
from ganworks.core.spec import key
from ganworks.files.rasters.write import save_picture
from ganworks.metrics.estimate import Estimate
from ganworks.metrics.scoring import Measurement, plain

_DRAWS = 1000


@dataclass
class TaskReport:
    """The result of the full evaluation of a task; `to_dict` is the content of eval.json.

    metrics: name -> Measurement. baselines: name -> {metric: value}, of simple methods and upper bounds on the same
    examples. tables: {"title", "columns": [...], "rows": [[...]]}. pictures: title -> file name. count: examples. real:
    how many real examples they were compared with; 0: those that are held out.
    """

    metrics: dict[str, Measurement]
    count: int
    baselines: dict[str, dict[str, float]] = field(default_factory=dict)
    tables: list[dict[str, Any]] = field(default_factory=list)
    pictures: dict[str, str] = field(default_factory=dict)
    protocol: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    extractor: str = ""
    about: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    real: int = 0

    @classmethod
    def of_nothing(
        cls, why: str, about: dict[str, Any], count: int = 0, pictures: dict[str, str] | None = None
    ) -> TaskReport:
        """The report where nothing can be measured. why: the reason, a sentence."""
        return cls({}, count, pictures=pictures or {}, warnings=[why], about=about)

    def to_dict(self) -> dict[str, Any]:
        """Plain types for JSON; numbers that are not finite become None."""
        return plain(asdict(self))


def too_few(held: int, needed: int, one: str = "example", many: str = "examples") -> str:
    """The sentence that says how many held-out examples scores need, and what to do. one, many: their name."""
    few = f"Only {counted(held, f'{one} is', f'{many} are')}" if held else f"No {many} are"
    return f"{few} held out; scores need {needed}. Train on more data, or with a larger held_out."


def metric(
    values: Sequence[float] | np.ndarray | float | Estimate,
    floor: float | Estimate | None = None,
    *,
    better: str = "lower",
    meaning: str = "",
) -> Measurement:
    """The mean of one value per example with a 95 % bootstrap interval over examples; a single number gets no interval.

    An `Estimate` brings its own interval, as a value and as a floor.
    floor: the value of real data, or the best attainable one. better: "lower", "higher" or "floor" (as near to it as
    possible).
    """
    found, real = _estimate(values), _estimate(float("nan") if floor is None else floor)
    ratio = found.value / real.value if real.value > 0 else None
    return Measurement(found.value, found.low, found.high, real.value, real.low, real.high, ratio, better, meaning)


def _estimate(values: Sequence[float] | np.ndarray | float | Estimate) -> Estimate:
    if isinstance(values, Estimate):
        return values
    items = np.atleast_1d(np.asarray(values, np.float64))
    low, high = interval(items) if len(items) > 1 else (float("nan"), float("nan"))
    return Estimate(float(items.mean()), low, high)


def metrics_of(
    found: Mapping[str, Any], floors: Mapping[str, float | Estimate | None], meanings: Mapping[str, tuple[str, str]]
) -> dict[str, Measurement]:
    """`metric` of each of the values found, by name. meanings: name -> (better, meaning)."""
    return {
        name: metric(values, floors.get(name), better=meanings[name][0], meaning=meanings[name][1])
        for name, values in found.items()
    }


def metric_over(rows: Sequence[Mapping[str, float]], name: str, floor: float | None, **about: str) -> Measurement:
    """`metric` of one number of each row; numbers that are not finite are left out. about: better=, meaning=."""
    values = np.array([row[name] for row in rows])
    values = values[np.isfinite(values)]
    return metric(values if len(values) else np.nan, floor, **about)


def interval(items: np.ndarray) -> tuple[float, float]:
    """95 % percentile bootstrap interval of the mean of items [n]; the same numbers give the same interval."""
    return bootstrap(len(items), lambda rows: items[rows].mean())


def clustered(values: np.ndarray, group: np.ndarray) -> Estimate:
    """The mean of values [n] with a 95 % bootstrap interval over groups [n], the examples of each being alike."""
    sums, counts = np.bincount(group, values), np.bincount(group)
    value = float(np.mean(values))
    if len(counts) < 2:
        return Estimate(value, float("nan"), float("nan"))
    return Estimate(value, *bootstrap(len(counts), lambda rows: sums[rows].sum() / counts[rows].sum()))


def bootstrap(count: int, statistic: Callable[[np.ndarray], float], draws: int = _DRAWS) -> tuple[float, float]:
    """95 % percentile bootstrap interval of statistic(rows), rows int64 [count] drawn with replacement."""
    rng = np.random.default_rng(key("bootstrap", count))
    found = [statistic(rng.integers(count, size=count)) for _ in range(draws)]
    return float(np.quantile(found, 0.025)), float(np.quantile(found, 0.975))


def spaced(indices: np.ndarray, count: int) -> np.ndarray:
    """At most `count` of the indices, evenly spaced."""
    if len(indices) <= count:
        return indices
    return indices[np.linspace(0, len(indices) - 1, count).round().astype(np.int64)]


def save_pictures(folder: Path, pictures: Mapping[str, tuple[str, Image.Image]]) -> dict[str, str]:
    """Write title -> (file name, picture) into a folder, created if missing; returns title -> file name, as in a
    report.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, picture in pictures.values():
        save_picture(picture, folder / name)
    return {title: name for title, (name, _) in pictures.items()}


class TimedByTrial:
    """An evaluator whose scores and pictures are timed by making one of each."""

    def costs(self: Any, nets: Nets) -> tuple[float, float]:
        """Seconds of one score (0 if nothing can be scored) and of one picture, measured by running each once."""
        start = time.perf_counter()
        self.show(nets)
        shown = time.perf_counter()
        if self.ready:
            self.score(nets)
        return (time.perf_counter() - shown if self.ready else 0.0), shown - start
