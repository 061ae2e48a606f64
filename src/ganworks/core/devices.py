"""What this machine is: the device that a name stands for, processor cores, and plain facts for the run folder."""

from __future__ import annotations

import os
import platform

import torch

from ganworks.core.errors import UsageError, nearest, show


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


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


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
