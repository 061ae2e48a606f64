"""Writing tables: cells that are safe in a spreadsheet, and Parquet files with a note."""

from __future__ import annotations

import io
from typing import Any

from ganworks.core.errors import UsageError

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def spreadsheet_safe(text: str) -> str:
    """The text, with an apostrophe in front if a spreadsheet would run it as a formula; signed numbers stay as they
    are.
    """
    if not text.lstrip(" ").startswith(_FORMULA) or text.strip().lstrip("+-").replace(".", "", 1).isdecimal():
        return text
    return f"'{text}"


def arrow() -> tuple[Any, Any]:
    """The modules pyarrow and pyarrow.parquet; raises UsageError if they are not installed."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise UsageError("Parquet needs pyarrow: pip install 'ganworks[table]'") from error
    return pyarrow, parquet


def parquet_bytes(table: Any, note: str) -> bytes:
    """An Arrow table as a Parquet file; a note, unless empty, goes into its metadata."""
    if note:
        table = table.replace_schema_metadata({**(table.schema.metadata or {}), b"ganworks": note.encode()})
    buffer = io.BytesIO()
    arrow()[1].write_table(table, buffer)
    return buffer.getvalue()
