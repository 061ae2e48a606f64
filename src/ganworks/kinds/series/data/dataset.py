"""The data set of series: whole series or windows of longer ones, a split without leakage, encoding as vectors.

Windows of one series overlap, so a random split would put the same values on both sides. Instead, whole stretches of
time are held out, and windows that overlap both sides are dropped. Whole series are split by content.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, Protocol

import numpy as np
import torch
from torch import Tensor

from ganworks.core.console.text import counted
from ganworks.core.errors import UsageError
from ganworks.core.spec import Draw, Spec
from ganworks.files.packing.packed import class_counts, present, split
from ganworks.files.tables.numbers import decimal_places
from ganworks.kinds.series.data.clock import calendar
from ganworks.kinds.series.data.code import encode
from ganworks.kinds.series.data.columns import ColumnSettings, FoundSeries, find_columns, label_of
from ganworks.kinds.series.data.facts import attribute_columns, chain_facts, clock_face, taken
from ganworks.kinds.series.data.layout import (
    MAX_DIRECTIONS,
    MAX_LEVELS,
    MAX_SIZE,
    MAX_VALUES,
    Basis,
    SeriesColumn,
    SeriesLayout,
    measured,
    quantiles,
)
from ganworks.kinds.series.data.reading import read_series

WINDOW, LONG = 24, 1024  # default steps of a window; most steps of whole series
STRETCHES = 10  # most held-out stretches of a series
MAX_WINDOWS = 2_000_000
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


class CutSettings(ColumnSettings, Protocol):
    """The settings of `SeriesDomain` about columns and about how series become examples."""

    @property
    def length(self) -> int: ...
    @property
    def stride(self) -> int: ...
    @property
    def scale(self) -> Literal["series", "global"]: ...
    @property
    def calendar(self) -> str: ...
    @property
    def held_out(self) -> float: ...
    @property
    def header(self) -> str: ...


@dataclass(frozen=True)
class SeriesSlice:
    """One example: rows start to start + length of the series with index `series`."""

    series: int
    start: int
    length: int


class SeriesSet:
    """The data set on which series are trained, with the attributes of `ganworks.files.packing.packed.Packed`.

    layout: how an example is laid out as a vector. places: one `SeriesSlice` per example. train, held: indices of
    examples. labels: int64 [N] or None.
    """

    def __init__(self, found: FoundSeries, wish: CutSettings, source: str, kind: str):
        self.found, self.wish, self.notes = found, wish, found.notes
        self.source, self.kind = source, kind
        self.window = self._choose_length()
        self.places = self._cut()
        self.starts = np.array([(p.series, p.start, p.length) for p in self.places], np.int64)
        self.train, self.held = self._split()
        if not len(self.train):
            raise UsageError(f'"{source}": nothing is left to train on; give more series or a smaller held_out.')
        self.label = label_of(found, wish)
        classes, self.labels = self._classes()
        self.layout = self._layout(classes)
        if self.layout.size > MAX_SIZE:
            raise UsageError(
                f"{self.layout.steps} steps of {len(self.layout.columns)} columns need {self.layout.size:,} numbers; "
                f"{MAX_SIZE:,} is the most. Cut them into windows: domain.length=256, for example."
            )
        self.layout = replace(
            self.layout, basis=self._basis(), chain=chain_facts(self.layout, *self.values(self.train_some))
        )
        self.spec = Spec("series", (self.layout.size,), classes, -1.0, 1.0, "float32", facts=self.layout.to_facts())
        self.fingerprint = self._fingerprint()

    def __len__(self) -> int:
        return len(self.places)

    def _choose_length(self) -> int:
        """Steps of a window; 0 for whole series."""
        longest = max(len(x) for x in self.found.numbers)
        if self.wish.length == 1 or self.wish.length < 0:
            raise UsageError(f"length must be 2 or more steps (0: chosen), not {self.wish.length}.")
        if self.wish.length:
            if longest < self.wish.length:
                raise UsageError(f"length={self.wish.length}, but the longest series has {counted(longest, 'step')}.")
            return self.wish.length
        if len(self.found.numbers) == 1 or longest > LONG:
            return min(WINDOW, max(2, longest // 4))
        return 0

    def _cut(self) -> list[SeriesSlice]:
        lengths = [len(x) for x in self.found.numbers]
        if not self.window:
            return [SeriesSlice(k, 0, n) for k, n in enumerate(lengths)]
        stride = self.wish.stride
        if stride < 1:
            raise UsageError(f"stride must be 1 or more, not {stride}.")
        count = sum(max(0, (n - self.window) // stride + 1) for n in lengths)
        if count > MAX_WINDOWS:
            raise UsageError(f"{count:,} windows are more than {MAX_WINDOWS:,}; give a larger domain.stride.")
        short = sum(n < self.window for n in lengths)
        if short:
            self.notes.append(f"{short} series shorter than {self.window} steps left out")
        parts = [
            SeriesSlice(k, at, self.window)
            for k, n in enumerate(lengths)
            for at in range(0, n - self.window + 1, stride)
        ]
        pieces = "one series" if len(lengths) == 1 else f"{len(lengths)} series"
        self.notes.append(
            f"windows of {self.window} steps, one every {stride}, from {pieces} of {sum(lengths):,} steps: each "
            "sample will be a window by itself, not the continuation of another"
        )
        return parts

    def _split(self) -> tuple[np.ndarray, np.ndarray]:
        held_out = self.wish.held_out
        if not 0 <= held_out < 1:
            raise UsageError(f"held_out must lie in [0, 1), not {held_out}.")
        everything = np.arange(len(self.places))
        whole = Counter(int(s) for s in self.starts[:, 0])
        if not held_out or len(everything) < 2:
            return everything, everything[:0]
        if len(whole) >= 20:  # whole series, by content
            hashes = np.frombuffer(b"".join(self._digest(s) for s in whole), "<u8").reshape(-1, 2)
            held = np.array(list(whole))[split(hashes, held_out)[1]]
            apart = np.isin(self.starts[:, 0], held)
            self.notes.append(f"{counted(len(held), 'whole series is', 'whole series are')} held out")
            return everything[~apart], everything[apart]
        state = np.concatenate([self._stretches(s) for s in whole])
        lost = int((state < 0).sum())
        self.notes.append(
            f"stretches of time are held out ({counted(int((state == 1).sum()), 'window')}); "
            f"{counted(lost, 'window that overlaps', 'windows that overlap')} both "
            "sides are dropped"
        )
        return everything[state == 0], everything[state == 1]

    def _stretches(self, series: int) -> np.ndarray:
        """For each window of a series: 0 train, 1 held out, -1 neither."""
        mine = self.starts[self.starts[:, 0] == series]
        steps = len(self.found.numbers[series])
        size = int(mine[0, 2])
        wanted = round(self.wish.held_out * steps)
        if wanted < size:
            return np.zeros(len(mine), np.int64)
        count = max(1, min(STRETCHES, wanted // (4 * size)))
        each, state = wanted // count, np.zeros(len(mine), np.int64)
        for k in range(count):
            low = int((k + 0.5) * steps / count - each / 2)
            start, end = mine[:, 1], mine[:, 1] + mine[:, 2]
            inside, touches = (start >= low) & (end <= low + each), (start < low + each) & (end > low)
            state = np.where(inside, 1, np.where(touches, -1, state))
        return state

    def _digest(self, series: int) -> bytes:
        digest = hashlib.blake2b(self.found.numbers[series].tobytes(), digest_size=16)
        digest.update(self.found.categories[series].tobytes())
        return digest.digest()

    def _classes(self) -> tuple[tuple[str, ...], np.ndarray | None]:
        if not self.label:
            return (), None
        texts = self.found.attributes.pop(self.label)
        names = sorted(set(texts), key=lambda v: (not v.lstrip("-").isdecimal(), len(v) if v.isdecimal() else 0, v))
        if not 2 <= len(names) <= MAX_VALUES:
            raise UsageError(f"labels={self.label}: {len(names)} different values; 2 to {MAX_VALUES} can be classes.")
        codes = np.array([names.index(v) for v in texts], np.int64)
        labels, classes, empty = present(codes[self.starts[:, 0]], tuple(name or "missing" for name in names))
        self.notes += empty
        return classes, labels

    def _layout(self, classes: tuple[str, ...]) -> SeriesLayout:
        found, rows = self.found, self.starts[self.train]
        attributes, codes = attribute_columns(found, self.notes)
        attributes, self.codes = self._calendar(attributes, codes[self.starts[:, 0]])
        numbers = [self._number(i, name) for i, name in enumerate(found.names)]
        columns = numbers + [SeriesColumn(n, "category", v) for n, v in found.values.items()]
        lengths = rows[:, 2]
        middles, halves = self._ranges() if self.wish.scale == "series" and numbers else ((), ())
        known: tuple[float, ...] = ()
        if len(set(self.starts[:, 2].tolist())) > 1:
            dithered = lengths + np.random.default_rng(0).uniform(-0.5, 0.5, (20, len(lengths)))
            known = quantiles(np.maximum(dithered, 0.51))
        shares = ()
        if self.labels is not None:
            shares = tuple((np.bincount(self.labels[self.train], minlength=len(classes)) / len(rows)).tolist())
        return SeriesLayout(
            steps=int(self.starts[:, 2].max()),
            columns=tuple(columns),
            attributes=attributes,
            scale=self.wish.scale if numbers else "global",
            middles=middles,
            halves=halves,
            lengths=known,
            order=tuple(found.order),
            constants=found.constants,
            same=found.same,
            clock=self._clock_facts(),
            label=self.label,
            shares=shares,
            window=bool(self.window),
            numbered=tuple(found.numbered),
        )

    def _clock_facts(self) -> dict[str, Any]:
        """Facts of the time column; round: the attribute that advances by one value with each step."""
        clock = self.found.clock
        if clock is None:
            return {}
        name, count, _ = calendar(clock, self.found.dated)
        goes = bool(count) and self.wish.calendar != "off" and bool(self.window)
        return vars(clock) | ({"round": name} if goes else {})

    def _calendar(
        self, attributes: tuple[SeriesColumn, ...], codes: np.ndarray
    ) -> tuple[tuple[SeriesColumn, ...], np.ndarray]:
        """Add the time of the day or the day of the week at which a window begins to the attributes."""
        name, count, unit = calendar(self.found.clock, self.found.dated)
        if not count or self.wish.calendar == "off" or not self.window:
            return attributes, codes
        assert self.found.clock is not None
        stamps = np.array(self.found.begins)[self.starts[:, 0]] + self.starts[:, 1] * self.found.clock.step
        at = (np.floor(stamps / unit).astype(np.int64) + (3 if count == 7 else 0)) % count  # 1970 began on a Thursday
        names = DAYS if count == 7 else tuple(clock_face(k * unit) for k in range(count))
        shares = np.bincount(at[self.train], minlength=count) / len(self.train)
        self.notes.append(f"{name} at which a window begins is an attribute of it (calendar=off leaves it out)")
        column = SeriesColumn(name, "category", names, shares=tuple(shares.tolist()))
        return (*attributes, column), np.concatenate([codes, np.eye(count, dtype=np.float32)[at]], 1)

    def _basis(self) -> dict[str, Any]:
        """The whitened basis of the training examples, if series have one length and are short enough; else {}."""
        layout = self.layout
        if layout.variable or not layout.numbers or layout.directions > MAX_DIRECTIONS:
            return {}
        every = self.train[np.linspace(0, len(self.train) - 1, min(8000, len(self.train))).astype(int)]
        draw = Draw(0, len(every), slice(None))
        return Basis.fit(measured(layout, self.vectors(every, draw)))

    @cached_property
    def together(self) -> np.ndarray:
        """The number columns of all series, concatenated: float64 [rows, n]."""
        return np.concatenate(self.found.numbers)

    @cached_property
    def firsts(self) -> np.ndarray:
        """The row of `together` at which each series begins."""
        return np.concatenate([[0], np.cumsum([len(x) for x in self.found.numbers])])

    def _number(self, i: int, name: str) -> SeriesColumn:
        """The description of number column i, from training examples alone except for its rounding."""
        every = self.together[:, i]
        distinct = np.unique(every)
        few = len(distinct) <= min(MAX_LEVELS, len(every) / 4)
        integer = bool((distinct == np.round(distinct)).all()) and float(np.abs(distinct).max()) < 2**53
        grid = float(np.median(np.diff(distinct))) if few and len(distinct) > 1 else 0.0
        if integer and few:
            grid = float(np.gcd.reduce(np.diff(distinct).astype(np.int64)))
        decimals = next((d for d in range(7) if np.array_equal(np.round(every, d), every)), -1)
        finer = decimal_places(every) if decimals < 0 else None
        decimals = decimals if finer is None else finer
        levels = tuple(distinct.tolist()) if few and not integer else ()
        values, active = self.values(self.train_some)
        known = values[:, :, i][active]
        moves = np.diff(values[:, :, i], axis=1)[active[:, 1:]]
        std = float(known.std()) or 1.0
        return SeriesColumn(
            name, "number", (), integer, decimals, levels, grid, float(known.min()), float(known.max()),
            float(known.mean()), std, float(moves.std()) or std if len(moves) else std,
        )  # fmt: skip

    @cached_property
    def train_some(self) -> np.ndarray:
        """At most 20,000 training examples, evenly spaced."""
        return self.train[np.linspace(0, len(self.train) - 1, min(20_000, len(self.train))).astype(int)]

    def _ranges(self) -> tuple[tuple[tuple[float, ...], ...], tuple[tuple[float, ...], ...]]:
        low, high = self.extremes(self.train_some)
        middle, half = (high + low) / 2, (high - low) / 2
        return tuple(quantiles(c) for c in middle.T), tuple(quantiles(c) for c in half.T)

    def extremes(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(smallest, largest) value of each number column in these examples, [n, columns] each."""
        values, active = self.values(indices)
        low = np.where(active[:, :, None], values, np.inf).min(1)
        return low, np.where(active[:, :, None], values, -np.inf).max(1)

    def values(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(numbers [n, T, columns] float64, 0 after the end; bool [n, T], which steps exist) of these examples."""
        rows, active = self._rows(indices)
        return np.where(active[:, :, None], self.together[rows], 0.0), active

    def _rows(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        series, start, length = self.starts[indices].T
        steps = np.arange(int(self.starts[:, 2].max()))
        active = steps < length[:, None]
        return (self.firsts[series] + start)[:, None] + np.where(active, steps, 0), active

    @cached_property
    def _coded(self) -> np.ndarray:
        return np.concatenate(self.found.categories)

    def vectors(self, indices: np.ndarray, draw: Draw | None = None) -> Tensor:
        """Examples as vectors [n, size], see `SeriesLayout`.

        draw: spreads values on a coarse grid, and lengths, uniformly over one step of the grid, so that a discriminator
        does not learn the rounding, which `decode` restores (dequantisation, Theis et al. 2016, 1511.01844).
        """
        values, active = self.values(indices)
        steps = self.layout.steps
        length = torch.from_numpy(self.starts[indices, 2].astype(np.float64))
        x = torch.from_numpy(values)
        if draw is not None:
            grid = torch.tensor([c.grid for c in self.layout.numbers], dtype=torch.float64)
            if bool((grid > 0).any()):
                x = x + (draw.uniform(steps, len(grid)) - 0.5) * grid
            if self.layout.variable:
                length = (length + draw.uniform() - 0.5).clamp_min(0.51)
        return encode(self.layout, x, torch.from_numpy(active), length, self._static(indices), self._texts(indices))

    def _static(self, indices: np.ndarray) -> Tensor:
        return torch.from_numpy(self.codes[indices])

    def _texts(self, indices: np.ndarray) -> Tensor:
        rows, _ = self._rows(indices)
        parts = [np.eye(c.width, dtype=np.float32)[self._coded[rows][:, :, j]]
                 for j, c in enumerate(self.layout.categories)]  # fmt: skip
        return torch.from_numpy(np.concatenate(parts, 2) if parts else np.zeros((*rows.shape, 0), np.float32))

    def raw(self, indices: Any) -> np.ndarray:
        """Vectors [n, size] as arrays, without dequantisation."""
        return self.vectors(np.asarray(indices)).numpy()

    def _fingerprint(self) -> str:
        digest = hashlib.sha256(json.dumps([self.spec.to_dict(), list(self.spec.classes)], sort_keys=True).encode())
        for part in (self.together, self._coded, self.starts, self.codes, self.train, self.held):
            digest.update(np.ascontiguousarray(part).tobytes())
        if self.labels is not None:
            digest.update(self.labels.tobytes())
        return digest.hexdigest()

    @property
    def summary(self) -> dict[str, Any]:
        """Facts for run.json and `ganworks data`: what was found, how it was converted and split."""
        counts = class_counts(self.labels, self.spec.classes)
        lengths = self.starts[:, 2]
        steps = f"{lengths.min()} to {lengths.max()}" if self.layout.variable else f"{lengths.max()}"
        return {
            "source": self.source, "kind": self.kind, "bytes": self.together.nbytes, "count": len(self),
            "steps": steps, "columns": [c.name for c in self.layout.columns],
            "attributes": [c.name for c in self.layout.attributes], "label": self.label, "classes": counts,
            "taken": taken(self.layout),
            "train": len(self.train), "held": len(self.held), "notes": self.notes, "fingerprint": self.fingerprint,
        }  # fmt: skip


def open_series(data: Any, wish: CutSettings) -> SeriesSet:
    """Read series, find their columns and cut them into examples. Raises UsageError for data that cannot be used."""
    raw = read_series(data, wish.header)
    return SeriesSet(find_columns(raw, wish), wish, raw.source, raw.kind)
