"""Fetching a published network: only by an explicit command, with limits of size and time, checked by its hash."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

from ganworks.core.errors import GanworksError, UsageError, nearest
from ganworks.core.machine.places import explain
from ganworks.files import atomic
from ganworks.pretrained import store
from ganworks.pretrained.known import KNOWN, Known, entry

Progress = Callable[[str, int, int], None]
_PIECE, _PATIENCE = 1 << 20, 30.0  # bytes at a time; seconds without an answer
_MARGIN = 1.25  # a file may be that much larger than is said here


def get(name: str, progress: Progress) -> store.Kept:
    """Fetch the published network of a name and keep it; returns what is kept.

    Raises UsageError for an unknown name, GanworksError when the network does not answer, or sends something else.
    """
    known = entry(name)
    if known is None:
        raise UsageError(f'There is no known network "{name[:100]}". {nearest(name, (k.name for k in KNOWN))}')
    if not known.address:
        raise UsageError(f"{name} cannot be fetched by itself: it is {known.note}. Then `ganworks features add FILE`.")
    work = atomic.temporary_beside(store.folder() / known.name)
    try:
        work.mkdir(mode=0o700, parents=True)
        atomic.sweep(store.folder())
        path = work / known.address.rpartition("/")[2]
        with path.open("wb") as file:
            for piece in _pieces(known, progress):
                file.write(piece)
        store.check_digits(known.name, atomic.sha256(path), known.address)
        return store.add(path)
    except OSError as error:
        raise explain(error, store.folder()) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _pieces(known: Known, progress: Progress) -> Iterator[bytes]:
    """What the address holds, a piece at a time."""
    try:
        with urlopen(known.address, timeout=_PATIENCE) as answer:
            yield from _limited(known, answer, progress)
    except HTTPError as error:
        raise GanworksError(f"{known.address} answered {error.code} ({error.reason}). {_by_hand(known)}") from error
    except (OSError, HTTPException, ValueError) as error:
        why = getattr(error, "reason", None) or error
        raise GanworksError(f"{known.address} cannot be reached ({why}). {_by_hand(known)}") from error


def _limited(known: Known, answer: Any, progress: Progress) -> Iterator[bytes]:
    most, done = int(known.megabytes * 1e6 * _MARGIN), 0
    stated = str(answer.headers.get("Content-Length") or "")
    total = int(stated[:20]) if stated.isascii() and stated.isdigit() else int(known.megabytes * 1e6)
    while piece := answer.read(_PIECE):
        done += len(piece)
        if max(done, total) > most:
            raise UsageError(
                f"{known.address} holds more than {most:,} bytes, which {known.name} has not. Nothing was kept."
            )
        progress(f"Fetching {known.name}", min(done, total), total)
        yield piece
    if done < total and stated:
        raise GanworksError(f"{known.address} ended after {done:,} of {total:,} bytes. Run it again.")


def _by_hand(known: Known) -> str:
    return (
        f"On a machine with a network, download {known.address}; here, `ganworks features add FILE` keeps it in "
        f"{store.folder()}."
    )
