"""Hypothesis strategies for hostile command lines and hostile files, as plain cases: words, and edits of one file.

A case is a dict: `class`; `argv`, the words; and for a file `edit`: the file in the material, the name it gets, and
operations on its bytes that `edited` carries out.
"""

from __future__ import annotations

import gzip
import json
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from hypothesis import strategies as st

from benchmarks.torture.values_base import DATA, INPUT, RUNS, settings_of

LONG = 5000  # digits, more than Python turns into a number
DATES = ("2024-13-45", "2024-02-30", "2024-01-01", "2024-01-01T99:99:99", "0000-00-00", "1:30", "1:99:30", "12:60")
NUMBERS = (
    "",
    "0",
    "-0",
    "-1",
    "+5",
    "010",
    "0o10",
    "0x10",
    "0b11",
    "1_000",
    "_1",
    "1.",
    ".5",
    "1e3",
    "1E3",
    "1e999",
    "-1e999",
    "1e-999",
    "nan",
    ".nan",
    "NaN",
    "inf",
    "-inf",
    ".inf",
    "-.inf",
    "infinity",
    "9" * 20,
    "9" * 400,
    "9" * LONG,
    "-" + "9" * LONG,
    "0." + "0" * LONG + "1",
    "1e" + "9" * LONG,
    "2147483648",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775809",
    "18446744073709551616",
    "1e18",
    "1e308",
    "1e309",
    "5e-324",
    "0.1",
    "0.5",
    "1",
    "2",
    "3",
    "1.5",
    "64x64",
    "٣",
    "½",
    "1,2,3",
    "1,,2",
    ",",
    "0,0",
    "-1,-1",
    "nan,nan",
    "1e9,1e9",
    "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20",
    "[]",
    "[1, [2, [3]]]",
    "[nan]",
    "[0]",
    "[-1]",
    "[1, 2",
)
SYNTAX = (
    "true",
    "yes",
    "off",
    "null",
    "~",
    "none",
    "auto",
    "[",
    "]",
    "{",
    "}",
    "{a: 1}",
    "{a: {b: {c: 1}}}",
    "{is: x}",
    "{is: networks/mlp}",
    "{is: {a: 1}}",
    "{is: [1]}",
    "{1: 2}",
    "{[1]: 2}",
    "{? {a: 1} : 2}",
    "&a [*a, *a]",
    "&a [1]",
    "*a",
    "<<",
    "{<<: {a: 1}}",
    "=",
    "{=: 1}",
    "!!python/object/apply:os.system ['true']",
    "!!python/name:os.system",
    "!!timestamp 2024-99-99",
    "!!binary x",
    "!!binary '!'",
    "!!int x",
    "!!float x",
    "!!bool x",
    "!!set {a, b}",
    "!!omap [a: 1]",
    "!!pairs [a]",
    "!x y",
    "? a : b",
    "- a",
    "a: b",
    "---",
    "--- a\n--- b",
    "...",
    "%YAML 9.9",
    "#",
    "'",
    '"',
    '"\\ud800"',
    '"\\x00"',
    '"\\U00110000"',
    "`",
    "@",
    "|",
    ">",
    "[" * 300,
    "[" * 300 + "]" * 300,
    "[" * 3000,
    "[" * 3000 + "]" * 3000,
    "{a: " * 1000 + "}" * 1000,
    "- " * 500,
)
TEXTS = (
    " ",
    "\t",
    "a\tb",
    "\n",
    "a\nb",
    "\r",
    "\x1b[31mred",
    "\x07",
    "\x7f",
    "\x85",
    "\u2028",
    "\u202e",
    "\ufeff",
    "😀",
    "\udcff",
    "a\udc80b",
    "e\u0301",
    "é" * 200,
    "x" * 256,
    "x" * 5000,
    "{x}",
    "%s",
    "%n",
    "$HOME",
    "`id`",
    "=1+1",
    "<script>",
    "' OR 1=1",
    "cpu",
    "cpu:9",
    "cuda",
    "cuda:99",
    "cuda:-1",
    "cuda:x",
    "mps",
    "meta",
    "xla:0",
    "on",
    "skip",
)
PATHS = (
    ".",
    "..",
    "/",
    "//",
    "~",
    "~nobody/x",
    "-",
    "/dev/null",
    "/dev/zero",
    "/dev/stdin",
    "/proc/self/mem",
    "/proc/self/fd/0",
    "/etc/passwd",
    "x/" * 300,
    "/" * 300,
    "a" * 300,
    "a" * 5000,
    "nowhere/at/all",
    "photos/0.png/x",
    "photos.zip/x",
    "files/photos.zip/a",
    "runs",
    "runs/mlp",
    "runs/mlp/generator.safetensors",
    "runs/mlp/config.yaml",
    "files",
    "files/tone.wav",
    "out.png",
    "out.csv",
    "out.zip",
    "out.npz",
    "out.xyz",
    "out/",
    "a\\b",
    "c:",
    "CON",
    " ",
    "",
    "a:b",
    "a b.png",
    ".hidden",
    "\udcff.png",
    "😀.png",
    "\n.png",
    "files/people.csv",
    "files/film.mp4",
    "digits",
    "ring8",
    "grid25",
    "x.PNG",
    ".png",
    "png",
)
PLAIN = st.one_of(*(st.sampled_from(group) for group in (DATES, NUMBERS, SYNTAX, TEXTS, PATHS)))
SEED = ["seed", "out", "labels", "truncation", "interpolate", "steps", "device", "mark", "format", "start", "n"]
OPTIONS = {
    "sample": SEED,
    "apply": [
        "out",
        "seed",
        "device",
        "mark",
        "mask",
        "sheet",
        "format",
        "reverse",
        "label",
        "tile",
        "chunk",
        "overlap",
        "scale",
        "strength",
    ],
    "predict": ["out", "top", "device"],
    "eval": ["data", "count", "seed", "extractor"],
    "data": [
        "recipe",
        "out",
        "size",
        "labels",
        "on_corrupt",
        "cache",
        "length",
        "rate",
        "held",
        "fit",
        "background",
        "channels",
        "direction",
        "stride",
    ],
    "info": [],
    "report": [],
    "compare": [],
    "recipes": ["format"],
    "train": [
        "out",
        "data",
        "evaluate",
        "tensorboard",
        "size",
        "labels",
        "batch",
        "budget",
        "seed",
        "device",
        "until",
        "init",
        "loss",
        "direction",
        "scale",
        "degrade",
        "lr",
        "networks",
        "game",
        "domain",
        "g",
        "d",
        "train",
    ],
}
SHELL = ("help", "completion", "__complete", "--version", "--help", "trian", "")
DATA_FILES = (
    "photos",
    "pairs",
    "seasons",
    "kinds",
    "sounds",
    "captions.txt",
    "clips",
    "people.csv",
    "readings.csv",
    "ring8",
)


