"""250 hostile files: each is refused or read, runs no foreign code, gives no traceback and takes no memory.

    python -m benchmarks.torture.hostile [--place FOLDER] [--show]

The files are made here, and are harmless: what a pickle would run is to make an empty file, PROBE; what would unpack to
much unpacks to zeros. Each is given to a verb in a process of its own, which starts from the imported packages; memory
is what that process took at its peak beyond them. "Refused" is exit code 1 or 2 with a sentence; some must be, others
may be read.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import os
import pickle
import shutil
import socket
import struct
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import common
from benchmarks.torture import values

NAME = "torture_hostile"
MOST_MEMORY = 400  # MB beyond the imported packages
Made = tuple[str, str, bytes | Callable[[Path], None], str, bool]  # class, name, content, verb, must be refused


class Probe:
    """What a hostile pickle holds: to load it would make the file PROBE."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mknod, (values.PROBE,))


PICKLE = pickle.dumps(Probe())


def all_files() -> Iterator[Made]:
    """Every hostile file."""
    for make in (weights, cards, arrays, archives, pictures, tables, texts, sounds, films, runs, folders, labels):
        yield from make()


# Weights ------------------------------------------------------------------------------------------------------------


def _tensors(header: Any, data: bytes = b"", length: int | None = None) -> bytes:
    head = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(head) if length is None else length).to_bytes(8, "little", signed=False) + head + data


def _one(**changes: Any) -> dict[str, Any]:
    return {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} | changes}


def weights() -> Iterator[Made]:
    """Pickles, other formats under the name of safetensors, and safetensors whose headers lie."""
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("archive/data.pkl", PICKLE)
    foreign = {
        "model.pt": zipped.getvalue(),
        "model.pth": PICKLE,
        "model.pkl": PICKLE,
        "model.ckpt": zipped.getvalue(),
        "model.bin": PICKLE,
        "model.joblib": PICKLE,
        "model.h5": b"\x89HDF\r\n\x1a\n" + bytes(64),
        "model.tar": bytes(1024),
        "pickle.safetensors": PICKLE,
        "zip.safetensors": zipped.getvalue(),
        "gzip.safetensors": gzip.compress(PICKLE),
        "page.safetensors": b"<!DOCTYPE html>",
        "pointer.safetensors": b"version https://git-lfs.github.com/spec/v1\n",
        "program.safetensors": b"\x7fELF" + bytes(64),
        "picture.safetensors": b"\x89PNG\r\n\x1a\n" + bytes(64),
        "empty.safetensors": b"",
        "short.safetensors": b"\x08\0\0",
        "nothing.safetensors": _tensors({}),
    }
    headers = {
        "huge": _tensors(b"{}", length=2**62),
        "full": _tensors(b"{}", length=2**64 - 1),
        "cut": _tensors(_one(), b"\0" * 4),
        "trailing": _tensors(_one(), bytes(9)),
        "overlap": _tensors({**_one(), "b": _one()["a"]}, bytes(8)),
        "gap": _tensors(_one(data_offsets=[8, 16]), bytes(16)),
        "backwards": _tensors(_one(data_offsets=[8, 0]), bytes(8)),
        "overflow": _tensors(_one(shape=[2**62, 2**62]), bytes(8)),
        "negative": _tensors(_one(shape=[-2, -1]), bytes(8)),
        "floats": _tensors(_one(shape=[2.0]), bytes(8)),
        "words": _tensors(_one(shape=["2"]), bytes(8)),
        "dimensions": _tensors(_one(shape=[1] * 5000 + [2]), bytes(8)),
        "dtype": _tensors(_one(dtype="Q7"), bytes(8)),
        "none": _tensors(_one(dtype=None), bytes(8)),
        "extra": _tensors(_one(code="x"), bytes(8)),
        "list": _tensors([]),
        "twice": _tensors(b'{"a":{},"a":{}}'),
        "nested": _tensors(b'{"a":' * 3000 + b"1" + b"}" * 3000),
        "latin": _tensors(b'{"\xe9":1}'),
        "nulls": _tensors(bytes(64)),
        "digits": _tensors(b'{"a":' + b"9" * 6000 + b"}"),
        "metadata": _tensors({"__metadata__": {"a": 1}}),
        "text": _tensors({"__metadata__": "x"}),
        "json": _tensors(b"{'a': 1}"),
        "open": _tensors(b'{"a": ['),
        "card": _tensors({"__metadata__": {"ganworks": "["}}),
    }
    for name, content in foreign.items():
        yield "weights", name, content, "sample {}", True
    for name, content in headers.items():
        yield "weights", f"{name}.safetensors", content, "sample {}", True
    for verb in (
        "apply {} files/picture.png out=made.png",
        "predict {} kinds",
        "train mlp data=photos init={} evaluate=off",
    ):
        for name in ("model.pt", "pickle.safetensors"):
            yield "weights", name, foreign[name], verb, True
        for name in ("huge", "overflow", "nested"):
            yield "weights", f"{name}.safetensors", headers[name], verb, True


