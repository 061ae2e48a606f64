"""Outputs of a training or an evaluation in the page: pictures, sounds, films, texts and tables, each in few bytes.

The first bytes of a file must be those of the format that its name claims. Other files, and files that are too large,
are left out.
"""

from __future__ import annotations

import base64
import csv
import struct
from collections.abc import Callable
from pathlib import Path

from ganworks.core.console.text import on_page
from ganworks.report.page.fill import macro
from ganworks.report.page.pictures import embed
from ganworks.report.read import RunView

_LINES, _LETTERS = 60, 6000  # of a text
_ROWS, _COLUMNS, _CELL = 12, 12, 80  # of a table
_READ = 1 << 16  # bytes of a text or table that are looked at
_FILMS = {".mp4": ("video/mp4", slice(4, 8), b"ftyp"), ".webm": ("video/webm", slice(4), b"\x1a\x45\xdf\xa3")}


def shown(run: RunView, path: Path, budget: int, alt: str) -> str:
    """The file as HTML (`Markup`) that embeds about `budget` bytes at most; "" when it cannot be shown.

    Only regular files inside the run folder are opened. alt: a text for those who cannot see it.
    """
    show = KINDS.get(path.suffix.lower())
    try:
        inside = path.is_file() and path.resolve().is_relative_to(run.folder.resolve())
        return show(path, budget, alt) if show and inside else ""
    except OSError:
        return ""


def _picture(path: Path, budget: int, alt: str) -> str:
    image = embed(path, budget)
    return macro("picture", image, alt) if image else ""


def _sound(path: Path, budget: int, alt: str) -> str:
    """A WAV file; of a long one the beginning."""
    with path.open("rb") as file:
        raw = file.read(budget + _READ)
    if raw[:4] != b"RIFF" or raw[8:12] != b"WAVE":
        return ""
    cut = ""
    if len(raw) > budget:
        raw, cut = _beginning(raw, budget)
    return macro("audio", _uri("audio/wav", raw), alt, cut) if raw else ""


def _beginning(raw: bytes, budget: int) -> tuple[bytes, str]:
    """(a WAV file of the first `budget` bytes, a sentence that says so); empty when the file is damaged."""
    at, form = 12, b""
    while at + 8 <= len(raw):
        name, size = raw[at : at + 4], int.from_bytes(raw[at + 4 : at + 8], "little")
        if name == b"fmt " and 16 <= size <= 64:
            form = raw[at + 8 : at + 8 + size]
        if name == b"data" and form:
            rate, block = int.from_bytes(form[8:12], "little"), max(1, int.from_bytes(form[12:14], "little"))
            kept = raw[at + 8 : at + 8 + max(0, budget - 100) // block * block]
            head = b"fmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(kept))
            whole = b"RIFF" + struct.pack("<I", 4 + len(head) + len(kept)) + b"WAVE" + head + kept
            return whole, f"The first {len(kept) / max(1, rate):.3g} seconds."
        at += 8 + size + size % 2
    return b"", ""


def _film(path: Path, budget: int, alt: str) -> str:
    kind, where, magic = _FILMS[path.suffix.lower()]
    if path.stat().st_size > budget:
        return macro("aside", f"It is too large for this page: {path.parent.name}/{path.name}")
    raw = path.read_bytes()
    return macro("video", _uri(kind, raw), alt) if raw[where] == magic else ""


def _uri(kind: str, raw: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(raw).decode('ascii')}"


def _text(path: Path, budget: int, alt: str) -> str:
    lines, more = _head(path, min(budget, _READ))
    kept = "\n".join(lines[:_LINES])[:_LETTERS]
    more = more or len(lines) > _LINES or len("\n".join(lines)) > _LETTERS
    rest = f"It goes on in {path.parent.name}/{path.name}" if more else ""
    return macro("text", kept, alt, rest) if kept.strip() else ""


def _table(path: Path, budget: int, alt: str) -> str:
    lines, more = _head(path, min(budget, _READ))
    try:
        rows = list(csv.reader(line for line in lines if not line.startswith("#")))
    except csv.Error:
        return ""
    if not rows or not any(rows):
        return ""
    head, *body = [[cell[:_CELL] for cell in row[:_COLUMNS]] for row in rows]
    cut = more or len(body) > _ROWS or any(len(row) > _COLUMNS for row in rows)
    rest = f"All of it is in {path.parent.name}/{path.name}" if cut else ""
    return macro("table", head, body[:_ROWS], alt, rest)


def _head(path: Path, most: int) -> tuple[list[str], bool]:
    """(the first lines of a text; whether it goes on)."""
    with path.open("rb") as file:
        raw = file.read(most + 1)
    lines = on_page(raw[:most].decode("utf-8-sig", "replace").replace("\r\n", "\n")).split("\n")
    lines = lines if lines[-1] else lines[:-1]
    return (lines[:-1] if len(raw) > most and len(lines) > 1 else lines), len(raw) > most


KINDS: dict[str, Callable[[Path, int, str], str]] = {
    **dict.fromkeys((".png", ".webp", ".gif", ".jpg"), _picture),
    **dict.fromkeys(_FILMS, _film),
    ".wav": _sound, ".txt": _text, ".csv": _table,
}  # fmt: skip
