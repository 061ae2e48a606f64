"""Tables, texts and lists of labels without rows, of endless lines, of other encodings, with cells that are no text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from torture.fuzz.hostile import PICKLE, Files, Made, png

NAME = "hostile-texts"


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


def labels() -> Iterator[Made]:
    """labels.csv that is no table of names and labels."""
    dot = png(8, 8, rows=bytes(25 * 8))
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


_FILES = Files(tables, texts, labels)
tries, run = _FILES.tries, _FILES.run
