"""What this machine is: the device that a name stands for, processor cores, and plain facts for the run folder."""

from __future__ import annotations

import os
import platform
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch

from ganworks.core.console.text import counted
from ganworks.core.errors import UsageError, nearest, show
from ganworks.core.machine import groups, memory


def pick_device(name: str | torch.device) -> torch.device:
    """ "auto" is the first of cuda, mps, cpu that is there. Raises UsageError for one that is not."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    kind, colon, index = str(name).partition(":")
    if kind == "auto":
        return torch.device(next(option for option, found in there.items() if found))
    if kind not in there:
        raise UsageError(f"device={show(str(name))} is unknown. {nearest(kind, ['auto', *there])}")
    if not there[kind]:
        raise UsageError(
            f"device={show(str(name))}: this machine or this build of torch has none. Use device=auto or cpu."
        )
    count = torch.cuda.device_count() if kind == "cuda" else 1
    if colon and (not index.isascii() or not index.isdecimal() or int(index[:9]) >= count):
        last = f"{kind}:0" if count == 1 else f"{kind}:0 to {kind}:{count - 1}"
        raise UsageError(f"device={show(str(name))} is none of this machine's; it has {last}.")
    return torch.device(name)


def free_memory(where: torch.device) -> int:
    """Bytes that this process can still take on a device."""
    if where.type != "cuda":
        return memory.available()
    unused = torch.cuda.memory_reserved(where) - torch.cuda.memory_allocated(where)  # torch keeps it for later
    return torch.cuda.mem_get_info(where)[0] + unused


def cores(
    mounted: Path = groups.MOUNTED, environment: Mapping[str, str] | None = None, proc: Path = Path("/proc")
) -> int:
    """Processor cores that this process may use: the least of affinity, the quotas of its control groups, and the
    number that the user set in OMP_NUM_THREADS.

    mounted: where control groups are. environment: None is that of the process. proc: the system's facts.
    """
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    said = (os.environ if environment is None else environment).get("OMP_NUM_THREADS", "").split(",")[0].strip()
    asked = int(said) if said.isdecimal() and len(said) < 10 else 0
    return max(1, min([there, *_quotas(proc, mounted), asked or there]))


def use_threads(count: int) -> None:
    """Let torch compute with so many threads. Raises UsageError when this process may not start that many.

    They are tried first, since OpenMP ends the process without a sentence when it cannot start one.
    """
    ended, started = threading.Event(), 1  # this thread is one of them
    try:
        while started < count:
            threading.Thread(target=ended.wait, daemon=True).start()
            started += 1
    except RuntimeError as error:
        raise UsageError(
            f"train.threads={count}: this process may not start more than {counted(started, 'thread')}. More "
            f"than the {cores()} "
            "of its processor cores are no faster."
        ) from error
    finally:
        ended.set()
    torch.set_num_threads(count)


def _quotas(proc: Path, mounted: Path) -> Iterator[int]:
    """Whole cores, at least 1, that each control group allows which has a quota."""
    for folder in groups.folders("cpu", version=2, proc=proc, mounted=mounted):
        yield from _whole(folder / "cpu.max")
    for folder in groups.folders("cpu", version=1, proc=proc, mounted=mounted):
        yield from _whole(folder / "cpu.cfs_quota_us", folder / "cpu.cfs_period_us")


def _whole(*files: Path) -> Iterator[int]:
    """Whole cores of a quota and its period, in one file or in two; nothing without a quota ("max", -1)."""
    try:
        words = [word for file in files for word in file.read_text().split()]
    except OSError:
        return
    if len(words) == 2 and all(word.isdecimal() for word in words) and int(words[1]):
        yield max(1, int(words[0]) // int(words[1]))


def describe(where: torch.device) -> dict[str, object]:
    """Plain facts for the run folder; no host name, no user name."""
    chip = torch.cuda.get_device_name(where) if where.type == "cuda" else platform.processor() or platform.machine()
    return {
        "device": where.type,
        "chip": chip,
        "cores": cores(),
        "threads": torch.get_num_threads(),
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
