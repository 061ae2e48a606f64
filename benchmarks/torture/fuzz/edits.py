"""What is done to a file before it is read: other values at one place of it, other bytes, another file altogether.

An edit is plain JSON: the file in the material, the name it gets, and operations on its bytes.
"""

from __future__ import annotations

import gzip
import json
import random
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from hypothesis import strategies as st

from torture.fuzz.words import LONG

_VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    1,
    2**31,
    2**63,
    2**64,
    10**400,
    1.5,
    -0.0,
    1e308,
    float("inf"),
    float("nan"),
    "",
    "x",
    "\udcff",
    "\ud800",
    "\0",
    "\x1b[31m",
    "a\nb",
    "../../x",
    "/etc/passwd",
    "x" * 5000,
    "2024-13-45",
    "9" * LONG,
    [],
    [[]],
    [None],
    [1, "x", None],
    {},
    {"a": 1},
    {"is": "x"},
    {"is": {}},
    {"": {}},
    {"sha256": 1},
    [-1, 2],
    [2**40] * 3,
    [0],
    [float("nan")],
)


def operation(draw: Any, structured: bool) -> list[Any]:
    """One hostile change of a file, of structured text or of bytes."""
    kind = draw(
        st.sampled_from(
            ("tree", "tree", "tree", "bytes", "whole") if structured else ("bytes", "bytes", "head", "whole")
        )
    )
    if kind == "tree":
        return ["tree", draw(st.integers(0, 10**6)), draw(st.integers(0, len(_VALUES) - 1)), draw(st.booleans())]
    if kind == "whole":
        return ["whole", draw(st.sampled_from(sorted(WHOLE)))]
    seed = draw(st.integers(0, 2**32))
    return [kind, draw(st.sampled_from(("flip", "cut", "drop", "insert", "repeat", "digits", "zero"))), seed]


WHOLE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda raw: b"",
    "one byte": lambda raw: raw[:1],
    "nulls": lambda raw: bytes(len(raw)),
    "ones": lambda raw: b"\xff" * len(raw),
    "twice": lambda raw: raw + raw,
    "utf-16": lambda raw: raw.decode("utf-8", "replace").encode("utf-16"),
    "utf-32": lambda raw: raw.decode("utf-8", "replace").encode("utf-32"),
    "latin": lambda raw: raw[: len(raw) // 2] + b"\xe9\xff\xfe" + raw[len(raw) // 2 :],
    "mark": lambda raw: b"\xef\xbb\xbf" + raw,
    "surrogate": lambda raw: raw.replace(b"e", b"\xed\xa0\x80", 3),
    "null inside": lambda raw: raw.replace(b"e", b"\0", 2),
    "nested": lambda raw: b"[" * 5000 + b"]" * 5000,
    "nested tables": lambda raw: b'{"a":' * 5000 + b"1" + b"}" * 5000,
    "open": lambda raw: b"[" * 5000,
    "digits": lambda raw: b"9" * LONG,
    "quoted": lambda raw: b'"' + raw,
    "commas": lambda raw: b"," * 3000 + b"\n" + raw,
    "breaks": lambda raw: b"\n" * 3000,
    "returns": lambda raw: raw.replace(b"\n", b"\r"),
    "long line": lambda raw: raw.replace(b"\n", b" "),
    "long cell": lambda raw: b"x" * 200_000 + raw,
    "page": lambda raw: b"<!DOCTYPE html><html></html>",
    "pickle": lambda raw: b"\x80\x04\x95\x00\x00\x00\x00\x00\x00\x00\x00N.",
    "number": lambda raw: b"7",
    "word": lambda raw: b'"x"',
    "list": lambda raw: b"[]",
    "table": lambda raw: b"{}",
    "null": lambda raw: b"null",
    "gzip": lambda raw: gzip.compress(raw, mtime=0),
    "cut gzip": lambda raw: gzip.compress(raw, mtime=0)[:-9],
}


def edited(raw: bytes, name: str, operations: list[list[Any]]) -> bytes:
    """The bytes of a file after the operations of a case."""
    for kind, *given in operations:
        if kind == "whole":
            raw = WHOLE[given[0]](raw)
        elif kind == "tree":
            raw = _in_tree(raw, name, *given)
        else:
            raw = _in_bytes(raw, kind == "head", *given)
    return raw


