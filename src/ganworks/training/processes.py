"""Several processes, one training: a flat gradient all-reduce and decisions taken together.

Networks are not wrapped. With one process no method costs anything. torchrun starts the processes and sets RANK and
WORLD_SIZE.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor


@dataclass(frozen=True)
class Group:
    """This process among `world` processes; rank 0 writes files."""

    rank: int = 0
    world: int = 1

    def mean_(self, flat: Tensor) -> None:
        """Average a flat tensor over all processes, in place."""
        if self.world > 1:
            dist.all_reduce(flat)
            flat.div_(self.world)

    def any(self, flag: bool) -> bool:
        """True in every process as soon as it is true in one."""
        if self.world == 1:
            return flag
        shared = torch.tensor([float(flag)])
        dist.all_reduce(shared, op=dist.ReduceOp.MAX)
        return bool(shared.item())

    def same(self, value: float) -> float:
        """Rank 0's value, in every process."""
        if self.world == 1:
            return value
        shared = torch.tensor([value], dtype=torch.float64)
        dist.broadcast(shared, 0)
        return shared.item()

    def barrier(self) -> None:
        """Wait for every process."""
        if self.world > 1:
            dist.barrier()


def join(timeout: float = 120.0) -> Group:
    """The group that torchrun set up in the environment, or a group of one. timeout: in seconds."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        return Group()
    if not dist.is_initialized():
        dist.init_process_group("gloo", timeout=timedelta(seconds=timeout))
    return Group(dist.get_rank(), world)
