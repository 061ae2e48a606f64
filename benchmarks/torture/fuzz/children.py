"""Child processes that call the command line with one case after the other, as an ordinary user with little memory."""

from __future__ import annotations

import atexit
import ctypes
import io
import json
import os
import re
import resource
import select
import shutil
import signal
import struct
import tempfile
import time
import traceback
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from functools import cache
from pathlib import Path
from typing import Any

from torture.fuzz import base
from torture.fuzz.edits import lay_edited
from torture.material import own_folder

Prepare = Callable[[dict[str, Any]], None]  # lays the files of a case into the current folder
BATCH = 25  # cases of one child process
SECONDS, MEMORY, FILE = 60, 6 << 30, 1 << 30
NOBODY = 65534
PROBE = "/tmp/ganworks-probe"  # what foreign code would make


class Late(BaseException):
    """A case took too long."""


def _call(case: dict[str, Any], prepare: Prepare) -> dict[str, Any]:
    """Call the command line with the words of a case, in the current folder: code, what was said, what went wrong."""
    from ganworks.cli.main import main

    prepare(case)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    out = io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True)
    error = ""
    started = time.monotonic()
    code: int | None = None
    signal.alarm(SECONDS)
    try:
        with redirect_stdout(out), redirect_stderr(out):
            code = main(
                [word.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape") for word in case["argv"]]
            )
    except Late:
        error = "late: " + _place(traceback.format_exc())
    except BaseException as raised:  # whatever leaves `main` is what is looked for
        error = f"{type(raised).__name__}: {str(raised)[:200]!r} {_place(traceback.format_exc())}"
    finally:
        signal.alarm(0)
    said = out.buffer.getvalue().decode("utf-8", "replace")  # type: ignore[attr-defined]
    if not error and (code not in (0, 1, 2, 130) or "Traceback" in said):
        error = f"exit code {code}"
    if Path(PROBE).exists():
        Path(PROBE).unlink()
        error = "foreign code was run"
    memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10
    seconds = round(time.monotonic() - started, 2)
    return {"code": code, "error": error, "said": said[-300:], "seconds": seconds, "memory": memory}


def _place(text: str) -> str:
    """The innermost lines of our own and of all code in a traceback: "runs/run.py:97 plan < json/decoder.py:355 x"."""
    found = re.findall(r'File "([^"]+)", line (\d+), in (\S+)', text)
    short = [(f"{'/'.join(Path(file).parts[-2:])}:{line} {name}", "ganworks/" in file) for file, line, name in found]
    own = [place for place, ours in short if ours]
    return f"{own[-1] if own else '-'} < {short[-1][0] if short else '-'}"


def warm() -> None:
    """Import everything that a verb may import, once, before the children are forked."""
    import importlib
    import pkgutil

    import torch

    import ganworks
    import ganworks.cli.main

    torch.set_num_threads(1)
    for module in pkgutil.walk_packages(ganworks.__path__, "ganworks."):
        if "__main__" not in module.name:
            importlib.import_module(module.name)
    for name in (
        "pandas",
        "pyarrow.parquet",
        "av",
        "soundfile",
        "soxr",
        "sklearn.datasets",
        "scipy.linalg",
        "jinja2",
        "importlib.readers",
    ):
        importlib.import_module(name)


def stop_after_building() -> None:
    """Let trainings, evaluations and bulks end where their long work would begin: the networks are built."""
    from ganworks.core.errors import GanworksError
    from ganworks.training import setup, speed
    from ganworks.use import bulk, evaluate

    def fresh(self: Any, folder: Path, given: Any) -> Any:
        self._refuse_unusable()
        self.engine(False, 10**9)
        raise GanworksError(f"stopped before the training of {self.config.recipe}")

    def work(job: Any, kept: Any, count: int, shard: int, on_progress: Any) -> int:
        if count > 3000:
            raise GanworksError("stopped before the bulk")
        return real(job, kept, count, shard, on_progress)

    def found(folder: Path) -> Any:
        load(folder)
        raise GanworksError("stopped before the evaluation")

    real, load = bulk._work, evaluate.published
    evaluate.published = found
    speed.speeds = lambda where: {"fp32": 50.0, "bf16": 20.0}
    setup.Builder.fresh = fresh  # type: ignore[method-assign]
    bulk._work = work  # type: ignore[assignment]


def _serve(orders: int, answers: int, work: Path, prepare: Prepare) -> None:
    """Try the cases that come as lines through a pipe, and write what became of each into another."""
    os.setsid()
    if os.getuid() == 0:
        os.chown(work, NOBODY, NOBODY)
        _become_nobody()
    os.chdir(work)
    shutil.copytree(material(), ".", dirs_exist_ok=True)
    os.environ |= {"HOME": str(work), "GANWORKS_CACHE": "cache", "TMPDIR": str(work)}
    tempfile.tempdir = None
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE, FILE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, _late)
    stop_after_building()
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    with os.fdopen(orders) as cases:
        for case in cases:
            os.write(answers, json.dumps(_call(json.loads(case), prepare)).encode() + b"\n")


