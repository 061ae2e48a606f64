"""The thread that runs the models, and the shares that they get of it.

One thread runs everything: a network uses the processor's other cores by itself (`threads` of torch), and two networks
at once would only take them from each other. Among models with work, the one is next that was given the least time; a
model that had nothing to do gets no credit for it.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections import Counter
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from ganworks.core.console.text import counted
from ganworks.serve.engine.errors import BusyError, ClosedError, TooLateError
from ganworks.serve.engine.jobs import Job, settle_all
from ganworks.serve.engine.lanes import Lane
from ganworks.serve.engine.limits import Limits

RANDOM = threading.Lock()  # held by whoever draws from torch's global generators: one at a time, or both change


class Worker:
    """Runs the lanes' batches on a thread of its own, which begins with the first job."""

    def __init__(self, limits: Limits):
        self.limits = limits
        self.counts: Counter[str] = Counter()
        self.busy_s = 0.0
        self._lanes: list[Lane] = []
        self._change = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._closing = threading.Event()
        weakref.finalize(self, _end, self._change, self._closing, self._threads)  # at the latest when Python ends

    def submit(self, lane: Lane, job: Job, queued: int, what: str) -> None:
        """Put a job into a lane. queued: jobs that wait for the same model, which is called `what`.

        Raises BusyError when too many wait, or when it would wait longer than its patience; ClosedError.
        """
        with self._change:
            if self._closing.is_set():
                raise ClosedError("The service is ending and takes no more requests.")
            self._admit(lane, job, queued, what)
            if not lane.jobs:
                lane.share = max(lane.share, min((other.share for other in self._lanes if other.jobs), default=0.0))
            if lane not in self._lanes:
                self._lanes.append(lane)
            lane.jobs.append(job)
            if not self._threads:
                self._threads.append(threading.Thread(target=self._run, name="ganworks-model", daemon=True))
                self._threads[0].start()
            self._change.notify_all()

    def _admit(self, lane: Lane, job: Job, queued: int, what: str) -> None:
        seconds = self.refusal(lane, job.cost, queued, job.allowed)
        if seconds is None:
            return
        self.counts["refused"] += 1
        if queued >= self.limits.waiting:
            said = f"{counted(queued, 'request waits', 'requests wait')} for {what} already. Try again later."
        else:
            said = (
                f"The answer would take about {self.expected(lane, job.cost):.1f} s at the present load, and the "
                f"deadline is {job.allowed:g} s. Try again later, ask for less, or allow "
                "more time."
            )
        raise BusyError(said, seconds)

    def expected(self, lane: Lane, cost: int) -> float:
        """Seconds until a new job of this cost is done; 0 while nothing is known."""
        with self._change:
            active = len([other for other in self._lanes if other.jobs and other is not lane]) + 1
            return lane.wait(cost) * active

    def refusal(self, lane: Lane, cost: int, queued: int, allowed: float) -> float | None:
        """Seconds after which to come back with a job of this cost and deadline; None when it would be taken now."""
        seconds = self.expected(lane, cost)
        if queued >= self.limits.waiting:
            return max(1.0, seconds / 2)
        return max(1.0, seconds - self.limits.patience * allowed) if seconds > self.limits.patience * allowed else None

    def forget(self, lanes: list[Lane]) -> None:
        """Lanes of a model that is given up."""
        with self._change:
            self._lanes = [lane for lane in self._lanes if lane not in lanes]

    def close(self) -> None:
        """End the thread after the batch that it runs; what waits fails with ClosedError."""
        with self._change:
            self._closing.set()
            left = [job for lane in self._lanes for job in lane.jobs]
            for lane in self._lanes:
                lane.jobs.clear()
            self._change.notify_all()
        for job in left:
            job.fail(ClosedError("The service ended before this request was run."))
        settle_all(left)
        _end(self._change, self._closing, self._threads)

    # The thread -------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            with self._change:
                lane, batch, gone = self._next()
            settle_all(gone)
            if lane is None and self._closing.is_set():
                return
            if batch is not None and lane is not None:
                self._do(lane, batch)
            elif lane is not None:
                self._measure(lane)

    def _next(self) -> tuple[Lane | None, Any, list[Any]]:
        """(lane, its batch or None to measure it, jobs that were given up); no lane: nothing to do, or the end."""
        now = time.monotonic()
        gone = [job for lane in self._lanes for job in lane.prune(now)]
        for job in gone:
            self.counts["late" if isinstance(job.error, TooLateError) else "gone"] += 1
        self._lanes = [lane for lane in self._lanes if lane.jobs or lane.measuring is not None]
        if self._closing.is_set() or gone:
            return None, None, gone
        busy = sorted((lane for lane in self._lanes if lane.jobs), key=lambda lane: lane.share)
        for lane in busy:
            if lane.owed:
                return lane, None, gone
            pause = lane.pause(now, self.limits.window_s) if len(busy) == 1 else 0.0
            if pause:
                self._change.wait(pause)
                now = time.monotonic()
            batch = lane.take()
            if batch is not None:
                return lane, batch, gone
        free = next((lane for lane in self._lanes if lane.measuring is not None), None)
        if free is None:
            self._change.wait(1.0)
        return free, None, gone

    def _do(self, lane: Lane, batch: Any) -> None:
        start = time.perf_counter()
        with self._guard(lane):
            over = batch.run()
        seconds = time.perf_counter() - start
        self.busy_s += seconds
        lane.share += seconds
        self.counts["runs"] += 1
        for job in over:
            self.counts["failed" if job.error is not None else "done"] += 1
        settle_all(over)

    def _measure(self, lane: Any) -> None:
        start = time.perf_counter()
        if next(lane.measuring, lane) is lane:
            lane.measuring = None
        lane.share += time.perf_counter() - start

    @staticmethod
    def _guard(lane: Lane) -> AbstractContextManager[Any]:
        return RANDOM if lane.draws else nullcontext()


def _end(change: threading.Condition, closing: threading.Event, threads: list[threading.Thread]) -> None:
    """End the thread after the batch that it runs: torch must not be at work while Python ends."""
    with change:
        closing.set()
        change.notify_all()
    for thread in threads:
        thread.join()
