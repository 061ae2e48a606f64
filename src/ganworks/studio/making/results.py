"""What was made for the page, as files with addresses: kept for a while, the oldest removed first.

A result is named by all that determines it, so that the same request is answered from the disk, also after a restart.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ganworks.core.console.text import json_text
from ganworks.core.errors import GanworksError
from ganworks.core.schema.plain import read_json
from ganworks.files.atomic import replace_file, temporary_beside
from ganworks.studio.places import Place, RefusedError, is_name

_ANSWER = "answer.json"
Answer = dict[str, Any]


class Results:
    """The results of a studio. most: how many are kept; size: bytes of all of them."""

    def __init__(self, place: Place, most: int = 1000, size: int = 1 << 30):
        self.folder, self._most, self._size = place.results, most, size

    @staticmethod
    def key(*facts: Any) -> str:
        """A name for what these facts determine."""
        return hashlib.sha256(json_text(facts).encode()).hexdigest()[:32]

    def find(self, key: str) -> Answer | None:
        """The answer that was made for a key; None when there is none any more."""
        path = self.folder / key / _ANSWER
        with suppress(OSError, GanworksError):
            found = read_json(path.read_bytes(), _ANSWER)
            os.utime(path.parent)
            return found
        return None

    def make(self, key: str, work: Callable[[Path], Answer]) -> Answer:
        """The answer for a key: found, or made by work(folder), which writes its files there."""
        if (found := self.find(key)) is not None:
            return found
        folder = temporary_beside(self.folder / key)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            answer = work(folder)
            replace_file(folder / _ANSWER, json_text(answer))
            with suppress(OSError):  # made meanwhile by another server
                folder.rename(self.folder / key)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        self._forget()
        return answer

    def file(self, key: str, name: str) -> Path:
        """A file of a result. Raises RefusedError (404), also for one that was removed to make room."""
        path = self.folder / key / name
        if not key.isalnum() or not is_name(name) or name == _ANSWER or not path.is_file() or path.is_symlink():
            raise RefusedError("This result is not kept any more; ask for it again.", 404)
        return path

    def _forget(self) -> None:
        """Remove the results that were used longest ago, while there are too many or they are too large."""
        with suppress(OSError):
            found = sorted((p for p in self.folder.iterdir() if is_name(p.name)), key=lambda p: -p.stat().st_mtime)
            size = 0
            for number, path in enumerate(found):
                size += sum(file.stat().st_size for file in path.iterdir())
                if number and (number >= self._most or size > self._size):
                    shutil.rmtree(path, ignore_errors=True)


def url_of(key: str, name: str) -> str:
    """The address of a file of a result, relative to the page."""
    return f"api/results/{key}/{quote(name)}"
