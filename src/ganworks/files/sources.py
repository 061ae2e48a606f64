"""Opens data as a source: a folder or zip of images, arrays, IDX files, the built-in digits, or a Hugging Face data
set.

Nothing is extracted, and nothing outside the given folder is opened: links out of it, pipes, sockets and devices are
left out and counted. A zip with a suspicious member is refused as a whole.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
import re
import unicodedata
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ganworks.core.console.text import printable
from ganworks.core.errors import UsageError
from ganworks.files.array_files import from_idx, from_npy, from_npz, idx_in_folder, is_idx_name
from ganworks.files.arrays import ArraySource, Source, WithLabels, digits, from_array
from ganworks.files.listings import FileListing, FolderListing, ZipListing, order_key, read_whole, unreadable
from ganworks.files.rasters.decode import SUFFIXES

SPLITS = ("train", "training", "test", "testing", "val", "valid", "validation", "dev")


def open_source(data: Any, labels: bool = True) -> Source:
    """The source for "digits", "hub:NAME", a folder, a zip (or zip/folder/inside), .npy, .npz, IDX, an array, or (x,
    y).

    labels: False ignores class folders and labels.csv. Raises UsageError if the data cannot be opened.
    """
    if isinstance(data, ArraySource | FileSource):
        return data
    if not isinstance(data, str | os.PathLike):
        return from_array(data)
    if str(data) == "digits" and not Path("digits").exists():
        return digits()
    if str(data).startswith("hub:"):
        from ganworks.files.hub import from_hub

        return from_hub(str(data)[4:])
    try:
        return _open_path(Path(data).expanduser(), labels)
    except OSError as error:
        raise UsageError(f'"{printable(str(data))}" cannot be opened: {error.strerror or error}.') from error


def _open_path(path: Path, labels: bool) -> Source:
    path, inside = _inside_zip(path)
    if path.is_dir():
        return from_idx(path) if idx_in_folder(path) else FileSource(path, FolderListing(path), labels)
    if not path.exists():
        raise UsageError(
            f'There is nothing at "{printable(str(path))}". Give a folder or zip of images, an .npy, .npz '
            'or IDX file, "digits", or "hub:NAME".'
        )
    if not path.is_file():
        raise UsageError(f'"{printable(str(path))}" is no regular file; pipes, sockets and devices are not opened.')
    return _open_file(path, inside, labels)


def _open_file(path: Path, inside: str, labels: bool) -> Source:
    with path.open("rb") as file:
        magic = file.read(8)
    if path.suffix.lower() == ".npz":
        return from_npz(path)
    if magic[:6] == b"\x93NUMPY":
        return from_npy(path)
    if magic[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return FileSource(path, ZipListing(path, inside), labels)
    if is_idx_name(path.name) or (magic[:2] == b"\0\0" and magic[2:3] in b"\x08\x09\x0b\x0c\x0d\x0e"):
        return from_idx(path)
    raise UsageError(
        f'"{printable(str(path))}" is not a kind of file that ganworks reads. Give a folder or zip of images, '
        "an .npy, .npz or IDX file."
    )


def _inside_zip(path: Path) -> tuple[Path, str]:
    """Split "a/b.zip/train" into the file and the folder inside it."""
    for parent in path.parents:
        if parent.suffix.lower() == ".zip" and parent.is_file():
            return parent, path.relative_to(parent).as_posix()
    return path, ""


def listing_of(given: str | os.PathLike[str], wanted: str, most: int) -> tuple[Path, Any]:
    """(path, listing) of a folder, a zip (or zip/folder/inside), or one file, of which at most `most` bytes are read.

    wanted: what the user should give instead, for the error: "Give a folder or zip of clips, or a film." Raises
    UsageError.
    """
    try:
        path, inside = _inside_zip(Path(given).expanduser())
        if path.is_dir():
            return path, FolderListing(path)
        if not path.exists():
            raise UsageError(f'There is nothing at "{printable(str(path))}". {wanted}')
        if not path.is_file():
            raise UsageError(f'"{printable(str(path))}" is no regular file; pipes, sockets and devices are not opened.')
        with path.open("rb") as file:
            magic = file.read(4)
        packed = magic in (b"PK\x03\x04", b"PK\x05\x06")
        return path, ZipListing(path, inside) if packed else FileListing(path, most)
    except OSError as error:
        raise UsageError(f'"{printable(str(given))}" cannot be opened: {error.strerror or error}.') from error


def labels_of(given: Any, count: int, what: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """(int64 [count], class names) of labels of any type. what: the examples, in the plural, for the error.

    Raises UsageError unless there is one label for each example.
    """
    if len(given) != count:
        raise UsageError(f"{count} {what} but {len(given)} labels.")
    names, numbers = np.unique(np.asarray(given).astype(str), return_inverse=True)
    return numbers.reshape(-1).astype(np.int64), tuple(names.tolist())


def stamp_of(head: str, arrays: Iterable[np.ndarray], labels: np.ndarray | None) -> str:
    """A hash of arrays with their shapes, their labels, and `head`, a text for whatever else must be distinguished."""
    digest = hashlib.blake2b(head.encode(), digest_size=16)
    for x in arrays:
        digest.update(str(x.shape).encode() + np.ascontiguousarray(x).tobytes())
    return digest.hexdigest() + ("" if labels is None else hashlib.sha256(labels.tobytes()).hexdigest())


class FileSource(WithLabels):
    """Encoded images in a folder or zip, with the labels that follow from its layout.

    Labels come from labels.csv (columns: file name, label) if there is one; otherwise each top sub-folder is a class;
    otherwise there are none. Outer folders that contain nothing but one folder are skipped. Of train/ and test/ folders
    only train/ is used, and a note says so. For other files, subclass it with their `suffixes` and `what` they are
    called in messages.
    """

    suffixes: ClassVar[tuple[str, ...]] = SUFFIXES
    what: ClassVar[str] = "images"

    def __init__(self, path: Path, listing: FolderListing | ZipListing, labels: bool = True):
        self.path, self.listing, self.kind = printable(str(path)), listing, listing.kind
        self.notes = list(listing.notes)
        wanted = [i for i, n in enumerate(listing.names) if n.lower().endswith(self.suffixes)]
        others = len(listing.names) - len(wanted) - sum(n.lower().endswith("labels.csv") for n in listing.names)
        if others:
            self.notes.append(f"{others} files are no {self.what} by their names and were left out")
        if not wanted:
            raise UsageError(f'"{self.path}" holds no {self.what}; their names end in {", ".join(self.suffixes)}.')
        self.base, wanted = self._descend(wanted)
        self.indices = np.array(wanted, np.int64)
        self.bytes = sum(listing.sizes[i] for i in wanted)
        self._table = self._labels_table()
        self._use_labels = labels

    def _descend(self, wanted: list[int]) -> tuple[str, list[int]]:
        base = ""
        while True:
            tops = {self.listing.names[i][len(base) :].partition("/")[0] for i in wanted}
            direct = any("/" not in self.listing.names[i][len(base) :] for i in wanted)
            if direct:
                return base, wanted
            splits = sorted(t for t in tops if t.lower() in SPLITS)
            if len(tops) == 1:
                base += f"{tops.pop()}/"
            elif len(splits) == len(tops) and any(t.lower().startswith("train") for t in splits):
                train = next(t for t in splits if t.lower().startswith("train"))
                left = ", ".join(f"{t}/" for t in splits if t != train)
                self.notes.append(f"only {train}/ is used; {left} left out (give the path of that folder to use it)")
                base += f"{train}/"
                wanted = [i for i in wanted if self.listing.names[i].startswith(base)]
            else:
                return base, wanted

    def _labels_table(self) -> int | None:
        """The index of labels.csv, which lies beside the classes or in an outer folder; None if there is none."""
        found = [i for i, n in enumerate(self.listing.names) if n.rpartition("/")[2].lower() == "labels.csv"]
        near = [i for i in found if self.base.startswith(self.listing.names[i][: -len("labels.csv")])]
        return max(near, key=lambda i: len(self.listing.names[i]), default=None)

    @cached_property
    def _labelled(self) -> tuple[np.ndarray | None, tuple[str, ...]]:
        if not self._use_labels:
            return None, ()
        names = [self.listing.names[i] for i in self.indices]
        if self._table is not None:
            given = read_labels(read_whole(self.listing, self._table, failed=unreadable), self.path, self.suffixes)
            folder = self.listing.names[self._table].rpartition("/")[0]
            found = [_look_up(given, n, folder) for n in names]
            missing = [n for n, f in zip(names, found, strict=True) if f is None]
            if missing:
                raise UsageError(
                    f'labels.csv of "{self.path}" has no line for {len(missing):,} {self.what}, the first '
                    f'"{printable(missing[0])}". Add them, move the {self.what} away, or give labels=off.'
                )
        else:
            rest = [n[len(self.base) :] for n in names]
            if all("/" not in r for r in rest):
                return None, ()
            if any("/" not in r for r in rest):
                self.notes.append(f"{self.what} lie beside sub-folders, so the sub-folders were not taken for classes")
                return None, ()
            found = [r.partition("/")[0] for r in rest]
        classes = sorted({str(f) for f in found}, key=natural_key)
        number = {c: k for k, c in enumerate(classes)}
        return np.array([number[str(f)] for f in found], np.int64), tuple(printable(c) for c in classes)

    def __len__(self) -> int:
        return len(self.indices)

    def name(self, index: int) -> str:
        """The path below the root, with unprintable characters escaped."""
        return printable(self.listing.names[self.indices[index]])

    def get(self, index: int) -> bytes:
        """The encoded bytes; raises DecodeError when they cannot be read."""
        return read_whole(self.listing, int(self.indices[index]))

    def stamp(self) -> str:
        """Changes when a file is added, removed or changed."""
        return f"{self.kind} {self.listing.digest.hexdigest()} {self.base}"


def natural_key(name: str) -> tuple:
    """Sort key that puts obj2 before obj10."""
    parts = re.split(r"(\d+)", unicodedata.normalize("NFC", name))
    return tuple((int(p), "") if k % 2 and len(p) < 19 else (-1, p) for k, p in enumerate(parts)), order_key(name)


def read_labels(data: bytes, where: str, suffixes: tuple[str, ...] = SUFFIXES) -> dict[str, str]:
    """labels.csv -> {file name: label}. The first line is a header if its first cell is not a name with one of the
    suffixes. Raises UsageError.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(
            f'labels.csv of "{printable(where)}" is not UTF-8: {error.reason} at byte {error.start}.'
        ) from error
    dialect: Any = csv.excel
    if text.partition("\n")[0].count(",") == 0:
        dialect = csv.excel_tab if "\t" in text.partition("\n")[0] else csv.excel
        dialect = _Semicolon if ";" in text.partition("\n")[0] else dialect
    try:
        rows = [[c.strip() for c in row] for row in csv.reader(io.StringIO(text), dialect) if row]
    except csv.Error as error:
        raise UsageError(f'labels.csv of "{printable(where)}" cannot be read: {error}.') from error
    if not rows or any(len(r) < 2 for r in rows):
        raise UsageError(f'labels.csv of "{printable(where)}" needs two columns in each line: file name and label.')
    name, label = 0, 1
    if not rows[0][0].lower().endswith(suffixes):
        head = [c.lower() for c in rows.pop(0)]
        name = next(
            (k for k, c in enumerate(head) if c in ("file", "filename", "file_name", "name", "image", "path")),
            0,
        )
        label = next((k for k, c in enumerate(head) if c in ("label", "class", "target", "y")), 1 if name == 0 else 0)
    return {r[name].replace("\\", "/").removeprefix("./"): r[label] for r in rows if len(r) > max(name, label)}


class _Semicolon(csv.excel):
    delimiter = ";"


def _look_up(given: dict[str, str], name: str, folder: str) -> str | None:
    relative = name[len(folder) + 1 :] if folder and name.startswith(f"{folder}/") else name
    return given.get(relative, given.get(name, given.get(name.rpartition("/")[2])))
