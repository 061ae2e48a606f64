"""Uploads: a form is written to the disk while it arrives, and becomes data only when all of it is there.

The files of a form go into a hidden folder beside their place, which is renamed at the end. What a broken connection or
a killed server leaves is removed: at once, or by the next start.
"""

from __future__ import annotations

import asyncio
import secrets
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from ganworks.core.machine.places import explain
from ganworks.files import atomic
from ganworks.studio.places import RefusedError, free_name, safe_name, safe_path

_HEADER, _FIELD, _FIELDS = 8 << 10, 64 << 10, 50  # bytes of the headers of a part, of a text field; text fields
_SPARE = 256 << 20  # bytes that stay free on the disk
_OVERHEAD = 64 << 20  # bytes of a form besides its files
_STRIDE = 16 << 20  # bytes after which the disk is looked at again: others write on it, too
_DEEPEST = 12  # folders within each other


@dataclass(frozen=True)
class Limits:
    """What one upload may hold. size: bytes of all files. files: their number."""

    size: int = 20 << 30
    files: int = 100_000


@dataclass
class Form:
    """A form that has arrived. files: (field, name as sent, where it lies). texts: field -> value."""

    folder: Path
    files: list[tuple[str, str, Path]] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)

    def file(self, name: str) -> tuple[str, Path] | None:
        """(name as sent, where it lies) of the first file of a field."""
        return next(((sent, path) for part, sent, path in self.files if part == name), None)


@asynccontextmanager
async def received(request: Request, folder: Path, limits: Limits) -> AsyncIterator[Form]:
    """The form of a request, in a hidden folder within `folder` that is removed at the end.

    Raises RefusedError for what is no form, too large, or cut off.
    """
    kind, options = parse_options_header(request.headers.get("content-type"))
    if kind != b"multipart/form-data" or not options.get(b"boundary"):
        raise RefusedError("Send a form with files (multipart/form-data).", 415)
    announced = request.headers.get("content-length", "")
    room = shutil.disk_usage(folder).free - _SPARE
    if announced.isdigit() and int(announced) > min(room, limits.size + _OVERHEAD):
        raise _too_large(limits.size if int(announced) > limits.size else room)
    form = Form(atomic.temporary_beside(folder / f"upload-{secrets.token_hex(4)}"))
    form.folder.mkdir()
    writer = _Writer(form, options[b"boundary"], Limits(min(room, limits.size), limits.files))
    try:
        async for chunk in request.stream():
            await asyncio.to_thread(writer.take, chunk)
        writer.finish()
        yield form
    except ClientDisconnect as error:
        raise RefusedError("The upload was cut off; nothing of it was kept. Send it again.") from error
    except OSError as error:
        raise explain(error, form.folder.parent) from error
    finally:
        writer.close()
        await asyncio.to_thread(shutil.rmtree, form.folder, True)