def nasty() -> st.SearchStrategy[str]:
    """A hostile word: one of the known ones, mixtures of them, or any text that a command line can hold."""
    anything = st.text(st.characters(min_codepoint=1, exclude_categories=[]), max_size=12).filter(
        lambda text: not any(0xD800 <= ord(c) < 0xDC80 or 0xDD00 <= ord(c) < 0xE000 for c in text)
    )
    mixed = st.tuples(PLAIN, st.sampled_from((",", "", " ", ".", ":", "=", "-")), PLAIN).map("".join)
    return st.one_of(PLAIN, PLAIN, PLAIN, mixed, anything).map(_safe)


def number() -> st.SearchStrategy[str]:
    """A number that a setting may just take, or just not."""
    few = st.one_of(
        st.integers(-2, 40), st.integers(0, 16).map(lambda power: 2**power), st.floats(0, 2), st.floats(-1e6, 1e6)
    )
    return st.one_of(
        st.sampled_from(NUMBERS), few.map(str), st.tuples(few, few).map(lambda pair: f"{pair[0]},{pair[1]}")
    )


def _safe(word: str) -> str:
    """No word that would reach the network."""
    return word.replace("hub:", "hub ").replace("\0", "")


# Command lines ------------------------------------------------------------------------------------------------------


def words(draw: Any) -> dict[str, Any]:
    """A verb with places and options, at least one of them hostile."""
    verb = draw(st.sampled_from((*OPTIONS, *OPTIONS, *SHELL)))
    places = draw(st.sampled_from(_places(verb)))
    options = draw(
        st.lists(st.tuples(st.sampled_from(OPTIONS.get(verb) or SEED), nasty()), max_size=2, unique_by=lambda o: o[0])
    )
    if not options or draw(st.integers(0, 3)) == 0:
        at = draw(st.integers(0, len(places)))
        places = [*places[:at], draw(nasty()), *places[at + draw(st.integers(0, 1)) :]]
    shape = draw(st.sampled_from(("{}={}", "{}={}", "--{}={}", "--{} {}")))
    said = [word for name, value in options for word in _said(shape, name, value)]
    limit = ["budget=16"] if verb == "train" and not any(name == "budget" for name, _ in options) else []
    return {"class": "command lines", "argv": [verb, *places, *said, *limit]}


