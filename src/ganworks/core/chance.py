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
