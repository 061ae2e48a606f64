"""Ten thousand hostile values: command lines, settings, files of a run and data files; none may end in a traceback.

    python -m benchmarks.torture.values [--tries 10000] [--seed 0] [--place FOLDER] [--only CLASS] [--show]

Hypothesis draws the cases from the grammar of the real settings, verbs and files (`values_cases`); the same seed
draws the same ones. Each case is one call of the command line within a child process, as an ordinary user, that may
take neither more than 6 GB nor 60 seconds; a training stops after its networks are built. A case fails by an exception
that leaves `main`, by another exit code than 0, 1, 2 and 130, by the end of its process, by time, or by running foreign
code. What was tried is kept in FOLDER, so that the same command goes on where it was stopped.
"""

from __future__ import annotations

import argparse
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
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import common
from benchmarks.torture import values_base as base
from benchmarks.torture import values_cases as cases

NAME = "torture_values"
Prepare = Callable[[dict[str, Any]], None]  # lays the files of a case into the current folder
BATCH = 25  # cases of one child process
SECONDS, MEMORY, FILE = 60, 6 << 30, 1 << 30
NOBODY = 65534
PROBE = "/tmp/ganworks-probe"  # what foreign code would make
FORMATS = (
    "picture.png",
    "picture.jpg",
    "picture.webp",
    "picture.tif",
    "picture.bmp",
    "moving.gif",
    "deep.png",
    "images.npy",
    "points.npy",
    "steps.npy",
    "images.npz",
    "small.npz",
    "train-images-idx3-ubyte",
    "t10k-images-idx3-ubyte.gz",
    "photos.zip",
    "people.csv",
    "people.tsv",
    "people.parquet",
    "readings.csv",
    "captions.txt",
    "captions.txt.gz",
    "captions.csv",
    "tone.wav",
    "float.wav",
    "tone.flac",
    "tone.ogg",
    "film.mp4",
)
CLASSES: dict[str, tuple[float, Callable[[Any], dict[str, Any]]]] = {
    "command lines": (0.3, cases.words),
    "settings": (0.25, cases.settings),
    "files of a run": (0.25, cases.run_files),
    "data files": (0.2, partial(cases.data_files, names=FORMATS)),
}


