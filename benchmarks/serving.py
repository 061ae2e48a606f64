"""What `ganworks serve` makes of a machine: throughput beside the bare generator, and what it does under overload.

    python benchmarks/serving.py [closed] [overload] [--model RUN] [--rounds 6] [--seconds 60] [--threads 1]

closed: 64 clients over loopback HTTP, each asking for one sample after the other, against the bare generator at its
best batch, in turn, in one run of the script. overload: requests at 4 times the sustained rate, whether the ones before
were answered or not, in turn with the 64 clients. Each answer is compared with the bytes that `ganworks sample` writes.
The model is a DCGAN of 64 x 64 pixels with random weights when none is named. Client, server and generator share the
machine; torch has `--threads` threads in each.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import common

NAME = "serving"
HERE = Path(__file__).parent
SEEDS, EACH = (0, 1, 7, 123456789), 64  # of the answers that are known
DEADLINE = 4.0  # seconds, under overload
CLIENTS = 64


def make_model(folder: Path) -> Path:
    """A run folder with a DCGAN of 64 x 64 pixels and random weights."""
    import torch

    from ganworks.core.spec import Spec
    from ganworks.networks.dcgan import DCGAN
    from ganworks.runs.published import save_generator

    networks, spec = DCGAN(width=64), Spec("images", (3, 64, 64))
    torch.manual_seed(0)
    folder.mkdir(parents=True)
    save_generator(folder / "generator.safetensors", networks.build(spec)["G"], networks, spec, seen=0, recipe="dcgan")
    return folder


def known_answers(model: Path, folder: Path) -> Path:
    """A file of [seed, index, sha256] of what the command line writes."""
    rows = []
    for seed in SEEDS:
        out = folder / f"seed{seed}"
        command = [sys.executable, "-m", "ganworks", "sample", model, str(EACH), f"seed={seed}", f"out={out}"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        rows += [[seed, k, hashlib.sha256((out / f"{k:08d}.png").read_bytes()).hexdigest()] for k in range(EACH)]
    path = folder / "answers.json"
    path.write_text(json.dumps(rows))
    return path


@contextlib.contextmanager
def server(model: Path, threads: int) -> Iterator[tuple[int, int]]:
    """(port, process id) of `ganworks serve`, ended with the block."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "ganworks", "serve", str(model), f"port={port}", f"threads={threads}"]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(command, env=environment, stdout=said, stderr=said)
        try:
            _until_there(port, process, said)
            yield port, process.pid
        finally:
            process.terminate()
            process.wait(30)


def _until_there(port: int, process: subprocess.Popen, said: IO[str], seconds: float = 60.0) -> None:
    ends = time.monotonic() + seconds
    while time.monotonic() < ends and process.poll() is None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/models", timeout=5).read()
            return
        except OSError:
            time.sleep(0.1)
    said.seek(0)
    raise SystemExit(f"the server did not start: {said.read()[-2000:]}")


