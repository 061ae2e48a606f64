"""Work that takes longer than a client waits: queued, watched, cancelled; results are kept for a while."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
import time
import uuid
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ganworks.core.errors import GanworksError, UsageError
from ganworks.core.machine.places import explain
from ganworks.serve.access.ticket import current

_EVENTS = 1000  # kept of a job, for clients that come back
_SILENCE = 15.0  # seconds after which a comment keeps a stream of events alive
ENDED = ("done", "failed", "cancelled")


class NoJobError(UsageError):
    """There is no job of that id, or no longer."""

    status = 404


class JobStateError(UsageError):
    """A job is not in the state that a request needs."""

    status = 409


class TooManyJobsError(GanworksError):
    """As many jobs wait as the service takes."""

    status, retry_after = 429, 10.0


class ResultTooLargeError(UsageError):
    """A result is larger than all results together may be."""

    status = 413


@dataclass
class Job:
    """One piece of work. total: samples to make. file: the result, once `state` is "done". owner: the name of the key
    with which it was asked for; None without one.
    """

    total: int
    name: str
    media: str
    file: Path
    owner: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    state: str = "queued"
    done: int = 0
    created: float = field(default_factory=time.time)
    ended: float = 0.0  # on the monotonic clock
    error: Exception | None = None
    events: deque[tuple[int, str, dict[str, Any]]] = field(default_factory=lambda: deque(maxlen=_EVENTS))
    position: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None

    def tell(self, event: str, **facts: Any) -> None:
        """Note an event and wake those who watch."""
        self.position += 1
        self.events.append((self.position, event, facts))
        self.changed.set()
        self.changed = asyncio.Event()

    def progress(self, done: int) -> None:
        """So many samples are made."""
        if done != self.done:
            self.done = done
            self.tell("progress", done=done, total=self.total)


Work = Callable[[Job], Awaitable[None]]


class Jobs:
    """The jobs of a service, in a temporary folder of its own. To a request, those of other keys are not there.

    keep_s: seconds for which a finished job is kept. most_bytes: of all results; the oldest go first. at_once: jobs
    that run. waiting: jobs that may wait.
    """

    def __init__(self, keep_s: float = 3600.0, most_bytes: int = 2 << 30, at_once: int = 1, waiting: int = 16):
        self.keep_s, self.most_bytes, self.waiting = keep_s, most_bytes, waiting
        self._jobs: dict[str, Job] = {}
        self._turn = asyncio.Semaphore(at_once)
        self._folder: Path | None = None

    def begin(self, total: int, name: str, media: str, work: Work, headers: dict[str, str] | None = None) -> Job:
        """Queue `work`, which writes job.file. Raises TooManyJobsError."""
        self._sweep()
        if sum(job.state not in ENDED for job in self._jobs.values()) > self.waiting:
            raise TooManyJobsError("As many jobs wait as this service takes. Come back when some are finished.")
        job = self._new(total, name, media, headers)
        job.tell("queued", total=total)
        job.task = asyncio.get_running_loop().create_task(self._run(job, work))
        return job

    def keep(self, content: bytes, name: str, media: str) -> Job:
        """A job that is done, with this result: what a client fetches later."""
        job = self._new(1, name, media, None)
        try:
            job.file.write_bytes(content)
        except OSError as error:
            _remove(job)
            del self._jobs[job.id]
            raise explain(error, job.file.parent) from error
        job.done, job.state, job.ended = 1, "done", time.monotonic()
        job.tell("done", bytes=len(content))
        self._sweep()
        return job

    def _new(self, total: int, name: str, media: str, headers: dict[str, str] | None) -> Job:
        job = Job(total, name, media, Path(), _caller()[0], headers or {})
        try:
            if self._folder is None or not self._folder.is_dir():  # which a cleaner of old files may have removed
                self._folder = Path(tempfile.mkdtemp(prefix="ganworks-serve-"))
            (self._folder / job.id).mkdir()
        except OSError as error:
            raise explain(error, Path(tempfile.gettempdir())) from error
        job.file = self._folder / job.id / f"result{Path(name).suffix}"
        self._jobs[job.id] = job
        return job

    async def _run(self, job: Job, work: Work) -> None:
        try:
            async with self._turn:
                job.state = "running"
                job.tell("running", total=job.total)
                await work(job)
            if job.file.stat().st_size > self.most_bytes:
                raise ResultTooLargeError("The result is larger than this service keeps. Ask for a part of it.")
            job.done, job.state = job.total, "done"
            job.tell("done", bytes=job.file.stat().st_size)
        except asyncio.CancelledError:
            job.state = "cancelled"
            job.tell("cancelled")
        except Exception as error:
            job.state, job.error = "failed", error
            job.tell("failed")
        finally:
            job.ended = time.monotonic()
            if job.state != "done":
                await asyncio.to_thread(_remove, job)
            self._sweep()

    def get(self, id_: str) -> Job:
        """The job of that id. Raises NoJobError, also for one that was asked for with another key."""
        self._sweep()
        job, (caller, all_of_them) = self._jobs.get(id_), _caller()
        if job is None or not (job.owner in (None, caller) or all_of_them):
            raise NoJobError(f"There is no job {id_[:40]!r} here; finished ones are kept for {self.keep_s:g} seconds.")
        return job

    def result(self, id_: str) -> Job:
        """A job that is done. Raises NoJobError, JobStateError, or what its work raised."""
        job = self.get(id_)
        if job.error is not None:
            raise job.error
        if job.state != "done":
            raise JobStateError(f"The job is {job.state}: it has no result.")
        return job

    async def cancel(self, id_: str) -> Job:
        """Stop a job, and forget the result of one that is finished."""
        return await self._end(self.get(id_))

    async def _end(self, job: Job) -> Job:
        if job.task is not None and not job.task.done():
            job.task.cancel()
            await asyncio.gather(job.task, return_exceptions=True)
            if job.state not in ENDED:  # it had not begun to run
                job.state, job.ended = "cancelled", time.monotonic()
                job.tell("cancelled")
        elif job.state == "done":
            job.state = "cancelled"
            await asyncio.to_thread(_remove, job)
        return job

    async def close(self) -> None:
        """Stop all jobs and remove their folder."""
        for job in list(self._jobs.values()):
            await self._end(job)
        self._jobs.clear()
        if self._folder is not None:
            await asyncio.to_thread(shutil.rmtree, self._folder, True)
            self._folder = None

    def _sweep(self) -> None:
        """Forget what is older than promised, and the oldest results when all are too large together."""
        now = time.monotonic()
        for job in [job for job in self._jobs.values() if job.state == "done" and not job.file.exists()]:
            del self._jobs[job.id]
        ended = sorted((job for job in self._jobs.values() if job.state in ENDED), key=lambda job: job.ended)
        sizes = {job.id: job.file.stat().st_size if job.state == "done" and job.file.exists() else 0 for job in ended}
        kept = sum(sizes.values())
        for job in ended:
            if now - job.ended > self.keep_s or kept > self.most_bytes:
                kept -= sizes[job.id]
                _remove(job)
                del self._jobs[job.id]


async def events_of(job: Job, after: int, silence: float = _SILENCE) -> AsyncIterator[str]:
    """The events of a job after a position, as server-sent events, until it has ended."""
    while True:
        changed = job.changed
        for position, event, facts in list(job.events):
            if position > after:
                after = position
                yield _event(position, event, facts)
        if job.state in ENDED and after >= job.position:
            return
        try:
            await asyncio.wait_for(changed.wait(), silence)
        except TimeoutError:
            yield ": still here\n\n"


def _event(position: int, event: str, facts: dict[str, Any]) -> str:
    return f"id: {position}\nevent: {event}\ndata: {json.dumps(facts)}\n\n"


def _caller() -> tuple[str | None, bool]:
    """(the name of the key of the request that is being answered, whether it may see the jobs of all)."""
    ticket = current()
    key = ticket.key if ticket else None
    return (key.name, key.allows("admin")) if key else (None, False)


def _remove(job: Job) -> None:
    shutil.rmtree(job.file.parent, True)
