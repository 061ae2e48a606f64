"""The global random states of Python, NumPy and torch: left as they were, and seeded for one piece of work."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from ganworks.core.spec import key


@contextmanager
def untouched_random_state() -> Iterator[None]:
    """Context manager: restores the global random states of Python, NumPy and torch after the block."""
    python, numpy = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng():
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)


@contextmanager
def seeded(*parts: int | str) -> Iterator[None]:
    """As `untouched_random_state`; inside, networks that draw from the global states depend on `key(*parts)` alone."""
    seed = key(*parts)
    with untouched_random_state():
        random.seed(seed)
        np.random.seed(seed % 2**32)
        torch.manual_seed(seed)
        yield


@contextmanager
def own_randomness(device: torch.device, seed: int | None) -> Iterator[None]:
    """Seed torch's global generators inside and restore their state afterwards; seed=None leaves them as they are.

    On CUDA, kernels are chosen by shape alone and compute in full float32.
    """
    if device.type == "cpu" and seed is None:
        yield
        return
    exact = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
    with exact, torch.random.fork_rng([device] if device.type == "cuda" else []):
        if seed is not None:
            torch.manual_seed(seed)
        yield
