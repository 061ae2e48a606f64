"""The engine as a caller may use it: with the models of their key, counted, and noted on the request's ticket."""

from __future__ import annotations

import inspect
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import Any

from ganworks.serve.access.gate import Gate, units_of
from ganworks.serve.access.ticket import Ticket, current

_UPLOAD = 16 << 10  # bytes of an uploaded file that count as one unit: a picture of 64 x 64 as raw colours has 12 KiB


class Metered:
    """Stands where an engine does. What takes an ask (a value with a `model`) is checked and counted; everything else
    is the engine's own.

    positions: pixels, rows or steps of one result of a model. late: takes what work came to that ends after its request
    was answered, as that of a job does: (ticket, ask's model, results, cost units, seconds, whether it succeeded).
    """

    def __init__(
        self,
        engine: Any,
        gate: Gate,
        positions: Callable[[str], int] = lambda model: 1,
        late: Callable[[Ticket], None] | None = None,
    ):
        self._engine, self._gate, self._positions, self._late = engine, gate, positions, late

    @property
    def names(self) -> list[str]:
        """The models that the caller may use."""
        ticket = current()
        return self._gate.visible(ticket.key if ticket else None, self._engine.names)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._engine, name)
        if inspect.iscoroutinefunction(found):
            return self._awaited(found)
        return self._streamed(found) if inspect.isasyncgenfunction(found) else found

    def _awaited(self, method: Callable[..., Any]) -> Callable[..., Any]:
        async def call(*args: Any, **more: Any) -> Any:
            async with self._work(args) as note:
                made = await method(*args, **more)
                note(made)
                return made

        return call

    def _streamed(self, method: Callable[..., Any]) -> Callable[..., Any]:
        async def call(*args: Any, **more: Any) -> AsyncIterator[Any]:
            async with self._work(args) as note, aclosing(method(*args, **more)) as parts:
                async for part in parts:
                    note(part)
                    yield part

        return call

    @asynccontextmanager
    async def _work(self, args: tuple[Any, ...]) -> AsyncIterator[Callable[[Any], None]]:
        ticket, ask = current(), args[0] if args else None
        model = getattr(ask, "model", None)
        if ticket is None or not isinstance(model, str):
            yield lambda made: None
            return
        self._gate.check_model(ticket.key, model)
        n, units = _size(ask, self._positions(model) if model in self._engine.names else 1)
        part = _late_part(ticket) if ticket.ended else ticket
        part.model = model
        counted = _Counted(part)
        try:
            async with self._gate.work(part, units) as work:

                def note(made: Any) -> None:
                    counted.add(made)
                    work.done = counted.n / max(1, n)

                yield note
            part.n += n - counted.n
        except BaseException as error:
            part.status = part.status or (getattr(error, "status", 500) if part is not ticket else 0)
            raise
        finally:
            if part is not ticket and self._late:
                part.status = part.status or 200
                self._late(part)


def _late_part(ticket: Ticket) -> Ticket:
    """A ticket for work that goes on after its request was answered."""
    return replace(ticket, started=time.monotonic(), n=0, cost=0, status=0, size=0, ended=False)


class _Counted:
    """Counts the results that were made for a ticket, and takes note of the model that made them."""

    def __init__(self, ticket: Ticket):
        self.ticket, self.n = ticket, 0

    def add(self, made: Any) -> None:
        """Results."""
        count = len(made) if hasattr(made, "__len__") else 1
        self.n, self.ticket.n = self.n + count, self.ticket.n + count
        facts = getattr(made, "facts", None)
        if isinstance(facts, dict) and facts.get("model"):
            self.ticket.sha256 = str(facts["model"])[:64]


def _size(ask: Any, positions: int) -> tuple[int, int]:
    """(results, cost units) of an ask, of whatever kind."""
    files = getattr(ask, "files", None)
    if files is not None:
        return len(files), sum(max(1, -(-len(content) // _UPLOAD)) for _, content in files)
    content = getattr(ask, "content", None)
    if content is not None:
        return 1, max(1, -(-len(content) // _UPLOAD))
    n = _count(ask)
    return n, units_of(n, positions)


def _count(ask: Any) -> int:
    seeds, latents = getattr(ask, "seeds", None), getattr(ask, "latents", None)
    if seeds is not None:
        return int(ask.steps) * (len(seeds) - 1)
    return len(latents) if latents is not None else int(ask.n)
