"""Reads time series: files, folders, zips, arrays and data frames become tables of named columns, one per series.

Series are not cut into windows here. Columns with cells that are not numbers become text, which later steps interpret.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ganworks.core.console.text import counted, printable
from ganworks.core.errors import UsageError
from ganworks.files.array_files import load_arrays
from ganworks.files.listings import FolderListing, ZipListing, read_whole, unreadable
from ganworks.files.rows import check_cells
from ganworks.files.tables.cells import commas_in
from ganworks.files.tables.header import Header, find_header, remarks
from ganworks.files.tables.index import indexed
from ganworks.files.tables.numbers import shortest
from ganworks.files.tables.parquet import check_fits
from ganworks.files.tables.split import find_separator, split_at
from ganworks.files.tables.unpack import content
from ganworks.kinds.series.data.frames import Columns, arrow_values, finite, frame_columns, typed, unique_names

SUFFIXES = (".csv", ".tsv", ".txt", ".data")
MAX_BYTES, MAX_ROWS, MAX_COLUMNS, MAX_SERIES = 1 << 30, 10_000_000, 1000, 500_000
_COPIES = 3  # of the bytes of a file: as read, as text, and its lines


@dataclass
class Raw:
    """Tables as read, in order (one per series, or one that contains many), and facts about each series.

    names: of the tables. attributes: one dict of plain text per table, or None. notes: what was done, in sentences.
    series: the column of a single table that tells its series apart, where the data say so. numbered: columns whose
    names are whole numbers.
    """

    source: str
    kind: str
    tables: list[Columns]
    names: list[str]
    attributes: list[dict[str, str]] | None = None
    notes: list[str] = field(default_factory=list)
    series: str = ""
    numbered: tuple[str, ...] = ()


def read_series(data: Any, header: str = "auto") -> Raw:
    """Read a path (.csv, .tsv, .txt, each also .gz; .npz, .npy, .parquet, a folder or zip of tables), a data frame, an
    array [T, C] or [N, T, C], a list of those, or (list, labels).

    header: whether the first line of a text names the columns: "auto", "on" or "off". Raises UsageError for everything
    else.
    """
    if isinstance(data, str | Path):
        return _read_path(Path(data).expanduser(), header)
    if isinstance(data, tuple) and len(data) == 2 and not _is_frame(data[0]) and len(data[0]) == len(data[1]):
        raw = read_series(list(data[0]))
        raw.attributes = [{"label": _plain(value)} for value in data[1]]
        return raw
    if isinstance(data, dict) and data and all(map(_is_frame, data.values())):
        raw = read_series(list(data.values()))
        raw.names = [str(name) for name in data]
        return raw
    if _is_frame(data) or isinstance(data, dict):
        notes: list[str] = []
        plain, series = indexed(data)
        whole = tuple(str(name) for name in plain if isinstance(name, int))
        return Raw("frame", "frame", [frame_columns(plain, notes)], ["0"], notes=notes, series=series, numbered=whole)
    if isinstance(data, np.ndarray) and data.ndim < 3:
        return Raw("array", "array", [_array(data)], ["0"])
    if isinstance(data, list | np.ndarray):
        if not len(data):
            raise UsageError("The list of series is empty.")
        notes = []
        tables = [
            frame_columns(indexed(item)[0], notes) if _is_frame(item) or isinstance(item, dict) else _array(item)
            for item in data
        ]
        if len(tables) > MAX_SERIES:
            raise UsageError(f"{len(tables):,} series are more than {MAX_SERIES:,}.")
        return Raw("list", "list", tables, [str(k) for k in range(len(tables))], notes=list(dict.fromkeys(notes))[:6])
    raise UsageError(f"Series cannot be made of {type(data).__name__}; give a path, a data frame or arrays [T, C].")


def _is_frame(data: Any) -> bool:
    return hasattr(data, "columns") and hasattr(data, "iloc")


def _plain(value: Any) -> str:
    return str(value.item() if isinstance(value, np.generic) else value)


def _array(data: Any) -> Columns:
    try:
        x = np.asarray(data)
    except ValueError as error:
        raise UsageError(f"A series is an array [T, C] of numbers: {error}.") from error
    if x.ndim == 1:
        x = x[:, None]
    if x.ndim != 2 or x.dtype.kind not in "biuf":
        raise UsageError(f"A series is an array of numbers [T] or [T, C], not {x.dtype} {list(x.shape)}.")
    if x.shape[1] > MAX_COLUMNS:
        raise UsageError(f"A series of {x.shape[1]:,} columns; {MAX_COLUMNS:,} is the most.")
    return {f"c{i}": finite(shortest(x[:, i])) for i in range(x.shape[1])}


def _read_path(path: Path, header: str) -> Raw:
    name = printable(str(path))
    if path.is_dir():
        listing = FolderListing(path)
        return _many(name, listing, header)
    if not path.is_file():
        raise UsageError(f'"{name}" does not exist, or is neither a file nor a folder.')
    suffix = path.with_suffix("").suffix.lower() if path.suffix.lower() == ".gz" else path.suffix.lower()
    if path.suffix.lower() == ".zip":
        return _many(name, ZipListing(path), header)
    if suffix in (".npz", ".npy") and path.suffix.lower() != ".gz":
        return _read_arrays(path, name)
    if suffix == ".parquet":
        notes: list[str] = []
        return Raw(path.name, "parquet", [frame_columns(_parquet(path, name), notes)], [path.stem], notes=notes)
    if suffix not in SUFFIXES:
        raise UsageError(
            f'"{name}": series come as {", ".join(SUFFIXES)} (also .gz), .npz, .npy, .parquet, or as a folder or zip '
            f'of those tables, not as "{path.suffix}".'
        )
    notes = []
    return Raw(
        path.name, suffix[1:], [parse_table(_content(path, name), name, header, notes)], [path.stem], notes=notes
    )


def _content(path: Path, name: str) -> bytes:
    """The file's bytes, unpacked if need be. Raises UsageError above MAX_BYTES."""
    raw = content(path, MAX_BYTES, _COPIES)
    if len(raw) > MAX_BYTES:
        raise UsageError(f'"{name}" holds more than {MAX_BYTES / 1e9:.1f} GB, the most of a series. Give a part.')
    return bytes(raw)


