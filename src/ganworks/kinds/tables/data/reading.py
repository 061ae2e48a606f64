"""Reads tables: CSV (also .gz), Parquet and pandas DataFrames, within limits, with errors that say where."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from ganworks.core.console.text import counted
from ganworks.core.errors import UsageError
from ganworks.core.machine import memory
from ganworks.files.rows import CELL_BYTES
from ganworks.files.tables.header import LOOKED_AT, Header, find_header, remarks
from ganworks.files.tables.parquet import check_fits
from ganworks.files.tables.split import find_separator, split_at
from ganworks.files.tables.unpack import open_text

SUFFIXES = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet")
MAX_BYTES, MAX_COLUMNS, MAX_CELLS = 4 << 30, 2000, 200_000_000
FEWEST = 20  # fewest rows of a table
HEAD = 4 << 20  # bytes read to find the header
_PART = 1_000_000  # cells that are read at a time
SEPARATORS = (",", ";", "\t", "|")


def pandas() -> Any:
    """The module pandas; raises UsageError if it is not installed."""
    try:
        import pandas as found
    except ImportError as error:
        raise UsageError("Tables need pandas: pip install 'ganworks[table]'") from error
    return found


def is_table(source: Any) -> bool:
    """Whether this is a DataFrame or the name of a file that `read` accepts."""
    if type(source).__name__ == "DataFrame":
        return True
    return isinstance(source, str | Path) and str(source).lower().endswith(SUFFIXES)


def read(source: Any, encoding: str = "utf-8", header: str = "auto") -> tuple[Any, dict[str, Any]]:
    """(DataFrame, facts: source, kind, bytes, notes). CSV columns are text; `data.types` finds their types.

    source: a DataFrame, or the path of a .csv, .csv.gz, .tsv, .tsv.gz or .parquet file. header: "auto" (the first line
    is compared with those below, see `find_header`), "on" or "off". Raises UsageError for anything that is not a table
    of at least 20 rows, for duplicate column names, and above 2,000 columns or 200 million cells.
    """
    pd = pandas()
    if isinstance(source, pd.DataFrame):
        frame = source
        facts: dict[str, Any] = {"source": "DataFrame", "kind": "dataframe", "bytes": 0, "notes": []}
        facts["numbered"] = [str(name) for name in frame.columns if isinstance(name, int)]
        if not isinstance(frame.index, pd.RangeIndex) and frame.index.name is not None:
            facts["notes"].append(f"the index {frame.index.name} is left out; frame.reset_index() makes it a column")
        frame = frame.reset_index(drop=True)
        frame.columns = [str(name) for name in frame.columns]
    else:
        frame, facts = _read_file(source, encoding, header)
    _check_names([str(name) for name in frame.columns], facts["source"])
    if len(frame) < FEWEST:
        raise UsageError(
            f"{facts['source']} has {counted(len(frame), 'row')}; a table needs at least {FEWEST} to learn from."
        )
    _check_size(len(frame), frame.shape[1], facts["source"])
    return frame, facts


def _read_file(source: Any, encoding: str, header: str) -> tuple[Any, dict[str, Any]]:
    if not isinstance(source, str | Path):
        raise UsageError(f"A table is a DataFrame or a file ({', '.join(SUFFIXES)}), not {type(source).__name__}.")
    file = Path(source).expanduser()
    if not file.is_file():
        raise UsageError(f'There is no file "{source}". Tables come as {", ".join(SUFFIXES)}.')
    if not is_table(file):
        raise UsageError(f'"{file.name}": tables come as {", ".join(SUFFIXES)}.')
    size = file.stat().st_size
    if size > MAX_BYTES:
        raise UsageError(f'"{file.name}" has {size / 1e9:.1f} GB; tables are kept in memory, at most 4.3 GB.')
    if not size:
        raise UsageError(f'"{file.name}" is empty.')
    kind = "parquet" if file.suffix.lower() == ".parquet" else "csv"
    facts: dict[str, Any] = {"source": file.name, "kind": kind, "bytes": size, "notes": []}
    if file.suffix.lower() == ".parquet":
        return _read_parquet(file), facts
    return _read_csv(file, encoding, header, facts), facts


def _read_parquet(file: Path) -> Any:
    pd = pandas()
    try:
        from pyarrow import parquet
        from pyarrow.lib import ArrowException
    except ImportError as error:
        raise UsageError("Parquet needs pyarrow: pip install 'ganworks[table]'") from error
    try:
        about = parquet.ParquetFile(file).metadata
        _check_size(about.num_rows, about.num_columns, file.name)
        check_fits(file, f'"{file.name}"')
        frame = pd.read_parquet(file)
        for name in _long_ones(file, parquet):
            frame[name] = parquet.read_table(file, columns=[name]).column(0).to_pandas(integer_object_nulls=True)
        return frame
    except (OSError, ValueError, ArrowException) as error:
        raise UsageError(f'"{file.name}" is not a readable Parquet file: {str(error)[:200]}') from error


def _long_ones(file: Path, parquet: Any) -> list[str]:
    """The columns of integers that pandas would change: those with gaps, which would become floats, beyond 2^53."""
    import pyarrow

    found = []
    for field in parquet.read_schema(file):
        if pyarrow.types.is_integer(field.type) and field.type.bit_width == 64:
            column = parquet.read_table(file, columns=[field.name]).column(0)
            if column.null_count and (there := column.drop_null()) and max(map(abs, there.to_pylist())) > 2**53:
                found.append(field.name)
    return found


def _read_csv(file: Path, encoding: str, header: str, facts: dict[str, Any]) -> Any:
    try:
        first, skip = _first_rows(file, encoding)
    except (UnicodeDecodeError, LookupError, csv.Error, OSError, EOFError) as error:
        raise UsageError(
            f'"{file.name}" cannot be read as {encoding} text: {str(error)[:120]}. Say domain.encoding=latin-1 or '
            "save it as UTF-8."
        ) from error
    separator = find_separator(first, SEPARATORS) or ","
    try:
        rows = split_at(first, separator)
    except csv.Error as error:
        raise UsageError(f'"{file.name}" cannot be read as a table: {error}.') from error
    if not rows:
        raise UsageError(f'"{file.name}" holds no rows.')
    found = _header(rows, header)
    names = [name.strip().lstrip("#").strip() for name in rows[0]] if found.named else _numbered(len(rows[0]))
    _say(found, facts)
    names = [name or f"column_{k + 1}" for k, name in enumerate(names)] if names.count("") > 1 else names
    _check_names(names, file.name)
    _check_size(0, len(names), file.name)
    options: dict[str, Any] = {"sep": separator, "dtype": str, "header": None, "names": names, "skiprows": skip}
    options |= {"keep_default_na": False, "na_values": [""], "encoding": _codec(encoding)}
    try:
        frame = _in_parts(file, len(names), options)
    except (ValueError, OSError, EOFError, MemoryError) as error:  # pandas' ParserError is a ValueError
        raise UsageError(f'"{file.name}" cannot be read as a table: {str(error).strip()[:200]}') from error
    frame = frame.iloc[1:] if found.named else frame
    return _without_blanks(frame, rows[0], facts["notes"]).reset_index(drop=True)


def _header(rows: list[list[str]], asked: str) -> Header:
    """What the first line is: as asked for, or as found; a line that begins with "#" names the columns."""
    if asked != "auto":
        return Header(asked == "on", "")
    if rows[0][0].startswith("#"):
        return Header(True, "it begins with #")
    return find_header(rows[0], rows[1:])


def _numbered(count: int) -> list[str]:
    return [f"column_{k + 1}" for k in range(count)]


def _say(found: Header, facts: dict[str, Any]) -> None:
    """Say what the first line was taken for and how to change it."""
    if found.named:
        facts["header"] = "line 1 names the columns (domain.header=off takes it as a row)"
        if not found.sure:
            facts["notes"].append(f"line 1 names the columns, since {found.why}; domain.header=off takes it as a row")
    else:
        facts["header"] = "none: line 1 is a row (domain.header=on takes it as names)"
        why = f", since {found.why}" if found.why else ""
        facts["notes"].append(
            f"no header: line 1 is taken as a row{why}. The columns are column_1, column_2, ...; domain.header=on "
            "takes it as names"
        )


def _without_blanks(frame: Any, first: list[str], notes: list[str]) -> Any:
    """The frame without rows that are empty, and without columns that have neither a name nor a value."""
    empty = frame.isna()
    rows = empty.all(axis=1).to_numpy()
    columns = [k for k, cell in enumerate(first) if not cell.strip() and empty.iloc[:, k].all()]
    if rows.any():
        notes.append(f"empty rows left out: {int(rows.sum()):,}")
        frame = frame[~rows]
    if columns and len(columns) < frame.shape[1]:
        notes.append(f"columns without a name and without a value left out: {len(columns)}")
        frame = frame.drop(columns=frame.columns[columns])
    return frame


def _in_parts(file: Path, columns: int, options: dict[str, Any]) -> Any:
    """A CSV file as a DataFrame, read in parts; UsageError as soon as it is too large or would not fit into memory."""
    pd, parts, rows = pandas(), [], 0
    rows_each = max(1000, _PART // columns)
    with open_text(file) as text, pd.read_csv(text, on_bad_lines="error", chunksize=rows_each, **options) as reader:
        for part in reader:
            parts.append(part)
            rows += len(part)
            _check_size(rows, columns, file.name)
            memory.check_bytes(rows * columns * CELL_BYTES, f'"{file.name}"')
    return pd.concat(parts, ignore_index=True) if len(parts) > 1 else parts[0]


def _first_rows(file: Path, encoding: str) -> tuple[list[str], int]:
    """(the first lines of a file without remarks, number of remarks before them)."""
    with open_text(file) as stream:
        raw = stream.read(HEAD)
    if b"\0" in raw[:4096] and encoding.lower().startswith("utf-8"):
        raise UnicodeDecodeError(encoding, raw[:1], 0, 1, "zero bytes: this is not text, or it is UTF-16")
    text = io.BytesIO(raw).read().decode(_codec(encoding), "strict" if len(raw) < HEAD else "ignore")
    lines = text.splitlines(keepends=True)
    mark = find_separator([line for line in lines[: 2 * LOOKED_AT] if not line.startswith("#")], SEPARATORS) or ","
    skip = remarks(lines, lambda line: len((split_at([line], mark) or [[]])[0]))
    return lines[skip : skip + LOOKED_AT + 1], skip


def _codec(encoding: str) -> str:
    return "utf-8-sig" if encoding.lower().replace("_", "-") in ("utf-8", "utf8") else encoding


def _check_names(names: list[str], where: str) -> None:
    seen, twice = set(), []
    for name in names:
        if name in seen:
            twice.append(name)
        seen.add(name)
    if twice:
        raise UsageError(
            f"{where} has {counted(len(twice), 'duplicate column name')}: "
            f"{', '.join(repr(n) for n in twice[:5])}. Give every column a name of its own."
        )


def _check_size(rows: int, columns: int, where: str) -> None:
    if not 1 <= columns <= MAX_COLUMNS:
        raise UsageError(f"{where} has {columns:,} columns; tables may have 1 to {MAX_COLUMNS:,}. Keep those you need.")
    if rows * columns > MAX_CELLS:
        raise UsageError(f"{where} has {rows:,} rows of {columns:,} columns, more than {MAX_CELLS:,} cells.")
