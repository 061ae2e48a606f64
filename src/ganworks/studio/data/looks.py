"""Looks at the data of a studio: each in a process of its own, and kept until the data change."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganworks.core.console.text import json_text
from ganworks.core.errors import GanworksError, UsageError
from ganworks.core.registry import find_recipe
from ganworks.core.schema.plain import read_json
from ganworks.studio.places import Place, RefusedError, is_name
from ganworks.studio.trainings.control import built_in, data_word
from ganworks.studio.trainings.details import medium_of

_TOGETHER = 2  # looks at the same time
_KEPT = 200  # looks that are kept
_WAITING = 32  # looks that wait or run
_SILENT = "The look at the data ended without an answer; perhaps the memory ran out."
RESULT = "look.json"


@dataclass
class Job:
    """A look that is under way."""

    done: int = 0
    total: int = 0
    error: str = ""
    ended: bool = False


class Looks:
    """The looks of a studio. Every method may be called from any thread."""

    def __init__(self, place: Place):
        self.place = place
        self._lock, self._room = threading.Lock(), threading.Semaphore(_TOGETHER)
        self._jobs: dict[str, Job] = {}
        self._children: set[subprocess.Popen[str]] = set()
        self._closed = False

    def listed(self) -> list[dict[str, Any]]:
        """The data sets, the newest first, and then those that are built in."""
        paths = [path for path in self.place.data.iterdir() if is_name(path.name)]
        paths.sort(key=lambda path: -path.stat().st_mtime)
        found = [
            {"id": path.name, "name": path.name, "bytes": _size(path)[0], **self._known(path.name)} for path in paths
        ]
        inside = [{"id": f"builtin:{name}", "name": name, "bytes": 0, "builtin": True} for name in built_in()]
        return found + [{**each, **self._known(each["id"])} for each in inside]

    def _known(self, data: str) -> dict[str, Any]:
        """What an earlier look has found of a data set, for lists."""
        with suppress(GanworksError, OSError):
            if found := self.result(self.key(data, "")):
                return {name: found.get(name) for name in ("kind", "recipe", "count", "sheet")}
        return {}

    def key(self, data: str, recipe: str) -> str:
        """A name for what a look at the data as they are would find. Raises RefusedError (404)."""
        word = data_word(self.place, data)
        stamp = "" if data.startswith("builtin:") else _size(self.place.folder / word)
        return hashlib.sha256(json_text([data, recipe, stamp]).encode()).hexdigest()[:24]

    def result(self, key: str) -> dict[str, Any] | None:
        """What a look found, with addresses for its files; None before its end. Raises UsageError if it failed."""
        path = self.place.looks / key / RESULT
        if not path.is_file():
            return None
        found = read_json(path.read_bytes(), RESULT)
        if "error" in found:
            raise UsageError(found["error"])
        examples = [
            {"url": _url(key, each["file"]), "media": medium_of(Path(each["file"]).suffix)} if "file" in each else each
            for each in found["examples"]
        ]
        return {**found, "examples": examples, "sheet": _url(key, found["sheet"]) if found["sheet"] else None}

    def begin(self, data: str, recipe: str = "") -> str:
        """Look at a data set unless that was done or is being done; the key of the look. Raises UsageError for an
        unknown recipe, RefusedError (503) when too many looks wait.
        """
        if recipe:
            find_recipe(recipe)
        key = self.key(data, recipe)
        with self._lock:
            under_way = key in self._jobs and not self._jobs[key].ended
            if not under_way and not (self.place.looks / key / RESULT).is_file():
                self._make_room()
                self._jobs[key] = Job()
                arguments = (key, data_word(self.place, data), recipe)
                threading.Thread(target=self._look, args=arguments, daemon=True).start()
        return key

    def _make_room(self) -> None:
        """Forget looks that ended, but for the latest. Raises RefusedError when too many have not."""
        ended = [key for key, job in self._jobs.items() if job.ended]
        if len(self._jobs) - len(ended) >= _WAITING:
            raise RefusedError("Too much is being looked at; try again when some of it is done.", 503)
        for key in ended[:-_KEPT]:
            del self._jobs[key]

    def state(self, key: str) -> dict[str, Any]:
        """{"done", "total", "state": running, done or failed, "result" or "error"}. Raises RefusedError (404)."""
        job = self._jobs.get(key)
        try:
            found = self.result(key) if key.isalnum() else None
        except UsageError as error:
            return {"done": 0, "total": 0, "state": "failed", "error": str(error)}
        if found is not None:
            return {"done": found["count"], "total": found["count"], "state": "done", "result": found}
        if job is None:
            raise RefusedError("There is no such work. Ask for the data again.", 404)
        state = {"done": job.done, "total": job.total, "state": "failed" if job.error else "running"}
        return {**state, "error": job.error} if job.error else state

    def file(self, key: str, name: str) -> Path:
        """A file that a look wrote. Raises RefusedError (404)."""
        path = self.place.looks / key / name
        if not key.isalnum() or not is_name(name) or name == RESULT or not path.is_file() or path.is_symlink():
            raise RefusedError("There is no such file.", 404)
        return path

    def _look(self, key: str, word: str, recipe: str) -> None:
        folder, job = self.place.looks / key, self._jobs[key]
        with self._room:
            try:
                folder.mkdir(parents=True, exist_ok=True)
                self._run(job, [word, recipe, str(folder)])
                if not (folder / RESULT).is_file():
                    job.error = _SILENT
            except OSError as error:
                job.error = f"The look could not be started: {error.strerror or error}."
            finally:
                job.ended = True
            self._forget()

    def _run(self, job: Job, words: list[str]) -> None:
        """Run the look and read how far it is."""
        if self._closed:
            return
        command = [sys.executable, "-P", "-m", "ganworks.studio.data.looking", *words]
        with subprocess.Popen(
            command, cwd=self.place.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True, errors="replace", env={**os.environ, "OMP_NUM_THREADS": "1"},
        ) as child:  # fmt: skip
            self._children.add(child)
            for line in child.stdout or ():
                with suppress(UsageError, KeyError, TypeError):
                    told = read_json(line, "progress")
                    job.done, job.total = int(told["done"]), int(told["total"])
        self._children.discard(child)

    def _forget(self) -> None:
        """Remove the oldest looks where there are too many."""
        with suppress(OSError):
            found = sorted(self.place.looks.iterdir(), key=lambda path: path.stat().st_mtime)
            for old in found[:-_KEPT]:
                shutil.rmtree(old, ignore_errors=True)

    def close(self) -> None:
        """End the looks that are under way."""
        self._closed = True
        for child in list(self._children):
            child.kill()


def _url(key: str, name: str) -> str:
    return f"api/looks/{key}/{name}"


def _size(path: Path) -> tuple[int, int, int]:
    """(bytes, number of files, when the last one was changed) of a file or folder."""
    status = path.stat()
    size, count, latest = (0 if path.is_dir() else status.st_size), 1, status.st_mtime_ns
    for root, _, names in os.walk(path):
        for name in names:
            with suppress(OSError):
                status = os.lstat(f"{root}/{name}")
                size, count, latest = size + status.st_size, count + 1, max(latest, status.st_mtime_ns)
    return size, count, latest
