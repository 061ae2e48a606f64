"""Starting again, sampling, and a million images: what a user waits for.

    python benchmarks/use.py [start] [sample] [memory] [--data DATA/mnist]

start: seconds from the command to the first training step, with packed data and a prepared evaluator (a new process).
sample: `Model.stream` against the bare generator at its best batch, in turn, in one process.
memory: peak memory of packing and reading a synthetic source of 1,000,000 images, beyond what Python and torch take.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import common

NAME = "use"


def start(data: str, budget: str) -> dict[str, Any]:
    """Seconds to the first step of a second run, new process."""
    code = (
        "import time; t = time.time()\n"
        "import sys, ganworks\n"
        "from ganworks.core.events import Saved\n"
        "events = ganworks.train('image', data=sys.argv[1], out=sys.argv[2], budget=sys.argv[3])\n"
        "next(e for e in events if isinstance(e, Saved))\n"
        "print(time.time() - t)\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        took = []
        for k in range(4):
            done = subprocess.run(
                [sys.executable, "-c", code, data, f"{folder}/{k}", budget], check=True, capture_output=True, text=True
            )
            took.append(float(done.stdout))
    return {
        "what": f"start on packed {Path(data).name}, budget={budget}",
        "first": round(took[0], 1),
        "value": round(statistics.median(took[1:]), 1),
        "unit": "s",
    }


def sample(name: str, networks: Any, shape: tuple[int, ...], rounds: int = 12) -> dict[str, Any]:
    """Throughput of `Model.stream` over that of the bare generator at its best batch."""
    import torch

    from ganworks.core.spec import Spec
    from ganworks.use.model import Model

    spec = Spec("images", shape)
    torch.manual_seed(0)
    generator = networks.build(spec)["G"].eval()
    model = Model(generator, spec)
    bare = generator.to(memory_format=torch.channels_last)

    def run_bare(batch: int, count: int) -> float:
        began = time.perf_counter()
        with torch.inference_mode():
            for _ in range(max(1, count // batch)):
                bare(torch.randn(batch, generator.z_dim))
        return max(1, count // batch) * batch / (time.perf_counter() - began)

    count = 512
    run_bare(16, count)
    speeds = {
        batch: statistics.median(run_bare(batch, count) for _ in range(3)) for batch in (8, 16, 32, 64, 128, 256, 512)
    }
    best = max(speeds, key=lambda b: speeds[b])
    while speeds[best] * 0.3 > count:
        count *= 2
    ratios = []
    for _ in range(rounds):
        plain = run_bare(best, count)
        began = time.perf_counter()
        for _ in model.stream(count):
            pass
        ratios.append(count / (time.perf_counter() - began) / plain)
    return {
        "what": f"sampling {name}",
        "best batch": best,
        "bare": round(speeds[best]),
        "value": round(statistics.median(ratios), 3),
        "unit": "x bare",
        "threads": torch.get_num_threads(),
    }


def memory() -> dict[str, Any]:
    """Peak memory of packing a million synthetic images and reading all of them, in a process of its own."""
    code = (
        "import resource, sys, tempfile, numpy as np, torch\n"
        "from ganworks.kinds.images.domain import Images\n"
        "from ganworks.core.order import Order\n"
        "folder = tempfile.mkdtemp()\n"
        "x = np.lib.format.open_memmap(folder + '/x.npy', 'w+', np.uint8, (1_000_000, 1, 28, 28))\n"
        "rng = np.random.default_rng(0)\n"
        "for k in range(0, 1_000_000, 10_000):\n"
        "    x[k:k + 10_000] = rng.integers(0, 255, (10_000, 1, 28, 28), np.uint8)\n"
        "x.flush(); del x\n"
        "def anonymous():\n"
        "    return int(next(l for l in open('/proc/self/status') if l.startswith('RssAnon')).split()[1]) / 1e3\n"
        "before = anonymous(); worst = before\n"
        "def watch(done, total):\n"
        "    global worst; worst = max(worst, anonymous())\n"
        "data = Images().open(folder + '/x.npy', cache=folder + '/cache', on_progress=watch)\n"
        "watch(0, 0); order = Order(len(data.train), 1)\n"
        "for k in range(0, 900_000, 1000):\n"
        "    data.fetch(data.train[order.take(k, 64)])\n"
        "    watch(0, 0)\n"
        "print(len(data), worst - before)\n"
        "import shutil; shutil.rmtree(folder)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    count, grown = done.stdout.split()
    return {"what": f"memory for {int(count):,} images beyond the start", "value": round(float(grown)), "unit": "MB"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", default=["start", "sample", "memory"])
    parser.add_argument("--data", default="digits")
    given = parser.parse_args()
    rows = [
        r
        for r in common.load(NAME)
        if r["what"].split()[0] not in {w.replace("sample", "sampling") for w in given.what}
    ]
    if "start" in given.what:
        rows += [start(given.data, budget) | common.machine() for budget in ("200k", "5m")]
    if "sample" in given.what:
        from ganworks.networks.compact import Compact
        from ganworks.networks.dcgan import DCGAN
        from ganworks.networks.mlp import MLP

        for name, networks, shape in (
            ("Compact 32, 28x28", Compact(width=32), (1, 28, 28)),
            ("DCGAN 64, 32x32", DCGAN(), (3, 32, 32)),
            ("MLP 256-256, 28x28", MLP(), (1, 28, 28)),
        ):
            rows.append(sample(name, networks, shape) | common.machine())
    if "memory" in given.what:
        rows.append(memory() | common.machine())
    common.save(NAME, rows)
    print(
        common.table(["what", "value", "unit", "date"], [[r["what"], r["value"], r["unit"], r["date"]] for r in rows])
    )


if __name__ == "__main__":
    main()
