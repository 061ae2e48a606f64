"""Relations between columns that bins of pairs hardly see: differences, sums, order, and what follows from what.

Two columns in ten bins each may look real while a part is heavier than its whole, or a station lies in another city.
All relations are found in training rows, and other rows are compared with them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations, permutations
from typing import Any

import numpy as np

from ganworks.kinds.tables.data import dependence
from ganworks.kinds.tables.data.proposals import CHANCE, broken, comparable
from ganworks.kinds.tables.metrics.measures import Coder, numbers
from ganworks.metrics.estimate import ks, wilson
from ganworks.metrics.scoring import Measurement
from ganworks.metrics.tasks import metric

ROWS, NUMBERS, FOLLOWING = 5000, 30, 40  # most rows; most columns of numbers, and of any kind, whose pairs are tried
USUAL = 0.99  # share of training rows in the usual range of a difference or sum
RARE = 0.1  # most training rows that break an order or a dependence
SLACK = 0.01  # share of broken rows that makes no difference
WORST = 20  # rows of the table of a report
MEANING = (
    "Mean likeness of the differences, sums, orders and dependences of pairs of columns; 1 is as in training rows."
)
WORSE = 0.2  # how far the likeness of a relation is below that of real rows, from which a report says so


@dataclass(frozen=True)
class Found:
    """likeness: 1 is as in training rows. share: rows that break the relation, 0 to 1."""

    likeness: float
    share: float


@dataclass(frozen=True)
class Blend:
    """a + sign * b, of standardised columns unless these are comparable.

    shift, scale: of both columns; known: sorted values of training rows; low, high: their usual range.
    """

    a: str
    b: str
    sign: int
    shift: tuple[float, float]
    scale: tuple[float, float]
    known: np.ndarray
    low: float
    high: float

    @property
    def title(self) -> str:
        """Such as "start - end"."""
        return f"{self.a} {'+' if self.sign > 0 else '-'} {self.b}"

    broken = f"outside of the range of {USUAL:.0%} of real rows"

    @staticmethod
    def of(a: str, b: str, sign: int, x: np.ndarray, y: np.ndarray) -> Blend:
        """The blend of two columns x, y [n] of training rows."""
        near = comparable(x, y)
        shift = (0.0, 0.0) if near else (float(np.nanmean(x)), float(np.nanmean(y)))
        scale = (1.0, 1.0) if near else (float(np.nanstd(x)) or 1.0, float(np.nanstd(y)) or 1.0)
        both = _blend(x, y, sign, shift, scale)
        low, high = np.quantile(both, [(1 - USUAL) / 2, (1 + USUAL) / 2])
        slack = 1e-9 * (abs(low) + abs(high))
        return Blend(a, b, sign, shift, scale, np.sort(both), float(low - slack), float(high + slack))

    def measure(self, table: Columns) -> Found:
        """Of the columns of other rows: the smaller of 1 - Kolmogorov-Smirnov, and of what is left by unusual rows."""
        both = _blend(table.numbers[self.a], table.numbers[self.b], self.sign, self.shift, self.scale)
        share = float(np.mean((both < self.low) | (both > self.high))) if len(both) else 0.0
        return Found(min(1 - ks(self.known, both), _kept(1 - USUAL, share, len(both))), share)


@dataclass(frozen=True)
class Order:
    """a <= b, which holds in most training rows; broken: the share in which it does not."""

    a: str
    b: str
    expected: float
    broken = "otherwise"

    @property
    def title(self) -> str:
        """Such as "part <= whole"."""
        return f"{self.a} <= {self.b}"

    def measure(self, table: Columns) -> Found:
        """How often the order is broken in other rows."""
        x, y = table.numbers[self.a], table.numbers[self.b]
        there = np.isfinite(x) & np.isfinite(y)
        return _found(self.expected, x[there] > y[there])


@dataclass(frozen=True)
class Follows:
    """b follows from a in most training rows. usual: the code of b for each code of a."""

    a: str
    b: str
    expected: float
    usual: np.ndarray
    broken = "of another value"

    @property
    def title(self) -> str:
        """Such as "city follows from station"."""
        return f"{self.b} follows from {self.a}"

    def measure(self, table: Columns) -> Found:
        """How often b has another value in other rows whose a is known."""
        x, y = table.codes[self.a], table.codes[self.b]
        there = x >= 0
        return _found(self.expected, y[there] != self.usual[x[there]])


Relation = Blend | Order | Follows


@dataclass(frozen=True)
class Columns:
    """numbers: name -> float64 [n]. codes: name -> int64 [n], the place of the value in `Relations.values`, or -1."""

    numbers: dict[str, np.ndarray]
    codes: dict[str, np.ndarray]


class Relations:
    """The relations of a real table. coder: of its columns; train: training rows in random order."""

    def __init__(self, coder: Coder, train: Any):
        import pandas as pd

        self.columns = coder.columns[:FOLLOWING]
        first = train.iloc[:ROWS]
        self.values = {c["name"]: pd.Index(pd.unique(_cells(c, first).dropna())) for c in self.columns}
        table = self.table(first)
        self.all: list[Relation] = [*_blends(table), *_orders(table), *_following(table)]

    def table(self, frame: Any) -> Columns:
        """The columns of the first rows of a table."""
        some = frame.iloc[:ROWS]
        counted = [c for c in self.columns if c["kind"] != "category"][:NUMBERS]
        codes = {c["name"]: self.values[c["name"]].get_indexer(_cells(c, some)) for c in self.columns}
        return Columns({c["name"]: numbers(c, some) for c in counted}, codes)

    def measure(self, frame: Any) -> list[Found]:
        """What other rows make of each relation."""
        table = self.table(frame)
        return [relation.measure(table) for relation in self.all]

    def pairs(self, found: list[Found]) -> list[float]:
        """The likeness of each pair of columns: that of its least like relation."""
        least: dict[tuple[str, str], float] = {}
        for relation, measured in zip(self.all, found, strict=True):
            pair = (min(relation.a, relation.b), max(relation.a, relation.b))
            least[pair] = min(least.get(pair, 1.0), measured.likeness)
        return list(least.values())

    def worst(self, made: list[Found], real: list[Found]) -> list[tuple[Relation, Found, Found]]:
        """(relation, of generated rows, of real ones), the furthest below real rows first."""
        rows = zip(self.all, made, real, strict=True)
        return sorted(rows, key=lambda row: row[1].likeness - row[2].likeness)

    def judge(self, made: Any, held: Any, rivals: Mapping[str, Any]) -> Judged:
        """What equally many generated rows, held-out ones and those of rivals (name -> table) make of the relations."""
        if not self.all:
            return Judged({}, {}, [], [])
        count = len(held)
        real, found = self.measure(held), self.measure(made.iloc[:count])
        values = {name: float(np.mean(self.pairs(self.measure(rows.iloc[:count])))) for name, rows in rivals.items()}
        worst = self.worst(found, real)
        rows = [
            [r.title, round(a.likeness, 3), round(b.likeness, 3), f"{a.share:.1%}", f"{b.share:.1%}", r.broken]
            for r, a, b in worst[:WORST]
        ]
        head = ["relation", "likeness", "of real rows", "rows that break it", "real rows that do", "broken is"]
        table = {"title": "Relations between columns, the worst first", "columns": head, "rows": rows}
        relation, one, other = worst[0]
        said = (
            f"The worst pair of columns is {relation.title}: {one.share:.1%} of generated rows are {relation.broken}, "
            f"and {other.share:.1%} of real ones (likeness {one.likeness:.2f}, of real rows {other.likeness:.2f})."
        )
        warnings = [said] if one.likeness < other.likeness - WORSE else []
        floor = float(np.mean(self.pairs(real)))
        value = metric(self.pairs(found), floor, better="higher", meaning=MEANING)
        return Judged({"relations": value}, {**values, "real data": floor}, [table], warnings)


@dataclass(frozen=True)
class Judged:
    """metrics: "relations", if there are any. values: of rivals and real data. tables, warnings: for the report."""

    metrics: dict[str, Measurement]
    values: dict[str, float]
    tables: list[dict[str, Any]]
    warnings: list[str]


def _cells(column: dict[str, Any], frame: Any) -> Any:
    """A column as values that can be told apart: numbers as numbers, everything else as text; missing ones are NaN."""
    import pandas as pd

    if column["kind"] != "category":
        return pd.Series(numbers(column, frame))
    cells = frame[column["name"]].astype(object).reset_index(drop=True)
    return cells.map(str).where(cells.notna())


def _blend(
    x: np.ndarray, y: np.ndarray, sign: int, shift: tuple[float, float], scale: tuple[float, float]
) -> np.ndarray:
    both = (x - shift[0]) / scale[0] + sign * (y - shift[1]) / scale[1]
    return both[np.isfinite(both)]


def _found(expected: float, wrong: np.ndarray) -> Found:
    """What rows make of a relation that an expected share breaks. wrong: bool [rows], whether each breaks it."""
    share = float(wrong.mean()) if len(wrong) else 0.0
    return Found(_kept(expected, share, len(wrong)), share)


def _kept(expected: float, share: float, count: int) -> float:
    """1 if no more of `count` rows break a relation than expected, beyond chance; less the more do."""
    sure = wilson(share, count).low if count else 0.0
    return min(1.0, (expected + SLACK) / (sure + SLACK))


def _blends(table: Columns) -> Iterable[Relation]:
    for (a, x), (b, y) in combinations(table.numbers.items(), 2):
        if np.isfinite(x + y).sum() >= 20:
            yield from (Blend.of(a, b, sign, x, y) for sign in (-1, 1))


def _orders(table: Columns) -> Iterable[Relation]:
    """Orders that hold in most rows, and would not if the columns had nothing to do with each other."""
    for (a, x), (b, y) in permutations(table.numbers.items(), 2):
        there = np.isfinite(x) & np.isfinite(y)
        if there.sum() < 20 or not comparable(x, y):
            continue
        now, alone = broken(x[there], y[there])
        if now <= RARE and alone > 2 * now + CHANCE:
            yield Order(a, b, now)


def _following(table: Columns) -> Iterable[Relation]:
    """Columns that most often have one value for each value of another, and many values without it."""
    for (a, x), (b, y) in permutations(table.codes.items(), 2):
        there = (x >= 0) & (y >= 0)
        if there.sum() < 20 or not 2 <= len(np.unique(x[there])) <= there.sum() / 2:
            continue
        alone = np.bincount(y[there]).max() / there.sum()
        usual = dependence.usual(x, y, int(x.max()) + 1)
        kept = float((usual[x[there]] == y[there]).mean())
        if 1 - kept <= RARE and kept > alone + 0.1 and 1 - kept < (1 - alone) / 2:
            yield Follows(a, b, 1 - kept, usual)
