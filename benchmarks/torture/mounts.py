"""File systems of a case's own, as small as it wants: tmpfs in a namespace of mounts, where the system allows it."""

from __future__ import annotations

import ctypes
import json
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path

_NEW_MOUNTS, _NEW_USER = 0x00020000, 0x10000000
_READ_ONLY, _REMOUNT = 1, 32
_PAGE = 4096
PLENTY = {"size": 512 << 20, "nr_inodes": 100_000}


class Disk:
    """A tmpfs at `folder`, with room for everything until `limit` is called. Only within `apart`."""

    def __init__(self, folder: Path):
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self._mount(0, **PLENTY)

    def limit(self, *, free_bytes: int | None = None, free_inodes: int | None = None, read_only: bool = False) -> None:
        """From now on so many bytes and files more can be written; None: as many as anybody needs."""
        facts, sizes = os.statvfs(self.folder), dict(PLENTY)
        if free_bytes is not None:
            used = (facts.f_blocks - facts.f_bfree) * facts.f_frsize
            sizes["size"] = max(_PAGE, used + free_bytes // _PAGE * _PAGE)
        if free_inodes is not None:
            sizes["nr_inodes"] = facts.f_files - facts.f_ffree + free_inodes
        self._mount(_REMOUNT | (_READ_ONLY if read_only else 0), **sizes)

    def _mount(self, flags: int, **sizes: int) -> None:
        words = ",".join(f"{name}={value}" for name, value in sizes.items())
        if _c().mount(b"tmpfs", os.fsencode(self.folder), b"tmpfs", flags, words.encode()):
            raise OSError(ctypes.get_errno(), f"tmpfs with {words} cannot be mounted", str(self.folder))


def apart(work: Callable[[], str | None]) -> str | None:
    """What `work` says, called in a process in which file systems can be mounted; they are gone with it."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        said = "ended without a word"
        try:
            _unshare()
            said = work()
        except BaseException as error:
            said = f"the try itself failed: {error!r}"
        finally:
            os.write(writer, json.dumps(said).encode())
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    return json.loads(text or b'"ended without a word"')


@cache
def available() -> bool:
    """Whether file systems can be mounted here without being asked for a password."""
    return apart(lambda: None) is None


def _unshare() -> None:
    user, group = os.getuid(), os.getgid()
    if _c().unshare(_NEW_USER | _NEW_MOUNTS):
        raise OSError(ctypes.get_errno(), "no namespace")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {user} 1")
    Path("/proc/self/gid_map").write_text(f"0 {group} 1")


def _c() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
