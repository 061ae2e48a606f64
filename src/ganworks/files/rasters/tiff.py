"""TIFF files that Pillow reads wrongly or not at all, rewritten in memory as ones that it reads.

Pillow inverts white-is-zero pixels of up to 8 bits only, and opens no others of signed or 32-bit integers; it knows no
big-endian 12 and 32 bits; and it shows raw bytes of colours that lie in planes of 16 bits. Only the first directory
is written anew, at the end of the file; pixels stay where they are, and libtiff unpacks them. TIFF 6.0, sections 2 (the
directory), 3 (white is zero), 8 (planes) and 19 (sample formats).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

BITS, PHOTOMETRIC, SAMPLES, PLANES, EXTRA, FORMAT = 258, 262, 277, 284, 338, 339
_DATA = ((273, 279), (324, 325))  # offsets and sizes of strips, of tiles
_UNIT = {1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 6: 1, 7: 1, 8: 2, 9: 4, 10: 4, 11: 4, 12: 8, 13: 4}  # bytes to swap, by type
_COUNT = {5: 2, 10: 2}  # units in a value: rationals have two
_READ = {1: "u1", 3: "u2", 4: "u4"}
_KINDS = {1: "u", 2: "i", 3: "f"}


class Samples(NamedTuple):
    """What one stored number is. kind: "u" unsigned, "i" signed, "f" float. inverted: zero is white, which is still to
    be undone after Pillow has read the file.
    """

    kind: str
    bits: int
    inverted: bool = False

    @staticmethod
    def of_tags(tags: Any) -> Samples:
        """From a mapping of TIFF tags to a number or a tuple of them."""

        def first(tag: int, usual: int) -> int:
            found = tags.get(tag, usual)
            return int(found[0] if isinstance(found, tuple | list) else found)

        kind, bits = _KINDS.get(first(FORMAT, 1), "u"), first(BITS, 1)
        return Samples(kind, bits, first(PHOTOMETRIC, 1) == 0 and (kind != "u" or bits > 8))


@dataclass(frozen=True)
class Directory:
    """The first directory of a classic TIFF. order: "<" or ">"; entries: tag -> (type, raw values); later: the place of
    the next directory, 0 for none.
    """

    order: str
    entries: dict[int, tuple[int, bytes]]
    later: int

    def get(self, tag: int, usual: Any = None) -> Any:
        """The whole numbers of a tag as a tuple; `usual` where there is no such tag."""
        kind, raw = self.entries.get(tag, (0, b""))
        return tuple(np.frombuffer(raw, f"{self.order}{_READ[kind]}").tolist()) if kind in _READ else usual

    @property
    def samples(self) -> int:
        """Numbers in a pixel."""
        return self.get(SAMPLES, (1,))[0]

    @property
    def apart(self) -> bool:
        """Whether grey or RGB lies in planes that Pillow does not put together."""
        known = self.get(PHOTOMETRIC, (0,))[0] in (1, 2) and any(sizes in self.entries for _, sizes in _DATA)
        odd = max(self.get(BITS, (1,))) > 8 or EXTRA in self.entries or self.samples > 3
        return 1 < self.samples <= 8 and self.get(PLANES, (1,))[0] == 2 and known and odd


def directory(data: bytes) -> Directory | None:
    """The first directory of a classic TIFF; None for other files, and for damaged ones."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(data[:4])
    if order is None:
        return None
    try:
        (at,) = struct.unpack_from(f"{order}I", data, 4)
        (count,) = struct.unpack_from(f"{order}H", data, at)
        entries, left = {}, len(data)
        for place in range(at + 2, at + 2 + 12 * count, 12):
            tag, kind, values = struct.unpack_from(f"{order}HHI", data, place)
            size = _UNIT.get(kind, 1) * _COUNT.get(kind, 1) * values
            start = place + 8 if size <= 4 else struct.unpack_from(f"{order}I", data, place + 8)[0]
            left -= size
            if not size or start + size > len(data) or left < 0:  # values that overlap would multiply in memory
                return None
            entries[tag] = (kind, data[start : start + size])
        (later,) = struct.unpack_from(f"{order}I", data, at + 2 + 12 * count)
    except struct.error:
        return None
    return Directory(order, entries, later)