def cards() -> Iterator[Made]:
    """Sound safetensors files that describe hostile networks, and weights that are none."""
    yield "cards", "not-finite.safetensors", _altered(lambda card: card, np.nan), "sample {} out=made", True
    yield "cards", "infinite.safetensors", _altered(lambda card: card, np.inf), "sample {} out=made", True

    def changed(**changes: Any) -> Callable[[Any], Any]:
        return lambda card: {**card, **changes}

    def deep(part: str, **changes: Any) -> Callable[[Any], Any]:
        return lambda card: {**card, part: {**card[part], **changes}}

    for name, change in {
        "imports": changed(networks={"is": "os.system"}),
        "module": changed(networks={"is": "antigravity.X"}),
        "popen": changed(domain={"is": "subprocess.Popen"}),
        "no-networks": changed(networks=None),
        "game": changed(networks={"is": "game/adversarial"}),
        "wide": deep("networks", hidden=[65536, 65536, 65536]),
        "wider": deep("networks", hidden=[10**30]),
        "negative": deep("networks", z_dim=-1),
        "word": deep("networks", z_dim="x"),
        "unknown": deep("networks", code="x"),
        "many": deep("networks", hidden=[1] * 20_000),
        "shape": deep("spec", shape=[-1, 2, 3]),
        "large": deep("spec", shape=[65536, 65536, 65536]),
        "scalar": deep("spec", shape=3),
        "classes": deep("spec", classes=5),
        "dtype": deep("spec", dtype="object"),
        "range": deep("spec", low=float("nan")),
        "facts": deep("spec", facts=[1]),
        "player": changed(player="D"),
        "use": changed(use="run"),
        "format": changed(format=2),
        "version": changed(format="1"),
        "number": lambda card: 5,
        "text": lambda card: "x",
        "nothing": lambda card: None,
        "half": changed(recipe="\ud800"),
    }.items():
        yield "cards", f"{name}.safetensors", _altered(change), "sample {} out=made", name not in ("range", "popen")


def _altered(change: Callable[[Any], Any], fill: float | None = None) -> Callable[[Path], None]:
    """Makes the published network of the run of points with another card, without the digest that it carried."""

    def make(path: Path) -> None:
        raw = Path("runs/mlp/generator.safetensors").read_bytes()
        length = int.from_bytes(raw[:8], "little")
        header = json.loads(raw[8 : 8 + length])
        texts = header["__metadata__"]
        texts.pop("sha256", None)
        texts["ganworks"] = json.dumps(change(json.loads(texts["ganworks"])))
        data = bytearray(raw[8 + length :])
        if fill is not None:
            data[:4] = struct.pack("<f", fill)
        path.write_bytes(_tensors(header, bytes(data)))

    return make


# Arrays -------------------------------------------------------------------------------------------------------------


def _npy(header: str | bytes, data: bytes = bytes(4096), version: tuple[int, int] = (1, 0)) -> bytes:
    head = header.encode() if isinstance(header, str) else header
    size = struct.pack("<H" if version == (1, 0) else "<I", len(head))
    return b"\x93NUMPY" + bytes(version) + size + head + data