def _parquet(path: Path, name: str) -> dict[str, Any]:
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise UsageError(f'"{name}": Parquet needs pyarrow; pip install "ganworks[table]".') from error
    try:
        rows, columns = check_fits(path, f'"{name}"')
        if rows > MAX_ROWS or columns > MAX_COLUMNS:
            raise UsageError(f'"{name}" has {counted(rows, "row")} and {counted(columns, "column")}: too many.')
        table = parquet.read_table(path)
    except (OSError, ValueError) as error:
        raise UsageError(f'"{name}" is not a readable Parquet file: {str(error)[:200]}.') from error
    names = unique_names(table.column_names)
    return {n: arrow_values(table.column(i)) for i, n in enumerate(names)}


def _read_arrays(path: Path, name: str) -> Raw:
    """x [N, T, C] or [T, C]; optional: lengths [N], labels y [N], and columns, the names [C]."""
    if path.stat().st_size > MAX_BYTES:
        raise UsageError(f'"{name}" has {path.stat().st_size / 1e9:.1f} GB; {MAX_BYTES / 1e9:.1f} GB is the most.')
    held = load_arrays(path)
    x = held.get("x")
    if x is None or x.ndim not in (1, 2, 3) or x.dtype.kind not in "biuf" or not x.size:
        raise UsageError(f'"{name}" holds {sorted(held)}; series are an array "x" of numbers [T, C] or [N, T, C].')
    tables = [_array(item) for item in (x if x.ndim == 3 else x[None])]
    if "lengths" in held:
        lengths = held["lengths"].reshape(-1).astype(int)
        if len(lengths) != len(tables) or lengths.min() < 0 or lengths.max() > x.shape[1]:
            raise UsageError(f'"{name}": lengths must be {len(tables)} whole numbers from 0 to {x.shape[1]}.')
        tables = [{k: v[:n] for k, v in t.items()} for t, n in zip(tables, lengths, strict=True)]
    if "columns" in held:
        names = unique_names([str(v) for v in held["columns"].reshape(-1)])
        if len(names) != x.shape[-1]:
            raise UsageError(f'"{name}" has {counted(len(names), "name")} for {counted(x.shape[-1], "column")}.')
        tables = [dict(zip(names, t.values(), strict=True)) for t in tables]
    raw = Raw(path.name, path.suffix[1:], tables, [str(k) for k in range(len(tables))])
    if "y" in held:
        if len(held["y"]) != len(tables):
            raise UsageError(f'"{name}": {len(tables):,} series but {counted(len(held["y"]), "label")}.')
        raw.attributes = [{"label": _plain(v)} for v in held["y"].reshape(-1)]
    return raw


