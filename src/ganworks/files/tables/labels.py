"""Files that say which label each file of a data set has: labels.csv, and those that other programs write.

| file | what is read |
|---|---|
| labels.csv | file name and label: two columns, with or without a header |
| metadata.csv, metadata.jsonl | `file_name`, and `label` or `class` if there is one (image folders of Hugging Face) |
| dataset.json | `{"labels": [["00000/img00000000.png", 6], ...]}`, a class or one-hot (StyleGAN), or null for none |
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any

from ganworks.core.console.text import printable
from ganworks.core.errors import UsageError
from ganworks.core.schema.plain import read_json

OWN = "labels.csv"
_NAMES = ("file_name", "file", "filename", "name", "image", "path")
_LABELS = ("label", "labels", "class", "target", "y")

Given = dict[str, str]  # file name -> label


def labels_in(file: str, data: bytes, where: str, suffixes: tuple[str, ...]) -> Given | None:
    """File name -> label, as a label file of this name says; None where it gives no labels.

    where: the data set, for messages. suffixes: those of the files that have labels. Raises UsageError for a file that
    cannot be read.
    """
    named = f'{file} of "{printable(where)}"'
    return READERS[file](data, named, suffixes)


def _own(data: bytes, named: str, suffixes: tuple[str, ...]) -> Given:
    """The first line of labels.csv is a header if its first cell is not a name with one of the suffixes."""
    rows = _rows(data, named)
    if not rows or any(len(row) < 2 for row in rows):
        raise UsageError(f"{named} needs two columns in each line: file name and label.")
    name, label = 0, 1
    if not rows[0][0].lower().endswith(suffixes):
        head = [cell.lower() for cell in rows.pop(0)]
        name = _column(head, _NAMES, 0)
        label = _column(head, _LABELS, 1 if name == 0 else 0)
    return _given(rows, name, label)


def _metadata(data: bytes, named: str, suffixes: tuple[str, ...]) -> Given | None:
    head, *rows = _rows(data, named) or [[]]
    head = [cell.lower() for cell in head]
    name, label = _column(head, _NAMES, -1), _column(head, _LABELS, -1)
    return None if name < 0 or label < 0 else _given(rows, name, label)


def _lines(data: bytes, named: str, suffixes: tuple[str, ...]) -> Given | None:
    entries = [read_json(line, f"{named}: line {k + 1}") for k, line in enumerate(_text(data, named).split("\n"))
               if line.strip()]  # fmt: skip
    found: Given = {}
    for entry in entries:
        if not isinstance(entry, dict):
            raise UsageError(f'{named}: each line must be like {{"file_name": "1.png", "label": "cat"}}.')
        name, label = (next((entry[key] for key in keys if key in entry), None) for keys in (_NAMES, _LABELS))
        if isinstance(name, str) and label is not None:
            found[_plain(name)] = _said(label, named)
    return found or None


def _stylegan(data: bytes, named: str, suffixes: tuple[str, ...]) -> Given | None:
    content = read_json(data, named)
    listed = content.get("labels") if isinstance(content, dict) else None
    pairs = list(listed.items()) if isinstance(listed, dict) else listed
    if not pairs:
        return None
    if not isinstance(pairs, list) or not all(
        isinstance(pair, list | tuple) and len(pair) == 2 and isinstance(pair[0], str) for pair in pairs
    ):
        raise UsageError(f'{named}: its "labels" must be pairs of a file name and a label, or null.')
    return {_plain(name): _said(label, named) for name, label in pairs}


def _said(label: Any, named: str) -> str:
    """A label as text: a word, a whole number, or the place of the one in a one-hot list."""
    if isinstance(label, list):
        hot = [place for place, value in enumerate(label) if value]
        if len(hot) == 1 and label[hot[0]] == 1:
            return str(hot[0])
    if isinstance(label, list | dict):
        raise UsageError(f"{named}: the label {str(label)[:60]} is no class. Give classes, or labels=off.")
    if isinstance(label, float) and label.is_integer():
        label = int(label)
    return "" if label is None else str(label)


def _column(head: list[str], known: tuple[str, ...], usual: int) -> int:
    return next((place for place, word in enumerate(head) if word in known), usual)


def _given(rows: list[list[str]], name: int, label: int) -> Given:
    return {_plain(row[name]): row[label] for row in rows if len(row) > max(name, label)}


def _plain(name: str) -> str:
    return name.replace("\\", "/").removeprefix("./")


def _rows(data: bytes, named: str) -> list[list[str]]:
    """The cells of a CSV file with commas, tabs or semicolons, without empty lines."""
    text = _text(data, named)
    first = text.partition("\n")[0]
    dialect: Any = csv.excel
    if "," not in first:
        dialect = _Semicolon if ";" in first else csv.excel_tab if "\t" in first else csv.excel
    try:
        return [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text), dialect) if row]
    except csv.Error as error:
        raise UsageError(f"{named} cannot be read: {error}.") from error


def _text(data: bytes, named: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{named} is not UTF-8: {error.reason} at byte {error.start}.") from error


class _Semicolon(csv.excel):
    delimiter = ";"


READERS: dict[str, Callable[[bytes, str, tuple[str, ...]], Given | None]] = {
    OWN: _own,
    "metadata.csv": _metadata,
    "metadata.jsonl": _lines,
    "dataset.json": _stylegan,
}