def _described(shape: str = "(4, 16, 16)", descr: str = "'|u1'", fortran: str = "False") -> str:
    return f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}\n"


def arrays() -> Iterator[Made]:
    """Arrays whose headers lie, hold objects, or describe what is no picture; IDX files of impossible sizes."""
    objects = io.BytesIO()
    np.save(objects, np.array([Probe(), Probe()], object), allow_pickle=True)
    bad = {
        "objects": objects.getvalue(),
        "negative": _npy(_described("(-4, 16, 16)")),
        "minus-one": _npy(_described("(-1,)")),
        "huge": _npy(_described("(1000000, 100000, 3)")),
        "overflow": _npy(_described("(4294967296, 4294967296, 16)")),
        "digits": _npy(_described(f"({'9' * 400}, 2, 2)")),
        "floats": _npy(_described("(4.0, 16, 16)")),
        "words": _npy(_described("('4',)")),
        "list": _npy(_described("[4, 16, 16]")),
        "none": _npy(_described("None")),
        "scalar": _npy(_described("()")),
        "deep": _npy(_described(f"({'1, ' * 40})")),
        "structured": _npy(_described("(4,)", "[('x', '|u1', (16, 16))]")),
        "pickled": _npy(_described("(4,)", "'|O'"), PICKLE),
        "date": _npy(_described("(4, 2, 2)", "'<M8[s]'")),
        "complex": _npy(_described("(4, 4, 4)", "'<c8'")),
        "void": _npy(_described("(4,)", "'|V300'")),
        "long-word": _npy(_described("(1,)", "'<U1000000000'")),
        "type": _npy(_described("(4,)", "'<q99'")),
        "code": _npy("__import__('os').system('true')\n"),
        "call": _npy(_described("(print(1),)")),
        "nested": _npy("(" * 300 + ")" * 300),
        "open": _npy("{'descr': "),
        "no-table": _npy("[]\n"),
        "version": _npy(_described(), version=(9, 9)),
        "long-head": _npy(b" " * 70_000, version=(2, 0)),
        "claims": b"\x93NUMPY\x02\x00\xff\xff\xff\xff" + bytes(64),
        "cut": _npy(_described())[:40],
        "no-data": _npy(_described(), b""),
        "magic": b"\x93NUMPY",
        "bytes": _npy(b"\xff\xfe" * 20),
        "plain-nan": _nan(),
    }
    for name, content in bad.items():
        yield "arrays", f"{name}.npy", content, "data {}", True
    for name in ("objects", "negative", "overflow", "pickled", "nested", "cut"):
        yield "arrays", f"{name}.npy", bad[name], "train points data={} evaluate=off", True
        yield "arrays", f"{name}.npy", bad[name], "train series data={} evaluate=off", True
        yield "arrays", f"{name}.npy", bad[name], "apply runs/vocoder {} out=made.wav", True
    yield "arrays", "fortran.npy", _npy(_described("(16, 16, 16)", fortran="True")), "data {}", False
    for name, sizes in {
        "large": (2**31, 2**31, 2**31),
        "bomb": (2**32 - 1, 28, 28),
        "zero": (0, 0, 0),
        "cut": (12, 16, 16),
    }.items():
        head = b"\0\0\x08\x03" + b"".join(struct.pack(">I", size) for size in sizes)
        yield "arrays", f"{name}-images-idx3-ubyte", head + bytes(64), "data {}", True
        yield "arrays", f"{name}-images-idx3-ubyte.gz", gzip.compress(head + bytes(64), mtime=0), "data {}", True


def _nan() -> bytes:
    out = io.BytesIO()
    np.save(out, np.full((4, 8, 8), np.nan, np.float32))
    return out.getvalue()


# Archives -----------------------------------------------------------------------------------------------------------


def _zip(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED, **facts: int) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = method
            for fact, value in facts.items():
                setattr(info, fact, value)
            archive.writestr(info, content)
    return out.getvalue()


