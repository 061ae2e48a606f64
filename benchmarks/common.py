"""What the benchmarks share: rows that are kept, the machine they were measured on, and tables."""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def load(name: str) -> list[dict[str, Any]]:
    """Rows measured so far."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else []


def save(name: str, rows: list[dict[str, Any]]) -> None:
    """All rows, whole or not at all."""
    RESULTS.mkdir(exist_ok=True)
    partial = RESULTS / f"{name}.partial"
    partial.write_text("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")
    partial.replace(RESULTS / f"{name}.json")


def machine() -> dict[str, Any]:
    """Where and when a row was measured."""
    import torch

    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "cpu": cpu(),
        "cores": os.cpu_count(),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def cpu() -> str:
    """The processor's name and the instruction sets that matter here."""
    text = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    name = next(
        (line.split(":")[1].strip() for line in text.splitlines() if line.startswith("model name")), platform.machine()
    )
    has = [
        flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if f" {flag} " in f"{text} ".replace("\n", " ")
    ]
    return f"{name} ({', '.join(has)})"


def table(header: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """A Markdown table."""
    header = list(header)
    lines = [f"| {' | '.join(header)} |", "|" + "---|" * len(header)]
    return "\n".join([*lines, *(f"| {' | '.join(str(cell) for cell in row)} |" for row in rows)])


def whole(events: Iterable[Any]) -> Iterator[Any]:
    """The events of a training; SystemExit when it was interrupted, so that half a training becomes no row."""
    last = None
    for last in events:
        yield last
    if getattr(last, "reason", "") == "interrupted":
        raise SystemExit("The training was interrupted and saved; the same command goes on.")


def spread(values: Sequence[float], digits: int = 3) -> str:
    """Mean and, of several, standard deviation (n - 1); "" of none."""
    if not values:
        return ""
    apart = f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.{digits}f}{apart}"


def missing(rows: list[dict[str, Any]], key: Mapping[str, Any]) -> bool:
    """True when no row has these values."""
    return not any(key.items() <= row.items() for row in rows)
