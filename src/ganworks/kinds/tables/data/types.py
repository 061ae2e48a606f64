"""The type of each column of a table, found from its values: number, date, category, id or constant."""

from __future__ import annotations

import datetime
import decimal
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from ganworks.core.errors import UsageError
from ganworks.files.tables.cells import Reading, commas_in, named_code, read_column
from ganworks.files.tables.dates import DateForm, offsets
from ganworks.files.tables.numbers import NumberForm, decimal_places, shortest
from ganworks.kinds.tables.data.reading import pandas

NAMED_ID = re.compile(r"(^|[_\W])(id|uuid|guid|index|key|nr|number|no)$", re.IGNORECASE)
NUMBER = re.compile(r"\d+")
UNIQUE_TEXT = 0.9  # a text column with at least this share of distinct values is an id
EXACT = 2**53  # beyond, a float does not hold every whole number
PATTERNS = 20  # most different forms of the ids of a column


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
        if kinds == {int}:
            return _whole(series)
        if kinds and kinds <= {int, float, decimal.Decimal}:
            numbers = series.map(lambda v: float(v) if v is not None else v)
            return pd.Series(pd.to_numeric(numbers, errors="coerce")).astype("float64")
        if kinds and all(issubclass(k, datetime.date) for k in kinds):
            return pd.to_datetime(series, errors="coerce")
        strange = next((k for k in kinds if not issubclass(k, str | int | float | bool | np.generic)), None)
        if strange is None:
            return series
        odd = strange.__name__
    raise UsageError(f'Column "{name}" holds {odd} values; a cell is a number, a word or a date.')


def _whole(series: Any) -> Any:
    """Python's whole numbers, perhaps with gaps, in the first dtype that holds them all exactly; else as text."""
    pd = pandas()
    low, high = series.dropna().min(), series.dropna().max()
    for dtype, least, most in (("int64", -(2**63), 2**63 - 1), ("uint64", 0, 2**64 - 1)):
        if least <= low and high <= most:
            nullable = dtype.replace("i", "I").replace("u", "U")
            return pd.Series(pd.array(series.tolist(), dtype=nullable if series.isna().any() else dtype), series.index)
    return series.map(str, na_action="ignore")


def writes_commas(frame: Any) -> bool:
    """Whether any column of text shows that the table writes decimal commas."""
    heads = (frame[name].iloc[:200].dropna() for name in frame.columns if frame[name].dtype.kind not in "iufbM")
    return commas_in([v for v in head if isinstance(v, str)] for head in heads)


def reading_of(series: Any, name: str, commas: bool = False) -> Reading:
    """What a column of text is taken for; words, if it is another column."""
    there = series.dropna()
    if there.dtype.kind in "iufbM" or not {type(v) for v in there[:100_000]} <= {str}:
        return Reading("word")
    return read_column(there.astype(str), name, commas)


