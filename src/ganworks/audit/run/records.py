"""Attacks on records: singling out, linkage, and records that come back whole or in what identifies them.

As in Giomi et al. 2023 (Anonymeter, arXiv 2211.10459): an attack that uses generated records alone is tried on training
records, and in the same way on as many held-out ones, the control. What it gains over the control comes from the
training; what it reaches on the control, too, is knowledge about the population. Own implementation: predicates and
neighbours are found differently in detail.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ganworks.audit.run.roc import Z_SURE
from ganworks.core.console.text import counted
from ganworks.core.errors import UsageError, nearest
from ganworks.metrics.estimate import Estimate, wilson
from ganworks.metrics.neighbours import Index

GUESSES, TARGETS = 2000, 2000  # predicates that are tried; records that are to be linked
FIELDS = 4  # of a predicate
_FEWEST = 20


@dataclass(frozen=True)
class Gain:
    """The success of an attack on training records and on the control; risk: what it gains, over what it could gain.

    known: whether it gains more than chance does in 1 of 500 audits. least: the smallest gain of success that
    would have been known, at the control's success and with so many tries.
    """

    name: str
    meaning: str
    training: Estimate
    control: Estimate
    risk: Estimate
    known: bool
    least: float
    tries: int


def gain(name: str, meaning: str, training: np.ndarray, control: np.ndarray) -> Gain:
    """From successes bool [n] of tries on training records, and [m] on the control (equation 5 of the paper)."""
    a, b = (wilson(float(x.mean()), len(x)) for x in (training, control))
    room = max(1e-9, 1 - b.value)
    risk = (a.value - b.value) / room
    low = a.value - b.value - float(np.hypot(a.value - a.low, b.high - b.value))
    high = a.value - b.value + float(np.hypot(a.high - a.value, b.value - b.low))
    middle = (training.sum() + control.sum() + 1) / (len(training) + len(control) + 2)
    error = float(np.sqrt(middle * (1 - middle) * (1 / len(training) + 1 / len(control))))
    least = Z_SURE * error
    interval = Estimate(risk, low / room, high / room)
    return Gain(name, meaning, a, b, interval, bool(a.value - b.value > least and low > 0), least, len(training))


def all_attacks(
    train: Any, held: Any, made: Any, identifiers: Sequence[str] = (), seed: int = 0
) -> tuple[list[Gain], list[dict[str, Any]]]:
    """(attacks, rows about records that come back) of DataFrames of training, held-out and generated records.

    identifiers: the columns by which a record is known to others; (): all but the last. Empty with fewer than 20
    held-out records.
    """
    known = fields_of(train, identifiers)
    if min(len(train), len(held), len(made)) < _FEWEST:
        return [], []
    rng = np.random.default_rng(seed)
    same = min(len(train), len(held))
    some = train.iloc[rng.permutation(len(train))[:same]].reset_index(drop=True)
    control = held.iloc[rng.permutation(len(held))[:same]].reset_index(drop=True)
    attacks = [singling_out(some, control, made, rng)]
    if len(train.columns) > 1:
        attacks.append(linkage(some, control, made, rng))
    return attacks, [
        coming_back("all fields", list(train.columns), train, held, made),
        coming_back(", ".join(known), known, train, held, made),
    ]


def fields_of(frame: Any, identifiers: Sequence[str]) -> list[str]:
    """The columns of this name; by default all but the last. Raises UsageError for an unknown one."""
    names = [str(n) for n in frame.columns]
    for name in identifiers:
        if name not in names:
            raise UsageError(f'identifiers: there is no column "{name}" to compare by. {nearest(name, names)}')
    return list(identifiers) or names[: max(1, len(names) - 1)]


# Singling out ---------------------------------------------------------------------------------------------------


def singling_out(train: Any, control: Any, made: Any, rng: np.random.Generator) -> Gain:
    """Predicates that exactly one generated record meets, tried on training records and on the control.

    A predicate takes up to 4 fields of a generated record: the same text, and a number on its side of the median at
    least as far out. It succeeds where exactly one record meets it. Generated records are as many as real ones, and
    different ones: of a record that is generated many times, no predicate would meet one alone.
    """
    names = list(made.columns)
    made = made.drop_duplicates()
    made = made.iloc[rng.permutation(len(made))[: len(train)]].reset_index(drop=True)
    middle = {n: float(made[n].median()) for n in names if made[n].dtype.kind == "f"}
    tables = [{n: t[n].to_numpy() for n in names} for t in (made, train, control)]
    hits: tuple[list[bool], list[bool]] = ([], [])
    for _ in range(20 * GUESSES):
        if len(hits[0]) >= GUESSES:
            break
        fields = rng.permutation(len(names))[: min(FIELDS, len(names))]
        row = int(rng.integers(len(made)))
        tests = [_test(names[k], tables[0][names[k]][row], middle) for k in fields]
        if _meet(tests, tables[0]) == 1:
            for found, table in zip(hits, tables[1:], strict=True):
                found.append(_meet(tests, table) == 1)
    if len(hits[0]) < _FEWEST:
        hits = ([False] * _FEWEST, [False] * _FEWEST)
    said = "Share of guesses, each from one generated record, that exactly one real record meets."
    return gain("singling out", said, np.array(hits[0]), np.array(hits[1]))


Test = tuple[str, Callable[[np.ndarray], np.ndarray]]


def _test(name: str, value: Any, middle: dict[str, float]) -> Test:
    if name not in middle:
        return name, lambda x: x == value
    if np.isnan(value):
        return name, np.isnan
    return (name, lambda x: x >= value) if value >= middle[name] else (name, lambda x: x <= value)


def _meet(tests: list[Test], table: dict[str, np.ndarray]) -> int:
    """How many records meet all tests."""
    good = np.ones(len(next(iter(table.values()))), bool)
    for name, test in tests:
        good &= test(table[name])
    return int(good.sum())


# Linkage --------------------------------------------------------------------------------------------------------


def linkage(train: Any, control: Any, made: Any, rng: np.random.Generator) -> Gain:
    """Whether two halves of a record's fields lead to the same generated record, by its nearest neighbour in each."""
    order = rng.permutation(len(train.columns))
    cut = len(order) // 2
    links = []
    for part in (order[:cut], order[cut:]):
        names = [train.columns[k] for k in part]
        spread = Spread(made[names])
        index = Index(spread(made[names]))
        links.append([index.nearest(spread(t[names].iloc[:TARGETS])).index[:, 0] for t in (train, control)])
    said = "Share of records of which two halves have the same generated record as their nearest one."
    return gain("linkage", said, *(a == b for a, b in zip(*links, strict=True)))