def load(task: dict[str, Any]) -> dict[str, Any]:
    """What a client process measures."""
    done = subprocess.run(
        [sys.executable, str(HERE / "http_load.py")], input=json.dumps(task), capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def spent(pid: int) -> float:
    """Seconds of the processor that a process took."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident(pid: int) -> float:
    """Memory of a process in MB, without pages of files."""
    fields = Path(f"/proc/{pid}/statm").read_text().split()
    return (int(fields[1]) - int(fields[2])) * os.sysconf("SC_PAGE_SIZE") / 1e6


class Bare:
    """The generator alone, at its best batch."""

    def __init__(self, model: Path, threads: int):
        import torch

        from ganworks.use.model import Model

        torch.set_num_threads(threads)
        self.model = Model.load(model, device="cpu")
        turns = {batch: [self._speed(batch, 0.4) for _ in range(4)] for batch in (4, 8, 16, 32, 64, 128)}
        self.batch = max(turns, key=lambda batch: max(turns[batch]))

    def _speed(self, batch: int, seconds: float) -> float:
        import torch

        model, made, began = self.model, 0, time.perf_counter()
        y = torch.zeros(batch, dtype=torch.int64) if model.spec.num_classes else None
        with torch.inference_mode():
            while time.perf_counter() - began < seconds:
                model.generator(torch.randn(batch, model.z_dim), y)
                made += batch
        return made / (time.perf_counter() - began)

    def speed(self, seconds: float) -> float:
        """Samples per second."""
        return self._speed(self.batch, seconds)


def closed(bare: Bare, task: dict[str, Any], rounds: int) -> dict[str, Any]:
    """64 clients against the bare generator, in turn."""
    ratios, rates, speeds, found = [], [], [bare.speed(3.0)], []
    for _ in range(rounds):
        found.append(load({**task, "mode": "closed", "clients": CLIENTS, "seconds": 5.0, "deadline": 30.0}))
        rates.append(found[-1]["answered"] / found[-1]["seconds"])
        speeds.append(bare.speed(3.0))
        ratios.append(rates[-1] / statistics.fmean(speeds[-2:]))
    return {
        "what": "closed",
        "clients": CLIENTS,
        "bare": round(statistics.median(speeds), 1),
        "batch": bare.batch,
        "http": round(statistics.median(rates), 1),
        "ratio": round(statistics.median(ratios), 3),
        "ratios": [round(ratio, 3) for ratio in ratios],
        "p50": statistics.median(one["p50"] for one in found),
        "p99": max(one["p99"] for one in found),
        "answered": sum(one["answered"] for one in found),
        "wrong": sum(one["wrong"] for one in found),
        "others": sum(sum(one["statuses"].values()) - one["answered"] for one in found),
    }


def overload(task: dict[str, Any], pid: int, seconds: float) -> dict[str, Any]:
    """4 times the sustained rate, in turn with the sustained one; memory at both ends."""
    sustained, parts, memory = [_sustained(task)], [], []
    turns = max(1, round(seconds / 15))
    for k in range(turns):
        rate = 4 * sustained[-1]
        asked = {"mode": "open", "rate": rate, "seconds": seconds / turns, "deadline": DEADLINE, "seed": k}
        before = spent(pid)
        parts.append({**load({**task, **asked}), "rate": rate})
        parts[-1]["server_cpu"] = spent(pid) - before
        memory.append(resident(pid))
        sustained.append(_sustained(task))
    ratios = [
        (one["answered"] - one["late"]) / one["seconds"] / statistics.fmean(sustained[k : k + 2])
        for k, one in enumerate(parts)
    ]
    statuses: dict[str, int] = {}
    for one in parts:
        for status, count in one["statuses"].items():
            statuses[status] = statuses.get(status, 0) + count
    return {
        "what": "overload",
        "seconds": round(sum(one["seconds"] for one in parts)),
        "sustained": round(statistics.median(sustained), 1),
        "asked": round(statistics.median(one["rate"] for one in parts), 1),
        "goodput": round(statistics.median(ratios), 3),
        "goodputs": [round(ratio, 3) for ratio in ratios],
        "deadline": DEADLINE,
        "p99": max(one["p99"] for one in parts),
        "late": sum(one["late"] for one in parts),
        "refused_p50": statistics.median(one["refused_p50"] for one in parts),
        "refused_p99": max(one["refused_p99"] for one in parts),
        "lag_p99": max(one["lag_p99"] for one in parts),
        "statuses": statuses,
        "opened": sum(one["opened"] for one in parts),
        "server_cpu": round(sum(one["server_cpu"] for one in parts), 1),
        "client_cpu": round(sum(one["cpu"] for one in parts), 1),
        "answered": sum(one["answered"] for one in parts),
        "wrong": sum(one["wrong"] for one in parts),
        "memory_mb": [round(value, 1) for value in memory],
    }


def _sustained(task: dict[str, Any]) -> float:
    found = load({**task, "mode": "closed", "clients": CLIENTS, "seconds": 5.0, "deadline": 30.0})
    return found["answered"] / found["seconds"]


def show(rows: list[dict[str, Any]]) -> str:
    """Both tables."""
    first = [r for r in rows if r["what"] == "closed"]
    second = [r for r in rows if r["what"] == "overload"]
    one = common.table(
        ["model", "bare, best batch, per s", "64 clients, per s", "share", "p50 ms", "p99 ms", "answers", "wrong"],
        [[r["model"], f"{r['bare']} ({r['batch']})", r["http"], r["ratio"], round(1e3 * r["p50"]),
          round(1e3 * r["p99"]), r["answered"], r["wrong"]] for r in first],
    )  # fmt: skip
    two = common.table(
        ["model", "s", "sustained", "asked", "goodput", "p99 s (deadline)", "refused in ms", "memory MB", "wrong"],
        [[r["model"], r["seconds"], r["sustained"], r["asked"], r["goodput"], f"{r['p99']} ({r['deadline']})",
          round(1e3 * r["refused_p50"]), f"{r['memory_mb'][0]} to {r['memory_mb'][-1]}", r["wrong"]] for r in second],
    )  # fmt: skip
    return f"{one}\n\n{two}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", metavar="closed|overload")
    parser.add_argument("--model", type=Path, help="a run folder; a DCGAN is made when none is given")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=60.0, help="of overload")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    given.what = given.what or ["closed", "overload"]
    if unknown := {*given.what} - {"closed", "overload"}:
        parser.error(f"{', '.join(unknown)}: there are closed and overload")
    rows = common.load(NAME)
    name = given.model.name if given.model else "DCGAN 64 x 64, width 64"
    keys = {what: {"what": what, "model": name, "threads": given.threads} for what in given.what}
    left = [what for what in given.what if common.missing(rows, keys[what])]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        model = (given.model or make_model(folder / "model")).resolve() if left else folder
        answers = known_answers(model, folder) if left else folder
        for what in left:
            with server(model, given.threads) as (port, pid):
                task = {"port": port, "path": f"/v1/models/{model.name}/sample", "answers": str(answers)}
                if not _sustained(task):  # by then, the model is loaded and measured
                    raise SystemExit("the server answered nothing")
                if what == "closed":
                    row = closed(Bare(model, given.threads), task, given.rounds)
                else:
                    row = overload(task, pid, given.seconds)
            rows.append({**row, **keys[what], **common.machine()})
            common.save(NAME, rows)
    print(show(rows))


if __name__ == "__main__":
    main()
