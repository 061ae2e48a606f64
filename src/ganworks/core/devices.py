"""What this machine is and how fast: device, threads, and the convolution speed that sizes a network to a budget."""

from __future__ import annotations

import os
import platform
import time

import torch
from torch.nn import functional as F

from ganworks.core.errors import UsageError, nearest


def pick_device(name: str | torch.device) -> torch.device:
    """ "auto" is the first of cuda, mps, cpu that is there. Raises UsageError for one that is not."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    kind = str(name).partition(":")[0]
    if kind == "auto":
        return torch.device(next(option for option, found in there.items() if found))
    if kind not in there:
        raise UsageError(f"device={str(name)!r} is unknown. {nearest(kind, ['auto', *there])}")
    if not there[kind]:
        raise UsageError(f"device={str(name)!r}: this machine or this build of torch has none. Use device=auto or cpu.")
    return torch.device(name)


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def conv_gflops(where: torch.device, dtype: torch.dtype, seconds: float = 0.15) -> float:
    """Measured 1e9 operations per second of a 3x3 convolution with 64 channels, forward and backward."""
    x = torch.randn(64, 64, 14, 14, device=where, dtype=dtype).contiguous(memory_format=torch.channels_last)
    w = torch.randn(64, 64, 3, 3, device=where, dtype=dtype).contiguous(memory_format=torch.channels_last)
    x.requires_grad_()
    w.requires_grad_()
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end or best == float("inf"):
        start = time.perf_counter()
        F.conv2d(x, w, padding=1).sum().backward()
        if where.type == "cuda":
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - start)
    return 3 * 2 * 64 * 64 * 64 * 9 * 14 * 14 / best / 1e9


def speeds(where: torch.device) -> dict[str, float]:
    """{"fp32": ..., "bf16": ...} in 1e9 operations per second; a precision that fails here is 0."""
    out = {}
    with torch.random.fork_rng(devices=[]):
        for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
            try:
                conv_gflops(where, dtype, 0.02)
                out[name] = round(conv_gflops(where, dtype), 1)
            except (RuntimeError, NotImplementedError):
                out[name] = 0.0
    return out


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