def _become_nobody() -> None:
    """From root to a user who may write nothing but his own files. He may still read: Python may lie in root's home."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(8, 1, 0, 0, 0)  # PR_SET_KEEPCAPS
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    read = 1 << 2  # CAP_DAC_READ_SEARCH
    libc.capset(struct.pack("Ii", 0x20080522, 0), struct.pack("6I", read, read, 0, 0, 0, 0))


def _late(*_: Any) -> None:
    raise Late


class Child:
    """A process that tries cases one after the other, in a folder of its own with the material in it."""

    def __init__(self, prepare: Prepare):
        material()  # made here, not in every child
        self.prepare, self.count, self.status = prepare, 0, 0
        self.work = Path(tempfile.mkdtemp(prefix="torture-"))
        (orders, self.orders), (self.answers, answers) = os.pipe(), os.pipe()
        self.process = os.fork()
        if self.process == 0:
            code = 1
            try:
                os.close(self.orders)
                os.close(self.answers)
                _serve(orders, answers, self.work, prepare)
                code = 0
            except BaseException:
                os.write(answers, json.dumps(_ended(traceback.format_exc()[-600:])).encode() + b"\n")
            finally:
                os._exit(code)
        os.close(orders)
        os.close(answers)

    def attempt(self, case: dict[str, Any]) -> dict[str, Any]:
        """What became of a case; the child may be dead afterwards."""
        self.count += 1
        os.write(self.orders, json.dumps(case).encode() + b"\n")
        raw = b""
        while not raw.endswith(b"\n"):
            if not select.select([self.answers], [], [], SECONDS + 30)[0]:
                os.kill(self.process, signal.SIGKILL)
                self.close()
                return _ended("the process hung")
            part = os.read(self.answers, 1 << 16)
            if not part:
                status = self.close()
                by = signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else "itself"
                return _ended(f"the process was ended by {by}")
            raw += part
        return json.loads(raw)

    def close(self) -> int:
        """End it, unless it is; its status."""
        if self.process:
            os.close(self.orders)
            os.close(self.answers)
            self.status, self.process = os.waitpid(self.process, 0)[1], 0
            shutil.rmtree(self.work, ignore_errors=True)
        return self.status


def _ended(error: str) -> dict[str, Any]:
    return {"code": None, "error": error, "said": "", "seconds": 0, "memory": 0}


_CHILDREN: list[Child] = []  # the one at work, or none


def attempt(case: dict[str, Any], prepare: Prepare = lay_edited, alone: bool = False) -> dict[str, Any]:
    """What became of a case in a child: its exit code, the end of what it said, the error, seconds, memory in MB.

    prepare: lays its files. alone: in a child of its own. A child that dies or hangs costs one case.
    """
    if _CHILDREN and (alone or _CHILDREN[0].count >= BATCH or _CHILDREN[0].prepare is not prepare):
        end()
    if not _CHILDREN:
        _CHILDREN.append(Child(prepare))
    found = _CHILDREN[0].attempt(case)
    if found["code"] is None:
        end()
    return found


def end() -> None:
    """End the child at work, if there is one."""
    for child in _CHILDREN:
        child.close()
    _CHILDREN.clear()


atexit.register(end)


@cache
def material() -> Path:
    """The folder of the material, made once, after everything that a verb may need was imported."""
    folder = own_folder()
    warm()
    making = os.fork()
    if making == 0:
        os.environ["GANWORKS_CACHE"] = str(folder / "cache")
        base.material(folder / "material")
        os._exit(0)
    if os.waitpid(making, 0)[1]:
        raise RuntimeError("the material could not be made")
    return folder / "material"