class _Writer:
    """Takes the bytes of a form and writes its files as part-0, part-1 ... into the form's folder."""

    def __init__(self, form: Form, boundary: bytes, limits: Limits):
        self.form, self._limits = form, limits
        self._size, self._came, self._looked, self._whole = 0, 0, 0, False
        self._headers: dict[str, str] = {}
        self._name, self._value, self._text = bytearray(), bytearray(), bytearray()
        self._field, self._file = "", None
        self._file: BinaryIO | None
        names = ("part_begin", "part_data", "part_end", "header_field", "header_value", "header_end",
                 "headers_finished", "end")  # fmt: skip
        calls: Any = {f"on_{name}": getattr(self, f"_{name}") for name in names}
        self._parser = MultipartParser(boundary, calls)

    def take(self, chunk: bytes) -> None:
        """The next bytes. Raises RefusedError, and OSError when the disk refuses them."""
        self._came += len(chunk)
        if self._came > self._limits.size + _OVERHEAD:
            raise _too_large(self._limits.size)
        if self._came - self._looked >= _STRIDE:
            self._looked = self._came
            if (room := shutil.disk_usage(self.form.folder).free - _SPARE) < 0:
                raise _too_large(room)
        try:
            self._parser.write(chunk)
        except MultipartParseError as error:
            raise RefusedError("The form is damaged; nothing of it was kept. Send it again.") from error

    def finish(self) -> None:
        """Raises RefusedError unless all of the form has come."""
        if not self._whole:
            raise RefusedError("The upload was cut off; nothing of it was kept. Send it again.")

    def close(self) -> None:
        """Close the file that is being written, if there is one."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _part_begin(self) -> None:
        self._headers, self._text = {}, bytearray()

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]
        self._within(len(self._name))

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]
        self._within(len(self._value))

    def _within(self, size: int) -> None:
        if size > _HEADER or len(self._headers) > 20:
            raise RefusedError("A part of the form has headers that are too long.", 413)

    def _header_end(self) -> None:
        self._headers[self._name.decode("latin-1").lower()] = self._value.decode("utf-8", "replace")
        self._name, self._value = bytearray(), bytearray()

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._headers.get("content-disposition", "").encode("utf-8"))
        self._field = options.get(b"name", b"").decode("utf-8", "replace")
        if b"filename" not in options:
            if len(self.form.texts) >= _FIELDS:
                raise RefusedError(f"A form may have {_FIELDS} fields.", 413)
            if self._field in self.form.texts:
                raise RefusedError("A field of the form is given twice.")
            return
        sent = options[b"filename"].decode("utf-8", "replace")
        if len(self.form.files) >= self._limits.files:
            raise RefusedError(
                f"An upload may hold {self._limits.files:,} files; put more into a zip, or into the data folder.",
                413,
            )
        path = self.form.folder / f"part-{len(self.form.files)}"
        self.form.files.append((self._field, sent, path))
        self._file = path.open("xb")

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if self._file is None:
            self._text += data[start:end]
            if len(self._text) > _FIELD:
                raise RefusedError("A text field of the form is too long.", 413)
            return
        self._size += end - start
        if self._size > self._limits.size:
            raise _too_large(self._limits.size)
        self._file.write(data[start:end])

    def _part_end(self) -> None:
        if self._file is None:
            self.form.texts[self._field] = self._text.decode("utf-8", "replace")
        self.close()

    def _end(self) -> None:
        self._whole = True


def _too_large(room: int) -> RefusedError:
    return RefusedError(
        f"This is too much: {max(0, room) / 1e9:.1f} GB are possible. Put the data into the data folder by hand, or "
        "free some space.",
        413,
    )


def keep(form: Form, folder: Path, wanted: str = "") -> str:
    """Move the files of a form into `folder` as one data set; its name. One file stays a file, several become a folder.

    Names are made safe, and equal ones told apart. wanted: a name for the folder. Raises RefusedError for no files.
    """
    named = [(safe_path(sent), path) for part, sent, path in form.files if part == "file"]
    named = [(name, path) for name, path in named if name]
    if not named:
        raise RefusedError("The form has no file in its field `file`.")
    if any(name.count("/") > _DEEPEST for name, _ in named):
        raise RefusedError(f"Folders may lie {_DEEPEST} deep within each other.")
    if len(named) == 1:
        name, path = named[0]
        return _placed(path, folder, name.rpartition("/")[2])
    tops = {name.partition("/")[0] for name, _ in named if "/" in name}
    common = next(iter(tops)) if len(tops) == 1 and all("/" in name for name, _ in named) else ""
    whole = form.folder / "whole"
    for name, path in named:
        target = whole / name.removeprefix(f"{common}/" if common else "")
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target.parent / free_name(target.parent, target.name))
    return _placed(whole, folder, safe_name(wanted) or common or "upload")


def _placed(path: Path, folder: Path, wanted: str) -> str:
    """Rename a file or folder into its place under the first free name."""
    while True:
        name = free_name(folder, wanted)
        if path.is_dir():
            try:
                path.rename(folder / name)
            except FileExistsError:
                continue
            return name
        try:
            (folder / name).hardlink_to(path)  # a rename would replace what came meanwhile
        except FileExistsError:
            continue
        except OSError:
            path.rename(folder / name)
        return name
