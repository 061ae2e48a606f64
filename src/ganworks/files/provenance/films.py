"""Films with the note: the text for their comment, and what is added once they are whole."""

from __future__ import annotations

from typing import Any, BinaryIO

from ganworks.files.provenance.containers import mp4_box
from ganworks.files.provenance.content import seal_film
from ganworks.files.provenance.note import text_of, unsealed
from ganworks.files.provenance.xmp import xmp

_BOXED = (".mp4", ".m4v", ".mov")


def comment(mark: dict[str, Any] | None) -> str:
    """The note as the comment of a film that `finish` completes; "" without a note."""
    return text_of(unsealed(mark)) if mark else ""


def finish(film: BinaryIO, suffix: str, mark: dict[str, Any] | None) -> None:
    """Add the XMP packet (MP4, MOV) to a film that is open for reading and writing, and the digest of its packets."""
    if mark is None:
        return
    if suffix.lower() in _BOXED:
        film.seek(0, 2)
        film.write(mp4_box(xmp(unsealed(mark))))
    seal_film(film)
