"""Checks of Parquet files before they are read: their size in memory is not that of the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ganworks.core.machine import memory

_CELL = 150  # bytes of a cell as a Python object, with its copies in work


def check_fits(path: Path, where: str) -> tuple[int, int]:
    """(rows, columns) of a Parquet file; UsageError when it does not fit into memory.

    A long text that many rows share is stored once and read as often as it occurs. Raises pyarrow's errors for a file
    that cannot be read.
    """
    from pyarrow import parquet

    with parquet.ParquetFile(path) as file:
        about, schema = file.metadata, file.schema_arrow
        rows, columns = about.num_rows, about.num_columns
        memory.check_bytes(rows * columns * _CELL, where)
        texts = [field.name for field in schema if str(field.type) in ("string", "large_string", "binary")]
        groups = about.num_row_groups
    if texts:
        with parquet.ParquetFile(path, read_dictionary=texts) as file:
            held = 0
            for group in range(groups):
                for name in texts:
                    held += _spelled_out(file.read_row_group(group, columns=[name]).column(0))
                    memory.check_bytes(2 * held, where)
    return rows, columns


def _spelled_out(column: Any) -> int:
    """Bytes of the texts of a dictionary-encoded column, each as often as it occurs."""
    from pyarrow import compute

    total = 0
    for chunk in column.chunks:
        sizes = compute.call_function("binary_length", [chunk.dictionary]).cast("int64")
        total += int(compute.call_function("sum", [sizes.take(chunk.indices)]).as_py() or 0)
    return total
