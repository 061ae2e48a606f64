"""Progress output: `Display` follows a training, `track` and `Meter` follow other long work.

On a terminal a few lines are repainted in place; elsewhere a plain line is written at most every ten seconds, and one
for each important event.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import IO, Self, TypeVar

from ganworks.report import grades, words
from ganworks.report.read import Event, as_float, mapping
from ganworks.report.terminal.heartbeat import Heartbeat
from ganworks.report.terminal.listener import Listener
from ganworks.report.terminal.screen import Screen, bar
from ganworks.report.units import count, duration, short_number

Item = TypeVar("Item")
Clock = Callable[[], float]

REASONS = {
    "budget": "the budget was used up", "target": "the target was reached",
    "interrupted": "interrupted; the same command goes on from here",
    "stopped": "stopped; the same command goes on from here",
}  # fmt: skip
_TOLD = ("frechet", "coverage", "agreement")  # scores that fit on one line
_NAMES = {
    "d_loss": "d",
    "g_loss": "g",
}


class Display(Listener):
    """Shows a training as it runs: `with Display() as show: for event in events: show(event)`.

    stream: where to write, standard error by default. every: seconds between plain lines without a terminal.
    clock: for tests.
    """

    def __init__(
        self,
        stream: IO[str] | None = None,
        *,
        every: float = 10.0,
        unicode: bool | None = None,
        width: int | None = None,
        clock: Clock = time.monotonic,
    ):
        self.screen = Screen(stream, unicode=unicode, width=width)
        self._every, self._clock = every, clock
        self._due = -math.inf
        self._painted = -math.inf
        self._speed = math.nan
        self._score = ""
        self._alarms: dict[str, int] = {}
        self._amount, self._begun = "", -math.inf  # what was done at the last event, and when that was
        self._heart = Heartbeat(self.beat)

    def __enter__(self) -> Self:
        self._heart.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._heart.stop()
        self.close()

    def __call__(self, event: object) -> None:
        """Handle one event."""
        with Screen.lock:
            super().__call__(event)
            self._begun = self._clock()

    def close(self) -> None:
        """Remove the live lines; printed lines stay."""
        self.screen.close()

    def _on_started(self, event: Event) -> None:
        seen, total = as_float(event.get("seen")), as_float(event.get("total"))
        goal = f"{count(total)} examples" if total > 0 else "examples"
        self.screen.say(f"Going on at {count(seen)} of {goal}." if seen > 0 else f"Training for {goal}.", "bold")
        for note in event.get("notes") or ():
            self.screen.say(f"  {note}")

    def _on_round(self, event: Event) -> None:
        speed = as_float(event.get("speed"))
        if math.isfinite(speed):
            self._speed = speed if math.isnan(self._speed) else 0.7 * self._speed + 0.3 * speed
        now = self._clock()
        if self.screen.live:
            if now - self._painted >= 0.1:
                self._painted = now
                self.screen.paint(self._lines(event))
        elif now >= self._due:
            self._due = now + self._every
            parts = [
                _amount(event),
                *self._pace(event),
                *_losses(event),
                *([self._score] if self._score else []),
            ]
            self.screen.say(self._join(parts))
        self._amount = _amount(event)

    def beat(self) -> None:
        """Say that a step, or what stands between two, is still going on, where nothing was shown for a while."""
        with Screen.lock:
            quiet = self._clock() - max(self._begun, Screen.spoke)
            if self._begun > -math.inf and quiet >= self._every:
                self.screen.say(self._join([self._amount, f"nothing new for {duration(self._clock() - self._begun)}"]))

    def _on_shown(self, event: Event) -> None:
        if not self.screen.live:
            self.screen.say(f"{count(as_float(event.get('seen')))}: samples in {event.get('path', '')}")

    def _on_scored(self, event: Event) -> None:
        scores = words.from_report(event)
        scores = [s for s in scores if s.metric.name in _TOLD] or scores[:2]
        if not scores:
            return
        texts = [_score_text(s) for s in scores]
        self._score = texts[0]
        best = "; best so far" if event.get("best") else ""
        self.screen.say(f"{count(as_float(event.get('seen')))}: {', '.join(texts)}{best}")

    def _on_alarm(self, event: Event) -> None:
        kind = str(event.get("kind", ""))
        self._alarms[kind] = self._alarms.get(kind, 0) + 1
        self.screen.say(f"! {event.get('message') or kind}", "bold red" if event.get("fatal") else "yellow")
        if self._alarms[kind] == 1 and event.get("advice"):
            self.screen.say(f"  Try: {event['advice']}")

    def _on_finished(self, event: Event) -> None:
        self.screen.close()
        reason = str(event.get("reason", ""))
        seen, seconds = as_float(event.get("seen")), as_float(event.get("seconds"))
        text = f"Trained on {count(seen)} examples in {duration(seconds)}"
        self.screen.say(f"{text}: {REASONS.get(reason, reason)}." if reason else f"{text}.", "bold")

    def _lines(self, event: Event) -> list[str]:
        """The live lines: a bar, the pace, losses, score; parts that do not fit the width are left out."""
        width = self.screen.width - 1
        amount = _amount(event)
        part = as_float(event.get("seen")) / total if (total := as_float(event.get("total"))) > 0 else 0.0
        room = max(5, min(40, width - len(amount) - 2))
        first = f"{bar(part, room, self.screen.unicode)}  {amount}"
        rest = [self._fit(self._pace(event), width), self._fit(_losses(event), width)]
        return [first, *(line for line in (*rest, self._score) if line)]

    def _pace(self, event: Event) -> list[str]:
        """Speed, and the time that is left."""
        if not self._speed > 0:
            return []
        left = (as_float(event.get("total")) - as_float(event.get("seen"))) / self._speed
        parts = [f"{short_number(self._speed)} examples/s"]
        return [*parts, f"{duration(left)} left"] if left >= 0 else parts

    def _join(self, parts: list[str]) -> str:
        return (" · " if self.screen.unicode else " | ").join(parts)

    def _fit(self, parts: list[str], width: int) -> str:
        while len(parts) > 1 and len(self._join(parts)) > width:
            parts = parts[:-1]
        return self._join(parts)


def _amount(event: Event) -> str:
    seen, total = as_float(event.get("seen")), as_float(event.get("total"))
    if not total > 0:
        return f"{count(seen)} examples"
    return f"{100 * min(1.0, seen / total):.0f} % {count(seen)}/{count(total)}"


def _losses(event: Event) -> list[str]:
    """Losses first, then penalties, then values that are only recorded."""
    terms = {name.lstrip("_"): as_float(value) for name, value in mapping(event.get("losses")).items()}
    order = sorted(terms, key=lambda n: (n in ("real", "fake"), not n.endswith("loss"), "d" not in n))
    return [f"{_NAMES.get(name, name)} {short_number(terms[name])}" for name in order]


def _score_text(score: grades.Score) -> str:
    text = f"{score.metric.title} {grades.score_text(score.metric, score.value)}"
    real = grades.score_text(score.metric, score.floor)
    return f"{text} (real data {real})" if math.isfinite(score.floor) else text


class Meter:
    """Progress of work with a known or unknown amount; silent when it takes less than `after` seconds.

    `with Meter("Packing images") as meter: ...; meter(done, total)`. `done` counts from the start, not
    from the last call.
    """

    def __init__(
        self,
        label: str,
        total: float | None = None,
        *,
        after: float = 2.0,
        every: float = 10.0,
        stream: IO[str] | None = None,
        unicode: bool | None = None,
        width: int | None = None,
        clock: Clock = time.monotonic,
    ):
        self.label, self.total, self.done = label, total, 0.0
        self.screen = Screen(stream, unicode=unicode, width=width)
        self._clock, self._start = clock, clock()
        self._due, self._every, self._spoke = self._start + after, every, False

    def __enter__(self) -> Meter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(complete=kind is None)

    def __call__(self, done: float, total: float | None = None) -> None:
        """Report that `done` of `total` is done."""
        self.done = done
        self.total = self.total if total is None else total
        now = self._clock()
        if now >= self._due:
            self._show(now, self._left(now))

    def beat(self) -> None:
        """Show how long it takes, where nothing was reported since it was last due."""
        now = self._clock()
        if now >= self._due:
            self._show(now, f", {duration(now - self._start)} so far")

    def _show(self, now: float, time: str) -> None:
        self._spoke = True
        self._due = now + (0.1 if self.screen.live else self._every)
        if self.screen.live:
            self.screen.paint([self._line(f"{self._amount()}{time}".removeprefix(", "))])
        else:
            self.screen.say(f"{self.label}: {f'{self._amount()}{time}'.removeprefix(', ') or 'begun'}")

    def close(self, complete: bool = True) -> None:
        """End it, with one line if anything was shown."""
        self.screen.close()
        if self._spoke and complete:
            self._spoke = False
            amount = count(self.done) if self.done and self.total != 1 else "done"
            self.screen.say(f"{self.label}: {amount} in {duration(self._clock() - self._start)}")

    def _amount(self) -> str:
        if self.total == 1:  # one piece: there is nothing to count
            return ""
        if not self.total or self.total <= 0:
            return count(self.done)
        return f"{100 * min(1.0, self.done / self.total):.0f} % {count(self.done)}/{count(self.total)}"

    def _left(self, now: float) -> str:
        if not self.total or not self.done or self.total == 1:
            return ""
        return f", {duration((now - self._start) * max(0.0, self.total / self.done - 1))} left"

    def _line(self, text: str) -> str:
        if not self.total:
            return f"{self.label}  {text}"
        room = self.screen.width - len(self.label) - len(text) - 5
        filled = bar(self.done / self.total, min(30, room), self.screen.unicode) + "  " if room >= 5 else ""
        return f"{self.label}  {filled}{text}"


def track(items: Iterable[Item], label: str, total: int | None = None, **options: object) -> Iterator[Item]:
    """Yield the items, and show progress after two seconds.

    total: how many there are; their own length when None. options: those of `Meter`.
    """
    if total is None:
        length = getattr(items, "__len__", None)
        total = length() if length else None
    with Meter(label, total, **options) as meter:  # type: ignore[arg-type]
        for done, item in enumerate(items, 1):
            yield item
            meter(done)
