"""TIFF files written by hand, from TIFF 6.0 alone, so that readers can be compared with what was written."""

import struct
import zlib

import numpy as np

KINDS = {"u": 1, "i": 2, "f": 3}


def tiff(values, *, white_is_zero=False, bits=0, order="<", deflate=False, planar=False, extra=(), orientation=1):
    """Numbers [H, W] or [H, W, C] (2: grey and another, 3 or 4: RGB and another) -> TIFF of one strip, or one a plane.

    bits: of a number where they are fewer than those of its type. order: "<" or ">". extra: tag 338.
    """
    array = np.atleast_3d(np.asarray(values))
    height, width, channels = array.shape
    bits = bits or array.dtype.itemsize * 8
    photometric = 2 if channels > 2 else int(not white_is_zero)
    planes = [array[..., k : k + 1] for k in range(channels)] if planar else [array]
    strips = [_packed(plane, bits, order) for plane in planes]
    strips = [zlib.compress(strip) for strip in strips] if deflate else strips
    tags = {
        256: (4, [width]), 257: (4, [height]), 258: (3, [bits] * channels), 259: (3, [8 if deflate else 1]),
        262: (3, [photometric]), 273: (4, [0] * len(strips)), 274: (3, [orientation]), 277: (3, [channels]),
        278: (4, [height]), 279: (4, [len(strip) for strip in strips]), 284: (3, [2 if planar else 1]),
        338: (3, list(extra)), 339: (3, [KINDS[array.dtype.kind]] * channels),
    }  # fmt: skip
    tags = {tag: (kind, numbers) for tag, (kind, numbers) in tags.items() if numbers}

    def raw(tag):
        kind, numbers = tags[tag]
        return struct.pack(f"{order}{len(numbers)}{'HI'[kind == 4]}", *numbers)

    at, places = 8 + 2 + 12 * len(tags) + 4, {}
    for tag in tags:
        if len(raw(tag)) > 4:
            places[tag], at = at, at + len(raw(tag))
    starts = at + np.cumsum([0, *(len(strip) for strip in strips[:-1])])
    tags[273] = (4, starts.tolist())
    lines = b""
    for tag, (kind, numbers) in tags.items():
        place = struct.pack(f"{order}I", places[tag]) if tag in places else raw(tag).ljust(4, b"\0")
        lines += struct.pack(f"{order}HHI", tag, kind, len(numbers)) + place
    head = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(f"{order}IH", 8, len(tags))
    return head + lines + b"\0" * 4 + b"".join(raw(tag) for tag in places) + b"".join(strips)


def _packed(plane, bits, order):
    """Rows of numbers, each row padded to whole bytes; numbers of no whole bytes begin with their highest bit."""
    if bits % 8 == 0 and bits != 24:
        return np.ascontiguousarray(plane).astype(plane.dtype.newbyteorder(order)).tobytes()
    rows = ["".join(f"{int(number):0{bits}b}" for number in row.reshape(-1)) for row in plane]
    rows = [row + "0" * (-len(row) % 8) for row in rows]
    return b"".join(int(row, 2).to_bytes(len(row) // 8, "big") for row in rows)
