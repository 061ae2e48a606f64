"""Keeps a budget of time: where steps take longer than measured before the training, fewer examples are left to do."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

_WINDOW = 0.01  # of the budget: the time over which the pace is measured, at least _SECONDS
_SECONDS = 1.0
_SHARE = 0.97  # of the budget, which the training may take with its scores and pictures
_NEAR = 0.1  # smaller corrections are not worth a change


class Pacing:
    """The pace of a training that has `seconds`.

    phases: the fractions of the budget at which the phases of the game begin. costs: seconds for an example in each, as
    measured before. looking: seconds of all scores and pictures. planned: examples, which are never exceeded.
    """

    def __init__(self, seconds: float, phases: Sequence[float], costs: Sequence[float], looking: float, planned: int):
        self.seconds, self.costs, self.looking, self.planned = seconds, costs, looking, planned
        self._phases = list(pairwise((*phases, 1.0)))
        self._window = max(_SECONDS, _WINDOW * seconds)
        self._phase, self._examples, self._taken = -1, 0.0, 0.0

    def took(self, progress: float, examples: int, seconds: float) -> None:
        """Steps of so many examples, which ended at this progress, took so long."""
        phase = max(k for k, (start, _) in enumerate(self._phases) if progress >= start)
        if phase != self._phase:
            self._phase, self._examples, self._taken = phase, 0.0, 0.0
        if self._taken > 2 * self._window:  # the newest count most
            self._examples, self._taken = self._examples / 2, self._taken / 2
        self._examples, self._taken = self._examples + examples, self._taken + seconds

    def total(self, seen: int, total: int, progress: float, spent: float, batch: int) -> int:
        """The examples of the training, of which `seen` are done after `spent` seconds; `total` were foreseen."""
        if self._taken < self._window or self._examples < 2 * batch or not seen < total:
            return total
        now = self._taken / self._examples
        drift = now / self.costs[self._phase]
        after = zip(self._phases[self._phase + 1 :], self.costs[self._phase + 1 :], strict=True)
        need = now * (self._phases[self._phase][1] - progress) + sum(drift * cost * (b - a) for (a, b), cost in after)
        need *= (total - seen) / (1 - progress)
        scale = max(0.0, _SHARE * self.seconds - spent - self.looking * (1 - progress)) / need
        if abs(scale - 1) < _NEAR:
            return total
        return min(self.planned, seen + max(1, round((total - seen) * scale / batch)) * batch)
