"""Copies of a network that are kept within it or beside it, and never trained."""

from __future__ import annotations

import torch
from torch import nn


def frozen(net: nn.Module) -> nn.Module:
    """The same module with its weights as buffers: they are saved and averaged with their owner, never trained."""
    for module in net.modules():
        for name, weight in list(module.named_parameters(recurse=False)):
            delattr(module, name)
            module.register_buffer(name, weight.detach())
    return net


@torch.no_grad()
def take_over(copy: nn.Module, net: nn.Module) -> None:
    """The weights of `net` into its copy, frozen or not."""
    held = dict(copy.named_buffers()) | dict(copy.named_parameters())
    for name, weight in net.named_parameters():
        held[name].copy_(weight)
