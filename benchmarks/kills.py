"""Fifty kills by SIGKILL, at random moments and inside saves; then the weights must be those of an undisturbed run.

    python benchmarks/kills.py [--kills 50] [--seed 0]

Every other kill hits `ganworks train` as a process of its own at a random time from its start on; the rest strike in a
forked process at a random step of writing a file, half of the file's bytes gone. After each, the run must load.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import common

NAME = "kills"
SETTINGS = {
    "budget": "60k",
    "batch": "64",
    "train.judge": "off",
    "train.precision": "fp32",
    "train.save": "0.2",
    "train.threads": "1",
    "train.show": "20000",
}


def command(out: Path) -> list[str]:
    """The command line that is run again after each kill."""
    return [
        sys.executable,
        "-m",
        "ganworks",
        "train",
        "mlp",
        "data=digits",
        f"out={out}",
        *(f"{k}={v}" for k, v in SETTINGS.items()),
    ]


def kill_process(out: Path, after: float) -> str:
    """Start the command and kill it after a number of seconds."""
    process = subprocess.Popen(command(out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        process.wait(after)
        return "finished before"
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return "killed"


def kill_in_save(out: Path, countdown: int) -> str:
    """Train in a forked process that dies at the n-th step of writing files."""
    child = os.fork()
    if child:
        return "killed in a save" if os.WIFSIGNALED(os.waitpid(child, 0)[1]) else "finished before"
    import ganworks

    left, real_fsync, real_replace = [countdown], os.fsync, Path.replace

    def tick(fd: int | None = None) -> None:
        left[0] -= 1
        if left[0] == 0:
            if fd is not None:
                os.ftruncate(fd, os.fstat(fd).st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)

    def fsync(fd: int) -> None:
        tick(None if Path(f"/proc/self/fd/{fd}").is_dir() else fd)
        real_fsync(fd)

    def replace(self: Path, target: Any) -> Any:
        tick()
        done = real_replace(self, target)
        tick()
        return done

    os.fsync, Path.replace = fsync, replace  # pyrefly: ignore
    list(ganworks.train("mlp", data="digits", out=out, **SETTINGS))
    os._exit(0)


def contents(out: Path) -> dict[str, Any]:
    """All tensors and counters of the newest state, and the generator's bytes."""
    from ganworks.runs.run import Run

    found = Run.open(out).load_state()
    assert found is not None
    tensors, counters, _ = found
    return {
        **{k: v.numpy().tobytes() for k, v in tensors.items()},
        **{k: v for k, v in counters.items() if k != "seconds"},
        "generator": (out / "generator.safetensors").read_bytes(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    import torch

    import ganworks
    from ganworks.runs.run import Run

    torch.set_num_threads(1)  # a forked process cannot use the threads of the one that it came from
    chance, counts = random.Random(given.seed), {"killed": 0, "killed in a save": 0, "finished before": 0}
    with tempfile.TemporaryDirectory() as folder:
        straight, out = Path(folder) / "straight", Path(folder) / "run"
        began = time.monotonic()
        subprocess.run(command(straight), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        whole = time.monotonic() - began
        while counts["killed"] + counts["killed in a save"] < given.kills:
            inside = (counts["killed"] + counts["killed in a save"]) % 2
            how = (
                kill_in_save(out, chance.randint(1, 40))
                if inside
                else kill_process(out, chance.uniform(0.3, 1.0) * whole)
            )
            counts[how] += 1
            if how == "finished before":  # nothing left to kill: begin anew, and the count goes on
                assert contents(out) == contents(straight), "not bit-identical"
                subprocess.run(["rm", "-rf", str(out)], check=True)
            elif Run.exists(out) and (out / "generator.safetensors").exists():
                ganworks.load(out)
        list(ganworks.train("mlp", data="digits", out=out, **SETTINGS))
        same = contents(out) == contents(straight)
    row = {
        "kills": counts["killed"],
        "in saves": counts["killed in a save"],
        "finished between": counts["finished before"],
        "bit-identical": same,
        **common.machine(),
    }
    common.save(NAME, [row])
    print(common.table(row.keys(), [row.values()]))
    sys.exit(0 if same else 1)


if __name__ == "__main__":
    main()
