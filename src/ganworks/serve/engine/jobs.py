"""One request on its way through a queue: its deadline, what is done of it, and whom it is answered to."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import numpy as np

from ganworks.serve.engine.errors import TooLateError
from ganworks.serve.engine.rows import Rows

_LATE = "The deadline of {:g} s passed before this request was run. Ask again, or allow more time."


class Job:
    """A request that waits. cost: how much of the model it takes, in rows. seconds: until its deadline.

    Made on an event loop, which awaits `future`; worked on by the worker thread. Times are monotonic.
    """

    def __init__(self, cost: int, seconds: float):
        self.cost, self.allowed, self.deadline = cost, seconds, time.monotonic() + seconds
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Any] = self.loop.create_future()
        self.result: Any = None
        self.error: BaseException | None = None
        self.over = False

    @property
    def left(self) -> int:
        """Rows that are not run yet."""
        return 0 if self.over else self.cost

    def dropped(self, now: float) -> bool:
        """Whether nobody needs it any more; a deadline that passed becomes its error."""
        if self.future.cancelled():
            self.over = True
        elif not self.over and now > self.deadline:
            self.fail(TooLateError(_LATE.format(self.allowed)))
        return self.over

    def fail(self, error: BaseException) -> None:
        """Nothing more is run for it."""
        self.error, self.over = error, True

    def settle(self) -> None:
        """Answer; on its event loop."""
        if self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


class RowsJob(Job):
    """A request for rows of a generator; its result is the array [n, *shape]."""

    def __init__(self, rows: Rows, data: np.ndarray, seconds: float):
        super().__init__(rows.n, seconds)
        self.rows, self.result, self.taken, self.filled = rows, data, 0, 0

    @property
    def left(self) -> int:
        """Rows that were not given to a run yet."""
        return 0 if self.over else self.cost - self.taken

    def fill(self, low: int, rows: np.ndarray) -> bool:
        """Take in rows from `low` on; whether all are there."""
        self.result[low : low + len(rows)] = rows
        self.filled += len(rows)
        self.over = self.over or self.filled >= self.cost
        return self.filled >= self.cost


def settle_all(jobs: list[Any]) -> None:
    """Answer jobs from the worker thread, with one call for each event loop; a loop that is closed hears nothing."""
    loops: dict[asyncio.AbstractEventLoop, list[Job]] = {}
    for job in jobs:
        loops.setdefault(job.loop, []).append(job)
    for loop, own in loops.items():
        try:
            loop.call_soon_threadsafe(_settle, own)
        except RuntimeError:
            continue


def _settle(jobs: list[Job]) -> None:
    for job in jobs:
        job.settle()
