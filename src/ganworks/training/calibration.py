"""From a time budget to an example budget: measure a few steps, choose the precision, reserve time for scores."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from operator import mul

import torch

from ganworks.core.contracts import phases_of
from ganworks.core.errors import UsageError
from ganworks.core.settings import Budget, Precision
from ganworks.training.engine import Engine, NonFiniteError
from ganworks.training.trial import phases


@dataclass(frozen=True)
class Pace:
    """Measured examples per second in one precision with one number of threads. costs: seconds for an example in each
    phase of the game.
    """

    bf16: bool
    speed: float
    threads: int = 1
    costs: tuple[float, ...] = ()

    @property
    def name(self) -> Precision:
        """The precision as a configuration writes it."""
        return "bf16" if self.bf16 else "fp32"


def measure(engine: Engine, threads: int, seconds: float) -> Pace:
    """Steps of a throw-away engine for `seconds` after a warm-up, in each phase of its game.

    Phases of a game (`core.contracts.HasPhases`) count by their share of the budget.
    """
    torch.set_num_threads(threads)
    each = seconds / len(phases_of(engine.game))
    shares, costs = zip(*((share, 1 / _speed(engine, each)) for share in phases(engine)), strict=True)
    return Pace(engine.bf16, 1 / sum(map(mul, shares, costs)), threads, costs)


def _speed(engine: Engine, seconds: float) -> float:
    """Examples per second."""
    engine.step()
    start, seen = time.perf_counter(), engine.clock.seen
    while time.perf_counter() - start < seconds or engine.clock.seen - seen < 2 * engine.batch:
        try:
            engine.step()
        except NonFiniteError:
            if engine.clock.seen == seen:
                raise
            break  # the training itself rolls back and reports it
    return (engine.clock.seen - seen) / (time.perf_counter() - start)


def _attempt(engine: Engine, threads: int, seconds: float) -> Pace:
    """`measure`; UsageError where the engine is in bf16 and this processor lacks an operation of its networks in it."""
    try:
        return measure(engine, threads, seconds)
    except RuntimeError as error:
        if not engine.bf16:
            raise
        raise UsageError(
            f"precision=bf16: this machine cannot run these networks in bf16 ({str(error)[:120]}). Use precision=fp32."
        ) from error


def choose(make: Callable[[bool], Engine], precision: Precision, threads: int, cores: int, budget: Budget) -> Pace:
    """The fastest of the allowed precisions and numbers of threads (0: any), measured; leaves the threads set.

    A processor may lack an operation in bf16 (torch 2.13 has no LSTM under bf16 autocast where there is no AVX-512):
    then "auto" is fp32, and "bf16" a UsageError.
    First the precision on all cores, then one thread. bf16 and more threads have to win by a tenth: fp32 is the safer
    one, and one thread leaves a core to others. Takes about 2 % of a time budget, at most 2 seconds; an example budget
    needs the pace for an estimate only.
    """
    whole = min(2.0, 0.02 * budget.seconds) if budget.seconds else 0.4
    each, many = max(0.1, whole / 6), threads or cores
    engines = [make(bf16) for bf16 in ([False, True] if precision == "auto" else [precision == "bf16"])]
    if len(engines) == 1 and threads:
        return _attempt(engines[0], threads, whole / 2 if budget.seconds else 0.1)
    pace, best = _attempt(engines[0], many, each), engines[0]
    with suppress(UsageError):  # bf16 does not run here: fp32 it is
        if len(engines) > 1 and (other := _attempt(engines[1], many, each)).speed > 1.1 * pace.speed:
            pace, best = other, engines[1]
    if not threads and cores > 1:
        single = measure(best, 1, each)
        pace = single if pace.speed < 1.1 * single.speed else pace
    torch.set_num_threads(pace.threads)
    return measure(best, pace.threads, whole / 2) if budget.seconds else pace


@dataclass(frozen=True)
class BudgetPlan:
    """total: examples to train on. score, show: examples between scores and sample grids. seconds: expected time, of
    which `looking` are for these.
    """

    total: int
    score: int
    show: int
    seconds: float
    looking: float


def plan(budget: Budget, pace: Pace, batch: int, scoring: float, showing: float, lives: int) -> BudgetPlan:
    """Share a budget between training, scores and sample grids.

    scoring, showing: seconds of one score and of one sample grid. lives: averages that are scored each time.
    Scores take at most a tenth of a time budget.
    """
    seconds = budget.seconds or budget.examples / pace.speed
    scores = 8 if scoring <= 0 else int(max(1, min(8, 0.1 * seconds / (scoring * lives))))
    shows = 20 if showing <= 0 else int(max(4, min(20, 0.05 * seconds / showing)))
    looking = scores * scoring * lives + shows * showing
    examples = budget.examples or max(batch, int((0.93 * seconds - looking) * pace.speed))
    total = max(1, round(examples / batch)) * batch
    every = [max(batch, -(-total // n // batch) * batch) for n in (scores, shows)]
    return BudgetPlan(total, every[0], every[1], total / pace.speed + looking, looking)
