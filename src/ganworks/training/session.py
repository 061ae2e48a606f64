"""One training from its first to its last example: engine, run folder, health and scores, as a stream of events."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from ganworks.core.console.stop import Stop
from ganworks.core.console.text import counted
from ganworks.core.contracts import Watched
from ganworks.core.errors import GanworksError
from ganworks.core.events import Alarm, Event, Finished, Round, Saved, Scored, Shown, Started
from ganworks.core.settings import UNTIL
from ganworks.runs.run import Run
from ganworks.training.engine import Engine, NonFiniteError
from ganworks.training.health import Watch, advice
from ganworks.training.pacing import Pacing

_RETRIES = 3
_CHECKS = 200  # health checks in a training
_BEGUN = 300  # steps before samples can be expected to differ as real examples do
_NOISE = 0.1  # smaller differences, as a fraction of the best score, are taken as chance

Weights = dict[str, dict[str, Tensor]]  # by player


@dataclass
class Session:
    """Drives an engine through its budget.

    Weights are the state dicts of the published players. show(weights, seen) -> path of a picture.
    scorer(weights) -> (scores, floor, extractor); None: no scores. header(player, seen, half_life) -> the header of a
    published file. sample(weights) -> samples for the collapse check, or None. objective: the score that the
    published snapshot minimises, or with "-" before it maximises; "": the newest is published. noise: differences up
    to this one are chance, and the longer trained snapshot is published; None: a tenth of the best score. pacing: what
    keeps a budget of time; None: the number of examples is fixed.
    """

    engine: Engine
    run: Run | None
    notes: tuple[str, ...] = ()
    show: Callable[[Weights, int], str] | None = None
    scorer: Callable[[Weights], tuple[dict[str, float], dict[str, float], str]] | None = None
    header: Callable[[str, int, float], dict[str, str]] | None = None
    sample: Callable[[Weights], Watched | None] | None = None
    watch: Watch | None = None
    objective: str = "fd"
    noise: float | None = None
    stop: Stop = field(default_factory=Stop)
    seconds: float = 0.0
    round_every: float = 0.5
    pacing: Pacing | None = None

    def __post_init__(self) -> None:
        train, total = self.engine.config.train, self.engine.total
        self.score_every = train.score or max(self.engine.batch, total // 8)
        self.show_every = train.show or max(self.engine.batch, total // 20)
        self.check_every = max(1, total // self.engine.batch // _CHECKS)
        self._good = self.engine.state()
        self._saved_at = -1

    def events(self) -> Iterator[Event]:
        """Train; leaving the loop early saves and stops cleanly."""
        engine = self.engine
        with self.stop.signals():
            try:
                yield from self._keep(
                    Started(engine.clock.seen, engine.total, self.notes, str(self.run.folder) if self.run else "")
                )
                if self._saved_at < 0 and engine.clock.seen == 0:
                    yield from self._save()
                yield from self._train()
            except GeneratorExit:
                list(self._save())
                raise
            spent = engine.clock.seen >= engine.total
            reason = "target" if engine.clock.reached else "budget" if spent else "interrupted"
            yield from self._save()
            yield from self._keep(Finished(engine.clock.seen, self.seconds, reason))

    def _keep(self, event: Event) -> Iterator[Event]:
        if self.run is not None:
            self.run.log(event)
        yield event

    def _train(self) -> Iterator[Event]:
        engine, clock = self.engine, self.engine.clock
        last_save = mark = time.monotonic()
        seen_at_mark = clock.seen
        while clock.seen < engine.total and not clock.reached and not engine.group.any(self.stop.asked):
            before = clock.seen
            try:
                engine.step()
            except NonFiniteError as error:
                yield from self._roll_back(error)
                clock, seen_at_mark = engine.clock, engine.clock.seen
                continue
            now = time.monotonic()
            crossed = [every for every in (self.show_every, self.score_every) if clock.seen // every > before // every]
            done = clock.seen >= engine.total
            if now - mark >= self.round_every or done or crossed:
                self.seconds += now - mark
                speed = (clock.seen - seen_at_mark) / max(now - mark, 1e-9)
                self._keep_pace(clock.seen - seen_at_mark, now - mark)
                yield from self._keep(Round(clock.seen, engine.total, self.seconds, speed, engine.means()))
                mark, seen_at_mark = time.monotonic(), clock.seen
            yield from self._look(before, done)
            if crossed or done:
                self.seconds += time.monotonic() - mark
                mark = time.monotonic()
            if time.monotonic() - last_save >= engine.config.train.save:
                yield from self._save()
                last_save = time.monotonic()

    def _keep_pace(self, examples: int, seconds: float) -> None:
        """Change the number of examples where the budget of time asks for it. examples took so many seconds."""
        engine, clock = self.engine, self.engine.clock
        if self.pacing is None:
            return
        self.pacing.took(engine.progress, examples, seconds)
        total = self.pacing.total(clock.seen, engine.total, engine.progress, self.seconds, engine.batch)
        if total != engine.total:
            scale = (total - clock.seen) / (engine.total - clock.seen)
            self.show_every, self.score_every = (
                max(engine.batch, round(every * scale)) for every in (self.show_every, self.score_every)
            )
            engine.retime(total)

    def _look(self, before: int, done: bool) -> Iterator[Event]:
        """Health check, sample grid and score, each when it is due."""
        engine, clock = self.engine, self.engine.clock
        if self.watch is not None and clock.steps % self.check_every == 0 and {"_real", "_fake"} <= set(engine.logits):
            for alarm in self.watch.logits(clock.seen, engine.progress, engine.logits["_real"], engine.logits["_fake"]):
                yield from self._keep(alarm)
        if self.watch is not None and clock.steps % self.check_every == 0 and "_convergence" in engine.logits:
            for alarm in self.watch.convergence(clock.seen, float(engine.logits["_convergence"].mean())):
                yield from self._keep(alarm)
        if done or clock.seen // self.show_every > before // self.show_every:
            yield from self._show()
        if done or clock.seen // self.score_every > before // self.score_every:
            yield from self._score()

    def _show(self) -> Iterator[Event]:
        engine = self.engine
        average, seen = engine.averages(0), engine.clock.seen
        if (
            self.watch is not None
            and self.sample is not None
            and engine.progress > 0.1
            and engine.clock.steps >= _BEGUN
        ):
            made = self.sample(average)
            for alarm in () if made is None else self.watch.samples(seen, made):
                yield from self._keep(alarm)
        if self.show is not None and engine.group.rank == 0:
            yield from self._keep(Shown(seen, self.show(average, seen)))

    def _score(self) -> Iterator[Event]:
        """Score every averaged generator; the best one so far becomes generator.safetensors."""
        clock, lives = self.engine.clock, self.engine.config.train.ema
        if self.scorer is None:
            return self._publish(0)
        for which, half_life in enumerate(lives):
            try:
                scores, floor, extractor = self.scorer(self.engine.averages(which))
            except (RuntimeError, ValueError, MemoryError) as error:  # a failed score does not end the training
                alarm = Alarm(
                    clock.seen,
                    "score",
                    f"Scoring failed: {error}",
                    "The training goes on; `ganworks eval` can be run later.",
                )
                yield from self._keep(alarm)
                return self._publish(which)
            value = self.engine.group.same(self._value(scores))
            noise = _NOISE * abs(clock.best) if self.noise is None else self.noise
            best = value <= clock.best + noise
            clock.best = min(clock.best, value)
            if best:
                self._publish(which)
            yield from self._keep(Scored(clock.seen, scores, floor, best, extractor, half_life))
            clock.reached = clock.reached or self._hits(scores)
        return None

    def _value(self, scores: dict[str, float]) -> float:
        """The objective as a number to minimise."""
        if not self.objective:
            return 0.0
        sign, name = (-1, self.objective[1:]) if self.objective.startswith("-") else (1, self.objective)
        return sign * scores.get(name, sign * math.inf)

    def _hits(self, scores: dict[str, float]) -> bool:
        match = UNTIL.fullmatch(self.engine.config.train.until)
        if not match:
            return False
        if match[1] not in scores:
            raise GanworksError(
                f"until={match[0]} asks for a score that is not measured here; there are {', '.join(scores)}."
            )
        value, bar = scores[match[1]], float(match[3])
        return value < bar if match[2] == "<" else value > bar

    def _publish(self, which: int) -> None:
        if self.run is not None and self.header is not None and self.engine.group.rank == 0:
            half_life, seen = self.engine.config.train.ema[which], self.engine.clock.seen
            nets = self.engine.averages(which)
            self.run.publish({name: (net, self.header(name, seen, half_life)) for name, net in nets.items()})

    def _save(self) -> Iterator[Event]:
        clock = self.engine.clock
        if clock.seen == self._saved_at:
            return
        self._good = self.engine.state()
        self._saved_at = clock.seen
        if self.run is None or self.engine.group.rank:
            return
        tensors, counters = self._good
        if not self.run.has_published:
            self._publish(0)
        timed = {"seconds": self.seconds, "total": self.engine.total, "turned": list(self.engine.turned)}
        path = self.run.save_state(tensors, counters | timed)
        yield from self._keep(Saved(clock.seen, str(path)))

    def resume(self, tensors: dict[str, Tensor], counters: dict[str, Any]) -> None:
        """Go on from a saved state."""
        self.seconds = float(counters.get("seconds", 0.0))
        self.engine.load(tensors, counters)
        self.engine.total = int(counters.get("total", self.engine.total))
        seen, done = counters.get("turned", self.engine.turned)
        self.engine.turned = int(seen), float(done)
        self._good, self._saved_at = self.engine.state(), self.engine.clock.seen

    def _roll_back(self, error: NonFiniteError) -> Iterator[Event]:
        """Go back to the last good state with half the learning rate and new random draws; give up after three."""
        clock = self.engine.clock
        seen, retries, scale = clock.seen, clock.retries + 1, clock.lr_scale / 2
        what_to_try = advice("non-finite", self.engine.config)
        tensors, counters = self._good
        self.engine.load(tensors, counters)
        if retries > _RETRIES:
            yield from self._keep(Alarm(seen, "non-finite", str(error), what_to_try, fatal=True))
            raise GanworksError(
                f"{error} It came back after {_RETRIES} attempts from the last good state "
                f"({counted(counters['seen'], 'example')}), which is kept. {what_to_try}"
            )
        self.engine.clock.retries, self.engine.clock.lr_scale = retries, scale
        yield from self._keep(
            Alarm(
                seen,
                "non-finite",
                f"{error} Went back to {counted(counters['seen'], 'example')} (attempt {retries}).",
                what_to_try,
            )
        )