def samples_of(data: bytes) -> Samples | None:
    """What the numbers of a TIFF are; None for files of other formats."""
    found = directory(data)
    return None if found is None else Samples.of_tags(found)


def extra_samples(data: bytes) -> tuple[int, ...]:
    """What the numbers of a pixel beyond its colour are (tag 338); a fourth beside RGB that is not named is alpha."""
    found = directory(data)
    if found is None:
        return ()
    return found.get(EXTRA, (2,) if found.get(PHOTOMETRIC) == (2,) and found.samples == 4 else ())


def readable(data: bytes) -> bytes:
    """A TIFF that Pillow opens and whose pixels it leaves as they are stored; other files unchanged.

    White-is-zero is undone by the caller (see `Samples`), unsigned 32 bits come out as signed ones of the same bits,
    and of colours in planes only the first is shown; see `planes`.
    """
    found = directory(data)
    if found is None:
        return data
    if found.apart:
        return next(_planes(data, found))
    about, white = Samples.of_tags(found), found.get(PHOTOMETRIC, (1,))[0]
    if found.samples != 1 or white not in (0, 1):
        return data
    changes = {PHOTOMETRIC: [1]} if about.inverted else {}
    changes |= {FORMAT: [2]} if (about.kind, about.bits) == ("u", 32) else {}
    packed = about.bits == 12 and found.order == ">" and not found.later  # 12 bits have no order of bytes
    return rewritten(data, found, changes, "<" if packed else found.order) if changes or packed else data


def planes(data: bytes) -> Iterator[bytes] | None:
    """One grey TIFF for each plane of a file whose planes Pillow does not put together; None for all other files."""
    found = directory(data)
    return None if found is None or not found.apart else _planes(data, found)


def _planes(data: bytes, found: Directory) -> Iterator[bytes]:
    bits, kinds = found.get(BITS, (1,)), found.get(FORMAT, (1,))
    for plane in range(found.samples):
        changes = {SAMPLES: [1], PHOTOMETRIC: [1], PLANES: [1], EXTRA: [], BITS: [bits[plane % len(bits)]]}
        changes[FORMAT] = [kinds[plane % len(kinds)]]
        for tag in (tag for pair in _DATA for tag in pair if tag in found.entries):
            values = found.get(tag, ())
            each = len(values) // found.samples
            changes[tag] = list(values[plane * each : (plane + 1) * each])
        yield rewritten(data, found, changes, found.order)


def rewritten(data: bytes, found: Directory, changes: dict[int, list[int]], order: str) -> bytes:
    """The file with another first directory. changes: tag -> its whole numbers, none to leave it out. order: of the
    bytes of header and directory.
    """
    entries = {tag: (kind, _ordered(kind, raw, order != found.order)) for tag, (kind, raw) in found.entries.items()}
    for tag, values in changes.items():
        entries.pop(tag, None)
        if values:
            entries[tag] = (4, struct.pack(f"{order}{len(values)}I", *values))
    start = len(data) + len(data) % 2
    at, lines, outside = start + 2 + 12 * len(entries) + 4, b"", b""
    for tag, (kind, raw) in sorted(entries.items()):
        count = len(raw) // (_UNIT.get(kind, 1) * _COUNT.get(kind, 1))
        place = raw.ljust(4, b"\0") if len(raw) <= 4 else struct.pack(f"{order}I", at + len(outside))
        lines += struct.pack(f"{order}HHI", tag, kind, count) + place
        outside += raw + b"\0" * (len(raw) % 2) if len(raw) > 4 else b""
    head = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(f"{order}I", start)
    body = struct.pack(f"{order}H", len(entries)) + lines + struct.pack(f"{order}I", found.later) + outside
    return b"".join([head, data[8:], b"\0" * (len(data) % 2), body])


def _ordered(kind: int, raw: bytes, swap: bool) -> bytes:
    unit = _UNIT.get(kind, 1)
    return np.frombuffer(raw, f"u{unit}").byteswap().tobytes() if swap and unit > 1 else raw