def archives() -> Iterator[Made]:
    """Zips that leave their folder, unpack to very much, or lie."""
    dot = _png(4, 4)
    many = {f"{n}.png": b"" for n in range(20_000)}
    zeros = bytes(200 << 20)
    sound = _zip({"a.png": dot, "b.png": dot})
    central = sound.rfind(b"PK\x01\x02")
    bad = {
        "slip": _zip({"../../evil.png": dot}),
        "absolute": _zip({"/etc/evil.png": dot}),
        "drive": _zip({"C:\\evil.png": dot}),
        "link": _zip({"link.png": b"/etc/passwd"}, external_attr=0o120777 << 16),
        "device": _zip({"null.png": b""}, external_attr=0o020666 << 16),
        "pipe": _zip({"pipe.png": b""}, external_attr=0o010666 << 16),
        "bomb": _zip({"zeros.png": zeros}),
        "many": _zip(many),
        "empty": _zip({}),
        "cut": sound[:-30],
        "head": sound[:60],
        "lies": sound[:central] + sound[central:].replace(struct.pack("<I", len(dot)), struct.pack("<I", 2**32 - 1)),
        "method": sound.replace(b"PK\x01\x02", b"PK\x01\x02", 1).replace(struct.pack("<H", 8), struct.pack("<H", 99)),
        "nested": _zip({"inner.zip": sound}),
        "locked": _zip({"a.png": dot}, flag_bits=1),
        "crc": sound.replace(dot[-12:], bytes(12)),
        "empty-name": _zip({"": dot, "a.png": dot}),
        "pickles": _zip({"data.pkl": PICKLE, "a.npy": PICKLE}),
        "long": _zip({"a/" * 300 + "a.png": dot}),
        "colliding": _zip({"A.png": dot, "a.png": dot}),
    }
    refused = {"slip", "absolute", "drive", "bomb", "empty", "cut", "head", "nested", "pickles"}
    for name, content in bad.items():
        yield "archives", f"{name}.zip", content, "data {}", name in refused
        if name in refused:
            yield "archives", f"{name}.zip", content, "predict runs/classify {}", True
    arrays_in = {
        "objects": {"x.npy": _npy(_described("(4,)", "'|O'"), PICKLE)},
        "bomb": {"x.npy": _npy(_described("(204800, 32, 32)"), zeros)},
        "negative": {"x.npy": _npy(_described("(-4, 16, 16)"))},
        "no-arrays": {"readme": b"x"},
        "lies": {"x.npy": _npy(_described("(400, 16, 16)"))},
    }
    for name, members in arrays_in.items():
        for verb in ("data {}", "train series data={} evaluate=off", "train points data={} evaluate=off"):
            yield "archives", f"{name}.npz", _zip(members), verb, True
    yield "archives", "bomb.txt.gz", gzip.compress(b"a\n" * (50 << 20), mtime=0), "data {} recipe=text", True
    yield "archives", "bomb.csv.gz", gzip.compress(b"1,2\n" * (25 << 20), mtime=0), "data {} recipe=table", True
    yield "archives", "cut.txt.gz", gzip.compress(b"a line\n" * 900, mtime=0)[:-9], "data {} recipe=text", True


# Pictures -----------------------------------------------------------------------------------------------------------


def _chunk(name: bytes, data: bytes, right: bool = True) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data) ^ (0 if right else 1))


def _png(
    width: int,
    height: int,
    depth: int = 8,
    colour: int = 2,
    *,
    extra: bytes = b"",
    right: bool = True,
    rows: bytes | None = None,
) -> bytes:
    raw = bytes((1 + width * 3) * height) if rows is None else rows
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", head, right)
        + extra
        + _chunk(b"IDAT", zlib.compress(raw))
        + _chunk(b"IEND", b"")
    )