def _many(source: str, listing: FolderListing | ZipListing, header: str) -> Raw:
    """The tables of a folder or zip: those with the commonest header are series, others may hold attributes of them."""
    names = listing.names
    chosen = [i for i in listing.chosen(tuple(SUFFIXES)) if not _is_about(names[i])]
    if not chosen:
        raise UsageError(f'"{source}" holds no table ({", ".join(SUFFIXES)}).')
    if len(chosen) > MAX_SERIES:
        raise UsageError(f'"{source}" holds {len(chosen):,} tables; {MAX_SERIES:,} is the most.')
    found: dict[str, Columns] = {}
    total, told = 0, []
    for i in chosen:
        raw = read_whole(listing, i, MAX_BYTES, unreadable)
        total += len(raw)
        if total > MAX_BYTES:
            raise UsageError(f'The tables in "{source}" hold more than {MAX_BYTES / 1e9:.1f} GB.')
        found[names[i]] = parse_table(raw, f"{source}/{printable(names[i])}", header, told)
    headers = Counter(tuple(table) for table in found.values())
    usual = headers.most_common(1)[0][0]
    members = sorted((n for n, table in found.items() if tuple(table) == usual), key=natural_key)
    others = [n for n in found if n not in set(members)]
    attributes, more = attribute_tables([Path(n).stem for n in members], {n: found[n] for n in others})
    stems = [Path(n).stem for n in members]
    notes = [*listing.notes, *list(dict.fromkeys(told))[:6], *more]
    return Raw(Path(source).name, listing.kind, [found[n] for n in members], stems, attributes, notes)


def _is_about(name: str) -> bool:
    return Path(name).stem.lower() in ("readme", "license", "licence", "dataset_description", "description", "notes")


def natural_key(name: str) -> tuple[Any, ...]:
    """Sort key that puts "x2" before "x10"."""
    return tuple((0, int(p), "") if p.isdecimal() and len(p) < 19 else (1, 0, p) for p in re.split(r"(\d+)", name) if p)


def attribute_tables(stems: list[str], others: dict[str, Columns]) -> tuple[list[dict[str, str]] | None, list[str]]:
    """(attributes of each series or None, notes) from tables whose first column names the series.

    Series are named by file name or by the number at its end.
    """
    numbers = [re.findall(r"\d+", stem)[-1:] for stem in stems]
    by_number = [str(int(n[0])) if n else "" for n in numbers]
    out: list[dict[str, str]] = [{} for _ in stems]
    notes = []
    for name, table in others.items():
        first, *rest = table
        keys = [text_of(v) for v in table[first]]
        found = None
        for mine in (stems, by_number):
            if len(set(mine)) == len(mine) and len(set(keys)) == len(keys) and set(mine) <= set(keys):
                found = {key: k for k, key in enumerate(keys)}, mine
        if found is None or not rest:
            notes.append(f"{printable(name)} is not a series like the others and does not name each of them: left out")
            continue
        where, mine = found
        for k, key in enumerate(mine):
            out[k] |= {column: text_of(table[column][where[key]]) for column in rest}
        notes.append(f"{', '.join(rest)}: one value for each series, from {printable(name)}")
    return (out if any(out) else None), notes


