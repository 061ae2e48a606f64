"""Very many samples as files of their own, made as `ganworks sample` makes them, through a service's engine."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ganworks.serve.asks import SampleAsk
from ganworks.serve.jobs import Job
from ganworks.use.bulk import generate
from ganworks.use.model import Model
from ganworks.use.samples import Samples

_PART = 256  # samples that are asked of the engine at once: others go between
Ask = Callable[[SampleAsk], Coroutine[Any, Any, Samples]]


class StoppedError(Exception):
    """The job was cancelled."""


async def make_zip(job: Job, path: Path, ask: SampleAsk, engine: Ask) -> None:
    """Write job.file, the bytes of `ganworks sample RUN N out=FILE.zip` above 1,000 samples.

    path: of the model, whose header says how its samples become files. engine: makes them.
    """
    stop, loop = threading.Event(), asyncio.get_running_loop()

    def make(wanted: SampleAsk) -> Samples:
        if stop.is_set():
            raise StoppedError
        return asyncio.run_coroutine_threadsafe(engine(wanted), loop).result()

    def work() -> None:
        model: Any = _Through(Model.load(path).prepared(**ask.options), ask, make)

        def tell(done: int, _: int) -> None:
            loop.call_soon_threadsafe(job.progress, done)

        generate(
            model, ask.n, job.file, ask.seed, ask.labels, truncation=ask.truncation,
            on_progress=tell,
        )  # fmt: skip

    working = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        await asyncio.shield(working)
    except asyncio.CancelledError:
        stop.set()
        await asyncio.wait([working])
        working.exception()
        raise


class _Through:
    """A model whose rows an engine makes."""

    def __init__(self, model: Model, ask: SampleAsk, make: Callable[[SampleAsk], Samples]):
        self._model, self._ask, self._make = model, ask, make

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def stream(self, n: int, seed: int, labels: Any, truncation: float, start: int) -> Iterator[tuple[int, np.ndarray]]:
        """As `Model.stream`."""
        for low in range(0, n, _PART):
            high = min(n, low + _PART)
            own = None if labels is None else [int(label) for label in labels[low:high]]
            ask = self._ask
            wanted = SampleAsk(ask.model, high - low, seed, start + low, own, truncation, ask.options, ask.deadline_s)
            yield start + low, self._make(wanted).data
