"""The domain of time series: tables with a time column are encoded as vectors, and vectors are decoded to series."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from ganworks.audit.evidence import Evidence, refuse_features
from ganworks.core.contracts import Work
from ganworks.core.errors import UsageError
from ganworks.core.schema.declare import HeldOut, check, within
from ganworks.core.spec import Draw, Spec
from ganworks.files.tables.write import arrow, csv_text, parquet_bytes
from ganworks.kinds.series.data.code import decode
from ganworks.kinds.series.data.dataset import SeriesSet, open_series
from ganworks.kinds.series.data.layout import SeriesLayout
from ganworks.kinds.series.metrics.evaluator import SeriesEvaluator

CHUNK = 512


@dataclass(frozen=True)
class SeriesDomain:
    """Time series: which columns are used, how series are cut, and how stamps and gaps are handled.

    length: steps of a window; 0 = whole series if there are several, windows of 24 of a single long one.
    stride: steps between two windows.
    time: the time column, or several (date,hour), "auto" or "off".
    series: the column that names the series, "auto" or "off".
    labels: the attribute that is the class: "auto", "off" or its name.
    columns: names of columns to keep, with commas; "" = all.
    categorical: names of number columns that are categories.
    scale: "series" scales each series to its own range, which is generated separately from its shape; "global" uses one
        range for all.
    gaps: what happens to missing stamps: "auto", "fill", "rows" or "error", see data/clock.py.
    max_gap: most missing stamps in a row that are filled.
    duplicates: what happens to stamps that occur twice: their "mean", an "error", or "auto": the mean of at most 1 %.
    missing: what happens to missing values: "interpolate" or "error".
    calendar: "auto" adds the time of the day, or the day of the week, at which a window begins as an attribute.
    held_out: the share that is never trained on.
    header: whether the first line of a text names the columns: "auto", "on" or "off".
    """

    length: Annotated[int, within(0, unit="steps")] = 0
    stride: Annotated[int, within(1, unit="steps")] = 1
    time: str = "auto"
    series: str = "auto"
    labels: bool | str = "auto"
    columns: str = ""
    categorical: str = ""
    scale: Literal["series", "global"] = "series"
    gaps: Literal["auto", "fill", "rows", "error"] = "auto"
    max_gap: Annotated[int, within(0, unit="stamps")] = 10
    duplicates: Literal["auto", "mean", "error"] = "auto"
    missing: Literal["interpolate", "error"] = "interpolate"
    calendar: Literal["auto", "off"] = "auto"
    held_out: HeldOut = 0.1
    header: Literal["auto", "on", "off"] = "auto"

    forms: ClassVar[tuple[str, ...]] = (".csv", ".parquet")
    plain: ClassVar[tuple[str, ...]] = (".csv",)
    each: ClassVar[str] = ""
    options: ClassVar[dict[str, str]] = {}

    def __post_init__(self) -> None:
        check(self)

    def open(
        self, path: Any, cache: str | Path | None = None, on_progress: Callable[[int, int], None] | None = None
    ) -> SeriesSet:
        """The series in a file, folder, zip, data frame or list of arrays, see `read_series`; they are kept in
        memory.
        """
        data = open_series(path, self)
        if on_progress is not None:
            on_progress(len(data), len(data))
        return data

    def evidence(self, path: Any, features: str, work: Work) -> Evidence:
        """What an audit may look at: windows as vectors, labels. Raises UsageError for features."""
        refuse_features(features, "series")
        from ganworks.audit.plain import plain_evidence

        data = self.open(path, on_progress=lambda done, total: work("Reading the data", done, total))
        return replace(plain_evidence(data, "windows"), digest=None, flat=None)

    def batch(self, data: SeriesSet, indices: np.ndarray, draw: Draw) -> dict[str, Tensor]:
        """x float32 [B, size], see `SeriesLayout`; y int64 [B] if labelled."""
        batch = {"x": data.vectors(indices, draw)}
        if data.labels is not None:
            batch["y"] = torch.from_numpy(data.labels[indices])
        return batch

    def evaluator(
        self, data: SeriesSet, source: Any, config: Any, work: Callable[[str, int, int], None]
    ) -> SeriesEvaluator:
        """Evaluates generated series against training and held-out ones."""
        return SeriesEvaluator(data, config, work)

    def prepare(self, net: nn.Module, spec: Spec, options: dict[str, Any]) -> nn.Module:
        """The generator itself: series have no options of sampling."""
        return net

    def show(self, x: Tensor | np.ndarray, columns: int | None = None, labels: Any = None) -> Image.Image:
        """Not supported: the evaluator draws series beside real ones."""
        raise UsageError("Series are drawn by their evaluator; save samples as .csv to look at them.")

    def decode(self, samples: Any) -> list[Any]:
        """One data frame per series, or without pandas one dict of columns."""
        tables = list(tables_of(samples))
        try:
            import pandas
        except ImportError:
            return tables
        whole = {name: int(name) for name in samples.spec.facts.get("numbered", ())}
        return [pandas.DataFrame(table).rename(columns=whole) for table in tables]

    def encode(self, samples: Any, suffix: str, mark: bool) -> bytes:
        """All series in one table: series, step, elapsed_seconds if the step is known, label, attributes, and the
        columns in the order of the data.

        The note of provenance lies beside a .csv, and in the metadata of a .parquet file.
        """
        if suffix == ".parquet":
            tables = list(tables_of(samples))
            together = {name: np.concatenate([t[name] for t in tables]) for name in tables[0]}
            return parquet_bytes(arrow()[0].table(together), json.dumps(samples.note(), default=str) if mark else "")
        return csv_text(_rows(samples), digits=12).encode()


def tables_of(samples: Any) -> Iterator[dict[str, Any]]:
    """One dict of columns per sample: names as in the data, integers where the data has integers."""
    spec: Spec = samples.spec
    layout = SeriesLayout.from_facts(spec.facts)
    for low in range(0, len(samples), CHUNK):
        part = slice(low, low + CHUNK)
        values, codes, attributes, lengths = decode(layout, samples.data[part])
        labels = None if samples.labels is None else samples.labels[part]
        for k, n in enumerate(lengths.tolist()):
            name = int(samples.indices[low + k]) if len(samples.indices) > low + k else low + k
            table: dict[str, Any] = {"series": np.full(n, name), "step": np.arange(n)}
            if layout.clock.get("step"):
                table["elapsed_seconds"] = np.arange(n) * layout.clock["step"]
            if labels is not None:
                table[layout.label or "label"] = _whole([spec.classes[labels[k]]] * n)
            for key, held in attributes.items():
                table[key] = _whole([_text(held[k])] * n)
            table |= _columns(layout, values[k, :n], codes[k, :n])
            yield table


def _columns(layout: SeriesLayout, values: np.ndarray, codes: np.ndarray) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for i, column in enumerate(layout.numbers):
        found[column.name] = values[:, i].astype(np.int64) if column.integer else values[:, i]
    for j, column in enumerate(layout.categories):
        found[column.name] = np.array(column.values, object)[codes[:, j]]
    for name, value in layout.constants.items():
        whole = isinstance(value, float) and value.is_integer()
        found[name] = np.full(
            len(values), int(value) if whole else value, None if not isinstance(value, str) else object
        )
    found |= {name: found[twin] for name, twin in layout.same.items() if twin in found}
    order = [n for n in layout.order if n in found]
    return {n: found[n] for n in [*order, *(n for n in found if n not in order)]}


def _text(value: Any) -> str:
    if isinstance(value, float | np.floating):
        return str(int(value)) if float(value).is_integer() else f"{float(value):.9g}"
    return str(value)


def _whole(texts: list[str]) -> np.ndarray:
    """Texts as integers if all are integers."""
    try:
        return np.array([int(t) for t in texts])
    except ValueError:
        return np.array(texts, object)


def _rows(samples: Any) -> Iterator[Iterable[Any]]:
    """The names of the columns, then the rows of every series."""
    for k, table in enumerate(tables_of(samples)):
        if not k:
            yield list(table)
        yield from zip(*table.values(), strict=True)
