"""Writing tables: cells that are safe in a spreadsheet, and Parquet files with a note."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from typing import Any

import numpy as np

from ganworks.core.errors import UsageError
from ganworks.files.provenance.content import of_parquet
from ganworks.files.provenance.note import text_of

_FORMULA = re.compile("[ \ufeff]*[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")  # also in the wide letters of East Asia
_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)


def spreadsheet_safe(text: str) -> str:
    """The text, with an apostrophe in front if a spreadsheet would run it as a formula; signed numbers stay as they
    are.
    """
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def csv_text(rows: Iterable[Iterable[Any]], digits: int = 0) -> str:
    """Rows as CSV, the head first; texts that a spreadsheet would run begin with an apostrophe, numbers never do.

    digits: significant ones of numbers that are not whole, 0 for all that they have.
    """

    def cell(value: Any) -> Any:
        if isinstance(value, float | np.floating):
            return f"{float(value):.{digits}g}" if digits else value
        return spreadsheet_safe(value) if isinstance(value, str) else value

    lines = _Lines()
    csv.writer(lines, lineterminator=_Lines.END).writerows([cell(value) for value in row] for row in rows)
    return lines.getvalue()


def frame_csv(frame: Any) -> str:
    """A DataFrame as CSV, in the same way; what is missing is empty."""
    safe = frame.copy(deep=False)
    for name in safe.columns:
        if safe[name].dtype.kind in "OUST" or str(safe[name].dtype) in ("str", "string", "category"):
            words = safe[name].astype(object)
            safe[name] = words.map(lambda v: spreadsheet_safe(v) if isinstance(v, str) else v)
    safe.columns = [spreadsheet_safe(str(name)) for name in safe.columns]
    lines = _Lines()
    safe.to_csv(lines, index=False, lineterminator=_Lines.END)
    return lines.getvalue()


class _Lines(io.StringIO):
    """Takes rows that end in CR LF, so that cells with either of them are quoted, and ends them in LF."""

    END = "\r\n"  # before Python 3.13 the csv module quotes the characters of this, and no others that end lines

    def write(self, row: str) -> int:
        """One row."""
        return super().write(f"{row.removesuffix(self.END)}\n")


def arrow() -> tuple[Any, Any]:
    """The modules pyarrow and pyarrow.parquet; raises UsageError if they are not installed."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise UsageError("Parquet needs pyarrow: pip install 'ganworks[table]'") from error
    return pyarrow, parquet


def parquet_bytes(table: Any, mark: dict[str, Any] | None) -> bytes:
    """An Arrow table as a Parquet file; a note goes into its metadata, with the digest of its pages."""

    def written(table: Any) -> bytes:
        buffer = io.BytesIO()
        arrow()[1].write_table(table, buffer)
        return buffer.getvalue()

    content = written(table)
    if mark is None:
        return content
    note = text_of({**mark, "content": of_parquet(content)}).encode()
    return written(table.replace_schema_metadata({**(table.schema.metadata or {}), b"ganworks": note}))
