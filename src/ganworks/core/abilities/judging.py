"""The contracts of evaluators that can do more than is asked of every one; beside those in `core.contracts`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from ganworks.core.contracts import Evaluator


@runtime_checkable
class ChoosesMetrics(Protocol):
    """An evaluator that measures further metrics by name: `eval RUN metrics=swd`."""

    def with_metrics(self, names: Sequence[str], *, skip: bool) -> Evaluator:
        """The same evaluator with these metrics of `metrics.panel`. skip: leave out those that do not apply."""
