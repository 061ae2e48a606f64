"""From a time budget to an example budget: measure a few steps, choose the precision, leave room for looking."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from ganworks.engine import Engine, NonFiniteError
from ganworks.settings import Budget, Precision


@dataclass(frozen=True)
class Pace:
    """Measured examples per second in one precision."""

    bf16: bool
    speed: float

    @property
    def name(self) -> Precision:
        """As it is written in a configuration."""
        return "bf16" if self.bf16 else "fp32"


def measure(make: Callable[[bool], Engine], bf16: bool, seconds: float) -> Pace:
    """Steps of a throw-away engine for `seconds` after a warm-up."""
    engine = make(bf16)
    for _ in range(3):
        engine.step()
    start, seen = time.perf_counter(), engine.clock.seen
    while time.perf_counter() - start < seconds or engine.clock.seen - seen < 2 * engine.batch:
        try:
            engine.step()
        except NonFiniteError:
            if engine.clock.seen == seen:
                raise
            break  # the training itself will meet this, roll back and explain
    return Pace(bf16, (engine.clock.seen - seen) / (time.perf_counter() - start))


def choose(make: Callable[[bool], Engine], precision: str, budget: Budget) -> Pace:
    """The faster allowed precision; bf16 has to win by 10 % because fp32 is the safer one."""
    seconds = min(2.0, 0.02 * budget.seconds) if budget.seconds else 0.4
    if precision != "auto":  # nothing hangs on the pace of an example budget but the estimate that is shown
        return measure(make, precision == "bf16", seconds if budget.seconds else 0.1)
    full, half = (measure(make, bf16, max(0.3, seconds / 2)) for bf16 in (False, True))
    best = half if half.speed > 1.1 * full.speed else full
    return measure(make, best.bf16, seconds)


@dataclass(frozen=True)
class Plan:
    """total: examples to train on. score, show: examples between scores and sample grids. seconds: expected time."""

    total: int
    score: int
    show: int
    seconds: float


def plan(budget: Budget, pace: Pace, batch: int, judging: float, showing: float, lives: int) -> Plan:
    """Share a budget between training and looking at it.

    judging, showing: seconds of one score and of one sample grid. Scores take at most a tenth of a time budget.
    """
    seconds = budget.seconds or budget.examples / pace.speed
    scores = 8 if judging <= 0 else int(max(1, min(8, 0.1 * seconds / (judging * lives))))
    shows = 20 if showing <= 0 else int(max(4, min(20, 0.05 * seconds / showing)))
    looking = scores * judging * lives + shows * showing
    examples = budget.examples or max(batch, int((0.96 * seconds - looking) * pace.speed))
    total = max(1, round(examples / batch)) * batch
    every = [max(batch, -(-total // n // batch) * batch) for n in (scores, shows)]
    return Plan(total, every[0], every[1], total / pace.speed + looking)
