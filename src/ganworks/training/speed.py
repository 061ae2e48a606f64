"""The measured speed of a convolution on this machine, from which recipes choose a network's size."""

from __future__ import annotations

import time
from functools import cache

import torch
from torch.nn import functional as F


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
    """{"fp32": ..., "bf16": ...} in 1e9 operations per second; a precision that fails here is 0.

    A process measures once for a device and a number of threads.
    """
    return dict(_measured(str(where), torch.get_num_threads()))


@cache
def _measured(where: str, threads: int) -> dict[str, float]:
    out, device = {}, torch.device(where)
    with torch.random.fork_rng(devices=[]):
        for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
            try:
                conv_gflops(device, dtype, 0.02)
                out[name] = round(conv_gflops(device, dtype), 1)
            except (RuntimeError, NotImplementedError):
                out[name] = 0.0
    return out
