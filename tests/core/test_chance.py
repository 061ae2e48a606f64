"""The global random states: left alone, and seeded for one piece of work."""

import random

import numpy as np
import torch

from ganworks.core.chance import seeded


def _draws() -> tuple[float, float, float]:
    return random.random(), float(np.random.rand()), float(torch.rand(()))


def test_what_is_drawn_inside_depends_on_the_seed_alone_and_changes_nothing_outside():
    with seeded(1, "a"):
        first = _draws()
    torch.manual_seed(5), random.seed(5), np.random.seed(5)
    alone = _draws()
    torch.manual_seed(5), random.seed(5), np.random.seed(5)
    with seeded(1, "a"):
        assert _draws() == first
    assert _draws() == alone
    with seeded(1, "b"):
        assert not set(first) & set(_draws())
