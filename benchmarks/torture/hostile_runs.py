"""Runs whose files hold code or bombs of references; folders with links out of them, loops, pipes, strange names."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

from torture.fuzz.children import PROBE
from torture.fuzz.edits import reseal
from torture.fuzz.hostile import Files, Made, png

NAME = "hostile-runs"


def runs() -> Iterator[Made]:
    """Runs whose files hold code, bombs of references, dates and other texts; all of them sealed again."""
    contents = {
        "config.yaml": {
            "object": b"!!python/object/apply:os.mknod ['" + PROBE.encode() + b"']",
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
            reseal(path)

    return make


def folders() -> Iterator[Made]:
    """Folders with links out of them, loops, pipes, sockets and strange names."""
    dot = png(8, 8, rows=bytes(25 * 8))

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


_FILES = Files(runs, folders)
tries, run = _FILES.tries, _FILES.run
