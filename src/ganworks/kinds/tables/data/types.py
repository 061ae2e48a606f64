"""The type of each column of a table, found from its values: number, date, category, id or constant."""

from __future__ import annotations

import datetime
import decimal
import re
from typing import Any

import numpy as np

from ganworks.core.errors import UsageError
from ganworks.kinds.tables.data.reading import pandas

FORMATS = (
    "%Y-%m-%d",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%dT%H:%M:%SZ",
    "%Y/%m/%d",
    "%d.%m.%Y",
    "%m/%d/%Y",
    "%d/%m/%Y",
    "%Y%m%d",
)
NAMED_ID = re.compile(r"(^|[_\W])(id|uuid|guid|index|key|nr|number|no)$", re.IGNORECASE)
PADDED = re.compile(r"^\s*[+-]?0\d")
NUMBER = re.compile(r"\d+")
WORDS_TOO = 0.05  # largest share of words in a column of numbers; they count as missing
UNIQUE_TEXT = 0.9  # a text column with at least this share of distinct values is an id
DECIMALS = 6


def settle(series: Any, name: str) -> Any:
    """Convert a column to a dtype that the other functions handle: Python's numbers and dates become arrays, sparse
    ones dense.

    Raises UsageError for cells that are neither numbers nor words nor dates.
    """
    pd = pandas()
    if isinstance(series.dtype, pd.SparseDtype):
        return series.sparse.to_dense()
    if isinstance(series.dtype, pd.CategoricalDtype):
        return (
            series
            if set(map(type, map(plain, series.cat.categories))) <= {str, int, float, bool}
            else series.astype(str)
        )
    odd = str(series.dtype)
    if not odd.startswith(("timedelta", "period", "complex", "interval", "duration")):
        if series.dtype != object:
            return series
        kinds = {type(v) for v in series.dropna()}
        if kinds and kinds <= {int, float, decimal.Decimal}:
            numbers = pd.Series(pd.to_numeric(series.map(lambda v: float(v) if v is not None else v), errors="coerce"))
            whole = (numbers.dropna() % 1 == 0).all() and kinds == {int} and numbers.dropna().abs().max() < 2**53
            return numbers.astype("Int64" if numbers.isna().any() else "int64") if whole else numbers.astype("float64")
        if kinds and all(issubclass(k, datetime.date) for k in kinds):
            return pd.to_datetime(series, errors="coerce")
        strange = next((k for k in kinds if not issubclass(k, str | int | float | bool | np.generic)), None)
        if strange is None:
            return series
        odd = strange.__name__
    raise UsageError(f'Column "{name}" holds {odd} values; a cell is a number, a word or a date.')


def recognise_column(series: Any, name: str) -> tuple[dict[str, Any], np.ndarray | None, list[str]]:
    """(description of the column, its values as float64 [n] with NaN, or None, notes).

    The description has name, kind ("number", "date", "category", "id", "constant"), dtype and, depending on the kind,
    decimals, format, style or value. Raises UsageError for infinite numbers and for cells of unsupported types.
    """
    pd = pandas()
    about: dict[str, Any] = {"name": name, "dtype": _dtype(series)}
    there = series.dropna()
    if not len(there) or (len(series) == len(there) and there.nunique() == 1):
        value = plain(there.iloc[0]) if len(there) else None
        return {**about, "kind": "constant", "value": value}, None, [f"{name}: constant ({value!r})"]
    if isinstance(series.dtype, pd.CategoricalDtype):
        names = [plain(v) for v in series.cat.categories]
        return {**about, "kind": "category", "categories": names, "ordered": bool(series.cat.ordered)}, None, []
    if pd.api.types.is_bool_dtype(series.dtype):
        return {**about, "kind": "category"}, None, []
    if pd.api.types.is_datetime64_any_dtype(series.dtype):
        return {**about, "kind": "date"}, _seconds(series), []
    if pd.api.types.is_numeric_dtype(series.dtype):
        return _number(about, series.to_numpy(np.float64, na_value=np.nan), [])
    return _text(about, series, there)