def pictures() -> Iterator[Made]:
    """Pictures of impossible size, with bombs in their texts and profiles, cut, and other formats by their names."""
    bomb = zlib.compress(bytes(300 << 20))
    jpeg = b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0\xff\xc0\0\x0b\x08"
    bad = {
        "wide.png": _png(50_000, 50_000, rows=b""),
        "wider.png": _png(2**31 - 1, 2**31 - 1, rows=b""),
        "no-width.png": _png(0, 8),
        "crc.png": _png(8, 8, right=False),
        "depth.png": _png(8, 8, depth=7),
        "colour.png": _png(8, 8, colour=9),
        "no-rows.png": _png(8, 8, rows=b""),
        "cut.png": _png(64, 64)[:60],
        "profile.png": _png(8, 8, extra=_chunk(b"iCCP", b"x\0\0" + bomb)),
        "text.png": _png(8, 8, extra=_chunk(b"zTXt", b"x\0\0" + bomb)),
        "many-texts.png": _png(8, 8, extra=_chunk(b"tEXt", b"x\0" + b"y" * 1_000_000) * 70),
        "endless.png": _png(8, 8, rows=bytes(300 << 20)),
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


# Rows, lines, sounds, films -----------------------------------------------------------------------------------------


def tables() -> Iterator[Made]:
    """Tables without rows, with very many columns, with cells that are no text."""
    body = "".join(f"{n},{n % 7},{'ab'[n % 2]}\n" for n in range(200))
    files = {
        "empty.csv": b"",
        "head.csv": b"a,b,c\n",
        "one.csv": b"a,b\n1,2\n",
        "constant.csv": b"a,b\n" + b"1,1\n" * 99,
        "missing.csv": b"a,b\n" + b",\n" * 99,
        "nulls.csv": f"a,b,c\n{body}".replace("7", "\0").encode(),
        "mark.csv": b"\xef\xbb\xbfa,b,c\n" + body.encode(),
        "utf-16.csv": f"a,b,c\n{body}".encode("utf-16"),
        "latin.csv": b"a,b,\xe9\n" + body.encode(),
        "quote.csv": b'a,b,"c\n' + body.encode(),
        "ragged.csv": b"a,b,c\n1\n1,2,3,4\n" + body.encode(),
        "wide.csv": (",".join(map(str, range(100_000))) + "\n").encode() * 3,
        "cell.csv": b"a,b\n" + b"x" * 2_000_000 + b",1\n" + b"y,2\n" * 40,
        "same.csv": b"a,a,a\n" + body.encode(),
        "formula.csv": b"a,b\n" + b"=cmd|' /C calc'!A0,1\n@x,2\n" * 40,
        "infinite.csv": b"a,b\n" + b"inf,1\n-inf,nan\n1e999,2\n" * 30,
        "digits.csv": b"a,b\n" + (b"9" * 5000 + b",1\n") * 40,
        "dates.csv": b"a,b\n" + b"2024-13-45,1\n9999999-01-01,2\n" * 40,
        "code.csv": b"__import__('os'),b\n" + b"1,2\n" * 40,
        "pickle.csv": PICKLE,
        "page.csv": b"<!DOCTYPE html>",
        "short.parquet": b"PAR1",
        "lies.parquet": b"PAR1" + bytes(40) + b"\xff\xff\xff\x7fPAR1",
        "pickle.parquet": PICKLE,
    }
    refused = {
        "empty.csv",
        "head.csv",
        "one.csv",
        "constant.csv",
        "missing.csv",
        "wide.csv",
        "pickle.csv",
        "page.csv",
        "short.parquet",
        "lies.parquet",
        "pickle.parquet",
    }
    for name, content in files.items():
        yield "tables", name, content, "train table data={} budget=16 evaluate=off", name in refused
        yield (
            "tables",
            name,
            content,
            "data {} recipe=series",
            name in refused - {"wide.csv", "one.csv", "constant.csv"},
        )


def texts() -> Iterator[Made]:
    """Texts of empty lines, endless lines, other encodings and no words."""
    files = {
        "empty.txt": b"",
        "breaks.txt": b"\n" * 100_000,
        "spaces.txt": b" \t \n" * 1000,
        "nulls.txt": b"a\0b\n" * 300,
        "latin.txt": b"caf\xe9\n" * 300,
        "line.txt": b"word " * 400_000,
        "utf-16.txt": "a line\n".encode("utf-16") * 50,
        "surrogate.txt": b"a\xed\xa0\x80b\n" * 300,
        "escape.txt": b"\x1b[31mred\x07\n" * 300,
        "pickle.txt": PICKLE,
        "same.txt": b"one\n" * 500,
    }
    for name, content in files.items():
        refused = name in ("empty.txt", "breaks.txt", "spaces.txt", "pickle.txt", "latin.txt", "surrogate.txt")
        yield "texts", name, content, "data {} recipe=text", refused


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


# Runs and folders ---------------------------------------------------------------------------------------------------


def runs() -> Iterator[Made]:
    """Runs whose files hold code, bombs of references, dates and other texts; all of them sealed again."""
    contents = {
        "config.yaml": {
            "object": b"!!python/object/apply:os.mknod ['" + values.PROBE.encode() + b"']",
            "name": b"networks: !!python/name:os.system",
            "module": b"domain: {is: os.path}",
            "date": b"recipe: 2024-13-45",
            "laughs": b"a: &a [x, x]\n"
            + b"".join(b"%c: &%c [*%c, *%c]\n" % (n, n, n - 1, n - 1) for n in range(98, 122)),
            "cycle": b"a: &a [*a]",
            "nested": b"[" * 3000,
            "deep": b"- " * 2000,
            "digits": b"train: {batch: " + b"9" * 6000 + b"}",
            "latin": b"recipe: caf\xe9",
            "nulls": bytes(99),
            "utf-16": "recipe: x".encode("utf-16"),
            "empty": b"",
            "list": b"[1]",
            "merge": b"<<: {a: 1}",
            "key": b"{[1]: 2}",
        },
        "plan.json": {
            "nested": b"[" * 3000,
            "digits": b'{"total": ' + b"9" * 6000 + b"}",
            "list": b"[]",
            "null": b"null",
            "latin": b'{"a": "\xe9"}',
            "half": b'{"notes": ["\\ud800"]}',
            "nan": b'{"total": NaN}',
        },
        "manifest.json": {
            "nested": b'{"files":' * 3000,
            "list": b"[]",
            "files": b'{"files": [1]}',
            "entry": b'{"files": {"config.yaml": 5}}',
            "outside": b'{"files": {"../../x": {"sha256": "0", "bytes": 0}}}',
        },
    }
    for name, found in contents.items():
        for what, content in found.items():
            yield (
                "runs",
                f"{what}-{name}",
                _run_with(name, content),
                "train mlp data=photos budget=16 out={} evaluate=off",
                True,
            )
            yield "runs", f"{what}-{name}", _run_with(name, content), "info {}", False


def _run_with(name: str, content: bytes) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        shutil.copytree("runs/mlp", path)
        (path / name).write_bytes(content)
        if name != "manifest.json":
            values.reseal(path)

    return make


def folders() -> Iterator[Made]:
    """Folders with links out of them, loops, pipes, sockets and strange names."""
    dot = _png(8, 8, rows=bytes(25 * 8))

    def folder(work: Callable[[Path], None]) -> Callable[[Path], None]:
        def make(path: Path) -> None:
            path.mkdir()
            work(path)

        return make

    def bind(path: Path) -> None:
        here = Path.cwd()
        os.chdir(path)
        socket.socket(socket.AF_UNIX).bind("socket.png")
        os.chdir(here)

    def named(*names: bytes) -> Callable[[Path], None]:
        return lambda path: (
            [Path(os.fsdecode(os.fsencode(path) + b"/" + name)).write_bytes(dot) for name in names] and None
        )

    for name, work in {
        "empty": lambda path: None,
        "out": lambda path: (path / "etc").symlink_to("/etc"),
        "loop": lambda path: (path / "loop").symlink_to(path),
        "self": lambda path: (path / "a.png").symlink_to("a.png"),
        "pipe": lambda path: os.mkfifo(path / "pipe.png"),
        "socket": bind,
        "zero": lambda path: (path / "zero.png").symlink_to("/dev/zero"),
        "password": lambda path: (path / "a.png").symlink_to("/etc/passwd"),
        "folder": lambda path: (path / "a.png").mkdir(),
        "hidden": named(b".a.png", b".b.png"),
        "names": named(
            b"\xff\xfe.png",
            b"-rf.png",
            b"a\nb.png",
            b"\x1b[31m.png",
            b"e\xcc\x81.png",
            b"\xc3\xa9.png",
            b"x" * 250 + b".png",
        ),
        "deep": lambda path: (path / ("d/" * 900)).mkdir(parents=True),
    }.items():
        yield "folders", name, folder(work), "data {}", name != "names"
        yield "folders", name, folder(work), "train audio data={} evaluate=off", True


def labels() -> Iterator[Made]:
    """labels.csv that is no table of names and labels."""
    dot = _png(8, 8, rows=bytes(25 * 8))
    for name, content in {
        "latin": b"file,label\na.png,caf\xe9\n",
        "nulls": b"file,label\na.png,\0\n",
        "one": b"a.png\n",
        "empty": b"",
        "missing": b"file,label\nb.png,1\n",
        "outside": b"file,label\n../../etc/passwd,1\n",
        "quote": b'file,label\n"a.png,1\n',
        "long": b"file,label\na.png," + b"x" * 300_000 + b"\n",
        "utf-16": "file,label\na.png,1\n".encode("utf-16"),
        "escape": b"file,label\na.png,\x1b[31m\n",
        "pickle": PICKLE,
    }.items():

        def make(path: Path, content: bytes = content) -> None:
            path.mkdir()
            (path / "labels.csv").write_bytes(content)
            (path / "a.png").write_bytes(dot)

        yield "labels", name, make, "train classify data={} budget=16 evaluate=off", True


# Command ------------------------------------------------------------------------------------------------------------


def prepare(case: dict[str, Any]) -> None:
    """Lay the hostile file of a case into the folder `edited`."""
    shutil.rmtree("edited", ignore_errors=True)
    Path("edited").mkdir()
    content = FILES[case["at"]][2]
    path = Path("edited") / FILES[case["at"]][1]
    content(path) if callable(content) else path.write_bytes(content)


FILES: list[Made] = []


def main() -> int:
    """Make, try, tell; 1 when a file did harm."""
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--place", type=Path, default=Path(tempfile.gettempdir()) / "torture-values")
    options.add_argument("--only", help="files of one class")
    options.add_argument("--show", action="store_true", help="print a case of each kind of failure")
    given = options.parse_args()
    material = values.begin(given.place)
    FILES.extend(all_files())
    cases = [
        {"at": at, "class": kind, "argv": verb.format(Path("edited") / name).split(" "), "must": must}
        for at, (kind, name, _, verb, must) in enumerate(FILES)
        if given.only in (None, kind)
    ]
    found = []
    for case in cases:
        found.append({**next(values.tried(material, [case], prepare)), "case": case})
        print(f"\r{len(found)} of {len(cases)}", end="", file=sys.stderr, flush=True)
    for row in found:
        if not row["error"] and row["case"]["must"] and row["code"] == 0:
            row["error"] = "it was read, but must be refused"
        if not row["error"] and row["memory"] > MOST_MEMORY:
            row["error"] = f"it took {row['memory']} MB"
    if given.show:
        values.show(found)
    table = [
        _row(kind, [row for row in found if row["case"]["class"] == kind])
        for kind in dict.fromkeys(case["class"] for case in cases)
    ]
    table.append(_row("all", found))
    common.save(NAME, [{**row, **common.machine()} for row in table])
    print(common.table(table[0], (row.values() for row in table)))
    return int(any(row["error"] for row in found))


def _row(kind: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    sound = [row for row in rows if not row["error"]]
    return {
        "class": kind,
        "tried": len(rows),
        "survived": len(sound),
        "refused": sum(row["code"] in (1, 2) for row in sound),
        "read": sum(row["code"] == 0 for row in sound),
        "most memory (MB)": max(row.get("memory", 0) for row in rows),
        "slowest (s)": max(row["seconds"] for row in rows),
    }


if __name__ == "__main__":
    sys.exit(main())
