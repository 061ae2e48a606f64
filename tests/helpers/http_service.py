"""A service over small published networks of every kind, for tests: in this process, or behind a real socket."""

from __future__ import annotations

import atexit
import shutil
import socket
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from standins import publish
from starlette.testclient import TestClient

from ganworks.serve.app import create_app
from ganworks.serve.engine import Engine
from ganworks.serve.service import Limits

RUNS = Path(__file__).parents[1] / "fixtures" / "runs_0_1_0"


@cache
def folder() -> Path:
    """A folder for the networks, which ends with the process."""
    place = Path(tempfile.mkdtemp(prefix="served-"))
    atexit.register(shutil.rmtree, place, True)
    return place


@cache
def run(name: str) -> Path:
    """The run of a recipe as tests/fixtures has it; "shift": translators and a classifier that hardly do anything."""
    place = folder() / name
    if name == "shift":
        return publish(place, shift=0.25)
    with zipfile.ZipFile(RUNS / f"{name}.zip") as archive:
        for member in archive.namelist():
            if (
                member.startswith("run/")
                and member.endswith((".safetensors", "manifest.json"))
                and "state" not in member
            ):
                archive.extract(member, folder() / f"{name}-unpacked")
    return (folder() / f"{name}-unpacked" / "run").rename(place)


@contextmanager
def engine_of(*names: str, **settings: Any) -> Iterator[Engine]:
    """An engine over these runs."""
    engine = Engine({name: run(name) for name in names}, threads=1, **settings)
    try:
        yield engine
    finally:
        engine.close()


def app_of(engine: Engine, **settings: Any) -> Any:
    """The application, whose deadlines are long: tests run on machines that are busy."""
    return create_app(engine, **{"limits": Limits(deadline_s=150.0), **settings})


@contextmanager
def client_of(*names: str, engine: dict[str, Any] | None = None, **settings: Any) -> Iterator[TestClient]:
    """A client of a service in this process. engine: settings of the engine; the others are those of the app."""
    with engine_of(*names, **engine or {}) as made:
        app = app_of(made, **settings)
        with TestClient(app, raise_server_exceptions=False) as client:
            yield client


@contextmanager
def listening(app: Any) -> Iterator[str]:
    """The address of an app that uvicorn serves from a thread."""
    import uvicorn

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.005)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(10)
