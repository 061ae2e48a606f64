"""The keys of the service, in one SQLite file that only its owner can read.

Nothing is cached: a running service reads the row of a key with each request, so that a key that is revoked is refused
from the next request on. Commits go to the write-ahead log, which survives a kill of the process; after a loss of power
the last second of counting may be lost. The log does not work on network file systems: the file belongs into the user's
state folder.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ganworks.core.errors import GanworksError, UsageError, nearest
from ganworks.core.machine.places import explain
from ganworks.core.schema.plain import read_json
from ganworks.serve.access.keys import Key, Rate, digest, id_of, mint, same

_VERSION = 1
_PATIENCE = 2.0  # seconds to wait for another writer
_TABLES = """
CREATE TABLE IF NOT EXISTS keys (id TEXT PRIMARY KEY, name TEXT NOT NULL, digest BLOB NOT NULL, allows TEXT NOT NULL,
    created REAL NOT NULL, expires REAL, revoked REAL, used REAL) STRICT;
CREATE INDEX IF NOT EXISTS keys_by_name ON keys (name);
CREATE TABLE IF NOT EXISTS spent (name TEXT NOT NULL, day TEXT NOT NULL, units INTEGER NOT NULL,
    PRIMARY KEY (name, day)) STRICT;
"""
_COLUMNS = "id, name, digest, allows, created, expires, revoked, used"
_NOBODY = bytes(32)  # compared with what an unknown id brings: an unknown key takes as long as a wrong one


def state_folder() -> Path:
    """Where the service keeps what it has to remember: $GANWORKS_STATE, $XDG_STATE_HOME/ganworks or
    ~/.local/state/ganworks. Raises UsageError when there is no home folder.
    """
    if given := os.environ.get("GANWORKS_STATE"):
        return Path(given).expanduser()
    if given := os.environ.get("XDG_STATE_HOME"):
        return Path(given) / "ganworks"
    try:
        return Path.home() / ".local" / "state" / "ganworks"
    except RuntimeError as error:
        raise UsageError("There is no home folder to keep keys in. Set GANWORKS_STATE to a folder.") from error


def own_folder(folder: Path) -> Path:
    """The folder, made for its owner alone if there is none. Raises GanworksError."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise explain(error, folder) from error
    return folder


class KeyStore:
    """The keys in a file, made if there is none. folder: by default `state_folder()`. May be used by several threads
    and processes at once. Raises GanworksError when the file cannot be used.
    """

    def __init__(self, folder: Path | None = None):
        self.path = own_folder(folder or state_folder()) / "keys.db"
        with _told(self.path):
            _private(self.path)
            self._latest, self._changing_file = 0.0, threading.Lock()
            self._reading, self._file = _open(self.path), _identity(self.path)
            with self._writing() as base:
                base.executescript(_TABLES)
                base.execute(f"PRAGMA user_version={_VERSION}")

    def close(self) -> None:
        """Close the file."""
        self._reading.close()

    # For the command line ---------------------------------------------------------------------------------------------

    def add(self, key: Key) -> tuple[Key, str]:
        """Enter a key of this name and these rights; (the key, its only copy). Raises UsageError when the name is
        in use.
        """
        with self._changing() as base:
            if _active(base, key.name):
                raise UsageError(
                    f'There is a key "{key.name}" already. `ganworks keys rotate {key.name}` replaces it, `ganworks '
                    f"keys revoke {key.name}` ends it."
                )
            return _enter(base, key)

    def all(self) -> list[Key]:
        """All keys, oldest first; those that ended, too."""
        with _told(self.path), closing(_open(self.path)) as base:
            return [_key(row) for row in base.execute(f"SELECT {_COLUMNS} FROM keys ORDER BY created, id")]

    def revoke(self, name: str) -> int:
        """End all keys of this name, at once; how many. Raises UsageError when there is none."""
        with self._changing() as base:
            active = _active(base, name)
            if not active:
                raise self._unknown(base, name)
            base.execute("UPDATE keys SET revoked = ? WHERE name = ? AND revoked IS NULL", (time.time(), name))
            return len(active)

    def rotate(self, name: str, grace: float = 0.0) -> tuple[Key, str]:
        """A new key with the rights of the one of this name, which ends at once, or after `grace` seconds."""
        with self._changing() as base:
            active = _active(base, name)
            if not active:
                raise self._unknown(base, name)
            now = time.time()
            for old in active:
                ends = now + grace if old.expires is None else min(old.expires, now + grace)
                column = "expires" if grace else "revoked"
                base.execute(f"UPDATE keys SET {column} = ? WHERE id = ?", (ends if grace else now, old.id))
            return _enter(base, active[-1])

    def _unknown(self, base: sqlite3.Connection, name: str) -> UsageError:
        known = [row[0] for row in base.execute("SELECT DISTINCT name FROM keys WHERE revoked IS NULL")]
        said = nearest(name, known) if known else "There is none yet: `ganworks keys add NAME` makes one."
        return UsageError(f'There is no key "{name[:64]}" in use. {said}')

    # For the service --------------------------------------------------------------------------------------------------

    def find(self, sent: str) -> Key | None:
        """The active key that a caller sent; None for any other text. Takes as long for an unknown key as for a
        wrong one. Raises sqlite3.Error when the keys cannot be read: the file was removed, or holds something else.
        """
        row = self._current().execute(f"SELECT {_COLUMNS} FROM keys WHERE id = ?", (id_of(sent),)).fetchone()
        right = same(row[2] if row else _NOBODY, digest(sent))
        try:
            key = _key(row) if row and right else None
        except (GanworksError, KeyError, TypeError, ValueError) as error:
            raise sqlite3.DatabaseError("the row of a key is damaged") from error
        return key if key and key.state(self._now()) == "active" else None

    def _current(self) -> sqlite3.Connection:
        """The connection for reading; a new one when another file lies there now: the old one's keys count no more."""
        with self._changing_file:
            try:
                found = _identity(self.path)
                if found != self._file:
                    self._reading, self._file = _open(self.path), found
            except OSError as error:
                raise sqlite3.OperationalError("the file of the keys is gone") from error
            return self._reading

    def _now(self) -> float:
        """The time in seconds since 1970, which never goes back here: an expired key does not come to life again."""
        self._latest = max(self._latest, time.time())
        return self._latest

    def any_active(self) -> bool:
        """Whether there is a key that opens anything."""
        now = time.time()
        return any(key.state(now) == "active" for key in self.all())

    def spend(self, name: str, units: int, quota: int) -> int | None:
        """Count cost units of today (UTC); those spent, or None, with nothing counted, when that were above quota.
        Negative units give back.
        """
        with self._writing() as base:
            base.execute("BEGIN IMMEDIATE")
            row = base.execute("SELECT units FROM spent WHERE name = ? AND day = ?", (name, today())).fetchone()
            spent = max(0, (row[0] if row else 0) + units)
            if units > 0 and quota and spent > quota:
                base.execute("ROLLBACK")
                return None
            base.execute(
                "INSERT INTO spent VALUES (?, ?, ?) ON CONFLICT (name, day) DO UPDATE SET units = excluded.units",
                (name, today(), spent),
            )
            base.execute("COMMIT")
            return spent

    def spent(self, name: str) -> int:
        """Cost units of today."""
        row = self._current().execute("SELECT units FROM spent WHERE name = ? AND day = ?", (name, today())).fetchone()
        return row[0] if row else 0

    def touch(self, id_: str) -> None:
        """Note that a key was used just now."""
        with self._writing() as base:
            base.execute("UPDATE keys SET used = ? WHERE id = ?", (time.time(), id_))

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with closing(_open(self.path)) as base:
            yield base

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        """One change as a whole, or none. Raises GanworksError."""
        with _told(self.path), self._writing() as base:
            base.execute("BEGIN IMMEDIATE")
            try:
                yield base
            except BaseException:
                base.execute("ROLLBACK")
                raise
            base.execute("COMMIT")