def text_of(value: Any) -> str:
    """A cell as text; whole numbers without a fraction, missing values empty."""
    if isinstance(value, float | np.floating):
        return "" if not np.isfinite(value) else str(int(value)) if float(value).is_integer() else repr(float(value))
    return str(value).strip()


def parse_table(content: bytes, where: str, header: str = "auto", notes: list[str] | None = None) -> Columns:
    """Parse rows of text separated by commas, semicolons, tabs or spaces, with or without a header (which may begin
    with #).

    A column with cells that are not numbers becomes text (see `files.tables.cells`). header: "auto", "on" or "off".
    notes: gets what was found. Raises UsageError.
    """
    check_cells([content], f'"{where}"')
    notes = [] if notes is None else notes
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    if "\0" in text:
        raise UsageError(f'"{where}" holds NUL bytes: it is not a table of text.')
    lines = [line for line in io.StringIO(text.replace("\r\n", "\n").replace("\r", "\n")) if line.strip()]
    if not lines:
        return {}
    if len(lines) > MAX_ROWS:
        raise UsageError(f'"{where}" has more than {MAX_ROWS:,} rows.')
    below = [line for line in lines[:200] if not line.startswith("#")]
    mark = find_separator(below) or (" " if _blanks_apart(below) else ",")
    lines = lines[remarks(lines, lambda line: len(split_at([line], mark)[0])) :]
    sharp, lines[0] = lines[0].startswith("#"), lines[0].lstrip("#")
    try:
        rows = split_at(lines, mark)
    except csv.Error as error:
        raise UsageError(f'"{where}" is not a readable table: {error}.') from error
    found = _header(rows, header, sharp, notes)
    titles = [cell or f"column {i + 1}" for i, cell in enumerate(rows[0])]
    names = unique_names(titles if found.named else [f"c{i}" for i in range(len(titles))])
    if len(names) > MAX_COLUMNS:
        raise UsageError(f'"{where}" has {len(names):,} columns; {MAX_COLUMNS:,} is the most.')
    body = rows[1:] if found.named else rows
    for number, row in enumerate(body):
        if len(row) != len(names):
            raise UsageError(
                f'"{where}", row {number + 1 + found.named}: {len(row)} cells where there should be {len(names)}.'
            )
    return _columns(names, rows[0], [row for row in body if any(row)], notes)


def _blanks_apart(lines: list[str]) -> bool:
    """Whether blanks separate as many cells, two or more, in every line."""
    return len({len(line.split()) for line in lines}) == 1 and len(lines[0].split()) > 1


def _header(rows: list[list[str]], asked: str, sharp: bool, notes: list[str]) -> Header:
    """What the first line is: as asked for, or as found, with a note; a line that begins with # names the columns."""
    if asked != "auto" or sharp:
        return Header(asked != "off", "")
    found = find_header(rows[0], rows[1:])
    if not found.named:
        notes.append(f"no header: line 1 is taken as a row, since {found.why} (domain.header=on takes it as names)")
    elif not found.sure and len(rows) > 1:
        notes.append(f"line 1 names the columns, since {found.why} (domain.header=off takes it as a row)")
    return found


def _columns(names: list[str], first: list[str], body: list[list[str]], notes: list[str]) -> Columns:
    """The cells as columns; those that have neither a name nor a value are left out."""
    cells = [[row[i] for row in body] for i in range(len(names))]
    commas, out = commas_in(cells), {}
    for name, title, column in zip(names, first, cells, strict=True):
        if title or any(column) or not body:
            out[name] = typed(column, name, notes, commas)
    if len(out) < len(names):
        notes.append(f"columns without a name and without a value left out: {len(names) - len(out)}")
    return out
