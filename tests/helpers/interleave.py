"""Runs functions that use files side by side in every order of their steps, and kills them at every step.

A step is the opening, renaming or removal of a file, the making of a folder, or the taking of a lock, below one folder.
Python tells of each before it happens (sys.addaudithook), so that nothing of the code under test is replaced. A killed
function does no more steps, not even those in its `finally` blocks, but gives back its locks as the system would.
"""

from __future__ import annotations

import fcntl
import os
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_EVENTS = {"open": 0, "os.rename": 1, "os.remove": 0, "os.mkdir": 0}
_WAIT = 60.0
LOCKS = (".lock", ".owner", ".manifest.lock")


class Killed(BaseException):
    """Ends a function at one of its steps."""


@dataclass
class Actor:
    """A function in a thread of its own that waits before each step; `error` is what it raised."""

    name: str
    function: Callable[[], Any]
    killable: bool = True
    go: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    step: str = "begin"
    needs: int = 0  # the inode of the lock that its next step takes
    done: bool = False
    dead: bool = False
    result: Any = None
    error: BaseException | None = None


_here = threading.local()
_active: list[Schedule] = []


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if _active and (actor := getattr(_here, "actor", None)) is not None:
        _active[0].heard(actor, event, args)


sys.addaudithook(_hook)


class Schedule:
    """One order of the steps of some actors: `choices` says which of the possible moves is made at each point."""

    def __init__(self, folder: Path, actors: list[Actor], choices: list[int], kills: int, everything: bool):
        self.folder, self.actors, self.choices = folder.resolve(), actors, choices
        self.kills, self.everything = kills, everything
        self.widths: list[int] = []
        self.trace: list[str] = []
        self.back = threading.Semaphore(0)
        self.holders: dict[int, Actor] = {}
        self.last: list[Actor] = []  # who moved; that others are killed then is no different from a kill before

    def run(self) -> None:
        """Let the actors run, one step of one of them at a time."""
        threads = [threading.Thread(target=self._act, args=(actor,), daemon=True) for actor in self.actors]
        _active.append(self)
        try:
            for thread in threads:
                thread.start()
                assert self.back.acquire(timeout=_WAIT)
            while moves := self._moves():
                self._make(*self._chosen(moves))
            stuck = [a.name for a in self.actors if not a.done]
            assert not stuck, f"{stuck} wait for each other after {self.trace}"
            for thread in threads:
                thread.join()
        finally:
            _active.remove(self)

    def _act(self, actor: Actor) -> None:
        _here.actor = actor
        try:
            actor.result = actor.function()
        except BaseException as error:
            actor.error = error
        actor.done = True
        self.back.release()

    def _moves(self) -> list[tuple[Actor, bool]]:
        able = [a for a in self.actors if not a.done and self.holders.get(a.needs) in (None, a)]
        deadly = [a for a in self.last if not a.done and a.killable] if self.kills else []
        return [(a, False) for a in able] + [(a, True) for a in deadly]

    def _chosen(self, moves: list[tuple[Actor, bool]]) -> tuple[Actor, bool]:
        at = len(self.widths)
        self.widths.append(len(moves))
        if at == len(self.choices):
            self.choices.append(0)
        return moves[self.choices[at]]

    def _make(self, actor: Actor, kill: bool) -> None:
        self.trace.append(f"{actor.name}: {'killed before ' * kill}{actor.step}")
        if kill:
            actor.dead, self.kills = True, self.kills - 1
        elif actor.needs:
            self.holders[actor.needs] = actor
        actor.needs, self.last = 0, [actor]
        actor.go.release()
        assert self.back.acquire(timeout=_WAIT), self.trace

    def _pause(self, actor: Actor) -> None:
        self.back.release()
        assert actor.go.acquire(timeout=_WAIT)
        if actor.dead:
            raise Killed

    def heard(self, actor: Actor, event: str, args: tuple[Any, ...]) -> None:
        """Called in the actor's thread before a step."""
        if event == "fcntl.flock":
            self._lock(actor, *args)
        elif event in _EVENTS and self._counts(path := args[_EVENTS[event]], event):
            if actor.dead:
                raise Killed
            actor.step = f"{event} {Path(os.fsdecode(path)).name}"
            self._pause(actor)

    def _counts(self, path: Any, event: str) -> bool:
        if isinstance(path, int):
            return False
        full = Path(os.fsdecode(path)).resolve()
        if not full.is_relative_to(self.folder) or full.is_dir() or full.name in LOCKS:
            return False
        return self.everything or not full.name.endswith(".gwtmp")

    def _lock(self, actor: Actor, fd: int, operation: int) -> None:
        lock = os.fstat(fd).st_ino
        if operation & fcntl.LOCK_UN:
            if self.holders.get(lock) is actor:
                del self.holders[lock]
            return
        if actor.dead:
            raise Killed
        waits = (self.folder / ".manifest.lock").exists() and (self.folder / ".manifest.lock").stat().st_ino == lock
        actor.step, actor.needs = "lock", lock if waits else 0
        self._pause(actor)


def orders(
    make: Callable[[], tuple[Path, list[Actor]]], *, kills: int = 0, everything: bool = False
) -> Iterator[Schedule]:
    """Yields every order of the actors' steps, when it has been run.

    make: lays out a folder and makes the actors, anew for each order. kills: how many actors may be killed. everything:
    count also the steps on temporary files, which only their writer knows.
    """
    choices: list[int] = []
    while True:
        folder, actors = make()
        schedule = Schedule(folder, actors, choices, kills, everything)
        schedule.run()
        yield schedule
        choices, widths = schedule.choices, schedule.widths
        while choices and choices[-1] + 1 == widths[len(choices) - 1]:
            choices.pop()
        if not choices:
            return
        choices[-1] += 1
