"""The folder of a studio: where its parts lie, names that are safe in it, and texts without the server's paths.

FOLDER/runs holds the runs, FOLDER/data what was uploaded, FOLDER/trash what was deleted. FOLDER/.studio holds what can
be lost: the commands and the output of trainings, results and looks.
"""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path
from typing import Any

from ganworks.core.errors import UsageError
from ganworks.serve.guard.headers import without_folders

_LONGEST, _LONGEST_THERE = 100, 255  # bytes of a name that is made here, and of one that systems hold
_STRANGE = re.compile(r"[^\w .()+,@=-]+")
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


class RefusedError(UsageError):
    """What a request cannot have. status: of the HTTP answer."""

    def __init__(self, message: str, status: int = 400):
        super().__init__(message)
        self.status = status


class Place:
    """The folder of a studio. folder: made if there is none; a folder named "runs" stands for the one around it."""

    def __init__(self, folder: str | Path):
        found = Path(folder).expanduser().resolve()
        self.folder = found.parent if found.name == "runs" else found
        self.runs, self.data, self.trash = (self.folder / name for name in ("runs", "data", "trash"))
        own = self.folder / ".studio"
        self.own, self.jobs, self.results, self.looks = own, own / "jobs", own / "results", own / "looks"

    def prepare(self) -> None:
        """Make the folders. Raises UsageError where that is impossible."""
        try:
            for path in (self.runs, self.data, self.jobs, self.results, self.looks):
                path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(
                f"The studio cannot write in {self.folder}: {error.strerror or error}. Name another folder."
            ) from error

    def run(self, name: str) -> Path:
        """The folder of a run by its name, which need not exist. Raises RefusedError (404) for what is no name."""
        return self._inside(self.runs, name, "run")

    def item(self, name: str) -> Path:
        """A data set by its name. Raises RefusedError (404) when there is none."""
        found = self._inside(self.data, name, "data set")
        if not found.exists():
            raise RefusedError(f'There is no data set "{name[:60]}".', 404)
        return found

    def _inside(self, folder: Path, name: str, what: str) -> Path:
        if not is_name(name):
            raise RefusedError(f'There is no {what} "{name[:60]}".', 404)
        return folder / name

    def clean(self, value: Any) -> Any:
        """An answer without paths of the server: those below the studio's folder relative to it, others cut short."""
        if isinstance(value, str):
            here = str(self.folder)
            short = value.replace(f"{here}/", "").replace(here, ".") if here != "/" else value
            return without_folders(short)
        if isinstance(value, dict):
            return {self.clean(name): self.clean(inner) for name, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self.clean(inner) for inner in value]
        return value


def is_name(name: str) -> bool:
    """Whether a text is the name of an entry of a folder, and of one that is not hidden."""
    if any(c in "/\\\0" or ord(c) < 32 or "\ud800" <= c <= "\udfff" for c in name):
        return False
    return 0 < len(name.encode()) <= _LONGEST_THERE and not name.startswith(".")


def safe_name(text: str) -> str:
    """A name for a file that any system can hold, made from the last part of what a browser sent; "" if nothing is
    left of it.
    """
    last = unicodedata.normalize("NFC", text).replace("\\", "/").rpartition("/")[2]
    name = _STRANGE.sub("_", last).strip(" .").lstrip(".")
    name = f"_{name}" if _RESERVED.fullmatch(name) else name
    stem, dot, suffix = name.rpartition(".")
    if len(name.encode()) > _LONGEST and dot and len(suffix.encode()) <= 12:
        return f"{_cut(stem, _LONGEST - 1 - len(suffix.encode()))}.{suffix}"
    return _cut(name, _LONGEST)


def safe_path(text: str) -> str:
    """A relative path of safe names from what a browser sent for a file of a folder; never one that leads upwards."""
    parts = [safe_name(part) for part in text.replace("\\", "/").split("/")]
    return "/".join(part for part in parts if part)


def free_name(folder: Path, wanted: str) -> str:
    """`wanted`, or with -2, -3 ... before its suffix the first name that nothing in the folder has."""
    stem, dot, suffix = wanted.partition(".")
    for number in range(1, 10_000):
        name = wanted if number == 1 else f"{stem}-{number}{dot}{suffix}"
        if not (folder / name).exists():
            return name
    raise RefusedError(f'There are 9,999 of the name "{wanted}" already; choose another name.', 409)


def _cut(text: str, size: int) -> str:
    return text.encode()[:size].decode(errors="ignore").strip(" .")