def _text(about: dict[str, Any], series: Any, there: Any) -> tuple[dict[str, Any], np.ndarray | None, list[str]]:
    """A column of text: written-out numbers or dates, ids, or categories."""
    pd = pandas()
    kinds = {type(v) for v in there[:100_000]}
    words = there.astype(str)
    if (
        words.str.fullmatch(r"(19|20)\d{6}").all()
        and not pd.to_datetime(words, format="%Y%m%d", errors="coerce").isna().any()
    ):
        stamps = pd.to_datetime(series, format="%Y%m%d", errors="coerce")
        return {**about, "kind": "date", "format": "%Y%m%d"}, _seconds(stamps), []
    numbers = pd.to_numeric(words, errors="coerce")
    strange = float(numbers.isna().mean())
    names = words.str.match(PADDED.pattern).any() or (words.str.fullmatch(r"\s*\d+\s*") & (words.str.len() > 15)).any()
    if strange <= WORDS_TOO and not names and kinds <= {str}:
        whole = pd.to_numeric(series.astype(str).where(series.notna()), errors="coerce").to_numpy(np.float64)
        notes = []
        if strange:
            which = sorted(set(words[numbers.isna()]))[:3]
            notes = [
                f"{about['name']}: {int(numbers.isna().sum())} words among numbers ({', '.join(map(repr, which))}) "
                "count as missing"
            ]
        about["dtype"] = "int64" if _decimals(whole) == 0 and np.isfinite(whole).all() else "float64"
        return _number({**about, "text": True}, whole, notes)
    form = _date_format(words)
    if form is not None:
        stamps = pd.to_datetime(series.where(series.notna()), format=form, errors="coerce")
        return {**about, "kind": "date", "format": form}, _seconds(stamps), []
    distinct = there.nunique()
    if distinct >= max(20, UNIQUE_TEXT * len(there)) and kinds == {str}:
        made = [
            f"{about['name']}: {distinct:,} different texts in {len(there):,} rows: new ones are made up, not learnt"
        ]
        return {**about, "kind": "id", "style": _style(words)}, None, made
    return {**about, "kind": "category"}, None, []


def _number(
    about: dict[str, Any], values: np.ndarray, notes: list[str]
) -> tuple[dict[str, Any], np.ndarray | None, list[str]]:
    endless = int(np.isinf(values).sum())
    if endless:
        raise UsageError(
            f'Column "{about["name"]}" holds {endless} infinite values, first in row '
            f"{int(np.isinf(values).argmax())} (counted from 0). Remove them, or leave them empty."
        )
    decimals = _decimals(values)
    there = values[np.isfinite(values)]
    if not len(there):
        return {**about, "kind": "constant", "value": None}, None, notes
    if decimals == 0 and len(there) == len(values) and len(np.unique(there)) == len(there) >= 20:
        dense = there.max() - there.min() < 2 * len(there)
        if NAMED_ID.search(about["name"]) or (dense and (np.diff(there) > 0).all()):
            style = {"prefix": "", "digits": 0, "start": int(there.max()) + 1, "suffix": ""}
            return {**about, "kind": "id", "style": style}, None, [f"{about['name']}: an id; new ones are made"]
    return {**about, "kind": "number", "decimals": decimals}, values, notes


def _decimals(values: np.ndarray) -> int | None:
    """The fewest decimal places, at most 6, that write all values exactly; None if that is not enough."""
    there = values[np.isfinite(values)]
    for places in range(DECIMALS + 1):
        scaled = there * 10.0**places
        if len(there) and np.abs(scaled).max() > 2**52:
            return None
        if (np.abs(scaled - np.round(scaled)) <= 1e-12 * np.abs(scaled)).all():
            return places
    return None


def _date_format(words: Any) -> str | None:
    """The first of FORMATS that parses every word, or None."""
    pd = pandas()
    some = words.drop_duplicates()
    if not some.iloc[:50].str.match(r"^\s*\d{1,4}[-/.]?\d{1,2}[-/.]?\d{1,4}").all():
        return None
    for form in FORMATS:
        if (
            not pd.to_datetime(some.iloc[:50], format=form, errors="coerce").isna().any()
            and not pd.to_datetime(some, format=form, errors="coerce").isna().any()
        ):
            return form
    return None


def _seconds(stamps: Any) -> np.ndarray:
    """Seconds since 1970 in UTC, float64 [n], NaN where missing."""
    pd = pandas()
    index = pd.DatetimeIndex(stamps)
    index = index.tz_convert("UTC").tz_localize(None) if index.tz is not None else index
    numbers = index.as_unit("us").asi8 / 1e6
    return np.where(index.isna(), np.nan, numbers)


def _style(words: Any) -> dict[str, Any]:
    """The form of text ids: common prefix, suffix and digits, else the number of random hexadecimal digits."""
    parts = [(NUMBER.search(w), w) for w in words.iloc[:2000]]
    shapes = {(w[: m.start()], w[m.end() :]) for m, w in parts if m}
    if len(shapes) == 1 and all(m for m, _ in parts):
        prefix, suffix = shapes.pop()
        numbers = words.str.slice(len(prefix), -len(suffix) if suffix else None)
        if numbers.str.fullmatch(r"\d{1,15}").all():
            lengths = set(numbers.str.len())
            digits = lengths.pop() if len(lengths) == 1 else 0
            return {
                "prefix": prefix,
                "suffix": suffix,
                "digits": int(digits),
                "start": int(numbers.astype("int64").max()) + 1,
            }
    return {"hex": int(min(32, max(12, words.str.len().median())))}


def _dtype(series: Any) -> str:
    pd = pandas()
    if isinstance(series.dtype, pd.CategoricalDtype):
        return "category"
    return str(series.dtype)


def plain(value: Any) -> Any:
    """A cell as a value that JSON can hold."""
    return value.item() if isinstance(value, np.generic) else value
