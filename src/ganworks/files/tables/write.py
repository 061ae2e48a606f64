"""What is written of tables: cells that no spreadsheet runs as a formula, and Parquet with a note."""

from __future__ import annotations

import io
from typing import Any

from ganworks.core.errors import UsageError

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def spreadsheet_safe(text: str) -> str:
    """The text, after an apostrophe where a spreadsheet would run it as a formula (a signed number is none)."""
    if not text.lstrip(" ").startswith(_FORMULA) or text.strip().lstrip("+-").replace(".", "", 1).isdecimal():
        return text
    return f"'{text}"


def arrow() -> tuple[Any, Any]:
    """The modules pyarrow and pyarrow.parquet; UsageError that says how to get them."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise UsageError("Parquet needs pyarrow: pip install 'ganworks[table]'") from error
    return pyarrow, parquet


def parquet_bytes(table: Any, note: str) -> bytes:
    """An Arrow table as a Parquet file, with a note in its metadata unless that is empty."""
    if note:
        table = table.replace_schema_metadata({**(table.schema.metadata or {}), b"ganworks": note.encode()})
    buffer = io.BytesIO()
    arrow()[1].write_table(table, buffer)
    return buffer.getvalue()
