"""Peak memory of reading large inputs, each in a process of its own under a limit of its address space.

python benchmarks/memory.py [--label NAME] [--share 1.0] [CASE ...]

The peak is that of the whole process (`ru_maxrss`), libraries included. Rows go to results/memory.json, beside those
of other labels (a commit, for instance). --share: a part of the size of each input, for a quick look.
"""

from __future__ import annotations

import argparse
import gzip
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import common
import numpy as np

LIMIT = 6 << 30  # bytes of address space


def lines(path: Path, share: float) -> str:
    """4 million lines of two words."""
    draw = np.random.default_rng(0)
    with path.with_suffix(".txt").open("w") as file:
        for _ in range(int(40 * share)):
            file.write("".join(f"w{a} w{b}\n" for a, b in draw.integers(0, 2000, (100_000, 2)).tolist()))
    return path.with_suffix(".txt").name


def unpacked(path: Path, share: float) -> str:
    """A .gz of 0.3 MB that unpacks to 300 MB: 100 million lines of two letters."""
    with gzip.open(path.with_suffix(".txt.gz"), "wb", 6) as file:
        for _ in range(int(300 * share)):
            file.write(b"ab\n" * 333_334)
    return path.with_suffix(".txt.gz").name


def rows(path: Path, share: float) -> str:
    """300,000 rows of four columns of numbers and one of words."""
    draw, count = np.random.default_rng(0), int(300_000 * share)
    x, k = draw.normal(size=(count, 4)), draw.integers(0, 5, count)
    with path.with_suffix(".csv").open("w") as file:
        file.write("a,b,c,d,kind\n")
        file.writelines(
            f"{a:.4f},{b:.3f},{c:.2f},{int(d * 100)},{'abcde'[j]}\n"
            for (a, b, c, d), j in zip(x.tolist(), k.tolist(), strict=True)
        )
    return path.with_suffix(".csv").name


def images(path: Path, share: float) -> str:
    """200,000 grey images of 28 x 28 in one .npy file."""
    draw, count = np.random.default_rng(0), int(20 * share)
    made = np.lib.format.open_memmap(path.with_suffix(".npy"), "w+", np.uint8, (10_000 * count, 28, 28))
    for k in range(count):
        made[10_000 * k : 10_000 * (k + 1)] = draw.integers(0, 256, (10_000, 28, 28), np.uint8)
    made.flush()
    return path.with_suffix(".npy").name


CASES: dict[str, Callable[[Path, float], str]] = {
    "4 million short lines": lines,
    "gz of 300 MB of short lines": unpacked,
    "300,000 rows": rows,
    "200,000 images": images,
}


def peak(words: list[str], folder: Path) -> tuple[float, float, int]:
    """(peak in MB, seconds of processor time, exit code) of a command."""
    child = os.fork()
    if not child:
        resource.setrlimit(resource.RLIMIT_AS, (LIMIT, LIMIT))
        out = os.open(folder / "out.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(out, 1)
        os.chdir(folder)
        os.execve(words[0], words, {**os.environ, "OMP_NUM_THREADS": "1", "GANWORKS_CACHE": str(folder / "cache")})
    _, status, usage = os.wait4(child, 0)
    unit = 1 if sys.platform == "darwin" else 1024
    return usage.ru_maxrss * unit / 1e6, usage.ru_utime + usage.ru_stime, os.waitstatus_to_exitcode(status)


def main() -> None:
    """Measure the cases and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", help=f"of {', '.join(CASES)}")
    parser.add_argument("--label", default="now")
    parser.add_argument("--share", type=float, default=1.0)
    asked = parser.parse_args()
    for name in asked.cases or CASES:
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            file = CASES[name](folder / "x", asked.share)
            start = time.time()
            most, busy, code = peak([sys.executable, "-m", "ganworks", "data", file], folder)
            row = {"case": name, "label": asked.label, "share": asked.share, "peak_mb": round(most), "exit": code,
                   "cpu_s": round(busy, 1), "seconds": round(time.time() - start, 1), **common.machine()}  # fmt: skip
        same = ("case", "label", "share")
        kept = [old for old in common.load("memory") if any(old[k] != row[k] for k in same)]
        common.save("memory", [*kept, row])
        print(row, flush=True)
    found = [[r["case"], r["label"], r["peak_mb"], r["cpu_s"], r["exit"]] for r in common.load("memory")]
    print(common.table(["input", "code", "peak, MB", "CPU, s", "exit code"], found))


if __name__ == "__main__":
    main()