def drawn(name: str, count: int, seed: int) -> list[dict[str, Any]]:
    """The first `count` different cases of a class by a seed."""
    import hypothesis
    import hypothesis.configuration
    from hypothesis import strategies as st

    found: dict[str, dict[str, Any]] = {}
    case = st.composite(lambda draw: CLASSES[name][1](draw))()  # noqa: PLW0108 - a partial has no name
    hypothesis.configuration.set_hypothesis_home_dir(tempfile.gettempdir())  # not into the checkout
    rounds = 0
    while len(found) < count and rounds < 20:

        @hypothesis.seed(1000 * seed + rounds)
        @hypothesis.settings(
            max_examples=count,
            database=None,
            deadline=None,
            phases=[hypothesis.Phase.generate],
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        @hypothesis.given(case)
        def collect(one: dict[str, Any]) -> None:
            found.setdefault(json.dumps(one), one)

        collect()
        rounds += 1
    return list(found.values())[:count]


# One case -----------------------------------------------------------------------------------------------------------


class Late(BaseException):
    """A case took too long."""


def attempt(case: dict[str, Any], prepare: Prepare) -> dict[str, Any]:
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
            path.write_bytes(cases.edited(path.read_bytes(), path.name, edit["do"]))
        if edit["seal"]:
            reseal(Path("edited"))
        return
    Path("edited").mkdir()
    raw = (Path("files") / edit["file"]).read_bytes()
    (Path("edited") / edit["as"]).write_bytes(cases.edited(raw, edit["file"], edit["do"]))


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


# Child processes ----------------------------------------------------------------------------------------------------


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


def child(material: Path, batch: list[dict[str, Any]], pipe: int, work: Path, prepare: Prepare) -> None:
    """Try a batch of cases, and write what became of each into a pipe, a line each, and a line "begin" before each."""
    os.setsid()
    if os.getuid() == 0:
        os.chown(work, NOBODY, NOBODY)
        _become_nobody()
    os.chdir(work)
    shutil.copytree(material, ".", dirs_exist_ok=True)
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
    for case in batch:
        os.write(pipe, b'"begin"\n')
        os.write(pipe, json.dumps(attempt(case, prepare)).encode() + b"\n")


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


def tried(material: Path, batch: list[dict[str, Any]], prepare: Prepare = lay_edited) -> Iterator[dict[str, Any]]:
    """What became of each case of a batch. A child that dies or hangs costs one case; another one goes on."""
    left = list(batch)
    while left:
        with _scratch() as work:
            reading, writing = os.pipe()
            process = os.fork()
            if process == 0:
                code = 1
                try:
                    os.close(reading)
                    child(material, left, writing, work, prepare)
                    code = 0
                except BaseException:
                    os.write(
                        writing, json.dumps({"error": traceback.format_exc()[-600:], "code": None}).encode() + b"\n"
                    )
                finally:
                    os._exit(code)
            os.close(writing)
            lines, hung = _read(reading, process)
            _, status = os.waitpid(process, 0)
        found = [line for line in lines if line != "begin"]
        begun = sum(line == "begin" for line in lines)
        yield from found[: len(left)]
        if begun > len(found):
            end = (
                "hung"
                if hung
                else f"killed by {signal.Signals(os.WTERMSIG(status)).name}"
                if os.WIFSIGNALED(status)
                else "ended"
            )
            yield {
                "code": None,
                "error": f"the process {end}",
                "said": "",
                "seconds": SECONDS if hung else 0,
                "memory": 0,
            }
        elif not found:
            raise SystemExit(f"a child ended before its first case: {status}")
        left = left[max(begun, len(found)) :]


def _read(pipe: int, process: int) -> tuple[list[Any], bool]:
    """(the lines of a child, whether it had to be killed because nothing came from it)."""
    raw, hung = b"", False
    while True:
        if not select.select([pipe], [], [], SECONDS + 30)[0]:
            os.kill(process, signal.SIGKILL)
            hung = True
        part = os.read(pipe, 1 << 16)
        if not part:
            break
        raw += part
    os.close(pipe)
    return [json.loads(line) for line in raw.splitlines()], hung


@contextmanager
def _scratch() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="torture-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


# Command ------------------------------------------------------------------------------------------------------------


def begin(place: Path) -> Path:
    """Import everything, make the material if it is not there, and return its folder."""
    place.mkdir(parents=True, exist_ok=True)
    material = place.resolve() / "material"
    os.environ["GANWORKS_CACHE"] = str(place.resolve() / "cache")
    warm()
    making = os.fork()
    if making == 0:
        base.material(material)
        os._exit(0)
    if os.waitpid(making, 0)[1]:
        raise SystemExit("the material could not be made")
    return material


def results(name: str, count: int, seed: int, place: Path) -> list[dict[str, Any]]:
    """The results of a class, those of an earlier start among them."""
    kept = place / f"{name.replace(' ', '-')}-{seed}.jsonl"
    rows = [json.loads(line) for line in kept.read_text().splitlines()] if kept.exists() else []
    waiting = drawn(name, count, seed)
    rows = rows[: len(rows) // BATCH * BATCH]
    with kept.open("w") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
        for start in range(len(rows), len(waiting), BATCH):
            batch = waiting[start : start + BATCH]
            found = [
                {**result, "case": case} for case, result in zip(batch, tried(place / "material", batch), strict=True)
            ]
            file.writelines(json.dumps(row) + "\n" for row in found)
            file.flush()
            rows += found
            wrong = sum(bool(row["error"]) for row in rows)
            print(f"\r{name}: {len(rows):,} of {len(waiting):,}, {wrong} failed", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return rows[:count]


def show(rows: list[dict[str, Any]]) -> None:
    """Print each kind of failure with how often it came and its shortest case."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        if row["error"]:
            text = row["error"]
            groups.setdefault(text[:30] + text.rpartition("' ")[2][-140:], []).append(row)
    for group in sorted(groups.values(), key=len, reverse=True):
        case = min((row["case"] for row in group), key=lambda case: len(json.dumps(case)))
        print(f"\n{len(group)} x {group[0]['error'][:500]}\n    {json.dumps(case)[:600]}")


def main() -> int:
    """Draw, try, tell; 1 when a case failed."""
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--tries", type=int, default=10_000)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--place", type=Path, default=Path(tempfile.gettempdir()) / "torture-values")
    options.add_argument("--only", choices=list(CLASSES))
    options.add_argument("--show", action="store_true", help="print a case of each kind of failure")
    given = options.parse_args()
    given.place = given.place.resolve()
    begin(given.place)
    rows = []
    for name, (share, _) in CLASSES.items():
        if given.only in (None, name):
            found = results(name, round(given.tries * share), given.seed, given.place)
            codes = Counter(row["code"] for row in found if not row["error"])
            row = {
                "class": name,
                "tried": len(found),
                "survived": sum(codes.values()),
                "done": codes[0],
                "refused": codes[2],
                "failed with a sentence": codes[1],
            }
            rows.append(row)
            if given.show:
                show(found)
    common.save(NAME, [{**row, "seed": given.seed, **common.machine()} for row in rows])
    print(common.table(rows[0], (row.values() for row in rows)))
    return int(any(row["tried"] != row["survived"] for row in rows))


if __name__ == "__main__":
    sys.exit(main())
