"""Pictures, sounds and films of impossible sizes, cut, with bombs inside, or of other formats than their names."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from torture.fuzz.hostile import PICKLE, Files, Made, chunk, png

NAME = "hostile-media"


def pictures() -> Iterator[Made]:
    """Pictures of impossible size, with bombs in their texts and profiles, cut, and other formats by their names."""
    bomb = zlib.compress(bytes(300 << 20))
    jpeg = b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0\xff\xc0\0\x0b\x08"
    bad = {
        "wide.png": png(50_000, 50_000, rows=b""),
        "wider.png": png(2**31 - 1, 2**31 - 1, rows=b""),
        "no-width.png": png(0, 8),
        "crc.png": png(8, 8, right=False),
        "depth.png": png(8, 8, depth=7),
        "colour.png": png(8, 8, colour=9),
        "no-rows.png": png(8, 8, rows=b""),
        "cut.png": png(64, 64)[:60],
        "profile.png": png(8, 8, extra=chunk(b"iCCP", b"x\0\0" + bomb)),
        "text.png": png(8, 8, extra=chunk(b"zTXt", b"x\0\0" + bomb)),
        "many-texts.png": png(8, 8, extra=chunk(b"tEXt", b"x\0" + b"y" * 1_000_000) * 70),
        "endless.png": png(8, 8, rows=bytes(300 << 20)),
        "empty.png": b"",
        "page.png": b"<!DOCTYPE html>",
        "vector.png": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        "script.png": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        "layers.png": b"8BPS\0\1" + bytes(40),
        "program.png": b"\x7fELF" + bytes(64),
        "pickle.png": PICKLE,
        "stars.png": b"SIMPLE  =                    T" + b" " * 2850,
        "wide.jpg": jpeg + b"\xff\xff\xff\xff\1\1\x11\0",
        "cut.jpg": jpeg,
        "wide.gif": b"GIF89a\xff\xff\xff\xff\0\0\0;",
        "no-frame.gif": b"GIF89a\1\0\1\0\0\0\0;",
        "wide.bmp": b"BM" + struct.pack("<IIIIiiHH", 60, 0, 54, 40, 2**31 - 1, -(2**31), 1, 24) + bytes(24),
        "minus.bmp": b"BM" + struct.pack("<IIIIiiHH", 60, 0, 54, 40, -5, 5, 1, 24) + bytes(24),
        "loop.tif": b"II*\0\x08\0\0\0\0\0\x08\0\0\0",
        "tags.tif": b"II*\0\x08\0\0\0\xff\xff" + bytes(64),
        "far.tif": b"II*\0\xff\xff\xff\xff",
        "size.webp": b"RIFF\xff\xff\xff\xffWEBPVP8L" + bytes(20),
    }
    for name, content in bad.items():
        yield (
            "pictures",
            name,
            content,
            "data {.parent}",
            name not in ("many-texts.png", "text.png", "profile.png", "endless.png"),
        )
        yield (
            "pictures",
            name,
            content,
            "apply runs/superres {} out=made.png",
            name not in ("many-texts.png", "text.png", "profile.png", "endless.png"),
        )


def _wav(
    form: int = 1,
    channels: int = 1,
    rate: int = 8000,
    bits: int = 16,
    data: bytes = bytes(4000),
    size: int | None = None,
) -> bytes:
    block = channels * bits // 8
    head = struct.pack("<HHIIHH", form, channels, rate, (rate * block) % 2**32, block % 2**16, bits)
    body = (
        b"WAVEfmt "
        + struct.pack("<I", 16)
        + head
        + b"data"
        + struct.pack("<I", len(data) if size is None else size)
        + data
    )
    return b"RIFF" + struct.pack("<I", len(body) % 2**32) + body


def sounds() -> Iterator[Made]:
    """Sounds without samples, of impossible rates and channels, and with lengths that lie."""
    files = {
        "none.wav": _wav(data=b""),
        "rate-0.wav": _wav(rate=0),
        "channels-0.wav": _wav(channels=0),
        "channels.wav": _wav(channels=65535),
        "bits.wav": _wav(bits=7),
        "bits-0.wav": _wav(bits=0),
        "form.wav": _wav(form=0x9999),
        "4-gb.wav": _wav(size=2**32 - 1),
        "rate.wav": _wav(rate=2**32 - 1),
        "nan.wav": _wav(3, bits=32, data=struct.pack("<f", float("nan")) * 1000),
        "no-data.wav": _wav()[:36],
        "cut.wav": _wav()[:20],
        "empty.wav": b"",
        "pickle.wav": PICKLE,
        "page.wav": b"<!DOCTYPE html>",
        "cut.flac": b"fLaC\0\0\0\x22" + bytes(10),
        "cut.ogg": b"OggS" + bytes(30),
    }
    for name, content in files.items():
        yield "sounds", name, content, "data {.parent} recipe=audio", name not in ("4-gb.wav", "bits.wav")
        if name in ("4-gb.wav", "nan.wav", "cut.wav", "pickle.wav", "rate.wav"):
            yield "sounds", name, content, "apply runs/vocoder {} out=made.wav", name != "4-gb.wav"


def films() -> Iterator[Made]:
    """Films without frames."""
    boxes = {
        "empty.mp4": b"",
        "box.mp4": b"\0\0\0\x18ftypisom" + bytes(12),
        "huge-box.mp4": b"\xff\xff\xff\xffmoov" + bytes(64),
        "pickle.mp4": PICKLE,
        "page.mp4": b"<html>",
        "loop.avi": b"RIFF\xff\xff\xff\xffAVI LIST",
    }
    for name, content in boxes.items():
        yield "films", name, content, "data {} recipe=video", True
        yield "films", name, content, "apply runs/pix2pix {} out=made.mp4", True


_FILES = Files(pictures, sounds, films)
tries, run = _FILES.tries, _FILES.run
