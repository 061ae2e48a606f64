"""Puts a service together from an engine and its settings, runs it, and takes it apart."""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from ganworks.core.console.voice import complain, say
from ganworks.core.errors import GanworksError, UsageError
from ganworks.core.spec import Spec
from ganworks.files import weights
from ganworks.runs.published import locate, read_card
from ganworks.serve.access.audit import Audit
from ganworks.serve.access.gate import Gate
from ganworks.serve.access.metered import Metered
from ganworks.serve.access.store import KeyStore, state_folder
from ganworks.serve.app import create_app
from ganworks.serve.engine import Engine
from ganworks.serve.guard.hosts import is_local
from ganworks.serve.guard.protocol import Door
from ganworks.serve.guard.shedding import Pulse
from ganworks.serve.run import Settings, fence, needs_keys, run
from ganworks.serve.telemetry.lines import teller
from ganworks.serve.telemetry.metrics import Counter, Metric
from ganworks.serve.telemetry.state import Facts, State

_EVERYWHERE = ("0.0.0.0", "::", "")


def start(engine: Engine, settings: Settings, opened: list[Any], *, log: str = "lines", audit: str = "") -> None:
    """Serve the models of an engine, which its caller closes, until a signal. opened: the sockets.

    log: "lines", "json" or "off". audit: a file, "off", or "": a file in the state folder. Raises GanworksError.
    """
    tell = teller(log)
    store = _store(settings)
    gate = Gate(store, needs_keys(settings, store))
    door = Door(settings.limits, settings.proxy)
    kept = _audit(audit, settings, opened)
    watched = Watched(engine)
    state = State(watched, kept, tell)
    state.names = lambda: engine.paths
    places = {name: Path(place) for name, place in engine.paths.items()}
    pulse = Pulse(lambda: bool(state.working))
    app = create_app(cast(Engine, Metered(engine, gate, Positions(places), state.late)))
    fenced = fence(app, settings, gate, state, door=door, places=places, refusal=engine.refusal, pulse=pulse)
    lines = welcome(engine.names, settings, opened, gate.required, kept, places)
    loading: list[asyncio.Task[None]] = []

    def listening() -> None:
        say(*lines)
        pulse.begin()
        loading.append(asyncio.get_running_loop().create_task(watched.load()))

    cut = run(fenced, settings, opened, state, door, listening, app.state.service.jobs.close)
    state.tell_shed()
    gate.close()
    if kept:
        kept.close()
    if cut:  # what was cut off may still be at work in a thread, which nothing can end
        os._exit(GanworksError.exit_code)


class Watched:
    """What there is to know of an engine. Models count as ready once they were loaded, or could not be and said so;
    one that was given up for want of room comes back with the next request.
    """

    def __init__(self, engine: Engine):
        self._engine = engine
        self._tried: set[str] = set()

    def __call__(self) -> Facts:
        """The facts of now."""
        figures = self._engine.figures()
        waiting = self._engine.limits.waiting * max(1, len(self._engine.names))
        queue = sum(figures["queued"].values())
        models = {name: self._ready(name) for name in self._engine.names}
        return Facts(models, queue, waiting, _own(figures))

    def _ready(self, name: str) -> bool:
        return name in self._tried and self._engine.state(name)["state"] != "failed"

    async def load(self) -> None:
        """Load every model, so that the first request need not wait, and say which cannot be used."""
        for name in self._engine.names:
            try:
                await self._engine.load(name)
            except GanworksError as error:
                complain(f'Note: "{name}" cannot be used. {error}')
            self._tried.add(name)


def _own(figures: Mapping[str, Any]) -> list[Metric]:
    """The engine's counts as metrics."""
    answers = Counter("ganworks_engine_requests_total", "What came of what the models were asked.", ("outcome",))
    for outcome in ("done", "failed", "refused", "late", "gone"):
        answers.add(outcome, by=figures[outcome])
    runs = Counter("ganworks_engine_runs_total", "Batches that models ran; requests by batches is their mean size.")
    busy = Counter("ganworks_engine_busy_seconds_total", "Time in which models ran.")
    runs.add(by=figures["runs"])
    busy.add(by=figures["busy_s"])
    return [answers, runs, busy]


