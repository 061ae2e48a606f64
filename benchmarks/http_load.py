"""A client for load: HTTP/1.1 over raw connections, so that it takes little of the processor that it measures on.

    python benchmarks/http_load.py < task.json

task: {"port", "path", "mode": "closed" or "open", "clients" or "rate" per second, "seconds", "deadline", "answers"},
where answers is a file of [[seed, index, sha256 of the answer]]. Prints one JSON object: counts by status, answers that
were wrong, seconds to answers, how late requests were begun, connections that were opened, and the processor's time
that this process took. Requests at a rate share `connections` (400): one that is due when all are taken waits for one,
and its time counts from when it was due. A request whose connection failed counts as status 0.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import sys
import time
from collections import Counter, deque
from pathlib import Path
from typing import Any

_LENGTH = b"\r\ncontent-length: "
Asked = tuple[bytes, str, float]  # the request, the SHA-256 of its answer, and when its time began


class Connection(asyncio.Protocol):
    """A connection that asks one thing after the other."""

    def __init__(self, load: Load, first: Asked):
        self.load, self.asked = load, first
        self.got, self.transport = b"", asyncio.Transport()

    def connection_made(self, transport: Any) -> None:
        """Ask what it was opened for."""
        self.transport = transport
        transport.write(self.asked[0])

    def ask(self, asked: Asked) -> None:
        """Send a request."""
        self.asked, self.got = asked, b""
        self.transport.write(asked[0])

    def data_received(self, data: bytes) -> None:
        """A piece of the answer."""
        self.got += data
        end = self.got.find(b"\r\n\r\n") + 4
        if end < 4:
            return
        head = self.got[:end].lower()
        at = head.index(_LENGTH) + len(_LENGTH)
        if len(self.got) - end >= int(head[at : head.index(b"\r", at)]):
            asked, self.asked = self.asked, (b"", "", 0.0)
            self.load.answered(self, asked, int(head[9:12]), self.got[end:])

    def connection_lost(self, exc: Exception | None) -> None:
        """What was not answered has failed."""
        self.load.lost(self, self.asked)


class Load:
    """What is asked and what came of it."""

    def __init__(self, task: dict[str, Any]):
        self.task = task
        rows = json.loads(Path(task["answers"]).read_text())
        self.requests = [(self._request(seed, index), digest) for seed, index, digest in rows]
        self.draw = random.Random(task.get("seed", 0))
        self.statuses: Counter[int] = Counter()
        self.wrong = self.opened = self.open = self.under_way = 0
        self.took: list[float] = []  # seconds to each answer that was given
        self.refused: list[float] = []  # seconds to each refusal
        self.lag: list[float] = []
        self.free: list[Connection] = []
        self.waiting: deque[Asked] = deque()
        self.tasks: set[Any] = set()
        self.ends = time.perf_counter() + task["seconds"]
        self.most = task["clients"] if task["mode"] == "closed" else task.get("connections", 400)

    def _request(self, seed: int, index: int) -> bytes:
        body = json.dumps({"n": 1, "seed": seed, "start": index}).encode()
        head = (
            f"POST {self.task['path']} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
            f"x-ganworks-deadline-s: {self.task['deadline']}\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    def ask(self, due: float) -> None:
        """One request, whose time begins at `due`, as soon as there is a connection for it."""
        self.under_way += 1
        self._send((*self.draw.choice(self.requests), due))

    def _send(self, asked: Asked) -> None:
        if self.free:
            self.free.pop().ask(asked)
        elif self.open < self.most:
            self.open, self.opened = self.open + 1, self.opened + 1
            opening = asyncio.get_running_loop().create_task(self._connect(asked))
            self.tasks.add(opening)
            opening.add_done_callback(self.tasks.discard)
        else:
            self.waiting.append(asked)

    async def _connect(self, asked: Asked) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: Connection(self, asked), "127.0.0.1", self.task["port"])
        except OSError:
            self._failed()

    def answered(self, connection: Connection, asked: Asked, status: int, content: bytes) -> None:
        """Take an answer, and give its connection to what waits."""
        seconds = time.perf_counter() - asked[2]
        self.statuses[status] += 1
        if status == 200:
            self.took.append(seconds)
            self.wrong += hashlib.sha256(content).hexdigest() != asked[1]
        else:
            self.refused.append(seconds)
        self.free.append(connection)
        self._next()

    def lost(self, connection: Connection, asked: Asked) -> None:
        """A connection was closed."""
        self.open -= 1
        if connection in self.free:
            self.free.remove(connection)
        if asked[0]:
            self._failed()

    def _failed(self) -> None:
        self.statuses[0] += 1
        self._next()

    def _next(self) -> None:
        self.under_way -= 1
        if self.waiting:
            self._send(self.waiting.popleft())
        elif self.task["mode"] == "closed" and time.perf_counter() < self.ends:
            self.ask(time.perf_counter())

    async def run(self) -> None:
        """Ask for as long as the task says, and wait for all answers."""
        if self.task["mode"] == "closed":
            for _ in range(self.most):
                self.ask(time.perf_counter())
        else:
            await self._at_rate()
        while self.under_way:
            await asyncio.sleep(0.01)

    async def _at_rate(self) -> None:
        """Requests at a rate, whether the ones before were answered or not, at times of a Poisson process."""
        due = time.perf_counter()
        while due < self.ends:
            pause = due - time.perf_counter()
            if pause > 0:
                await asyncio.sleep(pause)
            self.lag.append(max(0.0, time.perf_counter() - due))
            self.ask(due)
            due += self.draw.expovariate(self.task["rate"])


def share(values: list[float], part: float) -> float:
    """The value below which `part` of the values lie; 0 of none."""
    return round(sorted(values)[min(len(values) - 1, int(part * len(values)))], 4) if values else 0.0


def main() -> None:
    task = json.load(sys.stdin)
    load = Load(task)
    began = time.perf_counter()
    asyncio.run(load.run())
    late = [seconds for seconds in load.took if seconds > task["deadline"]]
    found = {
        "statuses": {str(status): count for status, count in sorted(load.statuses.items())},
        "answered": len(load.took),
        "wrong": load.wrong,
        "late": len(late),
        "p50": share(load.took, 0.5),
        "p99": share(load.took, 0.99),
        "refused_p50": share(load.refused, 0.5),
        "refused_p99": share(load.refused, 0.99),
        "lag_p99": share(load.lag, 0.99),
        "opened": load.opened,
        "cpu": round(time.process_time(), 2),
        "seconds": round(time.perf_counter() - began, 3),
    }
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
