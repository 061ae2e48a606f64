"""Digests of what a file shows, so that a note says when the content is no longer what it was written for.

A digest is over decoded pixels or samples, never over the bytes that hold them: what rewrites the metadata, or saves
the same pixels in another lossless form, changes nothing. It is no signature: who edits a file can write a new note.

| prefix | over |
|---|---|
| pixels | the frames of a picture or animation: size, depth, values; colour behind full transparency does not count |
| samples | rate, channels and 16-bit samples of a sound |
| packets | the compressed packets of a film's streams, which a change of container keeps |
| entries | names and bytes of the entries of an archive, without the note |
| pages | of a Parquet file, what stands before its footer |
| texts | the samples of a .json |
| bytes | the whole file |
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ganworks.core.errors import UsageError
from ganworks.core.schema.plain import as_json
from ganworks.files.provenance.containers import png_with_sums
from ganworks.files.provenance.note import UNSEALED
from ganworks.files.rasters.film import packets
from ganworks.files.rasters.read import read
from ganworks.files.rasters.stored import Raster

NOTES = ("mark.json", "mark.npy", "marked.npy")  # entries of archives that are no content
_CHUNK = 1 << 20
_LARGEST = 64 << 30  # bytes of an archive's entries that are read for a digest
_KEPT = len(UNSEALED)


def of_rasters(frames: Sequence[Raster]) -> str:
    """The digest of frames: grey is the same as RGB of three equal channels, and full opacity as no transparency."""
    digest = hashlib.sha256()
    for frame in frames:
        colour, alpha = frame.colour, frame.alpha
        if alpha is not None and bool((alpha >= frame.top).all()):
            alpha = None
        if alpha is not None:
            colour = np.where(alpha <= frame.low, 0, colour).astype(colour.dtype)
        if len(colour) == 3 and (colour[0] == colour[1]).all() and (colour[0] == colour[2]).all():
            colour = colour[:1]
        digest.update(f"{colour.dtype.str[1:]} {colour.shape} {alpha is not None};".encode())
        digest.update(np.ascontiguousarray(colour).data)
        if alpha is not None:
            digest.update(np.ascontiguousarray(alpha).data)
    return f"pixels:{digest.hexdigest()}"


def of_picture(content: bytes, name: str = "picture") -> str:
    """The digest of an encoded picture or animation. Raises DecodeError for one that cannot be read."""
    return of_rasters(read(content, name).frames)


def of_sound(wave: np.ndarray, rate: int) -> str:
    """The digest of int16 [C, n] at `rate` Hz."""
    digest = hashlib.sha256(f"{rate} {len(wave)};".encode())
    digest.update(np.ascontiguousarray(wave.T).astype("<i2").tobytes())
    return f"samples:{digest.hexdigest()}"


def of_film(film: BinaryIO | Path) -> str:
    """The digest of a film. Raises DecodeError for one that cannot be read, UsageError without PyAV."""
    digest = hashlib.sha256()
    for stream, packet in packets(film):
        digest.update(f"{stream} {len(packet)};".encode())
        digest.update(packet)
    return f"packets:{digest.hexdigest()}"


class Entries:
    """The digest of an archive, entry by entry in their order."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def add(self, name: str, pieces: Iterable[bytes | memoryview]) -> None:
        """One entry; those that hold notes are left out."""
        if name in NOTES:
            return
        inner = hashlib.sha256()
        for piece in pieces:
            inner.update(piece)
        self._digest.update(f"{name}\0{inner.hexdigest()}\n".encode())

    def __str__(self) -> str:
        return f"entries:{self._digest.hexdigest()}"


def of_archive(file: BinaryIO | Path) -> str:
    """The digest of a zip or npz. Raises UsageError when its entries are too large, and what zipfile raises."""
    made = Entries()
    with zipfile.ZipFile(file) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > _LARGEST:
            raise UsageError(f"Its entries are more than {_LARGEST >> 30} GB; unpack it to check it.")
        for entry in archive.infolist():
            with archive.open(entry) as inner:
                made.add(entry.filename, iter(lambda read=inner.read: read(_CHUNK), b""))
    return str(made)


def of_bytes(content: bytes | Path) -> str:
    """The digest of whole bytes or of a whole file."""
    if isinstance(content, bytes):
        return f"bytes:{hashlib.sha256(content).hexdigest()}"
    with content.open("rb") as file:
        return f"bytes:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def of_parquet(content: bytes) -> str:
    """The digest of a Parquet file without its footer, which holds the note."""
    footer = int.from_bytes(content[-8:-4], "little") + 8
    return f"pages:{hashlib.sha256(content[: max(0, len(content) - footer)]).hexdigest()}"


def of_json(samples: Any) -> str:
    """The digest of the samples of a .json."""
    text = json.dumps(as_json(samples), sort_keys=True)
    return f"texts:{hashlib.sha256(text.encode()).hexdigest()}"


def seal(content: bytes, name: str, digest: str = "") -> bytes:
    """A picture whose note has an empty place for the digest, with the digest of its pixels in that place. digest: that
    one, where it is known; "": it is read from the picture.
    """
    if UNSEALED.encode() not in content:
        return content
    made = content.replace(UNSEALED.encode(), (digest or of_picture(content, name)).encode())
    return png_with_sums(made) if made[:4] == b"\x89PNG" else made


def seal_film(film: BinaryIO) -> None:
    """The same for an open film, in place; the digest of its packets is as long as the place is."""
    film.seek(0)
    found = of_film(io.BytesIO(film.read()) if isinstance(film, io.BytesIO) else film)
    value = f"packets:{found.removeprefix('packets:')[: _KEPT - len('packets:')]}".encode()
    _replace(film, UNSEALED.encode(), value)


def _replace(file: BinaryIO, old: bytes, new: bytes) -> None:
    """Replace all of `old` in a file by as many other bytes."""
    at, tail = 0, b""
    file.seek(0)
    places = []
    while piece := file.read(_CHUNK):
        block, start = tail + piece, at - len(tail)
        found = block.find(old)
        while found >= 0:
            places.append(start + found)
            found = block.find(old, found + 1)
        tail, at = block[-(len(old) - 1) :], at + len(piece)
    for place in dict.fromkeys(places):
        file.seek(place)
        file.write(new)
    file.seek(0, io.SEEK_END)


def same(said: str, found: str) -> bool:
    """Whether the digest in a note is the one of the content; that of a film is one character short."""
    return said == found or (said.startswith("packets:") and found.startswith(said) and len(said) >= _KEPT)
