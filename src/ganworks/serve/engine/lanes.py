"""The queue of one model, and what of it is run next.

Requests take turns: each gives an equal number of rows to a batch until the batch is full, so that a request for
10,000 samples moves on beside single ones and does not hold them up. A batch is packed from places that were measured
equal to the canonical ones (`places`); until that is known, and for networks that draw noise, canonical windows are
run, one request at a time.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from ganworks.serve.engine.jobs import Job, RowsJob
from ganworks.serve.engine.places import Places, slots
from ganworks.serve.engine.rows import Part
from ganworks.use.model import Model

_RECENT = 0.05  # seconds after a run in which those that it answered may come back
_MEMORY = 0.1  # weight of the newest run in what is remembered of runs
_MEASURING = 12  # canonical windows' worth of time that measuring places takes, about
_AUDIT = 500  # after so many packed batches, one of their rows is run again in its canonical window


class Batch(Protocol):
    """What is run at once. size: rows. run: on the worker thread; returns jobs that are over."""

    jobs: list[Any]

    def run(self) -> list[Any]:
        """Run it; never raises."""


class Lane:
    """A queue, first come first served, of calls that each are run at once. share: seconds that it was given."""

    def __init__(self, draws: bool = True):
        self.jobs: deque[Any] = deque()
        self.share, self.draws = 0.0, draws
        self.measuring: Iterator[None] | None = None  # what is still to be measured
        self.last_rows, self.last_end = 0, 0.0
        self.each = 0.0  # seconds of a call, as remembered

    @property
    def waiting(self) -> int:
        """Rows that wait."""
        return sum(job.left for job in self.jobs)

    def prune(self, now: float) -> list[Any]:
        """Take out the jobs that nobody needs any more."""
        gone = [job for job in self.jobs if job.dropped(now)]
        if gone:
            self.jobs = deque(job for job in self.jobs if not job.over)
        return gone

    def take(self) -> Batch | None:
        """The next batch, taken from the queue; None when there is nothing to run."""
        return Calls([self.jobs.popleft()], self) if self.jobs else None

    def pause(self, now: float, window: float) -> float:
        """Seconds for which it is better to wait for more."""
        return 0.0

    @property
    def owed(self) -> bool:
        """Whether something is to be measured before the next batch."""
        return False

    def wait(self, cost: int) -> float:
        """Seconds until a new job of this cost is done, if its lane alone is run; 0 while that is not known."""
        return self.each * (len(self.jobs) + 1)


def remembered(old: float, new: float) -> float:
    """The mean of what was seen, the newest weighing most."""
    return new if not old else old + _MEMORY * (new - old)


class CallJob(Job):
    """A call on the worker thread."""

    def __init__(self, call: Callable[[], Any], seconds: float, cost: int = 1):
        super().__init__(cost, seconds)
        self.call = call


@dataclass
class Calls:
    """A batch of one call."""

    jobs: list[CallJob]
    lane: Lane

    def run(self) -> list[Any]:
        """Run it; never raises."""
        for job in self.jobs:
            start = time.perf_counter()
            try:
                job.result, job.over = job.call(), True
                self.lane.each = remembered(self.lane.each, time.perf_counter() - start)
            except BaseException as error:
                job.fail(error)
        return self.jobs


class RowsLane(Lane):
    """The queue of one generator under one setting.

    truncation: of a generator that truncates in its own way. places: those of another lane, which measures them.
    """

    def __init__(self, model: Model, truncation: float = 1.0, places: Places | None = None):
        super().__init__(model.draws)
        self.model, self.truncation = model, truncation
        self.places = places or Places(model, truncation)
        self.measuring = None if places else self.places.measure()
        self.packed = 0  # batches
        self.slow = 1.0  # seconds on the wall for each of the places' seconds
        self.spent = 0.0  # seconds of runs

    def take(self) -> Batch | None:
        """The next batch: packed from all requests where places are known, else one window of the first request."""
        if not self.jobs:
            return None
        batch = self._packed() if self.places.sizes else self._window()
        self.jobs = deque(job for job in self.jobs if job.left)
        return batch

    def pause(self, now: float, window: float) -> float:
        """A moment, while fewer wait than were answered just now: they are about to come back."""
        few = len(self.jobs) < min(self.last_rows, self._best) and self.waiting < self._best
        return window if self.places.sizes and few and now - self.last_end < _RECENT else 0.0

    @property
    def owed(self) -> bool:
        """Whether measuring goes first: when it takes less time than the windows that wait, else in turn with them."""
        if self.measuring is None:
            return False
        window = self.places.seconds.get(self.places.chunk, 0.0) * self.slow
        short = len(self.jobs) * window > _MEASURING * window - self.places.spent
        return short or self.places.spent < self.spent

    def wait(self, cost: int) -> float:
        """Seconds until a new job of this cost is done, if its lane alone is run; 0 while that is not known."""
        rows = min(self.waiting, len(self.jobs) * cost) + cost
        if self.places.sizes:
            best = self._best
            return -(-rows // best) * self.places.seconds[best] * self.slow
        windows = len(self.jobs) + rows // self.places.chunk + 1
        left = 0.0 if self.measuring is None else _MEASURING  # by then, fewer runs will do
        return min(windows, left or windows) * self.places.seconds.get(self.places.chunk, 0.0) * self.slow

    def tell(self, size: int, rows: int, work: float, wall: float) -> None:
        """Take note of a run of `size` rows, of which `rows` were wanted. work: by the places' clock; wall: seconds."""
        self.places.tell(size, work)
        self.slow = remembered(self.slow, wall / max(self.places.seconds[size], 1e-9))
        self.spent += wall
        self.last_rows, self.last_end = rows, time.monotonic()

    @property
    def _best(self) -> int:
        """The rows of the fastest batch; the smallest of those within a twentieth."""
        rates = {size: self.places.rate(size) for size in self.places.sizes}
        most = max(rates.values(), default=0.0)
        return min((size for size, rate in rates.items() if rate >= 0.95 * most), default=1)

    def _window(self) -> Batch:
        job: RowsJob = self.jobs[0]
        self.jobs.rotate(-1)
        low = job.taken
        job.taken += job.rows.span(low)
        return WindowBatch(self, job, low)

    def _packed(self) -> Batch:
        return PackedBatch(self, self._turns(self._best))

    def _turns(self, most: int) -> list[tuple[RowsJob, int, int]]:
        """(job, first row, row after the last) of a batch of up to `most` rows, in equal turns."""
        taken: dict[int, list[Any]] = {}
        room = min(most, self._fitting(self.waiting))
        while room:
            waiting = [job for job in self.jobs if job.left]
            if not waiting:
                break
            turn = max(1, room // len(waiting))
            for job in waiting[:room]:
                count = min(turn, job.left, room)
                taken.setdefault(id(job), [job, job.taken, job.taken])[2] += count
                job.taken += count
                room -= count
        self.jobs.rotate(-len(taken))
        return [(job, low, high) for job, low, high in taken.values()]

    def _fitting(self, rows: int) -> int:
        """How many of so many waiting rows to run at once: all, in a batch with room, or fewer that fill one."""
        rows = min(rows, self._best)
        over = min((size for size in self.places.sizes if size >= rows), default=rows)
        under = max((size for size in self.places.sizes if size <= rows), default=rows)
        if rows in (over, under) or not self.places.rate(over):
            return rows
        return under if self.places.rate(under) > rows / self.places.seconds[over] else rows


class RowsBatch:
    """Rows of a generator that are run at once."""

    def __init__(self, lane: RowsLane, jobs: list[RowsJob]):
        self.lane, self.jobs = lane, jobs

    def run(self) -> list[Any]:
        """Run it; a batch that fails is run again job by job, so that only the culprit fails."""
        try:
            return self._run()
        except BaseException as error:
            alone = self.alone()
            if len(alone) > 1:
                return [job for batch in alone for job in batch.run()]
            for job in self.jobs:
                job.fail(error)
            return self.jobs

    def alone(self) -> list[RowsBatch]:
        """The same work in a batch for each job."""
        return [self]

    def _run(self) -> list[Any]:
        raise NotImplementedError

    def _timed(self, z: Tensor, y: np.ndarray | None, noise: int, wanted: int) -> np.ndarray:
        """A run of the model, of which its lane takes note."""
        lane = self.lane
        work, wall = lane.places.clock(), time.perf_counter()
        made = lane.model.run(z, y, noise, lane.truncation)
        lane.tell(len(z), wanted, lane.places.clock() - work, time.perf_counter() - wall)
        return made


class WindowBatch(RowsBatch):
    """One canonical window of one request, from its row `low` on."""

    def __init__(self, lane: RowsLane, job: RowsJob, low: int):
        super().__init__(lane, [job])
        self.low = low

    def _run(self) -> list[Any]:
        job = self.jobs[0]
        w = job.rows.window(self.low)
        made = self._timed(w.z, w.y, w.noise, w.high - w.low)[w.low : w.high]
        return [job] if job.fill(self.low, made) else []


class PackedBatch(RowsBatch):
    """Parts of several requests in one batch, each row in a place that is equal to its canonical one.

    wanted: (job, its first row, the row after its last) of each part.
    """

    def __init__(self, lane: RowsLane, wanted: list[tuple[RowsJob, int, int]]):
        super().__init__(lane, [job for job, _, _ in wanted])
        self.wanted = wanted
        self.count = sum(high - low for _, low, high in wanted)

    def alone(self) -> list[RowsBatch]:
        """The same work in a batch for each job."""
        return [PackedBatch(self.lane, [one]) for one in self.wanted]

    def _run(self) -> list[Any]:
        made = self._rows([job.rows.part(low, high) for job, low, high in self.wanted])
        self.lane.packed += 1
        if self.lane.packed % _AUDIT == 0 and not self._stands(made):
            self.lane.places.doubt()
            made = np.concatenate([self._canonical(job, row) for job, row in self._each()])
        over, first = [], 0
        for job, low, high in self.wanted:
            if job.fill(low, made[first : first + high - low]):
                over.append(job)
            first += high - low
        return over

    def _each(self) -> list[tuple[RowsJob, int]]:
        """The job and its row, for each row of the batch."""
        return [(job, row) for job, low, high in self.wanted for row in range(low, high)]

    def _stands(self, made: np.ndarray) -> bool:
        """Whether one row, another one each time, is what its canonical window makes of it."""
        k = self.lane.packed // _AUDIT % self.count
        return np.array_equal(self._canonical(*self._each()[k])[0], made[k])

    def _canonical(self, job: RowsJob, row: int) -> np.ndarray:
        """A row [1, *shape] by its canonical window."""
        w = job.rows.window(row)
        return self.lane.model.run(w.z, w.y, w.noise, self.lane.truncation)[w.low : w.low + 1]

    def _rows(self, parts: list[Part]) -> np.ndarray:
        """The rows of all parts in order, run in as few batches as their places need."""
        lane = self.lane
        z = torch.cat([part.z for part in parts])
        y = None if parts[0].y is None else np.concatenate([part.y for part in parts if part.y is not None])
        classes = lane.places.canonical[np.concatenate([part.rows for part in parts])]
        made = np.empty((len(z), *lane.model.spec.shape), lane.model.spec.dtype)
        first = 0
        while first < len(z):
            size, fit = self._fit(classes[first:])
            pick = np.full(size, first)  # places that are left over are filled with the first row
            pick[fit] = np.arange(first, first + len(fit))
            out = self._timed(z[torch.from_numpy(pick)], None if y is None else y[pick], 0, len(fit))
            made[first : first + len(fit)] = out[fit]
            first += len(fit)
        return made

    def _fit(self, classes: np.ndarray) -> tuple[int, list[int]]:
        """(rows of the smallest batch that takes all of these classes, or most of them; the row of each)."""
        count = len(classes)
        while count:
            for size in sorted(self.lane.places.sizes):
                found = slots(self.lane.places.sizes[size], classes[:count]) if size >= count else None
                if found is not None:
                    return size, found
            count = count // 2 if count > 1 else 0
        raise RuntimeError("no batch has a place for this row")