class Spread:
    """Records as points: numbers standardised and cut at 5, texts so that two different ones are 1 apart."""

    MOST = 100  # texts of a column with a place of their own

    def __init__(self, frame: Any):
        self.scale: dict[str, tuple[float, float]] = {}
        self.words: dict[str, dict[Any, int]] = {}
        for name in frame.columns:
            if frame[name].dtype.kind == "f":
                self.scale[name] = float(frame[name].mean()), float(frame[name].std()) or 1.0
            else:
                top = frame[name].value_counts().index[: self.MOST]
                self.words[name] = {value: k for k, value in enumerate(top)}

    def __call__(self, frame: Any) -> np.ndarray:
        """DataFrame -> float32 [n, D]."""
        parts = []
        for name in frame.columns:
            if name in self.scale:
                mean, spread = self.scale[name]
                x = (frame[name].to_numpy(np.float64) - mean) / (spread if np.isfinite(spread) else 1.0)
                parts.append(np.nan_to_num(np.clip(x, -5, 5), nan=-6)[:, None])
            else:
                places = self.words[name]
                code = frame[name].map(places).fillna(len(places)).to_numpy(np.int64)
                parts.append(np.eye(len(places) + 1)[code] * np.sqrt(0.5))
        return np.concatenate(parts, 1).astype(np.float32)


# Records that come back -----------------------------------------------------------------------------------------


def coming_back(what: str, names: list[str], train: Any, held: Any, made: Any) -> dict[str, Any]:
    """How many generated records, and how many held-out ones, equal a training record in these columns.

    alone: generated records that equal a training record which no other training record and no held-out one equals.
    """
    tables = [list(zip(*(t[n].map(_plain) for n in names), strict=True)) for t in (train, held, made)]
    times: dict[Any, int] = {}
    for row in tables[0]:
        times[row] = times.get(row, 0) + 1
    elsewhere = set(tables[1])
    alone = [row in times and times[row] == 1 and row not in elsewhere for row in tables[2]]
    shares = [wilson(float(np.mean([row in times for row in t])), len(t)) for t in (tables[2], tables[1])]
    said = f"{counted(round(shares[0].value * len(made)), 'generated record')} of {len(made):,}"
    return {
        "fields": what,
        "columns": len(names),
        "made": vars(shares[0]),
        "held": vars(shares[1]),
        "alone": int(sum(alone)),
        "of": len(made),
        "says": f"{said} ({shares[0].value:.2%}) equal a training record in {what}; of unseen real records "
        f"{shares[1].value:.2%} do.",
        "more": bool(shares[0].low > shares[1].high and shares[0].value > 2 * shares[1].value + 0.01),
    }


def _plain(value: Any) -> Any:
    return "" if isinstance(value, float) and math.isnan(value) else value
