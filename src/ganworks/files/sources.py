"""Opens data as a source: a folder or zip of images, arrays, IDX files, the built-in digits, or a Hugging Face data
set.

Nothing is extracted, and nothing outside the given folder is opened: links out of it, pipes, sockets and devices are
left out and counted. A zip with a suspicious member is refused as a whole.
"""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ganworks.core.console.text import counted, printable
from ganworks.core.errors import UsageError
from ganworks.files.array_files import from_idx, from_npy, from_npz, idx_in_folder, is_idx_name
from ganworks.files.arrays import ArraySource, Source, WithLabels, digits, from_array
from ganworks.files.listings import FileListing, FolderListing, ZipListing, order_key, read_whole, unreadable
from ganworks.files.rasters.decode import SUFFIXES
from ganworks.files.tables import labels as label_files

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
        raise UsageError(f"{count:,} {what} but {counted(len(given), 'label')}.")
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

    Labels come from labels.csv (columns: file name, label) or a label file of another program if there is one, see
    `files.tables.labels`; otherwise each top sub-folder is a class, though numbered folders beside such a file are not;
    otherwise there are none. Outer folders that contain nothing but one folder are skipped. Of train/ and test/
    folders only train/ is used, and a note says so. For other files, subclass it with their `suffixes` and `what` they
    are called in messages.
    """

    suffixes: ClassVar[tuple[str, ...]] = SUFFIXES
    what: ClassVar[str] = "images"

    def __init__(self, path: Path, listing: FolderListing | ZipListing, labels: bool = True):
        self.path, self.listing, self.kind = printable(str(path)), listing, listing.kind
        self.without = ""  # the mark of the list of exclusions that was applied
        wanted = listing.chosen(self.suffixes)
        self.notes = list(listing.notes)
        read = {*wanted, *listing.results}
        others = sum(i not in read and not _label_file(name) for i, name in enumerate(listing.names))
        if others:
            left = counted(others, "file is", "files are")
            self.notes.append(f"{left} none of the {self.what} by name: left out")
        if not wanted:
            raise UsageError(f'"{self.path}" holds no {self.what}; their names end in {", ".join(self.suffixes)}.')
        self.base, wanted = self._descend(wanted)
        self.indices = np.array(wanted, np.int64)
        self.bytes = sum(listing.sizes[i] for i in wanted)
        self._tables = self._label_files()
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

    def _label_files(self) -> list[int]:
        """The indices of label files that lie beside the classes or in an outer folder, the nearest first."""
        folders = {i: name.rpartition("/")[0] for i, name in enumerate(self.listing.names) if _label_file(name)}
        near = [i for i, folder in folders.items() if not folder or self.base.startswith(f"{folder}/")]
        order = list(label_files.READERS)
        return sorted(near, key=lambda i: (-len(folders[i]), order.index(_label_file(self.listing.names[i]))))

    def _given_labels(self, names: list[str]) -> list[str] | None:
        """The label of each file by the first label file that has some; None if there is none."""
        for table in self._tables:
            folder, _, file = self.listing.names[table].rpartition("/")
            content = read_whole(self.listing, table, failed=unreadable)
            given = label_files.labels_in(file.lower(), content, self.path, self.suffixes)
            if given is None:
                continue
            found = [_look_up(given, name, folder) for name in names]
            if file.lower() != label_files.OWN and all(label is None for label in found):
                continue  # a file of another program may be about other things
            if missing := [name for name, f in zip(names, found, strict=True) if f is None]:
                raise UsageError(
                    f'{file} of "{self.path}" has no line for {len(missing):,} {self.what}, the first '
                    f'"{printable(missing[0])}". Add them, move the {self.what} away, or give labels=off.'
                )
            return [str(f) for f in found]
        return None

    @cached_property
    def _labelled(self) -> tuple[np.ndarray | None, tuple[str, ...]]:
        if not self._use_labels:
            return None, ()
        names = [self.listing.names[i] for i in self.indices]
        found = self._given_labels(names) or self._folders([name[len(self.base) :] for name in names])
        if found is None:
            return None, ()
        classes = sorted(set(found), key=natural_key)
        number = {c: k for k, c in enumerate(classes)}
        return np.array([number[f] for f in found], np.int64), tuple(printable(c) for c in classes)

    def _folders(self, names: list[str]) -> list[str] | None:
        """The top sub-folder of each file as its class; None where the folders are no classes."""
        if all("/" not in name for name in names):
            return None
        if any("/" not in name for name in names):
            self.notes.append(f"{self.what} lie beside sub-folders, so the sub-folders were not taken for classes")
            return None
        found = [name.partition("/")[0] for name in names]
        if self._tables and all(folder.isdecimal() for folder in found):
            file = self.listing.names[self._tables[0]].rpartition("/")[2]
            self.notes.append(f"{file} gives no labels, and the numbered folders beside it were not taken for classes")
            return None
        return found

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
        return f"{self.kind} {self.listing.digest.hexdigest()} {self.base}{self.without}"


def natural_key(name: str) -> tuple:
    """Sort key that puts obj2 before obj10."""
    parts = re.split(r"(\d+)", unicodedata.normalize("NFC", name))
    return tuple((int(p), "") if k % 2 and len(p) < 19 else (-1, p) for k, p in enumerate(parts)), order_key(name)


def _label_file(name: str) -> str:
    """The name, in lower case, of a label file, whatever its folder; "" for other files."""
    file = name.rpartition("/")[2].lower()
    return file if file in label_files.READERS else ""


def _look_up(given: dict[str, str], name: str, folder: str) -> str | None:
    relative = name[len(folder) + 1 :] if folder and name.startswith(f"{folder}/") else name
    return given.get(relative, given.get(name, given.get(name.rpartition("/")[2])))
