"""Zips that come with requests, and zips of what came of their files. Nothing is unpacked onto a disk."""

from __future__ import annotations

import asyncio
import io
import json
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import PurePosixPath

from ganworks.core.console.text import printable
from ganworks.core.errors import UsageError
from ganworks.core.machine.memory import spelled
from ganworks.serve.forms import Sink
from ganworks.use.samples import EPOCH

MOST_MEMBERS = 10_000
_RATIO = 200  # bytes that a member may have for each packed one; pictures have about one
_SMALL = 1 << 20  # bytes of a member that may be packed as tightly as it likes
_PACKED = 4  # a zip may hold so many times the bytes of an upload

One = Callable[[str, bytes], Awaitable[tuple[bytes, str, str]]]


class TooMuchInsideError(UsageError):
    """A zip holds more than is read here."""

    status = 413


class NoZipError(UsageError):
    """A zip that cannot be read."""

    status = 422


def members(content: bytes, takes: tuple[str, ...], most: int) -> list[tuple[str, bytes]]:
    """(name, content) of the files of a zip whose names end in one of `takes`, by name. most: bytes of one file.

    Raises UsageError for what is no zip, for members that lie outside of it or are links, and for too much inside.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return _members(archive, takes, most)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, ValueError) as error:
        raise NoZipError(f"file: the zip cannot be read ({printable(str(error))[:120]}).") from error


def _members(archive: zipfile.ZipFile, takes: tuple[str, ...], most: int) -> list[tuple[str, bytes]]:
    every = [info for info in archive.infolist() if not info.is_dir()]
    if len(every) > MOST_MEMBERS:
        raise TooMuchInsideError(f"file: the zip holds {len(every):,} files; up to {MOST_MEMBERS:,} are read here.")
    for info in every:
        _check(info, most)
    if sum(info.file_size for info in every) > _PACKED * most:
        raise TooMuchInsideError(f"file: the zip unpacks to more than {spelled(_PACKED * most)}.")
    chosen = sorted((info for info in every if info.filename.lower().endswith(takes)), key=lambda info: info.filename)
    if not chosen:
        raise NoZipError(f"file: nothing in the zip ends in {', '.join(takes)}.")
    if len({info.filename.casefold() for info in chosen}) < len(chosen):
        raise NoZipError("file: two files of the zip have the same name.")
    return [(info.filename, _read(archive, info)) for info in chosen]


def _check(info: zipfile.ZipInfo, most: int) -> None:
    name = printable(info.filename)[:80]
    path = PurePosixPath(info.filename.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in (path.parts or ("",))[0] or "\0" in info.orig_filename:
        raise NoZipError(f"file: the zip names a file outside of it ({name!r}).")
    if (info.external_attr >> 16) & 0o170000 not in (0, 0o100000):
        raise NoZipError(f"file: {name!r} in the zip is a link or no plain file.")
    if info.file_size > most:
        raise TooMuchInsideError(
            f"file: {name!r} in the zip has {spelled(info.file_size)}; up to {spelled(most)} are read."
        )
    if info.file_size > _SMALL and info.file_size > _RATIO * max(1, info.compress_size):
        raise TooMuchInsideError(f"file: {name!r} in the zip is packed more tightly than a file of its kind can be.")


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    with archive.open(info) as file:
        content = file.read(info.file_size + 1)
    if len(content) > info.file_size:
        raise TooMuchInsideError(f"file: {printable(info.filename)[:80]!r} in the zip is larger than it says.")
    return content


async def zip_pieces(
    files: list[tuple[str, bytes]], one: One, done: Callable[[int], None] = lambda _: None
) -> AsyncIterator[bytes]:
    """A zip in pieces of what `one` makes of each file: (content, its suffix, a sentence); no suffix: it failed.

    applied.json says of each file what came of it. done: is told how many are finished.
    """
    sink, lines, taken = Sink(), [], set()
    with zipfile.ZipFile(sink, "w") as archive:
        for number, (name, raw) in enumerate(files):
            content, suffix, said = await one(name, raw)
            line = {"input": name} | ({"note": said} if said and suffix else {"error": said} if not suffix else {})
            if suffix:
                own = str(PurePosixPath(name).with_suffix(suffix))
                own = f"{name}{suffix}" if own in taken else own
                taken.add(own)
                await asyncio.to_thread(archive.writestr, zipfile.ZipInfo(own, EPOCH), content)
                line["output"] = own
            lines.append(line)
            yield sink.taken()
            done(number + 1)
        archive.writestr(zipfile.ZipInfo("applied.json", EPOCH), json.dumps(lines, indent=1))
    yield sink.taken()


async def zipped(files: list[tuple[str, bytes]], one: One) -> bytes:
    """The same in one."""
    return b"".join([piece async for piece in zip_pieces(files, one)])