def _in_bytes(raw: bytes, head: bool, what: str, seed: int) -> bytes:
    rng = random.Random(seed)
    data = bytearray(raw)
    for _ in range(rng.choice((1, 1, 2, 8, 40))):
        most = min(len(data), 160) if head else len(data)
        if not most:
            break
        at = rng.randrange(most)
        size = rng.choice((1, 1, 2, 4, 8, 64, 1000))
        if what == "flip":
            data[at] ^= 1 << rng.randrange(8)
        elif what == "zero":
            data[at : at + size] = rng.choice((b"\0", b"\xff", b"\x7f", b"\x80")) * size
        elif what == "insert":
            data[at:at] = rng.randbytes(size)
        elif what == "repeat":
            data[at:at] = data[at : at + size]
        elif what == "digits":
            _digits(data, at, most, rng)
        elif what == "drop" and len(data) > size + most:
            del data[at : at + size]
    return bytes(data[: rng.randrange(len(data))] if what == "cut" and data else data)


def _digits(data: bytearray, at: int, most: int, rng: random.Random) -> None:
    """Another number in place of the first one after a byte, in text; another field in place of 4 bytes, elsewhere."""
    start = next((k for k in range(at, most) if chr(data[k]) in "0123456789"), None)
    if start is None or rng.random() < 0.2:
        data[at : at + 4] = struct.pack(rng.choice("<>") + "I", rng.choice((0, 1, 2**31 - 1, 2**31, 2**32 - 1)))
        return
    stop = start
    while stop < len(data) and chr(data[stop]) in "0123456789.":
        stop += 1
    data[start:stop] = rng.choice(
        ("-1", "0", "9" * 20, "9" * LONG, "1e999", "nan", "inf", "-", "", "1e400", "2024-13-45", "None", "(1,)", "True")
    ).encode()


def _in_tree(raw: bytes, name: str, where: int, value: int, remove: bool) -> bytes:
    """Another value at one place of a JSON, JSON lines, YAML or safetensors file."""
    try:
        if name.endswith(".safetensors"):
            return _in_header(raw, where, value, remove)
        if name.endswith(".jsonl"):
            lines = raw.decode().splitlines()
            at = where % len(lines)
            lines[at] = json.dumps(_changed(json.loads(lines[at]), where // len(lines), value, remove))
            return ("\n".join(lines) + "\n").encode()
        if name.endswith(".yaml"):
            return yaml.safe_dump(_changed(yaml.safe_load(raw), where, value, remove), allow_unicode=True).encode(
                "utf-8", "surrogatepass"
            )
        return json.dumps(_changed(json.loads(raw), where, value, remove)).encode()
    except (ValueError, RecursionError, yaml.YAMLError, AttributeError, ZeroDivisionError, IndexError, KeyError):
        return raw + b"x"


def _in_header(raw: bytes, where: int, value: int, remove: bool) -> bytes:
    length = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + length])
    header["__metadata__"].pop("sha256", None)
    inner = [key for key in ("ganworks", "counters") if key in header["__metadata__"]]
    if inner and where % 4:
        text = header["__metadata__"][inner[0]]
        header["__metadata__"][inner[0]] = json.dumps(_changed(json.loads(text), where // 4, value, remove))
    else:
        header = _changed(header, where // 4, value, remove)
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    return len(head).to_bytes(8, "little") + head + raw[8 + length :]


def _changed(tree: Any, where: int, value: int, remove: bool) -> Any:
    """The tree with another value at one of its places, or without it."""
    places = list(_places_in(tree))
    if not places:
        return _VALUES[value]
    parent, key = places[where % len(places)]
    if remove and value % 3 == 0:
        del parent[key]
    else:
        parent[key] = _VALUES[value]
    return tree


def _places_in(tree: Any) -> Any:
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, inner in list(items):
        yield tree, key
        yield from _places_in(inner)


def lay_edited(case: dict[str, Any]) -> None:
    """Lay the changed file of a case into `edited`, which begins anew, as do the files that a case makes."""
    for path in (Path("edited"), *Path().glob("made*")):
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    edit = case.get("edit")
    if edit is None:
        return
    if "run" in edit:
        shutil.copytree(f"runs/{edit['run']}", "edited")
        for path in sorted(Path("edited").glob(edit["file"]))[:1]:
            path.write_bytes(edited(path.read_bytes(), path.name, edit["do"]))
        if edit["seal"]:
            reseal(Path("edited"))
        return
    Path("edited").mkdir()
    raw = (Path("files") / edit["file"]).read_bytes()
    (Path("edited") / edit["as"]).write_bytes(edited(raw, edit["file"], edit["do"]))


def reseal(run: Path) -> None:
    """Make the manifest agree with what the files hold now."""
    from ganworks.files.atomic import sha256

    try:
        manifest = json.loads((run / "manifest.json").read_text())
        for name, entry in manifest["files"].items():
            if (run / name).is_file():
                entry |= {"sha256": sha256(run / name), "bytes": (run / name).stat().st_size}
        (run / "manifest.json").write_text(json.dumps(manifest))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OSError):
        return
