"""A client of the studio, a stand-in for `ganworks train`, and a server of the studio in a thread."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from ganworks.studio.app import create_studio

TOKEN = "a-token-of-the-tests"
FIXTURES = Path(__file__).parents[1] / "fixtures" / "runs_0_1_0"


def with_runs(folder: Path, names: Iterable[str]) -> Path:
    """The folder of a studio, with these old runs in it."""
    for name in names:
        with zipfile.ZipFile(FIXTURES / f"{name}.zip") as archive:
            archive.extractall(folder / name)
        (folder / "runs").mkdir(exist_ok=True)
        (folder / name / "run").rename(folder / "runs" / name)
    return folder


# A training that writes its log as a real one does, obeys SIGTERM, and goes on where it stopped.
STAND_IN = r"""
import json, os, signal, sys, time
words = dict(word.split("=", 1) for word in sys.argv[2:] if "=" in word)
if words.get("budget") == "wrong":
    print("Wrong use: budget must be a time, not 'wrong'."); sys.exit(2)
folder, total = words["out"], int(words.get("budget", "100000"))
os.makedirs(folder, exist_ok=True)
stopped = []
signal.signal(signal.SIGTERM, lambda *_: stopped.append(1))
open(f"{folder}/.owner", "w").write(f"process {os.getpid()} on {os.uname().nodename}")
json.dump({"given": {"data": words["data"]}, "total": total, "notes": [], "data": {"source": words["data"]}},
          open(f"{folder}/plan.json", "w"))
log = f"{folder}/metrics.jsonl"
seen = 0
if os.path.exists(log):
    seen = max([json.loads(line)["seen"] for line in open(log)] or [0])
def say(event, **facts):
    with open(log, "a") as file:
        file.write(json.dumps({"event": event, "seen": seen, **facts}) + "\n")
say("started", total=total, notes=[], run="x")
while seen < total and not stopped:
    seen += 10
    say("round", total=total, seconds=seen / 100, speed=100.0, losses={"d_loss": 1 / seen, "g_loss": float(seen)})
    time.sleep(0.02)
say("finished", seconds=seen / 100, reason="interrupted" if seen < total else "budget")
os.unlink(f"{folder}/.owner")
"""


def client(folder: Path, **more: Any) -> TestClient:
    """A client with the token, over a studio of a folder."""
    app = create_studio(folder, TOKEN, **more)
    headers = {"authorization": f"Bearer {TOKEN}"}
    return TestClient(app, base_url="http://localhost", headers=headers, raise_server_exceptions=False)


def stand_in(folder: Path) -> tuple[str, ...]:
    """The stand-in as a command, for `jobs.PROGRAM`."""
    path = folder / "stand_in.py"
    path.write_text(STAND_IN)
    return sys.executable, str(path)


def wait_for(true: Callable[[], Any], what: str, seconds: float = 60.0) -> Any:
    """What `true` returns as soon as it is true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := true():
            return found
        time.sleep(0.05)
    raise AssertionError(f"waited in vain for {what}")


@contextlib.contextmanager
def served(folder: Path, **more: Any) -> Iterator[str]:
    """A studio behind a real server; its address."""
    import uvicorn

    app = create_studio(folder, TOKEN, **more)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_for(lambda: server.started, "the server")
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        app.state.studio.closing.set()
        server.should_exit = True
        thread.join(10)
