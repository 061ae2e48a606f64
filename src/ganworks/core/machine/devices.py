"""What this machine is: the device that a name stands for, processor cores, and plain facts for the run folder."""

from __future__ import annotations

import os
import platform
import threading
from collections.abc import Mapping
from pathlib import Path

import torch

from ganworks.core.console.text import counted
from ganworks.core.errors import UsageError, nearest, show
from ganworks.core.machine import memory


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


def cores(root: str | Path = "/sys/fs/cgroup", environment: Mapping[str, str] | None = None) -> int:
    """Processor cores that this process may use: the least of affinity, the control group's quota, and the number
    that the user set in OMP_NUM_THREADS.

    root: where control groups are mounted. environment: None is that of the process.
    """
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    said = (os.environ if environment is None else environment).get("OMP_NUM_THREADS", "").split(",")[0].strip()
    asked = int(said) if said.isdecimal() and len(said) < 10 else 0
    return max(1, min(there, _quota(Path(root)) or there, asked or there))


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


def _quota(root: Path) -> int:
    """Whole cores in the quota of the control group (version 2 or 1), at least 1; 0 where there is none."""
    try:
        quota, period = (root / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            quota, period = ((root / "cpu" / f"cpu.cfs_{name}_us").read_text().strip() for name in ("quota", "period"))
        except OSError:
            return 0
    if not (quota.isdecimal() and period.isdecimal() and int(period)):
        return 0
    return max(1, int(quota) // int(period))


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
