"""Copies of a network that are not trained themselves."""

from __future__ import annotations

import torch
from torch import nn


def frozen(net: nn.Module) -> nn.Module:
    """The same module with its weights as buffers: they are saved and averaged with their owner but not trained."""
    for module in net.modules():
        for name, weight in list(module.named_parameters(recurse=False)):
            delattr(module, name)
            module.register_buffer(name, weight.detach())
    return net


@torch.no_grad()
def take_over(copy: nn.Module, net: nn.Module) -> None:
    """Write the weights of `net` into its copy, which may be frozen."""
    held = dict(copy.named_buffers()) | dict(copy.named_parameters())
    for name, weight in net.named_parameters():
        held[name].copy_(weight)
