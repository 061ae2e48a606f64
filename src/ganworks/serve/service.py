"""What the routes share: the engine, the models' descriptions, the jobs, and the limits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fastapi import Request

from ganworks.serve.about import About
from ganworks.serve.archives import One, zip_pieces
from ganworks.serve.asks import SampleAsk
from ganworks.serve.engine import Engine
from ganworks.serve.forms import Form, encode, media_of, pieces
from ganworks.serve.jobs import Job, Jobs
from ganworks.serve.routes.errors import ApiError, no_model
from ganworks.use.samples import Samples

PART = 1024  # samples of one part of a long answer: others may go between
FILES = 1000  # above so many files of their own, samples are made in bulk, as on the command line


@dataclass(frozen=True)
class Limits:
    """What a request may ask for. at_once: samples in one answer, more become a job. direct_bytes: of such an answer's
    numbers. job_bytes: of a job's. upload_bytes: of an uploaded file. keep_s, results_bytes: see `Jobs`.
    """

    at_once: int = 100_000
    direct_bytes: int = 256 << 20
    job_bytes: int = 8 << 30
    upload_bytes: int = 64 << 20
    keep_s: float = 3600.0
    results_bytes: int = 2 << 30


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
        stamp = _stamp(path)
        if self._about.get(name, (None,))[0] != stamp:
            self._about[name] = (stamp, About.of(name, path))
        found = self._about[name][1]
        if use:
            found.card(use)
        return found

    def long(self, about: About, n: int, suffix: str) -> bool:
        """Whether n samples are more than one answer holds. Raises ApiError for more than a job does."""
        size = n * about.sample_bytes
        if size > self.limits.job_bytes:
            most = int(self.limits.job_bytes // about.sample_bytes)
            raise ApiError(413, f"n={n}: a job of this service makes up to {most:,} samples of this model.", param="n")
        return n > (FILES if suffix == ".zip" else self.limits.at_once) or size > self.limits.direct_bytes

    async def parts(self, ask: SampleAsk) -> AsyncGenerator[Samples]:
        """The samples of an ask, some at a time; other requests go between."""
        for done in range(0, ask.n, PART):
            part = replace(ask, start=ask.start + done, n=min(PART, ask.n - done), labels=labels_from(ask.labels, done))
            yield await self.engine.sample(part)

    async def sample(self, ask: SampleAsk) -> Samples:
        """The samples of an ask."""
        return await self.engine.sample(ask)

    def ready(self) -> bool:
        """Whether requests are answered."""
        return bool(self.engine.names)

    def begin_files(self, files: list[tuple[str, bytes]], one: One, title: str, headers: dict[str, str]) -> Job:
        """A job that makes a zip of what `one` makes of each file; see `archives.zip_pieces`."""

        async def work(job: Job) -> None:
            with job.file.open("wb") as file:
                async for piece in zip_pieces(files, one, job.progress):
                    await asyncio.to_thread(file.write, piece)

        return self.jobs.begin(len(files), title, media_of(".zip"), work, headers)

    def begin(self, ask: SampleAsk, form: Form, title: str) -> Job:
        """A job that makes the samples of an ask into one file."""

        async def work(job: Job) -> None:
            done = 0

            async def parts() -> AsyncIterator[Samples]:
                nonlocal done
                async for part in self.parts(ask):
                    yield part
                    done += len(part)
                    job.progress(done)

            with job.file.open("wb") as file:
                if form.in_pieces:
                    async for piece in pieces(parts(), form):
                        await asyncio.to_thread(file.write, piece)
                else:
                    file.write(await asyncio.to_thread(encode, await self.sample(ask), form))

        return self.jobs.begin(ask.n, title, form.media, work, {"x-ganworks-seed": str(ask.seed)})


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


def _stamp(path: Path) -> Any:
    files = [path] if path.is_file() else sorted(path.glob("*.safetensors"))
    return [(file.name, file.stat().st_mtime_ns) for file in files]