def _said(shape: str, name: str, value: str) -> list[str]:
    return [f"--{name}", value] if " " in shape else [shape.format(name, value)]


def _places(verb: str) -> list[list[str]]:
    of = {use: [f"runs/{recipe}" for recipe, verbs in RUNS.items() if use in verbs] for use in OPTIONS}
    runs = [f"runs/{recipe}" for recipe in RUNS]
    return {
        "sample": [[run, "3"] for run in of["sample"]],
        "apply": [[run, INPUT.get(run[5:], "files/picture.png").replace("tone", "files/tone")] for run in of["apply"]],
        "predict": [[run, "kinds"] for run in of["predict"]],
        "eval": [[run, "count=32"] for run in runs],
        "data": [[name] for name in DATA_FILES],
        "compare": [[run, "runs/mlp"] for run in runs],
        "recipes": [["mlp"], ["table"]],
        "train": [[name] for name in DATA_FILES],
        "completion": [["bash"]],
        "__complete": [["train", "mlp", ""], ["sample", "runs/mlp", ""]],
        "help": [["images"]],
    }.get(verb, [[run] for run in runs])


def settings(draw: Any) -> dict[str, Any]:
    """A training of any recipe with one to three of its settings hostile."""
    recipe = draw(st.sampled_from(RECIPES()))
    names = SETTINGS(recipe)
    chosen = draw(st.lists(st.sampled_from(names), min_size=1, max_size=2, unique=True))
    hostile = {name: draw(st.one_of(nasty(), number(), number())) for name in chosen}
    plain = [word for word in settings_of(recipe) if word.partition("=")[0] not in hostile]
    return {"class": "settings", "argv": ["train", *plain, *(f"{n}={v}" for n, v in hostile.items()), "evaluate=off"]}


_KNOWN: dict[str, list[str]] = {}


def RECIPES() -> list[str]:  # noqa: N802
    """The names of all recipes."""
    from ganworks.core import registry

    return list(registry.recipes())


def SETTINGS(recipe: str) -> list[str]:  # noqa: N802
    """Every dotted setting that the schema of a recipe lists."""
    if recipe not in _KNOWN:
        from ganworks.core.schema.document import schema_of

        schema = schema_of(recipe)
        found = [name for name in _below(schema, schema, "") if name.split(".")[0] not in ("recipe", "notes")]
        _KNOWN[recipe] = [name for name in found if not name.endswith(".is")]
    return _KNOWN[recipe]


def _below(schema: dict[str, Any], whole: dict[str, Any], where: str) -> list[str]:
    found = []
    for name, about in schema.get("properties", {}).items():
        path = f"{where}.{name}".lstrip(".")
        reference = about.get("$ref", "").rpartition("/")[2]
        found.append(path)
        if reference:
            found += _below(whole["$defs"][reference], whole, path)
    return found


# Files --------------------------------------------------------------------------------------------------------------

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


def _operation(draw: Any, structured: bool) -> list[Any]:
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


