"""Building networks of sizes that somebody else named: refused before the memory is taken."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ganworks.core.contracts import Networks
from ganworks.core.errors import UsageError
from ganworks.core.spec import Spec

_MOST_TENSORS = 10_000  # of all players; the largest network here has some hundreds
_BESIDE = 256  # numbers whose memory a tensor takes beside its own: its module, names and hooks


def build(
    networks: Networks, spec: Spec, most: int, refusal: Callable[[], UsageError], pack: int = 1
) -> dict[str, nn.Module]:
    """New players of networks; raises the error of `refusal` as soon as they ask for more than `most` numbers.

    pack: examples that D is given at a time, joined along their first axis; D is then built for these.
    """
    with _Allowance(most, refusal):
        nets = networks.build(spec)
        if pack > 1 and "D" in nets:
            first, *rest = spec.shape
            nets["D"] = networks.build(replace(spec, shape=(pack * first, *rest)))["D"]
        return nets


class _Allowance(TorchFunctionMode):
    """Counts the numbers of the tensors that are made, before they are made.

    The networks are built once, for real. A trial on torch's meta device would ask for no memory, but loads torch's
    compiler on the way, which takes longer than all the rest of loading a network.
    """

    _MAKERS = frozenset(
        ("empty", "zeros", "ones", "full", "rand", "randn", "arange", "linspace", "new_empty", "new_zeros", "new_ones",
         "new_full")
    )  # fmt: skip

    def __init__(self, most: int, refusal: Callable[[], UsageError]):
        super().__init__()
        self.left, self.refusal, self.made = most, refusal, 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.__name__ in self._MAKERS:
            self.left -= _count(func.__name__, args, kwargs or {}) + _BESIDE
            self.made += 1
            if self.left < 0:
                raise self.refusal()
            if self.made > _MOST_TENSORS:
                raise UsageError(
                    f"These networks have more than {_MOST_TENSORS:,} tensors. Give fewer networks.blocks, layers or "
                    "sizes."
                )
        return func(*args, **(kwargs or {}))


def _count(maker: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> int:
    """Elements of the tensor that a call such as torch.zeros(2, 3), x.new_zeros((2, 3)) or torch.arange(6) makes."""
    sizes = [*args[isinstance(args[0], Tensor) if args else 0 :], *([kwargs["size"]] if "size" in kwargs else [])]
    if maker in ("arange", "linspace"):
        return int(max((abs(n) for n in sizes if isinstance(n, int | float) and math.isfinite(n)), default=0))
    first = sizes[0] if sizes else ()
    return math.prod(first if isinstance(first, tuple | list | torch.Size) else sizes)
