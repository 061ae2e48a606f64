"""The state of a running service: what is at work, whether it is ending, and where its lines go."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ganworks.serve.access.audit import Audit
from ganworks.serve.access.ticket import Ticket
from ganworks.serve.telemetry.metrics import Meters, Metric

HEALTH = ("/healthz", "/readyz")
_QUIET = 1.0  # seconds between two lines that tell of refusals


@dataclass(frozen=True)
class Facts:
    """What an engine says of itself when it is asked.

    models: name -> whether it is ready to answer. queue: requests that wait. capacity: that may wait; 0: no limit.
    metrics: the engine's own.
    """

    models: Mapping[str, bool] = field(default_factory=dict)
    queue: int = 0
    capacity: int = 0
    metrics: Sequence[Metric] = ()


class State:
    """One for each service.

    facts: asks the engine. audit: where lines go, or None. tell: takes a line for
    the console, or None.
    """

    def __init__(
        self,
        facts: Callable[[], Facts] | None = None,
        audit: Audit | None = None,
        tell: Callable[[Ticket], None] | None = None,
    ):
        self.facts, self.audit, self.tell, self.meters = facts or Facts, audit, tell, Meters()
        self.started = time.monotonic()
        self.ending: Callable[[], bool] = lambda: False  # asked at each request, so that a signal counts at once
        self.stop: Callable[[], None] = lambda: None  # asks for the end, as a signal does
        self.working = 0
        self.names: Callable[[], Collection[str]] = lambda: self.facts().models
        self._shed, self._told = 0, -_QUIET  # requests that no line tells of yet, and when the last one was written

    def begin(self) -> None:
        """A request began."""
        self.working += 1
        self.meters.open.set(self.working)

    def end(self, ticket: Ticket) -> None:
        """A request ended: count it and write its lines."""
        ticket.ended = True
        self.working -= 1
        meters = self.meters
        meters.open.set(self.working)
        route = ticket.route or "other"
        model = ticket.model if ticket.model in self.names() else ""
        meters.requests.add(route, _method(ticket.method), str(ticket.status), model)
        meters.seconds.see(ticket.seconds, route)
        if ticket.n and ticket.status < 400:
            meters.samples.add(model, by=ticket.n)
            meters.units.add(model, by=ticket.cost)
        if self._shed and time.monotonic() - self._told >= _QUIET:
            self.tell_shed()
        if route in HEALTH and ticket.status < 400:
            return
        self.late(ticket)

    def shed(self, model: str) -> None:
        """A request was refused before anything was known of it but its model, "" for any. One line a second tells of
        all of them, as a line costs more than a refusal.
        """
        known = model if model in self.names() else ""
        self.meters.shed.add(known)
        self.meters.requests.add("other", "POST", "429", known)
        self._shed += 1
        if time.monotonic() - self._told >= _QUIET:
            self.tell_shed()

    def tell_shed(self) -> None:
        """Write the line for the requests that were refused since the last one."""
        if self._shed:
            ticket = Ticket("none", "POST", route="other", status=429, refused=self._shed)
            self._shed, self._told = 0, time.monotonic()
            self.late(ticket)

    def late(self, ticket: Ticket) -> None:
        """Write the lines of a request, or of work that went on after it."""
        if self.audit:
            self.audit.enter(ticket)
        if self.tell:
            self.tell(ticket)


def _method(method: str) -> str:
    return method if method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS") else "other"


def memory_used() -> int:
    """Bytes of memory that this process has in use, or, where the system does not say, has had at most; 0: unknown."""
    try:
        import resource  # which Windows does not have
    except ImportError:
        return 0
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    except (OSError, IndexError, ValueError):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
