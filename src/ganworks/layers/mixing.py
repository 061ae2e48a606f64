"""Layers whose output for one example depends on the other examples of its batch."""

from __future__ import annotations

from torch import nn


def mixing(net: nn.Module) -> list[str]:
    """The names of the classes of a network's layers that look at several examples at a time, each once, sorted.

    Batch norm does, and any module whose attribute `mixes_examples` is true, such as minibatch standard deviation; as
    a text, it is the setting by which the layer is left out. Such a network computes something else when a batch comes
    in slices.
    """
    kinds = nn.modules.batchnorm._BatchNorm
    return sorted({type(m).__name__ for m in net.modules() if isinstance(m, kinds) or getattr(m, "mixes_examples", 0)})