def today() -> str:
    """The day in UTC, e.g. 2026-11-30."""
    return time.strftime("%Y-%m-%d", time.gmtime())


def _open(path: Path) -> sqlite3.Connection:
    where = f"{path.absolute().as_uri()}?mode=rw"  # never made here: `_private` does that, for its owner alone
    base = sqlite3.connect(where, timeout=_PATIENCE, isolation_level=None, check_same_thread=False, uri=True)
    base.execute("PRAGMA journal_mode=WAL")
    base.execute("PRAGMA synchronous=NORMAL")
    return base


def _identity(path: Path) -> tuple[int, int]:
    """What tells a file from another one of the same name."""
    status = path.stat()
    return status.st_dev, status.st_ino


def _private(path: Path) -> None:
    """Make the file for its owner alone before SQLite does; its companions get the same mode from SQLite."""
    flags = os.O_CREAT | os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
    handle = os.open(path, flags, 0o600)
    with suppress(OSError, AttributeError):
        os.fchmod(handle, 0o600)
    os.close(handle)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """What the system or SQLite refuses, as a sentence."""
    try:
        yield
    except sqlite3.Error as error:
        raise GanworksError(
            f"Cannot use the keys in {path}: {error}. GANWORKS_STATE names another folder; it must not lie on a "
            "network file system."
        ) from error
    except OSError as error:
        raise explain(error, path) from error


def _active(base: sqlite3.Connection, name: str) -> list[Key]:
    rows = base.execute(f"SELECT {_COLUMNS} FROM keys WHERE name = ? ORDER BY created", (name,))
    return [key for key in map(_key, rows) if key.state(time.time()) == "active"]


def _enter(base: sqlite3.Connection, key: Key) -> tuple[Key, str]:
    id_, text = mint()
    key = replace(key, id=id_, created=time.time(), revoked=None, used=None)
    allows = {k: v for k, v in asdict(key).items() if k in ("scopes", "models", "limit", "cost", "quota", "jobs")}
    base.execute(
        f"INSERT INTO keys ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, NULL, NULL)",
        (id_, key.name, digest(text), json.dumps(allows), key.created, key.expires),
    )
    return key, text


def _key(row: Any) -> Key:
    id_, name, _, allows, created, expires, revoked, used = row
    facts = read_json(allows, "the row of a key")
    for field in ("limit", "cost"):
        facts[field] = Rate(**facts[field]) if facts[field] else None
    for field in ("scopes", "models"):
        facts[field] = tuple(facts[field])
    return Key(id_, name, created=created, expires=expires, revoked=revoked, used=used, **facts)
