"""Rules that all rows of a table keep, found in it and proposed to its reader: `part <= whole`, `net + tax = gross`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from itertools import combinations, permutations
from typing import Any

import numpy as np

from ganworks.core.errors import UsageError
from ganworks.kinds.tables.data import columns as table_columns
from ganworks.kinds.tables.data import dependence
from ganworks.kinds.tables.data import rules as table_rules

FIRST, COLUMNS, MOST = 500, 30, 6  # rows that are looked at first; most columns of numbers; most proposals
FEWEST = 50  # rows in which both columns are known, from which a rule is proposed
CHANCE = 0.05  # share of rows that would break an order if the columns had nothing to do with each other
PLAIN = re.compile(r"[A-Za-z_][\w .-]*")  # names that rules read without quotes


def proposals(frame: Any, columns: list[dict[str, Any]]) -> list[str]:
    """Rules, as `domain.rules` reads them, that every row of the table keeps, and that say something."""
    counted = [c for c in columns if c["kind"] in ("number", "date") and c["sizes"] and PLAIN.fullmatch(c["name"])]
    few = {c["name"]: table_columns.as_numbers(c, frame[c["name"]].iloc[:FIRST]) for c in counted[:COLUMNS]}
    by_name = {c["name"]: c for c in counted}

    @cache
    def whole(name: str) -> np.ndarray:
        return table_columns.as_numbers(by_name[name], frame[name])

    twice = {b for a, b in combinations(few, 2) if _same(few[a], few[b]) and _same(whole(a), whole(b))}
    few = {name: x for name, x in few.items() if name not in twice}
    numbers = [name for name in few if by_name[name]["kind"] == "number"]
    sums = list(_sums({name: few[name] for name in numbers}, whole))
    inside = [{*terms, total} for terms, total in sums]
    orders = [pair for pair in _orders(few, whole, by_name) if not any(set(pair) <= names for names in inside)]
    found = [f"{a} + {b} = {total}" for (a, b), total in sums] + [f"{a} <= {b}" for a, b in _shortest(orders)]
    found += [f"{name} follows {of}" for name, of in _following(frame, columns)]
    return [rule for rule in found if _readable(rule, columns)][:MOST]


def comparable(x: np.ndarray, y: np.ndarray) -> bool:
    """Whether two columns are of one size, so that their difference and order mean something: the middle 90 % of their
    values overlap, by a tenth of the narrower one or more.
    """
    (a, b), (c, d) = (np.nanquantile(v, [0.05, 0.95]) if np.isfinite(v).any() else (0.0, 0.0) for v in (x, y))
    narrow, wide = sorted((b - a, d - c))
    return bool(narrow > 0.02 * wide and min(b, d) - max(a, c) >= 0.1 * narrow > 0)


def broken(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """The shares of rows in which x <= y does not hold: as they are, and were the columns independent (y moved on)."""
    return float((x > y).mean()), float((x > np.roll(y, 1)).mean())


def _same(x: np.ndarray, y: np.ndarray) -> bool:
    return bool(np.array_equal(x, y, equal_nan=True))


def _known(*parts: np.ndarray) -> list[np.ndarray]:
    """The rows of columns [n] in which none is missing."""
    there = np.isfinite(np.stack(parts)).all(0)
    return [part[there] for part in parts]


def _orders(
    few: dict[str, np.ndarray], whole: Callable[[str], np.ndarray], by_name: dict[str, dict[str, Any]]
) -> Iterator[tuple[str, str]]:
    for a, b in permutations(few, 2):
        x, y = _known(few[a], few[b])
        if by_name[a]["kind"] != by_name[b]["kind"] or len(x) < FEWEST or (x > y).any() or not comparable(x, y):
            continue
        x, y = _known(whole(a), whole(b))
        now, alone = broken(x, y)
        if not now and alone > CHANCE:
            yield a, b


def _shortest(orders: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Orders without those that follow from two others."""
    known = set(orders)
    return [(a, b) for a, b in orders if not any((a, c) in known and (c, b) in known for _, c in orders)]


def _sums(few: dict[str, np.ndarray], whole: Callable[[str], np.ndarray]) -> Iterator[tuple[tuple[str, str], str]]:
    """(two columns, the column or number that they add up to), a column at most once as the total."""
    names = [name for name, x in few.items() if np.nanstd(x) > 0 and (np.nan_to_num(x) != 0).mean() > CHANCE]
    taken: set[str] = set()
    for a, b in combinations(names, 2):
        for total in [None, *(name for name in names if name not in (a, b))]:
            if total in taken or (total is None and b in taken) or {a, b} & taken:
                continue
            if _adds_up(few[a], few[b], None if total is None else few[total]) and _adds_up(
                whole(a), whole(b), None if total is None else whole(total)
            ):
                taken.add(b if total is None else total)
                yield (a, b), f"{float(np.nanmedian(whole(a) + whole(b))):.12g}" if total is None else total


def _adds_up(x: np.ndarray, y: np.ndarray, total: np.ndarray | None) -> bool:
    """Whether x + y is the total in all rows, or always the same number."""
    x, y, *rest = _known(x, y, *([] if total is None else [total]))
    if len(x) < FEWEST:
        return False
    made = x + y
    aim = rest[0] if rest else np.full(len(made), np.median(made))
    return bool(np.abs(made - aim).max() <= table_rules.SLACK * np.abs(made).max())


def _readable(rule: str, columns: list[dict[str, Any]]) -> bool:
    try:
        found = table_rules.rules(rule, columns)
    except UsageError:
        return False
    return bool(found.orders or found.sums or found.follows)


def _following(frame: Any, columns: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """(a column, the one from which it follows in all rows), each column once, and not back again."""
    few = [c for c in columns if dependence.exact(c) and PLAIN.fullmatch(c["name"])][:COLUMNS]
    codes = {c["name"]: dependence.codes_of(c, frame[c["name"]]) for c in few}
    found: dict[str, str] = {}
    for of, name in permutations(codes, 2):
        x, y = codes[of], codes[name]
        if name not in found and found.get(of) != name and _follows(x[:FIRST], y[:FIRST]) and _follows(x, y, sure=True):
            found[name] = of
    return list(found.items())


def _follows(x: np.ndarray, y: np.ndarray, sure: bool = False) -> bool:
    """Whether y follows from x in all rows. sure: and clearly not by chance: groups of x repeat, and y varies."""
    there = (x >= 0) & (y >= 0)
    x, y = x[there], y[there]
    if not len(x) or (dependence.usual(x, y, int(x.max()) + 1)[x] != y).any():
        return False
    alone = np.bincount(y).max() / len(y)
    return not sure or (len(x) >= FEWEST and 2 <= len(np.unique(x)) <= len(x) / 2 and alone < 1 - 2 * CHANCE)
