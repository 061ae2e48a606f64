"""manifest.json: what belongs to a run, with the SHA-256 of each file; changed by several processes, one at a time.

{"format": 1, "files": {name: {"sha256": hex, "bytes": int}}, "pending": {name: hex}, "retired": [name]}

A change is made under a short lock: the manifest is read again, the digests of the new files are written down as
pending, the files are renamed into place, and the manifest is written with them and without what was retired. A file
fits when it has either digest, so that it fits at every moment, and whoever takes the lock next finishes or forgets
what a killed process had begun.
"""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from ganworks.core.errors import GanworksError, UsageError
from ganworks.core.schema.plain import read_json, shaped
from ganworks.files import atomic, weights
from ganworks.files.atomic import Staged
from ganworks.runs import shapes
from ganworks.runs.lock import changing

NAME = "manifest.json"
STATE = re.compile(r"state/\d{12,}\.safetensors")
_TRIES = 50
Found = TypeVar("Found")


class Manifest:
    """The manifest of a folder as it was last read, with `read`, or written, with `commit`."""

    def __init__(self, folder: Path):
        self.folder, self.path = folder, folder / NAME
        self.raw: dict[str, Any] = {"format": 1, "files": {}}

    @property
    def files(self) -> dict[str, dict[str, Any]]:
        """The entry of each file that belongs to the run."""
        return self.raw["files"]

    @property
    def states(self) -> list[str]:
        """The saved states, the oldest first."""
        return sorted(name for name in self.files if STATE.fullmatch(name))

    def digests(self, name: str) -> set[str]:
        """The SHA-256 that a file may have: its own, and for a moment that of the file that takes its place."""
        found = {self.files[name]["sha256"]} if name in self.files else set()
        return found | ({self.raw["pending"][name]} if name in self.raw.get("pending", {}) else set())

    def read(self) -> bool:
        """Read it again; whether it has changed. Raises UsageError when it is missing or damaged."""
        old = self.raw
        try:
            self.raw = shaped(shapes.Manifest, read_json(self.path.read_bytes(), str(self.path)), NAME)
        except FileNotFoundError as error:
            raise UsageError(
                f"{self.folder} is not a run folder: it has no {NAME}. Train one with `ganworks train`."
            ) from error
        except OSError as error:
            raise UsageError(f"Cannot read {self.path}: {error.strerror or error}.") from error
        except UsageError as error:
            raise UsageError(
                f"{self.path} is damaged; restore it from a copy of the run. The networks can be loaded by the names "
                "of their own files."
            ) from error
        return self.raw != old

    def steadily(self, attempt: Callable[[], tuple[Found, bool]]) -> Found:
        """What attempt() -> (result, whether all was as the manifest says) gives.

        Another process may change files between the reading of the manifest and that of a file. So the attempt is made
        again when it fails, or when something did not fit, as long as the manifest has changed since.
        """
        for last in [*[False] * _TRIES, True]:
            try:
                found, fits = attempt()
            except GanworksError:
                if last or not self.read():
                    raise
                continue
            if fits or last or not self.read():
                break
        return found

    def verify(self, name: str) -> None:
        """Raise UsageError unless the file is there and is byte for byte what was saved."""
        path = self.folder / name
        if not path.is_file():
            raise UsageError(f"{path} is missing.")
        if atomic.sha256(path) not in self.digests(name):
            raise UsageError(f"{path} was changed or damaged after it was saved (sha256 differs from {NAME}).")

    def tensors(self, name: str, *, allow_nonfinite: bool = False) -> tuple[weights.Content, str]:
        """(content of a safetensors file, a sentence when it is intact but not the file that the manifest names).

        A file that seals itself decides for itself: a copied or restored folder may hold an older manifest. Raises
        UsageError for a damaged file, and for one without a seal of its own that is not the one that was saved.
        """
        path = self.folder / name
        content = weights.load(path, allow_nonfinite=allow_nonfinite)
        if content.sha256 in self.digests(name):
            return content, ""
        if not content.sealed:
            raise UsageError(
                f"{path} is not the file that was saved: its SHA-256 does not fit the manifest. It is damaged "
                "or was exchanged. Use another copy, or resume the run, which goes back to its last good state."
            )
        return content, (
            f"{path} is undamaged by the SHA-256 that it carries, but it is not the file that {NAME} names, as after "
            "a folder was copied in part. It is used."
        )

    def settle(self) -> None:
        """Read it again, and finish what a killed process had begun, if one had."""
        self.read()
        if self.raw.get("pending") or self.raw.get("retired"):
            self.commit(())

    def commit(self, staged: Sequence[Staged], retire: Sequence[str] = (), *, whole: bool = False) -> None:
        """Put staged files into place and enter them; take states out and remove their files.

        whole: the caller holds the run, so that what it knows replaces a manifest that is missing or damaged.
        Raises GanworksError; every file is then the old one or the new one, and fits.
        """
        with changing(self.folder):
            self._begin(whole)
            entered = {self._name(f): {"sha256": f.sha256, "bytes": f.size} for f in staged}
            retired = [name for name in retire if name not in entered]
            if self.path.exists():
                self._store(pending={name: entry["sha256"] for name, entry in entered.items()}, retired=retired)
            for file in staged:
                file.place()
            self.raw["files"] = {k: v for k, v in self.files.items() if k not in retired} | entered
            self._store(retired=retired)
            self._remove(retired)

    def _name(self, file: Staged) -> str:
        return file.path.relative_to(self.folder).as_posix()

    def _begin(self, whole: bool) -> None:
        """Read the manifest, and finish or forget what a killed process had begun."""
        try:
            self.read()
        except UsageError:
            if not whole:
                raise
        pending, retired = self.raw.pop("pending", {}), self.raw.pop("retired", ())
        for name, digest in pending.items():
            path = self.folder / name
            with suppress(OSError, ValueError):
                if _inside(name) and _is_file(path) and atomic.sha256(path) == digest:
                    self.files[name] = {"sha256": digest, "bytes": path.stat().st_size}
        if all(self.files.get(name, {}).get("sha256") == digest for name, digest in pending.items()):
            self.raw["files"] = {k: v for k, v in self.files.items() if k not in retired}
        self._remove([name for name in retired if name not in self.files])

    def _store(self, **more: Any) -> None:
        """Write what is known, with what is under way."""
        kept = {k: v for k, v in self.raw.items() if k not in ("pending", "retired")}
        self.raw = kept | {k: v for k, v in more.items() if v}
        atomic.replace_file(self.path, json.dumps(self.raw, indent=1, sort_keys=True))

    def _remove(self, names: Sequence[str]) -> None:
        """Remove files of states that this run has made, and nothing else: no folder, and nothing behind a link."""
        for name in names:
            path = self.folder / name
            with suppress(OSError):
                if STATE.fullmatch(name) and not path.parent.is_symlink() and _is_file(path):
                    path.unlink()


def _inside(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts


def _is_file(path: Path) -> bool:
    return stat.S_ISREG(path.lstat().st_mode)
