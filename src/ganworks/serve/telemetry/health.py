"""/healthz, /readyz and /metrics. What they say of models is for holders of a key, or for all when none is needed."""

from __future__ import annotations

import json
import time
from typing import Any

from ganworks.serve.access.gate import Gate
from ganworks.serve.access.ticket import current
from ganworks.serve.guard.answer import App, answer, route_path
from ganworks.serve.guard.protocol import Door
from ganworks.serve.telemetry import metrics
from ganworks.serve.telemetry.state import State, memory_used

_TEXT = "text/plain; version=0.0.4; charset=utf-8"


class Health:
    """ASGI middleware that answers three addresses. Stands behind `Access`."""

    def __init__(self, app: App, state: State, gate: Gate, door: Door | None = None):
        self.app, self.state, self.gate, self.door = app, state, gate, door

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer, or let the application answer."""
        path = route_path(scope) if scope["type"] == "http" else ""
        said = {"/healthz": self._alive, "/readyz": self._ready, "/metrics": self._metrics}.get(path)
        if said is None:
            return await self.app(scope, receive, send)
        head = scope["method"] == "HEAD"
        if scope["method"] not in ("GET", "HEAD"):
            return await answer(send, 405, b"", headers=[("allow", "GET, HEAD")])
        status, body, kind = said()
        return await answer(send, status, body, kind, head=head)

    def _alive(self) -> tuple[int, bytes, str]:
        return 200, b'{"status": "ok"}', "application/json"

    def _ready(self) -> tuple[int, bytes, str]:
        facts = self.state.facts()
        models = facts.models
        full = facts.capacity and facts.queue >= facts.capacity
        why = "ending" if self.state.ending() else "loading" if not any(models.values()) else "full" if full else ""
        said: dict[str, Any] = {"status": why or "ready"}
        ticket = current()
        key = ticket.key if ticket else None
        if key or not self.gate.required:
            seen = self.gate.visible(key, models)
            said |= {"models": {name: models[name] for name in seen}, "queue": facts.queue}
            said["seconds"] = round(time.monotonic() - self.state.started, 1)
        return 503 if why else 200, json.dumps(said).encode(), "application/json"

    def _metrics(self) -> tuple[int, bytes, str]:
        facts = self.state.facts()
        if self.state.audit:
            self.state.meters.lost.values[()] = float(self.state.audit.lost)
        values = {
            "ganworks_queue_length": ("Requests that wait for a model.", float(facts.queue)),
            "ganworks_models_ready": ("Models that are ready.", float(sum(facts.models.values()))),
            "ganworks_memory_bytes": ("Memory in use by the service.", float(memory_used())),
            "ganworks_ending": ("1 while the service finishes what it took.", float(self.state.ending())),
            "ganworks_uptime_seconds": ("Since the start.", time.monotonic() - self.state.started),
        }
        if self.door:
            values["ganworks_connections"] = ("Connections that are open.", float(self.door.open))
            values["ganworks_connections_refused"] = ("Connections above the limits.", float(self.door.refused))
            values["ganworks_connections_cut"] = ("Connections ended as too slow or too large.", float(self.door.cut))
        body = metrics.text([*self.state.meters.all(), *metrics.gauges(values), *facts.metrics])
        return 200, body, _TEXT
