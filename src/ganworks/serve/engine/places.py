"""Which rows of which batches give the same bytes, measured.

A sample's bytes are those of its row in the canonical window, `chunk` rows of which sample i stands in row i % chunk
(`use.model`). Kernels choose their order of summation by shape and by row, so that the same latent in a smaller batch
may round otherwise: DCGAN's in a batch of 1, but not in one of 4, on a CPU with AVX-512. Which places agree depends
on the network, the processor and the library. So it is measured on the model itself, bit for bit on the network's own
values and on the data's, and only what agreed is used. Two things are compared:

- the same latent in every row: rows whose values agree for all trials are one class of places;
- other latents in every row: a row must not depend on what the other rows hold, as it does with statistics over
  the batch.

A difference of rounding shows in about one of ten to one of a thousand numbers, and thousands are compared for each
place; a place that agrees here and differs later is not excluded by this, but by `Places.doubt`, to which the caller
tells what it finds when it checks answers again.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganworks.core.chance import own_randomness
from ganworks.core.spec import key
from ganworks.use.model import Model

_SAME = 3  # trials with one latent in every row
_MIXED = 48  # rows at least that are compared with other latents around them, for each size
_MOST_TRIALS = 12
_FINE = 1e-4  # seconds that a clock must tell apart


class Places:
    """The classes of places of one model under one setting; grows while `measure` is iterated.

    canonical: class [chunk] of each row of the canonical window. sizes: rows of a batch -> class of each row, for those
    of any use. seconds: rows of a batch -> seconds of a run, by `clock`. spent: seconds that measuring took. Until all
    of it is measured, only the canonical window may be used.
    """

    def __init__(self, model: Model, truncation: float = 1.0):
        self.model, self.truncation, self.chunk = model, truncation, model.chunk
        self.canonical = np.arange(self.chunk)
        self.sizes: dict[int, np.ndarray] = {}
        self.seconds: dict[int, float] = {}
        self.spent = 0.0
        fine = model.device.type == "cpu" and time.get_clock_info("thread_time").resolution < _FINE
        self.clock = time.thread_time if fine else time.perf_counter  # the thread's own: others may have its processor
        self._classes: dict[tuple[str, ...], int] = {}
        self._doubted = False

    def rate(self, size: int) -> float:
        """Rows per second of runs of this size; 0 where that is not known."""
        return size / self.seconds[size] if self.seconds.get(size) else 0.0

    def tell(self, size: int, seconds: float) -> None:
        """Take note of how long a run took by `clock`; the least counts."""
        self.seconds[size] = min(seconds, self.seconds.get(size, math.inf))

    def doubt(self) -> None:
        """An answer differed from its canonical one: nothing but canonical windows from now on."""
        self._doubted = True
        self.sizes = {}

    def measure(self) -> Iterator[None]:
        """Measure; pauses after every run of the network, so that others get their turn. Never raises.

        A network that draws noise while it runs is left in its canonical windows, and so is one that fails.
        """
        if self.model.draws or self.chunk == 1:
            return
        try:
            yield from self._measure()
        except Exception:  # a network that cannot run in other shapes answers from the canonical window
            self.sizes = {}

    def _measure(self) -> Iterator[None]:
        self.canonical = yield from self._same(self.chunk)
        z, y = self._many(self.chunk, "mixed")
        known = self._prints(z, y)
        yield
        if not (yield from self._mixed(self.canonical, z, y, known)):
            return
        found = {self.chunk: self.canonical}
        for size in (2**power for power in range(self.chunk.bit_length() - 1)):
            classes = yield from self._same(size)
            if (yield from self._mixed(classes, z, y, known)):
                found[size] = classes
        if not self._doubted:
            self.sizes = found

    def _same(self, size: int) -> Generator[None, None, np.ndarray]:
        """The class [size] of each row of a size, from runs with one latent in every row."""
        found: list[list[str]] = [[] for _ in range(size)]
        for trial in range(_SAME):
            z, y = self._many(1, f"same{trial}")
            prints = self._prints(z.expand(size, -1).contiguous(), None if y is None else y.repeat(size))
            for row, mark in enumerate(prints):
                found[row].append(mark)
            yield
        told = [tuple(marks) for marks in found]
        return np.array([self._classes.setdefault(marks, len(self._classes)) for marks in told])

    def _mixed(
        self, classes: np.ndarray, z: Tensor, y: np.ndarray | None, known: Sequence[str]
    ) -> Generator[None, None, bool]:
        """Whether rows with other latents around them agree with the canonical ones `known` of z, y; False for none."""
        usable = [row for row in range(len(classes)) if (self.canonical == classes[row]).any()]
        draw = np.random.default_rng(len(classes))
        for _ in range(min(_MOST_TRIALS, max(2, -(-_MIXED // len(classes))))):
            pick = draw.permutation(self.chunk)[: len(classes)]
            for row in usable:
                pick[row] = draw.choice(np.flatnonzero(self.canonical == classes[row]))
            prints = self._prints(z[torch.from_numpy(pick)], None if y is None else y[pick])
            yield
            if any(prints[row] != known[pick[row]] for row in usable):
                return False
        return bool(usable)

    def _many(self, count: int, name: str) -> tuple[Tensor, np.ndarray | None]:
        """Latents [count, z_dim] and classes [count] or None, as samples have them."""
        seed = key("places", name)
        wanted = np.arange(count) if count > 1 else np.array([seed])
        return self.model.latents(count, seed), self.model.label_list(None, wanted)

    def _prints(self, z: Tensor, y: np.ndarray | None) -> list[str]:
        """A hash of each row of a run: of the network's values and of the data's."""
        start, began = self.clock(), time.perf_counter()
        with torch.inference_mode(), own_randomness(self.model.device, None):
            x = self.model.outputs(z, y, self.truncation)
            rows = self.model.as_rows(x)
        self.tell(len(z), self.clock() - start)
        values = x.contiguous().cpu().numpy()
        found = [hashlib.sha256(a.tobytes() + b.tobytes()).hexdigest() for a, b in zip(values, rows, strict=True)]
        self.spent += time.perf_counter() - began
        return found


def slots(classes: np.ndarray, wanted: Iterable[Any]) -> list[int] | None:
    """For each of the classes `wanted`, a row of a batch whose rows have `classes`; None when they do not fit."""
    free: dict[int, list[int]] = {}
    for row in range(len(classes) - 1, -1, -1):
        free.setdefault(int(classes[row]), []).append(row)
    found = []
    for name in wanted:
        rows = free.get(int(name))
        if not rows:
            return None
        found.append(rows.pop())
    return found
