"""The cache of packs: where a pack lies, and how it is written completely or not at all.

A pack is a folder in the cache, named after its source and a key: a hash of the source's stamp (names, sizes, times)
and of the settings of the conversion. It is written to a temporary folder, which is renamed when it is complete, with
the sums of its files (`sums.py`), by which damage is noticed.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from ganworks.core.errors import UsageError
from ganworks.core.machine.places import explain, place
from ganworks.files import atomic
from ganworks.files.packing import sums
from ganworks.files.rasters.decode import DecodeError

LEAVE_OUT = "To leave such files out, give on_corrupt=skip."
Pack = TypeVar("Pack")


def open_or_pack(
    where: str,
    key: list[Any],
    opened: Callable[[Path], Pack | None],
    write: Callable[[Path, list[str]], None],
    *,
    cache: str | Path | None = None,
    usual: str = "data",
    kind: str = "",
) -> tuple[Path, Pack]:
    """Return (folder, pack) of a source; the pack is written first if there is none, or a damaged one, with a warning.

    where: path of the source; the folder is named after it, or `usual` if it has no name. kind: a word between name and
    key. key: plain values that decide the content. opened(folder): the pack, or None if it is missing or damaged.
    write(work, notes): writes a pack into the folder `work`; notes are sentences about the cache. Raises UsageError for
    a cache that cannot be written and for a full disk.
    """
    root, notes = cache_folder(cache)
    text = json.dumps(key, sort_keys=True, default=str).encode("utf-8", "surrogateescape")
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", Path(where).stem)[:40].strip("-") or usual
    parts = [name, *([kind] if kind else []), hashlib.blake2b(text, digest_size=10).hexdigest()]
    folder = root / "-".join(parts)
    ready = _whole(folder, opened)
    if ready is None:
        atomic.sweep(root)
        with temporary(folder, opened) as work:
            write(work, notes)
        ready = opened(folder)
    if ready is None:
        raise UsageError(f'The pack in "{folder}" was damaged while it was written; check the disk.')
    return folder, ready


def _whole(folder: Path, opened: Callable[[Path], Pack | None]) -> Pack | None:
    """The pack in a folder, or None when there is none; a damaged one is removed, with a warning."""
    if not folder.is_dir():
        return None
    ready = opened(folder)
    harm = sums.harm(folder) if ready is not None else "a file is missing or cannot be read"
    if not harm:
        return ready
    warnings.warn(f'The packed data in "{folder}" was damaged ({harm}), and is packed again.', stacklevel=2)
    aside = atomic.temporary_beside(folder)
    with suppress(OSError):
        folder.replace(aside)  # at once: another process may do the same
    shutil.rmtree(aside, ignore_errors=True)
    return None


def refuse_corrupt(facts: dict[str, Any], on_corrupt: str, error: type[DecodeError] = DecodeError) -> None:
    """Raise UsageError if the pack was made with on_corrupt=skip and left items out, but on_corrupt is now "error"."""
    if on_corrupt == "error" and facts["corrupt"]:
        name, reason = facts["corrupt"][0]
        raise UsageError(f"{error(name, reason)} {LEAVE_OUT}")


def cache_folder(cache: str | Path | None) -> tuple[Path, list[str]]:
    """(folder for packs, notes): the given one, $GANWORKS_CACHE, ~/.cache/ganworks, or a private temporary one. Raises
    UsageError if none can be written.
    """
    given = cache or os.environ.get("GANWORKS_CACHE")
    try:
        root = place(given, "GANWORKS_CACHE").expanduser() if given else Path.home() / ".cache" / "ganworks"
        _probe(root)
    except (OSError, RuntimeError) as error:
        if given:
            said = f'The cache folder "{given}" cannot be written ({_said(error)}).'
            raise UsageError(f"{said} Set GANWORKS_CACHE to a folder that can.") from error
        root = Path(tempfile.gettempdir()) / f"ganworks-{os.getuid() if hasattr(os, 'getuid') else 'user'}"
        try:
            _probe(root)
        except OSError as problem:
            said = f"No folder for packed data can be written ({_said(problem)}). Set GANWORKS_CACHE."
            raise UsageError(said) from problem
        return root, [f'the home cache cannot be written; packed into "{root}"']
    return root, []


def _said(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _probe(root: Path) -> None:
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    if hasattr(os, "getuid") and root.parent == Path(tempfile.gettempdir()) and root.stat().st_uid != os.getuid():
        raise PermissionError(f"{root} belongs to somebody else")
    with tempfile.TemporaryFile(dir=root):
        pass


class temporary:
    """Context manager: a temporary folder that is renamed to `folder` on success and removed on failure.

    ready(folder): whether a complete pack is there, written meanwhile by another process. Raises UsageError for
    whatever the disk of the cache refuses.
    """

    def __init__(self, folder: Path, ready: Callable[[Path], Any]):
        self.folder, self.ready = folder, ready
        self.work = atomic.temporary_beside(folder)
        try:
            shutil.rmtree(self.work, ignore_errors=True)
            self.work.mkdir(mode=0o700)
        except OSError as error:
            raise self._refused(error) from error

    def __enter__(self) -> Path:
        return self.work

    def __exit__(self, kind: type | None, error: BaseException | None, trace: object) -> None:
        try:
            if isinstance(error, OSError) and (error.filename is None or self.work.name in str(error.filename)):
                raise self._refused(error) from error
            if error is None:
                sums.write(self.work)
                self.work.replace(self.folder)
        except OSError as problem:
            if not self.ready(self.folder):  # else another process was faster, with the same content
                raise self._refused(problem) from problem
        finally:
            shutil.rmtree(self.work, ignore_errors=True)

    def _refused(self, error: OSError) -> UsageError:
        return UsageError(f"{explain(error, self.folder)} GANWORKS_CACHE names another folder for packed data.")
