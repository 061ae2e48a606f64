"""What the routes share: the engine, the models' descriptions, the jobs, and the limits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from fastapi import Request

from ganworks.core.errors import UsageError
from ganworks.serve.about import About
from ganworks.serve.archives import One, zip_pieces
from ganworks.serve.asks import SampleAsk
from ganworks.serve.bulk import make_zip
from ganworks.serve.engine import BusyError, Engine
from ganworks.serve.engine.models import recent_stamp, stamp_of
from ganworks.serve.forms import Form, encode, joined, media_of, note_header, pieces
from ganworks.serve.jobs import Job, Jobs
from ganworks.serve.routes.errors import ApiError, no_model
from ganworks.use.samples import Samples

PART = 1024  # samples above which an answer is sent while it is made
_PATIENCE_S = 3600.0  # for each part of a job
T = TypeVar("T")
FILES = 1000  # above so many files of their own, samples are made in bulk, as on the command line


@dataclass(frozen=True)
class Limits:
    """What a request may ask for.

    at_once: samples in one answer, more become a job. direct_bytes: of such an answer's numbers. job_bytes: of a job's.
    upload_bytes: of an uploaded file. deadline_s: for samples, where a request names none. keep_s, results_bytes: see
    `Jobs`.
    """

    at_once: int = 100_000
    direct_bytes: int = 256 << 20
    job_bytes: int = 8 << 30
    upload_bytes: int = 64 << 20
    deadline_s: float = 30.0
    keep_s: float = 3600.0
    results_bytes: int = 2 << 30


class ChangedError(UsageError):
    """A model was replaced in the middle of an answer."""

    status = 409


class Service:
    """An engine with what HTTP needs beside it."""

    def __init__(self, engine: Engine, limits: Limits | None = None):
        self.engine, self.limits = engine, limits or Limits()
        self.jobs = Jobs(self.limits.keep_s, self.limits.results_bytes)
        self._about: dict[str, tuple[Any, About]] = {}

    def about(self, name: str, use: str = "") -> About:
        """The model of that name, which can `use`. Raises ApiError 404, and UsageError for another use."""
        if name not in self.engine.names:
            raise no_model(name, self.engine.names)
        path = Path(self.engine.paths[name])
        stamp = recent_stamp(path)
        if self._about.get(name, (None,))[0] != stamp:
            self._about[name] = (stamp, About.of(name, path))
        found = self._about[name][1]
        if use:
            found.card(use)
        return found

    def made(self, name: str) -> int:
        """When a model's files were written, in seconds of Unix time; 0 where they cannot be seen."""
        try:
            return int(max(time for _, time, *_ in stamp_of(Path(self.engine.paths[name]))) / 1e9)
        except (OSError, UsageError, ValueError):
            return 0

    def long(self, about: About, n: int, form: Form) -> bool:
        """Whether n samples are more than one answer holds. Raises ApiError for more than a job makes."""
        size, most = about.sample_bytes, self.limits.job_bytes if form.in_pieces else self.limits.direct_bytes
        fit = min(most // size, self.engine.limits.streamed)
        if n > fit:
            raise ApiError(413, f"n={n:,}: this service makes up to {fit:,} samples of this model at once.", param="n")
        at_once = FILES if form.suffix == ".zip" else self.limits.at_once
        at_once = at_once if form.in_pieces else min(at_once, self.engine.limits.samples)
        return n > at_once or n * size > self.limits.direct_bytes

    async def parts(self, ask: SampleAsk, patient: bool = False) -> AsyncGenerator[Samples]:
        """The samples of an ask in parts, all of one version of the model. patient: wait while the engine is busy, as
        is done once the first part is there.

        Raises ChangedError when the model was replaced while it waited.
        """
        done, model = 0, None
        while done < ask.n:
            rest = replace(ask, start=ask.start + done, n=ask.n - done, labels=labels_from(ask.labels, done))
            try:
                async for part in self.engine.stream(rest):
                    if model not in (None, part.facts.get("model")):
                        raise ChangedError("The model was replaced while its samples were made. Ask again.")
                    model, done = part.facts.get("model"), done + len(part)
                    yield part
            except BusyError as error:
                if not patient and not done:
                    raise
                await asyncio.sleep(min(30.0, error.seconds or 1.0))

    async def sample(self, ask: SampleAsk) -> Samples:
        """The samples of an ask."""
        return await self.engine.sample(ask)

    def ready(self) -> bool:
        """Whether requests are answered."""
        return bool(self.engine.ready and self.engine.names)

    async def patiently(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What `work` returns, tried again while the engine is busy."""
        while True:
            try:
                return await work()
            except BusyError as error:
                await asyncio.sleep(min(30.0, error.seconds or 1.0))

    def begin_files(self, files: list[tuple[str, bytes]], one: One, title: str, headers: dict[str, str]) -> Job:
        """A job that makes a zip of what `one` makes of each file; see `archives.zip_pieces`."""

        async def work(job: Job) -> None:
            with job.file.open("wb") as file:
                async for piece in zip_pieces(files, one, job.progress):
                    await asyncio.to_thread(file.write, piece)

        return self.jobs.begin(len(files), title, media_of(".zip"), work, headers)

    def begin(self, ask: SampleAsk, form: Form, title: str) -> Job:
        """A job that makes the samples of an ask into one file."""
        ask = replace(ask, deadline_s=_PATIENCE_S)

        async def work(job: Job) -> None:
            if form.suffix == ".zip" and ask.n > FILES and not ask.start:
                await make_zip(job, Path(self.engine.paths[ask.model]), ask, self.patient_sample)
            elif form.in_pieces:
                with job.file.open("wb") as file:
                    async for piece in pieces(self._told(ask, job, form), form):
                        await asyncio.to_thread(file.write, piece)
            else:
                whole = joined([part async for part in self._told(ask, job, form)])
                content = await asyncio.to_thread(encode, whole, form)
                await asyncio.to_thread(job.file.write_bytes, content)

        return self.jobs.begin(ask.n, title, form.media, work, {"x-ganworks-seed": str(ask.seed)})

    async def _told(self, ask: SampleAsk, job: Job, form: Form) -> AsyncIterator[Samples]:
        done = 0
        async for part in self.parts(ask, patient=True):
            if not done:
                job.headers["x-ganworks-model-sha256"] = str(part.facts.get("model", ""))
                job.headers |= note_header(part, form.suffix, ask.n)
            yield part
            done += len(part)
            job.progress(done)

    async def patient_sample(self, ask: SampleAsk) -> Samples:
        """The samples of an ask, waiting while the engine is busy."""
        return joined([part async for part in self.parts(ask, patient=True)])


def labels_from(labels: Any, done: int) -> Any:
    """Labels that repeat, begun `done` samples later."""
    if not isinstance(labels, list) or not labels:
        return labels
    turn = done % len(labels)
    return labels[turn:] + labels[:turn]


def service_of(request: Request) -> Service:
    """The service that a request came to."""
    return request.app.state.service


async def in_thread(work: Any, *args: Any) -> Any:
    """What `work` returns, made in a thread."""
    return await asyncio.to_thread(work, *args)