class Positions:
    """Pixels, rows or steps of one result of each model, read from the headers of its files."""

    def __init__(self, places: Mapping[str, Path]):
        self._places = places
        self._known: dict[str, int] = {}

    def __call__(self, model: str) -> int:
        """Those of one result; 1 where it cannot be read."""
        if model not in self._known:
            try:
                file = locate(self._places[model])
                spec = Spec.from_dict(read_card(weights.read_texts(file), file)["spec"])
                self._known[model] = math.prod(spec.shape[1:])
            except (GanworksError, KeyError, OSError):
                return 1
        return self._known[model]


def _store(settings: Settings) -> KeyStore | None:
    try:
        return KeyStore()
    except GanworksError as error:
        if settings.keys == "required" or not settings.local:
            raise
        complain(f"Note: no keys can be used. {error}")
        return None


def _audit(given: str, settings: Settings, opened: list[Any]) -> Audit | None:
    if given == "off":
        return None
    if given:
        return Audit(Path(given))
    name = Path(settings.uds).name if settings.uds else opened[0].getsockname()[1]
    try:
        return Audit(state_folder() / f"audit-{name}.jsonl")
    except GanworksError as error:
        if settings.keys == "required" or not settings.local:
            raise UsageError(
                f"{error} audit=FILE names another place for the audit log, audit=off goes without."
            ) from error
        complain(f"Note: there is no audit log. {error}")
        return None


def address(settings: Settings, opened: list[Any]) -> str:
    """The address at which a client here reaches the service, e.g. http://127.0.0.1:8000/gan."""
    scheme = "https" if settings.cert else "http"
    if settings.uds:
        return f"{scheme}://localhost{settings.root_path}"
    host = settings.host.strip("[]")
    host = "localhost" if host in _EVERYWHERE else f"[{host}]" if ":" in host else host
    return f"{scheme}://{host}:{opened[0].getsockname()[1]}{settings.root_path}"


def welcome(
    names: list[str],
    settings: Settings,
    opened: list[Any],
    required: bool,
    audit: Audit | None,
    places: Mapping[str, Path],
) -> list[str]:
    """What is said at the start: address, models, whether keys are needed, and what to try."""
    base = address(settings, opened)
    reach = "this user" if settings.uds else "this machine"
    who = "a key is needed" if required else f"no key is needed, as {reach} alone can reach it"
    head = ["-H", "'authorization: Bearer KEY'"] if required else []
    via = ["--unix-socket", settings.uds] if settings.uds else []
    first = names[0] if names else "MODEL"
    ask = ["-H", "'content-type: application/json'", "-d", """'{"n": 1, "seed": 3}'"""]
    lines = [f"Serving {', '.join(names)} at {base}: {who}.", *_try(first, [*via, *head], ask, base, places)]
    if settings.host in _EVERYWHERE and not settings.uds:
        lines.append(
            "It listens at all addresses of this machine. Without TLS (cert=, key=) keys can be read on the way."
        )
    elif not settings.cert and not settings.uds and not is_local(settings.host):
        lines.append("Without TLS (cert=, key=) keys can be read on the way.")
    return [*lines, f"All addresses: {base}/docs" + (f"  Audit log: {audit.path}" if audit else ""), "Ctrl-C ends it."]


def _try(model: str, options: list[str], ask: list[str], base: str, places: Mapping[str, Path]) -> list[str]:
    try:
        file = locate(places[model])
        use = str(read_card(weights.read_texts(file), file).get("use", "sample"))
    except (GanworksError, KeyError, OSError):
        use = "sample"
    sent = ask if use == "sample" else ["-F", "file=@FILE"]
    return [" ".join(["Try:  curl -OJ", *options, *sent, f"{base}/v1/models/{model}/{use}"])]