def recognise_column(
    series: Any, name: str, found: Reading | None = None
) -> tuple[dict[str, Any], np.ndarray | None, list[str]]:
    """(description of the column, its values as float64 [n] with NaN, or None, notes).

    The description has name, kind ("number", "date", "category", "id", "constant"), dtype and, depending on the kind,
    decimals, format, form, style or value. found: what the text of the whole column is taken for. Raises UsageError for
    infinite numbers and for cells of unsupported types.
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
    if pd.api.types.is_integer_dtype(series.dtype) and max(-int(there.min()), int(there.max())) > EXACT:
        return _long(about, series, there)
    if pd.api.types.is_numeric_dtype(series.dtype):
        return _number(about, shortest(series.to_numpy(_float_type(series), na_value=np.nan)), [])
    return _text(about, series, there, found or reading_of(series, name))


def _float_type(series: Any) -> Any:
    """The dtype in which numbers become an array: float32 stays, since its decimals are those of few bits."""
    return np.float32 if str(series.dtype).lower() == "float32" else np.float64


def _long(about: dict[str, Any], series: Any, there: Any) -> tuple[dict[str, Any], None, list[str]]:
    """Whole numbers beyond 2^53, which no float holds: ids, or categories."""
    distinct = there.nunique()
    if distinct < max(20, UNIQUE_TEXT * len(there)):
        said = f"{about['name']}: whole numbers beyond 2^53 are kept exactly, as {distinct:,} categories"
        return {**about, "kind": "category"}, None, [said]
    low, high = int(there.min()), int(there.max())
    room = np.iinfo(str(series.dtype).lower()).max - high
    style: dict[str, Any] = {"between": [low, high]}
    if high - low < 1000 * len(there) and room > 10**12:  # dense: new ones go on above
        style = {"prefix": "", "digits": 0, "start": high + 1, "suffix": ""}
    return {**about, "kind": "id", "style": style}, None, [_made(about["name"], distinct, len(there))]


def _made(name: str, distinct: int, count: int) -> str:
    return f"{name}: {distinct:,} different values in {count:,} rows are ids: NEW ONES ARE MADE UP, not learnt"


def id_column(series: Any, name: str) -> dict[str, Any]:
    """The description of a column that the user calls an id."""
    found, numbers, _ = recognise_column(series, name)
    style, dtype = found.get("style", {"hex": 16}), found["dtype"]
    if "style" not in found and numbers is not None and found.get("decimals") == 0:
        style = {"prefix": "", "suffix": "", "digits": 0, "start": int(np.nanmax(numbers)) + 1}
    elif "style" not in found:
        dtype = _dtype(series) if series.dtype.kind not in "iufbM" else "object"
    return {"name": name, "dtype": dtype, "kind": "id", "sizes": [], "scalar": False, "missing": 0, "style": style}


def _text(
    about: dict[str, Any], series: Any, there: Any, found: Reading
) -> tuple[dict[str, Any], np.ndarray | None, list[str]]:
    """A column of text: written-out numbers or dates, ids, or categories."""
    words = there.astype(str)
    notes = found.notes(about["name"])
    if found.date is not None:
        if (zones := offsets(words, found.date)) > 1:
            notes.append(f"{about['name']}: {zones} offsets from UTC; all are written with the usual one")
        about = {**about, "kind": "date", **found.date.to_dict()}
        return about, as_numbers(about, series), notes
    if found.kind == "number":
        about |= {"kind": "number", "text": True}
        about |= {} if found.number.plain else {"form": found.number.to_dict()}
        numbers = as_numbers(about, series)
        whole = decimal_places(numbers) == 0 and np.isfinite(numbers).all()
        about["dtype"] = about["dtype"] if "form" in about else "int64" if whole else "float64"
        return _number(about, numbers, notes)
    distinct = there.nunique()
    if distinct >= max(20, UNIQUE_TEXT * len(there)) and {type(v) for v in there[:100_000]} == {str}:
        notes.append(_made(about["name"], distinct, len(there)))
        return {**about, "kind": "id", "style": _style(words)}, None, notes
    return {**about, "kind": "category"}, None, notes


def as_numbers(column: dict[str, Any], series: Any) -> np.ndarray:
    """Values of a number or date column as float64 [n], NaN if missing; dates in seconds since 1970."""
    pd = pandas()
    if column["kind"] == "date":
        if "format" in column and not (form := DateForm.of(column)).simple:
            return _read(form.read, series)
        stamps = pd.to_datetime(series.where(series.notna()), format=column.get("format"), errors="coerce")
        return _seconds(stamps)
    if "form" in column:
        return _read(NumberForm(**column["form"]).read, series)
    if column.get("text"):
        return pd.to_numeric(series.astype(str).where(series.notna()), errors="coerce").to_numpy(np.float64)
    return shortest(series.to_numpy(_float_type(series), na_value=np.nan))


def _read(read: Callable[[str], float], series: Any) -> np.ndarray:
    """The values [n] of cells of text, each different one read once; NaN for missing ones."""
    codes, distinct = pandas().factorize(series)
    values = np.array([*(read(str(cell)) for cell in distinct), np.nan])
    return values[codes]


def _number(
    about: dict[str, Any], values: np.ndarray, notes: list[str]
) -> tuple[dict[str, Any], np.ndarray | None, list[str]]:
    endless = int(np.isinf(values).sum())
    if endless:
        raise UsageError(
            f'Column "{about["name"]}" holds {endless} infinite values, first in row '
            f"{int(np.isinf(values).argmax())} (counted from 0). Remove them, or leave them empty."
        )
    decimals = decimal_places(values)
    there = values[np.isfinite(values)]
    if not len(there):
        return {**about, "kind": "constant", "value": None}, None, notes
    if decimals == 0 and len(there) == len(values) and len(np.unique(there)) == len(there) >= 20:
        dense = there.max() - there.min() < 2 * len(there)
        if NAMED_ID.search(about["name"]) or (dense and (np.diff(there) > 0).all()):
            style = {"prefix": "", "digits": 0, "start": int(there.max()) + 1, "suffix": ""}
            return {**about, "kind": "id", "style": style}, None, [_made(about["name"], len(there), len(there))]
    if decimals == 0 and named_code(about["name"]):
        return {**about, "kind": "category"}, None, [*notes, f"{about['name']}: codes, not numbers, by their name"]
    return {**about, "kind": "number", "decimals": decimals}, values, notes


def _seconds(stamps: Any) -> np.ndarray:
    """Seconds since 1970 in UTC, float64 [n], NaN where missing."""
    pd = pandas()
    index = pd.DatetimeIndex(stamps)
    index = index.tz_convert("UTC").tz_localize(None) if index.tz is not None else index
    numbers = index.as_unit("us").asi8 / 1e6
    return np.where(index.isna(), np.nan, numbers)


def _style(words: Any) -> dict[str, Any]:
    """The form of text ids: common prefix, suffix and digits; else their usual pattern, if they have few; else the
    number of random hexadecimal digits.
    """
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
    forms = words.iloc[:2000].map(pattern_of)
    if forms.nunique() <= PATTERNS and re.sub(r"[^9Aa]", "", usual := str(forms.mode()[0])).__len__() >= 6:
        return {"pattern": usual}
    return {"hex": int(min(32, max(12, words.str.len().median())))}


def pattern_of(word: str) -> str:
    """The form of a word: 9 for a digit, A and a for letters, other characters as they are."""
    return re.sub(r"[a-z]", "a", re.sub(r"[A-Z]", "A", re.sub(r"[0-9]", "9", word)))


def _dtype(series: Any) -> str:
    pd = pandas()
    if isinstance(series.dtype, pd.CategoricalDtype):
        return "category"
    return str(series.dtype)


def plain(value: Any) -> Any:
    """A cell as a value that JSON can hold."""
    return value.item() if isinstance(value, np.generic) else value
