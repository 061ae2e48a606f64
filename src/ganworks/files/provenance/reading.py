"""Reads the marks in a file of any format that ganworks writes, and of any origin."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

from PIL import Image

from ganworks.core.errors import UsageError
from ganworks.core.schema.plain import read_json
from ganworks.files.array_files import load_member
from ganworks.files.provenance.containers import (
    flac_comments,
    flac_start,
    gif_notes,
    mp4_packet,
    png_texts,
    riff_chunks,
)
from ganworks.files.provenance.note import LARGEST, TERMS, is_own, parsed
from ganworks.files.provenance.xmp import Packet, read_xmp
from ganworks.files.rasters import film

FILMS = film.SUFFIXES
PICTURES = (".png", ".apng", ".webp", ".gif", ".jpg", ".jpeg", ".jpe", ".jfif", ".tif", ".tiff")
_HEADS = 64 << 20  # bytes of a sound or picture in which a note is looked for


def read(path: str | Path) -> dict[str, Any] | None:
    """The note of ganworks in a file, or in NAME.mark.json beside it; None if there is none.

    Films need PyAV: raises UsageError without it, and for a film that cannot be read. Raises UsageError for a note
    beside a file that is no JSON.
    """
    return marks(path).note


def marks(path: str | Path) -> Packet:
    """The note of ganworks and the digital source type, whichever program wrote it. Raises as `read` does."""
    path = Path(path)
    if (beside := path.with_name(f"{path.name}.mark.json")).is_file():
        found = read_json(beside.read_bytes(), str(beside)) if beside.stat().st_size <= LARGEST else None
        return _of_note(found if isinstance(found, dict) else None)
    suffix = path.suffix.lower()
    if suffix in FILMS:
        return _film(path)
    reader = {".npz": _npz, ".zip": _zip, ".parquet": _parquet, ".json": _json}.get(suffix)
    return _of_note(reader(path)) if reader else marks_in(_start(path))


def marks_in(content: bytes) -> Packet:
    """The marks in the bytes of a picture or a sound, by what they begin with; nothing for other bytes."""
    if content[:4] == b"RIFF" and content[8:12] == b"WAVE":
        return _wav(content)
    if content[flac_start(content) :][:4] == b"fLaC":
        comments = flac_comments(content)
        return _of_note(parsed(comments.get("COMMENT") or comments.get("DESCRIPTION")))
    if content[:4] == b"GIF8":
        packet, comments = gif_notes(content)
        found = read_xmp(packet)
        return _best(found, found.note, *map(parsed, comments))
    if content[:4] == b"\x89PNG":
        texts = png_texts(content)
        return _best(read_xmp(texts.get("XML:com.adobe.xmp")), parsed(texts.get("ganworks")))
    return read_xmp(_packet(content))


def _packet(content: bytes) -> bytes:
    """The XMP packet of a WebP, JPEG or TIFF; of anything else, nothing."""
    import io

    if not content.startswith((b"RIFF", b"\xff\xd8", b"II", b"MM")):
        return b""
    with Image.open(io.BytesIO(content), formats=("WEBP", "JPEG", "TIFF")) as image:
        packet = getattr(image, "tag_v2", {}).get(700) or image.info.get("xmp", b"")
    return packet.encode() if isinstance(packet, str) else bytes(packet)


def _start(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_HEADS)


def _of_note(note: dict[str, Any] | None) -> Packet:
    return Packet(note, str((note or {}).get("digitalSourceType", "")).removeprefix(TERMS))


def _best(packet: Packet, *notes: dict[str, Any] | None) -> Packet:
    """What a packet and notes beside it say: the first note, and the term of either."""
    note = next((n for n in (*notes, packet.note) if n is not None), None)
    return Packet(note, packet.term or _of_note(note).term)


def _wav(content: bytes) -> Packet:
    packet, notes = Packet(), []
    for name, data in riff_chunks(content):
        if name == b"_PMX":
            packet = read_xmp(data)
        if name == b"LIST" and data[:4] == b"INFO":
            inner = b"RIFF" + bytes(4) + data[:4] + data[4:]
            notes += [parsed(text.rstrip(b"\0")) for part, text in riff_chunks(inner) if part == b"ICMT"]
    return _best(packet, *notes)


def _film(path: Path) -> Packet:
    packet = read_xmp(mp4_packet(path)) if path.suffix.lower() in (".mp4", ".m4v", ".mov") else Packet()
    return packet if packet.note else _best(packet, parsed(film.note_of(path)))


def _npz(path: Path) -> dict[str, Any] | None:
    mark = load_member(path, "mark")
    return None if mark is None else parsed(str(mark))


def _zip(path: Path) -> dict[str, Any] | None:
    with zipfile.ZipFile(path) as archive:
        if "mark.json" not in archive.namelist() or archive.getinfo("mark.json").file_size > LARGEST:
            return None
        return parsed(archive.read("mark.json"))


def _parquet(path: Path) -> dict[str, Any] | None:
    from ganworks.files.tables.write import arrow

    pyarrow, parquet = arrow()
    try:
        return parsed((parquet.read_metadata(path).metadata or {}).get(b"ganworks"))
    except (pyarrow.ArrowException, OSError) as error:
        raise UsageError(f"{path} cannot be read as Parquet.") from error


def _json(path: Path) -> dict[str, Any] | None:
    """The note at the head of a .json of texts."""
    content = _start(path)
    try:
        found = read_json(content, str(path))
    except UsageError:
        return None
    mark = found.get("mark") if isinstance(found, dict) else None
    return mark if is_own(mark) else None
