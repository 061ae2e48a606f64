"""Arrays and IDX files whose headers lie or hold objects; archives that leave their folder or unpack to very much."""

from __future__ import annotations

import gzip
import io
import struct
from collections.abc import Iterator

import numpy as np

from torture.fuzz.hostile import PICKLE, Files, Made, Probe, described, npy, png, zipped

NAME = "hostile-arrays"


def arrays() -> Iterator[Made]:
    """Arrays whose headers lie, hold objects, or describe what is no picture; IDX files of impossible sizes."""
    objects = io.BytesIO()
    np.save(objects, np.array([Probe(), Probe()], object), allow_pickle=True)
    bad = {
        "objects": objects.getvalue(),
        "negative": npy(described("(-4, 16, 16)")),
        "minus-one": npy(described("(-1,)")),
        "huge": npy(described("(1000000, 100000, 3)")),
        "overflow": npy(described("(4294967296, 4294967296, 16)")),
        "digits": npy(described(f"({'9' * 400}, 2, 2)")),
        "floats": npy(described("(4.0, 16, 16)")),
        "words": npy(described("('4',)")),
        "list": npy(described("[4, 16, 16]")),
        "none": npy(described("None")),
        "scalar": npy(described("()")),
        "deep": npy(described(f"({'1, ' * 40})")),
        "structured": npy(described("(4,)", "[('x', '|u1', (16, 16))]")),
        "pickled": npy(described("(4,)", "'|O'"), PICKLE),
        "date": npy(described("(4, 2, 2)", "'<M8[s]'")),
        "complex": npy(described("(4, 4, 4)", "'<c8'")),
        "void": npy(described("(4,)", "'|V300'")),
        "long-word": npy(described("(1,)", "'<U1000000000'")),
        "type": npy(described("(4,)", "'<q99'")),
        "code": npy("__import__('os').system('true')\n"),
        "call": npy(described("(print(1),)")),
        "nested": npy("(" * 300 + ")" * 300),
        "open": npy("{'descr': "),
        "no-table": npy("[]\n"),
        "version": npy(described(), version=(9, 9)),
        "long-head": npy(b" " * 70_000, version=(2, 0)),
        "claims": b"\x93NUMPY\x02\x00\xff\xff\xff\xff" + bytes(64),
        "cut": npy(described())[:40],
        "no-data": npy(described(), b""),
        "magic": b"\x93NUMPY",
        "bytes": npy(b"\xff\xfe" * 20),
        "plain-nan": _nan(),
    }
    for name, content in bad.items():
        yield "arrays", f"{name}.npy", content, "data {}", True
    for name in ("objects", "negative", "overflow", "pickled", "nested", "cut"):
        yield "arrays", f"{name}.npy", bad[name], "train points data={} evaluate=off", True
        yield "arrays", f"{name}.npy", bad[name], "train series data={} evaluate=off", True
        yield "arrays", f"{name}.npy", bad[name], "apply runs/vocoder {} out=made.wav", True
    yield "arrays", "fortran.npy", npy(described("(16, 16, 16)", fortran="True")), "data {}", False
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


def archives() -> Iterator[Made]:
    """Zips that leave their folder, unpack to very much, or lie."""
    dot = png(4, 4)
    many = {f"{n}.png": b"" for n in range(20_000)}
    zeros = bytes(200 << 20)
    sound = zipped({"a.png": dot, "b.png": dot})
    central = sound.rfind(b"PK\x01\x02")
    bad = {
        "slip": zipped({"../../evil.png": dot}),
        "absolute": zipped({"/etc/evil.png": dot}),
        "drive": zipped({"C:\\evil.png": dot}),
        "link": zipped({"link.png": b"/etc/passwd"}, external_attr=0o120777 << 16),
        "device": zipped({"null.png": b""}, external_attr=0o020666 << 16),
        "pipe": zipped({"pipe.png": b""}, external_attr=0o010666 << 16),
        "bomb": zipped({"zeros.png": zeros}),
        "many": zipped(many),
        "empty": zipped({}),
        "cut": sound[:-30],
        "head": sound[:60],
        "lies": sound[:central] + sound[central:].replace(struct.pack("<I", len(dot)), struct.pack("<I", 2**32 - 1)),
        "method": sound.replace(b"PK\x01\x02", b"PK\x01\x02", 1).replace(struct.pack("<H", 8), struct.pack("<H", 99)),
        "nested": zipped({"inner.zip": sound}),
        "locked": zipped({"a.png": dot}, flag_bits=1),
        "crc": sound.replace(dot[-12:], bytes(12)),
        "empty-name": zipped({"": dot, "a.png": dot}),
        "pickles": zipped({"data.pkl": PICKLE, "a.npy": PICKLE}),
        "long": zipped({"a/" * 300 + "a.png": dot}),
        "colliding": zipped({"A.png": dot, "a.png": dot}),
    }
    refused = {"slip", "absolute", "drive", "bomb", "empty", "cut", "head", "nested", "pickles"}
    for name, content in bad.items():
        yield "archives", f"{name}.zip", content, "data {}", name in refused
        if name in refused:
            yield "archives", f"{name}.zip", content, "predict runs/classify {}", True
    arrays_in = {
        "objects": {"x.npy": npy(described("(4,)", "'|O'"), PICKLE)},
        "bomb": {"x.npy": npy(described("(204800, 32, 32)"), zeros)},
        "negative": {"x.npy": npy(described("(-4, 16, 16)"))},
        "no-arrays": {"readme": b"x"},
        "lies": {"x.npy": npy(described("(400, 16, 16)"))},
    }
    for name, members in arrays_in.items():
        for verb in ("data {}", "train series data={} evaluate=off", "train points data={} evaluate=off"):
            yield "archives", f"{name}.npz", zipped(members), verb, True
    yield "archives", "bomb.txt.gz", gzip.compress(b"a\n" * (50 << 20), mtime=0), "data {} recipe=text", True
    yield "archives", "bomb.csv.gz", gzip.compress(b"1,2\n" * (25 << 20), mtime=0), "data {} recipe=table", True
    yield "archives", "cut.txt.gz", gzip.compress(b"a line\n" * 900, mtime=0)[:-9], "data {} recipe=text", True


_FILES = Files(arrays, archives)
tries, run = _FILES.tries, _FILES.run