def run_files(draw: Any) -> dict[str, Any]:
    """A run one file of which was changed, resealed or not, and a verb on it."""
    recipe = draw(st.sampled_from(sorted(RUNS)))
    name = draw(st.sampled_from(RUN_FILES))
    operations = [_operation(draw, True) for _ in range(draw(st.integers(1, 2)))]
    verb = draw(st.sampled_from(("info", "report", "compare", "train", "eval", *RUNS[recipe], *RUNS[recipe])))
    source = INPUT.get(recipe, "picture.png")
    argv = {
        "train": ["train", *settings_of(recipe), "out=edited", "evaluate=off"],
        "compare": ["compare", "edited", "runs/mlp"],
        "sample": ["sample", "edited", "3", f"out=made{'.zip' if recipe in ('mlp', 'wavegan') else ''}"],
        "apply": ["apply", "edited", f"files/{source}", "out=made.png"],
        "predict": ["predict", "edited", "kinds"],
        "eval": ["eval", "edited", "count=32"],
    }.get(verb, [verb, "edited"])
    edit = {"run": recipe, "file": name, "do": operations, "seal": draw(st.booleans()) or draw(st.booleans())}
    return {"class": "files of a run", "argv": argv, "edit": edit}


def data_files(draw: Any, names: tuple[str, ...]) -> dict[str, Any]:
    """A data file that was changed, and a verb that reads it."""
    name = draw(st.sampled_from(names))
    operations = [_operation(draw, False) for _ in range(draw(st.integers(1, 3)))]
    renamed = draw(st.sampled_from(names)) if draw(st.integers(0, 9)) == 0 else name
    place = f"edited/{renamed}"
    recipes = READERS.get(Path(name).suffix, ["image"])
    recipe = draw(st.sampled_from(recipes))
    whole = draw(st.booleans()) and "idx" not in name
    data = "edited" if whole and Path(name).suffix in _MANY else place
    verbs = [
        ["data", data],
        ["data", data, f"recipe={recipe}"],
        ["train", recipe, f"data={data}", "budget=16", "evaluate=off"],
    ]
    if Path(name).suffix in (".png", ".jpg", ".webp", ".tif", ".bmp", ".gif", ".mp4", ".zip", ".npy"):
        verbs += [["apply", run, place, "out=made.png"] for run in ("runs/pix2pix", "runs/superres")]
        verbs += [
            ["predict", "runs/classify", place],
            ["apply", "runs/inpaint", "files/picture.png", f"mask={place}", "out=made.png"],
        ]
    if Path(name).suffix in (".wav", ".npy", ".flac", ".ogg"):
        verbs.append(["apply", "runs/vocoder", place, "out=made.wav"])
    return {
        "class": "data files",
        "argv": draw(st.sampled_from(verbs)),
        "edit": {"file": name, "as": renamed, "do": operations},
    }


RUN_FILES = (
    "config.yaml",
    "config.yaml",
    "spec.yaml",
    "plan.json",
    "plan.json",
    "manifest.json",
    "manifest.json",
    "metrics.jsonl",
    "metrics.jsonl",
    "eval.json",
    "eval.json",
    "*.safetensors",
    "*.safetensors",
    "state/*.safetensors",
    "state/*.safetensors",
)
_MANY = (".png", ".jpg", ".webp", ".tif", ".bmp", ".gif", ".wav", ".flac", ".ogg", ".mp4", ".npy", ".csv", ".txt")
_PICTURES, _TABLES, _SOUNDS = (
    ["image", "restore", "classify", "sincut", "video"],
    ["table", "series", "points", "text"],
    ["audio", "vocoder"],
)
READERS = {
    ".csv": _TABLES,
    ".tsv": _TABLES,
    ".parquet": ["table", "series", "text"],
    ".txt": ["text"],
    ".gz": ["text", "image"],
    ".wav": _SOUNDS,
    ".flac": _SOUNDS,
    ".ogg": _SOUNDS,
    ".mp4": ["video"],
    ".gif": ["video", "image"],
    ".npy": ["image", "series", "points", "video", "pix2pix"],
    ".npz": ["image", "series", "points", "classify"],
    ".zip": ["image", "classify", "pix2pix", "video", "audio"],
    **dict.fromkeys((".png", ".jpg", ".webp", ".tif", ".bmp"), _PICTURES),
}


# Edits --------------------------------------------------------------------------------------------------------------

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
    most = min(len(data), 160) if head else len(data)
    if not most:
        return raw
    for _ in range(rng.choice((1, 1, 2, 8, 40))):
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
    return bytes(data[: rng.randrange(len(data))]) if what == "cut" else bytes(data)


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


assert set(DATA.values()) <= set(DATA_FILES)
