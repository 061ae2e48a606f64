"""Conditions on rows: those requested for samples (`where`), and rules that every row must meet (`rules`).

A condition compares a column with a value: income='>50K', age >= 30, city in ('Rome', 'Paris'), date is missing;
several are joined by `and`. A rule is a condition, a comparison of two columns (start <= end), a sum (a + b = 100,
net + tax = gross) or a dependence (city follows station); several are separated by `;`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ganworks.core.errors import UsageError, nearest
from ganworks.files.tables.dates import DateForm, moments
from ganworks.files.tables.numbers import NumberForm
from ganworks.kinds.tables.data import columns as table_columns
from ganworks.kinds.tables.data import dependence
from ganworks.kinds.tables.data.layout import TableLayout
from ganworks.kinds.tables.data.reading import pandas

COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "<=": np.less_equal,
    ">=": np.greater_equal,
    "<": np.less,
    ">": np.greater,
    "=": np.equal,
    "!=": np.not_equal,
}
QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|`[^`]*`")
CONDITION = re.compile(r"^(.+?)\s*(==|!=|<=|>=|=|<|>|\bnot\s+in\b|\bin\b|\bis\s+not\b|\bis\b)\s*(.+)$", re.DOTALL)
LONGEST = 10_000
SLACK = 1e-6  # relative tolerance of a sum


@dataclass(frozen=True)
class Condition:
    """column: its index. how: "<", "=", "in", "missing", ... value: a number, or text without outer blanks."""

    column: int
    how: str
    value: Any


@dataclass(frozen=True)
class ColumnOrder:
    """A comparison (`how`) of the number columns `left` and `right`."""

    left: int
    how: str
    right: int


@dataclass(frozen=True)
class Rules:
    """What `rules` ask for. sums: column -> its terms. follows: column -> the one from which its value follows."""

    asked: list[Condition]
    orders: list[ColumnOrder]
    sums: dict[int, dict[str, Any]]
    follows: dict[int, int]


def conditions(text: str, columns: Sequence[dict[str, Any]]) -> list[Condition]:
    """The conditions of `where`; raises UsageError for one that cannot be parsed or names no column or value."""
    if len(text) > LONGEST:
        raise UsageError(f"where has {len(text)} characters; at most {LONGEST}.")
    return [_condition(part, columns) for part in _parts(text, r"\s+and\s+|\s*&&?\s*")]


def _parts(text: str, separator: str) -> list[str]:
    """Text split at separators outside of quotes."""
    kept: list[str] = []
    hidden = QUOTED.sub(lambda m: kept.append(m[0]) or f"\0{len(kept) - 1}\0", text)
    parts = [p for p in re.split(separator, hidden, flags=re.IGNORECASE) if p.strip()]
    return [re.sub(r"\0(\d+)\0", lambda m: kept[int(m[1])], p).strip() for p in parts]


def _condition(text: str, columns: Sequence[dict[str, Any]]) -> Condition:
    kept: list[str] = []
    hidden = QUOTED.sub(lambda m: kept.append(m[0]) or f"\0{len(kept) - 1}\0", text)
    match = CONDITION.match(hidden.strip())
    if not match:
        raise UsageError(f"where cannot be read at {text!r}. Say for example where=\"income='>50K' and age>=30\".")
    name, how, value = (re.sub(r"\0(\d+)\0", lambda m: kept[int(m[1])], part).strip() for part in match.groups())
    how = re.sub(r"\s+", " ", how.lower()).replace("==", "=")
    place = find(_bare(name), columns)
    if how in ("is", "is not"):
        if value.lower() not in ("missing", "null", "none", "na"):
            raise UsageError(f'where: after "{how}" comes "missing", not {value!r}.')
        return Condition(place, "missing" if how == "is" else "present", None)
    if how in ("in", "not in"):
        return Condition(
            place, how, [_value(columns[place], _bare(v)) for v in _parts(value.strip("()[]"), r"\s*,\s*")]
        )
    return Condition(place, how, _value(columns[place], _bare(value), how))


def _bare(text: str) -> str:
    text = text.strip()
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"`" else text


def find(name: str, columns: Sequence[dict[str, Any]]) -> int:
    """The index of the column of this name; blanks and case are ignored if need be. Raises UsageError that names the
    nearest one.
    """
    names = [str(c["name"]) for c in columns]
    for look in (str, str.strip, lambda n: n.strip().lower()):
        found = [k for k, n in enumerate(names) if look(n) == look(name)]
        if len(found) == 1:
            return found[0]
    raise UsageError(f'There is no column "{name}". {nearest(name, names)}')


def _value(column: dict[str, Any], text: str, how: str = "=") -> Any:
    """The value as stored in the column: a number, seconds of a date, or one of its texts without outer blanks. Raises
    UsageError.
    """
    name, kind = column["name"], column["kind"]
    if column.get("of", kind) == "number":
        forms = [NumberForm(**column["form"]), NumberForm()] if "form" in column else [NumberForm()]
        found = next((v for form in forms if np.isfinite(v := form.read(text))), None)
        if found is None:
            raise UsageError(f'where: "{name}" holds numbers, {text!r} is none.')
        return found
    if column.get("of", kind) == "date":
        return _moment(column, text)
    if kind != "category":
        raise UsageError(f'where: "{name}" is {"an id" if kind == "id" else "constant"}; it cannot be asked for.')
    if how not in ("=", "!=", "in", "not in"):
        raise UsageError(f'where: "{name}" holds words; ask with = or !=, not {how}.')
    known = [str(v).strip() for v in column["values"]] + [table_columns.OTHER] * column["other"]
    if text.strip() not in known:
        close = nearest(text.strip(), known[:1000])
        raise UsageError(f'where: no row of "{name}" that was trained on is {text.strip()!r}. {close}')
    return text.strip()


def _moment(column: dict[str, Any], text: str) -> float:
    """The seconds of a date that is written as in the column, or in a form of one meaning; without an offset it counts
    in the time zone of the column. Raises UsageError.
    """
    own = DateForm.of(column) if "format" in column else None
    low, high = _written(column, [column["low"], column["high"]])
    found = moments(text, own)
    if not found:
        raise UsageError(f'where: "{column["name"]}" holds dates, {text!r} is none; say for example {low}.')
    if len(found) > 1:
        forms = " or ".join(form.spoken for _, form in found[:2])
        raise UsageError(
            f'where: {text!r} may be {forms}. Write it as in "{column["name"]}" ({low} to {high}) or as year-month-day.'
        )
    seconds, form = found[0]
    zone = column["dtype"].partition(", ")[2].rstrip("]")
    if zone and "%z" not in form.format:
        return float(pandas().Timestamp(seconds, unit="s").tz_localize(zone, ambiguous=True).timestamp())
    return seconds - 60 * own.offset if own and "%z" in own.format and "%z" not in form.format else seconds


# Codes that can meet a condition ---------------------------------------------------------------------


def allowed(asked: Sequence[Condition], columns: Sequence[dict[str, Any]]) -> dict[int, np.ndarray]:
    """Column -> which of its combined codes can meet all its conditions, bool [codes]; computed columns are left out.

    A cell of numbers can if any number in it does. Raises UsageError if no code of a column can.
    """
    found: dict[int, np.ndarray] = {}
    for condition in asked:
        column = columns[condition.column]
        if column["kind"] == "sum":
            continue
        may = _may(column, condition)
        found[condition.column] = found.get(condition.column, np.ones_like(may)) & may
    for k, may in found.items():
        if not may.any():
            raise UsageError(f'where: nothing in "{columns[k]["name"]}" can keep these conditions; {_has(columns[k])}.')
    return found


def _has(column: dict[str, Any]) -> str:
    if column["kind"] == "category":
        return f"it holds {', '.join(repr(v) for v in column['values'][:8])} ..."
    low, high = _written(column, [column["low"], column["high"]])
    return f"it goes from {low} to {high}"


def _written(column: dict[str, Any], numbers: list[float]) -> list[str]:
    """Numbers or moments as the column holds them."""
    if column.get("of", column["kind"]) == "date" or "form" in column:
        column = {**column, "kind": column.get("of", column["kind"])}
        return [str(v) for v in table_columns.from_numbers(column, np.array(numbers))]
    return [f"{v:.12g}" for v in numbers]


def _may(column: dict[str, Any], condition: Condition) -> np.ndarray:
    total = int(np.prod(column["sizes"]))
    if column["kind"] == "category":
        names = [str(v).strip() for v in column["values"]] + [table_columns.OTHER] * column["other"]
        may = np.zeros(total, bool)
        values = condition.value if isinstance(condition.value, list) else [condition.value]
        hit = np.array([n in values for n in names])
        may[: len(names)] = {"missing": False, "present": True}.get(
            condition.how, ~hit if condition.how in ("!=", "not in") else hit
        )
        if column["missing"] and condition.how == "missing":
            may[len(names)] = True
        return may
    fine = column["sizes"][1] if len(column["sizes"]) > 1 else 1
    may = np.zeros(total, bool)
    if condition.how == "missing":
        if column["missing"]:
            may[(column["sizes"][0] - 1) * fine] = True
        return may
    atoms = np.array(column["atoms"])
    may[: len(atoms) * fine : fine] = compare(atoms, condition)
    if "edges" in column:
        edges = np.array(column["edges"])
        cells = len(edges) - 1
        may[len(atoms) * fine : len(atoms) * fine + cells] = _touches(edges[:-1], edges[1:], condition)
    elif "means" in column:
        may[: len(column["means"])] = True
    return may


def _touches(low: np.ndarray, high: np.ndarray, condition: Condition) -> np.ndarray:
    """Whether any number from low to high can meet a condition."""
    if condition.how in ("=", "in"):
        values = np.atleast_1d(condition.value)
        return np.asarray(((low[:, None] <= values) & (values <= high[:, None])).any(1))
    if condition.how in ("<", "<="):
        return low <= condition.value
    if condition.how in (">", ">="):
        return high >= condition.value
    return np.ones(len(low), bool)


def compare(x: np.ndarray, condition: Condition) -> np.ndarray:
    """Which numbers x [n] (NaN if missing) meet a condition; a missing value meets only "missing"."""
    if condition.how == "missing":
        return np.isnan(x)
    if condition.how == "present":
        return ~np.isnan(x)
    if condition.how in ("in", "not in"):
        hit = np.isin(x, condition.value)
        return ~np.isnan(x) & (~hit if condition.how == "not in" else hit)
    return ~np.isnan(x) & COMPARE[condition.how](x, condition.value)


class RowFilter:
    """Which rows [n, D] meet conditions and orders as `to_frame` would write them; computed sums must stay in their
    range.
    """

    def __init__(self, columns: list[dict[str, Any]], asked: Sequence[Condition], orders: Sequence[ColumnOrder] = ()):
        self.columns, self.layout = columns, TableLayout.of_columns(columns)
        self.asked, self.orders = list(asked), list(orders)
        self.codes = allowed(asked, columns)
        self.sums = [k for k, c in enumerate(columns) if c["kind"] == "sum"]
        self.follows = [k for k, c in enumerate(columns) if "follows" in c]

    def __bool__(self) -> bool:
        return bool(self.asked or self.orders or self.sums or self.follows)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        codes, positions = self.layout.read(x)

        def numbers(k: int) -> np.ndarray:
            column = self.columns[k]
            if column["kind"] == "sum":
                return table_columns.total(column, lambda name: numbers(find(name, self.columns)))
            return table_columns.numbers_of(column, *self.layout.column(k, codes, positions))

        def code_of(k: int) -> np.ndarray:
            return table_columns.combined(self.columns[k], codes[:, self.layout.blocks(k)])

        good = np.ones(len(x), bool)
        for k in self.follows:
            good &= dependence.kept(self.columns, k, code_of)
        for condition in self.asked:
            column = self.columns[condition.column]
            if column["kind"] == "category":
                code = code_of(condition.column)
                names = len(column["values"]) + column["other"] + column["missing"]
                good &= self.codes[condition.column][code % names]
            else:
                good &= compare(numbers(condition.column), condition)
        for order in self.orders:
            good &= ordered(numbers(order.left), order.how, numbers(order.right))
        for k in self.sums:
            value, column = numbers(k), self.columns[k]
            slack = SLACK * max(1.0, abs(column["high"]))
            good &= np.isnan(value) | ((value >= column["low"] - slack) & (value <= column["high"] + slack))
        return good


def ordered(left: np.ndarray, how: str, right: np.ndarray) -> np.ndarray:
    """Whether the comparison holds for left and right; it holds if either is missing."""
    return np.isnan(left) | np.isnan(right) | COMPARE[how](left, right)


# Rules ----------------------------------------------------------------------------------------------


def rules(text: str, columns: list[dict[str, Any]]) -> Rules:
    """What `rules` ask for; raises UsageError if it cannot be parsed."""
    asked, orders, sums, follows = [], [], {}, {}
    for part in _parts(text, r"\s*;\s*"):
        match = re.match(r"^(.+?)(<=|>=|==|=|<|>)(.+)$", part)
        sides = [match[1], match[3]] if match else []
        depends = None if match else re.match(r"^(.+?)\s+follows(?:\s+from)?\s+(.+)$", part)
        if depends:
            follows[_exact(depends[1], columns)] = _exact(depends[2], columns)
        elif match and match[2] in ("=", "==") and re.search(r"\s\+\s|\w\+\w", sides[0]):
            k, terms = _sum(sides[0], sides[1], columns)
            sums[k] = terms
        elif match and match[2] in ("<", "<=", ">", ">=") and _is_column(sides[1], columns):
            orders.append(ColumnOrder(_numeric(sides[0], columns), match[2], _numeric(sides[1], columns)))
        else:
            asked.append(_condition(part, columns))
    return Rules(asked, orders, sums, follows)


def _exact(text: str, columns: list[dict[str, Any]]) -> int:
    k = find(_bare(text), columns)
    if not dependence.exact(columns[k]):
        raise UsageError(
            f'rules: only columns of few values follow from each other, and "{columns[k]["name"]}" has many.'
        )
    return k


def _is_column(text: str, columns: list[dict[str, Any]]) -> bool:
    return _bare(text).lower() in {str(c["name"]).strip().lower() for c in columns}


def _numeric(text: str, columns: list[dict[str, Any]]) -> int:
    k = find(_bare(text), columns)
    if columns[k]["kind"] not in ("number", "date", "sum"):
        raise UsageError(f'rules: "{columns[k]["name"]}" holds no numbers.')
    return k


def _sum(left: str, right: str, columns: list[dict[str, Any]]) -> tuple[int, dict[str, Any]]:
    """(column that is computed, its terms): a constant minus the other terms, or their sum."""
    terms = [_numeric(term, columns) for term in _parts(left, r"\s*\+\s*")]
    try:
        constant, made, others, sign = float(_bare(right)), terms[-1], terms[:-1], -1.0
    except ValueError:
        constant, made, others, sign = 0.0, _numeric(right, columns), terms, 1.0
    return made, {"constant": constant, "sign": sign, "terms": [columns[k]["name"] for k in others]}
