"""Hostile files: each is refused or read, runs no foreign code, gives no traceback and takes no memory.

They are made here, and are harmless: what a pickle would run is to make an empty file, PROBE; what would unpack to
much unpacks to zeros. Each is given to a verb in a process of its own, which starts from the imported packages; memory
is what that process took at its peak beyond them. "Refused" is exit code 1 or 2 with a sentence.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from torture.fuzz.children import PROBE, attempt

MOST_MEMORY, MOST_SECONDS = 400, 20  # MB beyond the imported packages; of one command
Made = tuple[str, str, bytes | Callable[[Path], None], str, bool]  # class, name, content, verb, must be refused


class Files:
    """The hostile files of some makers as cases, "class: name: verb"."""

    def __init__(self, *makers: Callable[[], Iterator[Made]]):
        self.makers = makers

    @cached_property
    def made(self) -> dict[str, Made]:
        """Every file by its case."""
        return {": ".join((made[0], made[1], made[3])): made for maker in self.makers for made in maker()}

    def tries(self) -> list[str]:
        """All cases."""
        return list(self.made)

    def run(self, case: str) -> str | None:
        """What was wrong with how one was taken, or None."""
        _, name, content, verb, must = self.made[case]
        path = Path("edited") / name

        def lay(_: Any) -> None:
            shutil.rmtree("edited", ignore_errors=True)
            Path("edited").mkdir()
            content(path) if callable(content) else path.write_bytes(content)

        found = attempt({"argv": verb.format(path).split(" ")}, lay, alone=True)
        if not found["error"] and must and found["code"] == 0:
            return "it was read, but must be refused"
        if not found["error"] and found["memory"] > MOST_MEMORY:
            return f"it took {found['memory']} MB"
        if not found["error"] and found["seconds"] > MOST_SECONDS:
            return f"it took {found['seconds']} seconds"
        return found["error"] or None


class Probe:
    """What a hostile pickle holds: to load it would make the file PROBE."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mknod, (PROBE,))


PICKLE = pickle.dumps(Probe())


def tensors(header: Any, data: bytes = b"", length: int | None = None) -> bytes:
    """A safetensors file. length: of the header, as it says."""
    head = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(head) if length is None else length).to_bytes(8, "little", signed=False) + head + data


def npy(header: str | bytes, data: bytes = bytes(4096), version: tuple[int, int] = (1, 0)) -> bytes:
    """An .npy file of a header and data."""
    head = header.encode() if isinstance(header, str) else header
    size = struct.pack("<H" if version == (1, 0) else "<I", len(head))
    return b"\x93NUMPY" + bytes(version) + size + head + data


def described(shape: str = "(4, 16, 16)", descr: str = "'|u1'", fortran: str = "False") -> str:
    """The header of an array."""
    return f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}\n"


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED, **facts: int) -> bytes:
    """A zip. facts: attributes of each member."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = method
            for fact, value in facts.items():
                setattr(info, fact, value)
            archive.writestr(info, content)
    return out.getvalue()


def chunk(name: bytes, data: bytes, right: bool = True) -> bytes:
    """A chunk of a PNG. right: whether its checksum is."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data) ^ (0 if right else 1))


def png(
    width: int,
    height: int,
    depth: int = 8,
    colour: int = 2,
    *,
    extra: bytes = b"",
    right: bool = True,
    rows: bytes | None = None,
) -> bytes:
    """A PNG. extra: chunks before the pixels. rows: other than black ones, before they are compressed."""
    raw = bytes((1 + width * 3) * height) if rows is None else rows
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head, right)
        + extra
        + chunk(b"IDAT", zlib.compress(raw))
        + chunk(b"IEND", b"")
    )
