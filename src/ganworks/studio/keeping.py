"""What a studio keeps for its next start: the token; and that one folder has one studio."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress

from ganworks.runs.lock import FolderLock
from ganworks.studio.places import Place

_TAKEN = "A studio of this folder is open already, in {owner}: use its page, or close it first ({folder})."


def only_studio(place: Place) -> FolderLock:
    """The lock of a studio's folder; entering it raises UsageError while another studio holds it."""
    return FolderLock(place.own, _TAKEN)


def kept_token(place: Place) -> str:
    """The token of this folder: the same after a restart, so that open pages go on. Only the user can read its file.

    A file that others can read is replaced by one with a new token.
    """
    path = place.own / "token"
    with suppress(OSError, ValueError):
        status = path.lstat()
        private = not status.st_mode & 0o077 and status.st_uid == os.getuid() if hasattr(os, "getuid") else True
        if private and not path.is_symlink() and len(token := path.read_text(encoding="ascii").strip()) >= 32:
            return token
    token = secrets.token_urlsafe(32)
    with suppress(OSError):
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(token)
    return token
