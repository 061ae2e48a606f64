"""A client for load: HTTP/1.1 over raw connections, so that it takes little of the processor that it measures on.

    python benchmarks/http_load.py < task.json

task: {"port", "path", "mode": "closed" or "open", "clients" or "rate" per second, "seconds", "deadline", "answers"},
where answers is a file of [[seed, index, sha256 of the answer]]. Prints one JSON object: counts by status, answers that
were wrong, seconds to answers, and how late requests were begun.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any


class Load:
    """What is asked and what came of it."""

    def __init__(self, task: dict[str, Any]):
        self.task = task
        self.answers = json.loads(Path(task["answers"]).read_text())
        self.draw = random.Random(task.get("seed", 0))
        self.statuses: Counter[int] = Counter()
        self.wrong = 0
        self.took: list[float] = []  # seconds to each answer that was given
        self.refused: list[float] = []  # seconds to each refusal
        self.lag: list[float] = []
        self.free: list[Any] = []

    async def ask(self) -> None:
        """One request, on a connection that is free or a new one."""
        seed, index, digest = self.draw.choice(self.answers)
        body = json.dumps({"n": 1, "seed": seed, "start": index}).encode()
        head = (
            f"POST {self.task['path']} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
            f"x-ganworks-deadline-s: {self.task['deadline']}\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        began = time.perf_counter()
        try:
            pair = self.free.pop() if self.free else await asyncio.open_connection("127.0.0.1", self.task["port"])
            pair[1].write(head.encode() + body)
            status, content, keep = await _answer(pair[0])
        except (OSError, asyncio.IncompleteReadError, ValueError):
            self.statuses[0] += 1
            return
        seconds = time.perf_counter() - began
        if keep:
            self.free.append(pair)
        else:
            pair[1].close()
        self.statuses[status] += 1
        if status == 200:
            self.took.append(seconds)
            self.wrong += hashlib.sha256(content).hexdigest() != digest
        else:
            self.refused.append(seconds)

    async def closed(self) -> None:
        """So many clients that each ask again as soon as they have their answer."""
        ends = time.perf_counter() + self.task["seconds"]

        async def client() -> None:
            while time.perf_counter() < ends:
                await self.ask()

        await asyncio.gather(*(client() for _ in range(self.task["clients"])))

    async def open(self) -> None:
        """Requests at a rate, whether the ones before were answered or not, at times of a Poisson process."""
        begun, due, asked = time.perf_counter(), 0.0, set()
        while due < self.task["seconds"]:
            pause = begun + due - time.perf_counter()
            if pause > 0:
                await asyncio.sleep(pause)
            self.lag.append(max(0.0, time.perf_counter() - begun - due))
            one = asyncio.create_task(self.ask())
            asked.add(one)
            one.add_done_callback(asked.discard)
            due += self.draw.expovariate(self.task["rate"])
        await asyncio.gather(*asked)


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes, bool]:
    """(status, content, whether the connection stays)."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    lines = head.split("\r\n")
    fields = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
    content = await reader.readexactly(int(fields["content-length"]))
    return int(lines[0].split()[1]), content, fields.get("connection") != "close"


def share(values: list[float], part: float) -> float:
    """The value below which `part` of the values lie; 0 of none."""
    return round(sorted(values)[min(len(values) - 1, int(part * len(values)))], 4) if values else 0.0


def main() -> None:
    task = json.load(sys.stdin)
    load = Load(task)
    began = time.perf_counter()
    asyncio.run(load.closed() if task["mode"] == "closed" else load.open())
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
        "seconds": round(time.perf_counter() - began, 3),
    }
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
