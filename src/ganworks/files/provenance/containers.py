"""Where GIF, PNG, FLAC, WAV and MP4 keep a note: their blocks, chunks and boxes, read and written without a library.

GIF: the application extension "XMP Data" (Adobe, XMP Specification Part 3), a packet that ends in a trailer of
descending bytes, which a decoder that does not know it skips. MP4 and MOV: a box "uuid" of XMP's identifier, at the end
of the file, where it moves nothing. WAV: a chunk "_PMX". Readers take files of any origin: what does not fit ends the
search.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

from ganworks.files.provenance.note import LARGEST

_GIF_XMP = b"XMP DataXMP"
_TRAILER = b"\x01" + bytes(range(255, -1, -1)) + b"\0"
_UUID = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")


def gif_with_xmp(content: bytes, packet: str) -> bytes:
    """A GIF with a packet after its header and global colours."""
    at = _gif_blocks(content)
    return content[:at] + b"\x21\xff\x0b" + _GIF_XMP + packet.encode() + _TRAILER + content[at:]


def _gif_blocks(content: bytes) -> int:
    """Where the first block of a GIF begins."""
    flags = content[10] if len(content) > 10 else 0
    return 13 + (3 << ((flags & 7) + 1) if flags & 0x80 else 0)


def gif_notes(content: bytes) -> tuple[bytes, list[bytes]]:
    """(the XMP packet or b"", the comments) that stand before the first picture of a GIF."""
    packet, comments, at = b"", [], _gif_blocks(content)
    while content[at : at + 1] == b"\x21":
        kind, at = content[at + 1 : at + 2], at + 2
        if kind == b"\xff" and content[at + 1 : at + 12] == _GIF_XMP:
            end = content.find(_TRAILER, at + 12)
            if end < 0:
                break
            packet, at = content[at + 12 : end], end + len(_TRAILER)
            continue
        parts = []
        while at < len(content) and (size := content[at]):
            parts.append(content[at + 1 : at + 1 + size])
            at += 1 + size
        at += 1
        if kind == b"\xfe":
            comments.append(b"".join(parts))
    return packet, comments


def png_texts(content: bytes) -> dict[str, bytes]:
    """Keyword -> text of the tEXt and uncompressed iTXt chunks of a PNG, wherever they stand."""
    found: dict[str, bytes] = {}
    for kind, at, size in _png_chunks(content):
        if kind in (b"tEXt", b"iTXt") and size <= LARGEST:
            name, _, text = content[at : at + size].partition(b"\0")
            if kind == b"iTXt":
                if text[:1] != b"\0":
                    continue  # compressed
                text = text[2:].split(b"\0", 2)[-1]
            found.setdefault(name.decode("latin-1"), text)
    return found


def _png_chunks(content: bytes) -> Iterator[tuple[bytes, int, int]]:
    """(name, where its data begin, how many bytes they are) of each chunk."""
    at = 8
    while at + 12 <= len(content):
        size = int.from_bytes(content[at : at + 4], "big")
        yield content[at + 4 : at + 8], at + 8, size
        at += 12 + size


def png_with_sums(content: bytes) -> bytes:
    """A PNG whose text chunks have changed, with their checksums made right."""
    made = bytearray(content)
    for kind, at, size in _png_chunks(content):
        if kind in (b"tEXt", b"iTXt"):
            made[at + size : at + size + 4] = struct.pack(">I", zlib.crc32(made[at - 4 : at + size]))
    return bytes(made)


def flac_start(content: bytes) -> int:
    """Where a FLAC begins: behind an ID3v2 tag, if there is one (that is where C2PA's library puts manifests)."""
    if content[:3] != b"ID3" or len(content) < 10:
        return 0
    return 10 + sum((byte & 0x7F) << shift for byte, shift in zip(content[6:10], (21, 14, 7, 0), strict=True))


def flac_comments(content: bytes) -> dict[str, str]:
    """Name in capitals -> value of the Vorbis comment of a FLAC (RFC 9639, 8.6)."""
    content = content[flac_start(content) :]
    at, found = 4, {}
    while content[:4] == b"fLaC" and at + 4 <= len(content):
        kind, size = content[at] & 0x7F, int.from_bytes(content[at + 1 : at + 4], "big")
        if kind == 4 and size <= LARGEST:
            found = _vorbis(content[at + 4 : at + 4 + size])
        if content[at] & 0x80:
            break
        at += 4 + size
    return found


def _vorbis(block: bytes) -> dict[str, str]:
    at, found = 4 + int.from_bytes(block[:4], "little"), {}
    count, at = int.from_bytes(block[at : at + 4], "little"), at + 4
    for _ in range(min(count, len(block) // 4)):
        size = int.from_bytes(block[at : at + 4], "little")
        name, _, value = block[at + 4 : at + 4 + size].decode("utf-8", "replace").partition("=")
        found.setdefault(name.upper(), value)
        at += 4 + size
    return found


def riff_chunk(name: bytes, content: bytes) -> bytes:
    """One chunk of a RIFF file, padded to an even length."""
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def riff_chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(name, data) of each chunk of a RIFF file, data of chunks other than "data" cut at LARGEST bytes."""
    at = 12
    while content[:4] == b"RIFF" and at + 8 <= len(content):
        name, size = content[at : at + 4], int.from_bytes(content[at + 4 : at + 8], "little")
        yield name, content[at + 8 : at + 8 + (size if name == b"data" else min(size, LARGEST))]
        at += 8 + size + size % 2


def mp4_box(packet: str) -> bytes:
    """A packet as the box that is added at the end of an MP4 or MOV."""
    content = _UUID + packet.encode()
    return struct.pack(">I4s", 8 + len(content), b"uuid") + content


def mp4_packet(path: Path) -> bytes:
    """The XMP packet of an MP4 or MOV, b"" for none; no other content is read."""
    with path.open("rb") as file:
        at, end = 0, path.stat().st_size
        while at + 8 <= end:
            file.seek(at)
            size, kind = struct.unpack(">I4s", file.read(8))
            head = 8
            if size == 1:
                size, head = int.from_bytes(file.read(8), "big"), 16
            size = size or end - at
            if size < head:
                return b""
            if kind == b"uuid" and size <= LARGEST and file.read(16) == _UUID:
                return file.read(size - head - 16)
            at += size
    return b""
