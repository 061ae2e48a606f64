"""Runs many command lines, each in a child whose standard streams are closed, full or gone.

`python streams.py FOLDER` reads [[name, how, words], ...] from standard input; each child works in FOLDER/how and its
exit code is printed as JSON. What is imported once here is not imported again.
"""

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path

NAMES = ("stdin", "stdout", "stderr")


def arrange(how: str) -> None:
    """The descriptors 0 to 2 and their Python streams as the interpreter finds them at its start."""
    read, gone = os.pipe()
    os.close(read)
    sink = {"full": "/dev/full"}.get(how, os.devnull)
    handle = gone if how == "gone" else os.open(sink, os.O_WRONLY)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    os.closerange(3, 256)
    if how == "closed":
        os.closerange(0, 3)
    for number, name in enumerate(NAMES):
        raw = None if how == "closed" else io.FileIO(number, "w" if number else "r", closefd=False)
        buffered = raw and (io.BufferedWriter(raw) if number else io.BufferedReader(raw))
        stream = buffered and io.TextIOWrapper(buffered, "utf-8", line_buffering=number == 2)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def child(folder: Path, how: str, words: list[str]) -> None:
    """One command line, and what the interpreter does at its end: it flushes both streams."""
    from ganworks.cli.main import main

    code = 99
    try:
        os.chdir(folder)
        arrange(how)
        sys.argv[1:] = words
        code = main()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    finally:
        os._exit(code)


def serve(root: Path) -> None:
    import standins  # noqa: F401 - whose classes the children may use
    import torch

    import ganworks.api  # noqa: F401

    torch.set_num_threads(1)
    for how, words in json.load(sys.stdin):
        process = os.fork()
        if not process:
            child(root / how, how, words)
        print(json.dumps([how, words, os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])]), flush=True)


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
