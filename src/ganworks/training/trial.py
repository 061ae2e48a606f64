"""What a training step needs, found by steps of a few examples: memory for each example, and time.

A batch that does not fit, or that takes longer than anybody waits, is refused with the number that would fit, before a
step of it is tried.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

from ganworks.core.contracts import phases_of
from ganworks.core.errors import GanworksError, UsageError
from ganworks.core.machine import devices, memory
from ganworks.core.settings import Budget, Train
from ganworks.training.engine import Engine

FEWEST, MOST = 8, 1024  # examples of a trial
_USUAL = 40  # of a trial where the batch has no divisor between these
_TRIES = 4
_BESIDE = 1.6  # what a step took of the machine, in its tensors: 1.2 with dense layers, 1.6 with convolutions
_MEASURED = 5.0  # seconds of a step in a calibration: larger batches are calibrated by a part of them
_PATIENCE = 600.0  # seconds that a step may always take


@dataclass(frozen=True)
class Need:
    """What a step of `rows` examples took. fixed, each: bytes of tensors in a step, beside the examples and for each of
    them. seconds: of the step.
    """

    rows: int
    fixed: float
    each: float
    seconds: float

    def lighter(self, batch: int) -> int:
        """The batch to calibrate with: the whole, or where a step of it takes very long, as much as takes 5 seconds."""
        if self.seconds * batch / self.rows <= _MEASURED:
            return batch
        return self.rows * max(1, int(_MEASURED / self.seconds))


class _Peak(TorchDispatchMode):
    """The largest number of bytes that tensors made inside held at a time, on any device."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.most = 0
        self._held: set[int] = set()

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """False: to skip torch's compiler, torch would load it, which takes seconds."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for tensor in tree_iter(made):
            if isinstance(tensor, Tensor):
                self._count(tensor.untyped_storage())
        return made

    def _count(self, storage: torch.UntypedStorage) -> None:
        place, size = storage._cdata, storage.nbytes()
        if place in self._held:
            return
        self._held.add(place)
        self.now += size
        self.most = max(self.most, self.now)
        weakref.finalize(storage, self._free, place, size)

    def _free(self, place: int, size: int) -> None:
        self._held.discard(place)
        self.now -= size


def phases(engine: Engine) -> Iterator[float]:
    """The share of the budget of each phase of a game (`core.contracts.HasPhases`), with the clock in its middle."""
    starts = (*phases_of(engine.game), 1.0)
    for start, end in pairwise(starts):
        if len(starts) > 2:
            engine.clock.seen = int((start + end) / 2 * engine.total)
        yield end - start


def attempt(engine: Engine) -> Need | None:
    """What a step of a throw-away engine needs; None for a batch of few examples, and where no trial works."""
    rows = engine.batch // engine.slices
    some = [n for n in range(FEWEST, min(MOST, rows // 2) + 1) if rows % n == 0] or [_USUAL]
    for few in some[:_TRIES] if rows >= 2 * FEWEST else []:
        try:
            with torch.random.fork_rng(devices=[]):
                return _measured(engine, few)
        except GanworksError:  # networks that look at several examples at a time need whole packs of them
            continue
    return None


def _measured(engine: Engine, few: int) -> Need:
    smaller, larger = 0, 0
    for _ in phases(engine):
        one, two = _peak(engine, few), _peak(engine, 2 * few)
        smaller, larger = (one, two) if two > larger else (smaller, larger)
    with batch_of(engine, few):
        start = time.perf_counter()
        engine.step()
        seconds = time.perf_counter() - start
    each = max(0, larger - smaller) / few
    return Need(few, max(0.0, smaller - few * each), each, seconds)


def _peak(engine: Engine, rows: int) -> int:
    """Bytes of tensors in a step of so many examples: the first step, in which every penalty is due."""
    with batch_of(engine, rows), _Peak() as peak:
        engine.step()
    return peak.most


@contextmanager
def batch_of(engine: Engine, rows: int) -> Iterator[None]:
    """Inside, the engine takes steps of so many examples."""
    kept = engine.batch, engine.slices
    engine.batch, engine.slices, engine.clock.steps = rows, 1, 0
    try:
        yield
    finally:
        engine.batch, engine.slices = kept


def most_numbers(train: Train) -> int:
    """The largest number of parameters that fits into memory."""
    return memory.room() // _bytes_each(train)


def too_large(train: Train) -> UsageError:
    """The error for networks of more parameters."""
    return UsageError(
        f"These networks have more parameters than fit here, about {most_numbers(train):,}: each takes "
        f"{_bytes_each(train)} bytes in training, and {memory.spelled(memory.room())} may be used "
        f"({memory.SHARE:.0%} of what is free). Give smaller networks.* settings or smaller examples."
    )


def _bytes_each(train: Train) -> int:
    """Bytes of a parameter: its weight, gradient, two moments and averages, twice: in work and saved, or in two
    precisions.
    """
    return 2 * 4 * (4 + len(train.ema))


def refuse_too_large(need: Need, engine: Engine) -> None:
    """Raise UsageError, with the largest batch that would fit, when a step of the engine does not fit into memory."""
    memory.check(
        engine.batch,
        _BESIDE * need.each / engine.slices,
        "batch",
        "a training step",
        fixed=need.fixed,
        step=engine.slices,
        free=devices.free_memory(engine.device),
        instead=" A larger train.accumulate works on it in slices.",
    )


def refuse_too_slow(batch: int, speed: float, budget: Budget) -> None:
    """Raise UsageError when one step would take far longer than the budget. speed: examples per second."""
    allowed = max(_PATIENCE, 10 * budget.seconds)
    if batch / speed > allowed and batch > budget.examples:
        raise UsageError(
            f"batch={batch:,}: one step would take about {batch / speed / 3600:,.1f} hours, more than the whole "
            f"budget. At most batch={max(1, int(speed * allowed)):,} takes less than {allowed / 60:,.0f} minutes here."
        )
