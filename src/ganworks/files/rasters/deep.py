"""Writes PNG and TIFF with 16 bits per channel and colour or alpha, which Pillow reads only in part and cannot write.

PNG: W3C Portable Network Graphics, third edition. TIFF 6.0 with Adobe's deflate (technical note 2) and horizontal
differencing (section 14); one strip, little-endian.
"""

from __future__ import annotations

import struct
import zlib

import numpy as np

_PNG_KIND = {1: 0, 2: 4, 3: 2, 4: 6}


def png(array: np.ndarray, chunks: list[tuple[bytes, bytes]]) -> bytes:
    """uint16 [C, H, W] -> PNG; C = 1: grey, 2: grey and alpha, 3: RGB, 4: RGBA. chunks: (type, content) of further
    chunks.
    """
    channels, height, width = array.shape
    rows = np.ascontiguousarray(array.transpose(1, 2, 0)).astype(">u2").view(np.uint8).reshape(height, -1)
    filtered = np.empty((height, 1 + rows.shape[1]), np.uint8)
    filtered[:, 0] = 1  # filter "Sub": the difference to the pixel on the left
    filtered[:, 1:] = rows
    step = 2 * channels
    filtered[:, 1 + step :] -= rows[:, :-step]
    head = struct.pack(">IIBBBBB", width, height, 16, _PNG_KIND[channels], 0, 0, 0)
    body = [(b"IHDR", head), *chunks, (b"IDAT", zlib.compress(filtered.tobytes(), 6)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, content) for kind, content in body)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def text_chunk(name: str, text: str) -> tuple[bytes, bytes]:
    """An uncompressed iTXt chunk (PNG 11.3.3.4)."""
    return b"iTXt", name.encode("latin-1") + b"\0\0\0\0\0" + text.encode()


def png_facts(icc: bytes | None, exif: bytes | None, dpi: tuple[float, float] | None) -> list[tuple[bytes, bytes]]:
    """Chunks for a colour profile, EXIF (TIFF bytes without the name "Exif") and pixels per inch."""
    chunks = [(b"iCCP", b"profile\0\0" + zlib.compress(icc))] if icc else []
    if dpi:
        chunks.append((b"pHYs", struct.pack(">IIB", round(dpi[0] / 0.0254), round(dpi[1] / 0.0254), 1)))
    return chunks + ([(b"eXIf", exif)] if exif else [])


def tiff(array: np.ndarray, *, icc: bytes | None = None, xmp: bytes | None = None) -> bytes:
    """uint16 [C, H, W] as in `png` -> TIFF, with a colour profile and an XMP packet if given."""
    channels, height, width = array.shape
    pixels = np.ascontiguousarray(array.transpose(1, 2, 0))
    changes = pixels.copy()
    changes[:, 1:] -= pixels[:, :-1]
    strip = zlib.compress(changes.astype("<u2").tobytes(), 6)
    entries: list[tuple[int, int, list[int] | bytes]] = [
        (256, 4, [width]), (257, 4, [height]), (258, 3, [16] * channels), (259, 3, [8]),
        (262, 3, [2 if channels > 2 else 1]), (273, 4, [0]), (277, 3, [channels]), (278, 4, [height]),
        (279, 4, [len(strip)]), (284, 3, [1]), (317, 3, [2]),
    ]  # fmt: skip
    if channels in (2, 4):
        entries.append((338, 3, [2]))  # alpha, not premultiplied
    entries += [(700, 1, xmp)] if xmp else []
    entries += [(34675, 7, icc)] if icc else []
    return _tiff_file(entries, strip)


def _tiff_file(entries: list[tuple[int, int, list[int] | bytes]], strip: bytes) -> bytes:
    """Header, directory, values that do not fit into it, strip."""
    start = 8 + 2 + 12 * len(entries) + 4
    packed = {tag: value if isinstance(value, bytes) else struct.pack(f"<{len(value)}{'HI'[kind == 4]}", *value)
              for tag, kind, value in entries}  # fmt: skip
    outside = b""
    places = {}
    for tag, raw in packed.items():
        if len(raw) > 4:
            places[tag] = start + len(outside)
            outside += raw + b"\0" * (len(raw) % 2)
    packed[273] = struct.pack("<I", start + len(outside))
    lines = [struct.pack("<HHI", tag, kind, len(value)) +
             (struct.pack("<I", places[tag]) if tag in places else packed[tag].ljust(4, b"\0"))
             for tag, kind, value in entries]  # fmt: skip
    head = b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(lines)) + b"".join(lines) + b"\0" * 4
    return head + outside + strip
