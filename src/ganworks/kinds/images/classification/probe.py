"""A classifier on the frozen features of a published network: a linear layer is all that is trained.

With few labels, features that were learned on millions of pictures say more than any that could be learned from them
(linear probes: Alain and Bengio 2016, 1610.01644; Kornblith et al. 2018, 1805.08974).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from ganworks.core.errors import UsageError, nearest
from ganworks.core.schema.declare import check
from ganworks.core.spec import Spec
from ganworks.kinds.images.classification.networks import SemiClassifier, need_classes
from ganworks.pretrained.architectures.backbone import Backbone, ready
from ganworks.pretrained.architectures.table import KERAS, named

TOGETHER = 32  # pictures that the network looks at in one go
LENGTH = 16.0  # of the feature vectors that the linear layer sees
_SLOWEST = 0.01  # share of a batch in the running centre of the features


class ProbeClassifier(SemiClassifier):
    """Pictures [B, C, H, W] in [-1, 1] -> logits [B, K]: a linear layer on frozen features of constant length.

    The features are centred by their running mean, which a published classifier keeps. The network's weights are
    buffers: no optimiser moves them, and they are published with the classifier.
    """

    def __init__(self, net: Backbone, spec: Spec):
        super().__init__()
        self.net = frozen(net)
        self.register_buffer("centre", torch.zeros(net.dim))
        self.register_buffer("batches", torch.zeros(()))
        self.head = nn.Linear(net.dim, spec.num_classes)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def train(self, mode: bool = True) -> ProbeClassifier:
        super().train(mode)
        self.net.eval()
        return self

    def both(self, x: Tensor) -> tuple[Tensor, Tensor]:
        with torch.autocast(x.device.type, enabled=False):
            seen = torch.cat([self.net(self._prepared(part)) for part in x.float().split(TOGETHER)])
            if self.training:
                self._follow(seen.detach())
            z = nn.functional.normalize(seen - self.centre, dim=1) * LENGTH
            return self.head(z), z

    def _prepared(self, x: Tensor) -> Tensor:
        return self.net.prepare(x / 2 + 0.5).contiguous(memory_format=torch.channels_last)

    @torch.no_grad()
    def _follow(self, seen: Tensor) -> None:
        self.batches += 1
        self.centre.lerp_(seen.mean(0), torch.clamp(1 / self.batches, min=_SLOWEST))


def frozen(net: Backbone) -> Backbone:
    """A network, folded, whose weights have become buffers, in place."""
    net = ready(net)
    for module in net.modules():
        for name, value in list(module._parameters.items()):
            del module._parameters[name]
            module.register_buffer(name, None if value is None else value.data)
    return net


@dataclass(frozen=True)
class Probe:
    """A linear layer on the features of a published architecture; features= names the file of its weights.

    architecture: its name, as `ganworks features` lists it.
    keras: whether it has Keras's form.
    """

    architecture: str = "mobilenet_v2"
    keras: bool = False
    makes: ClassVar[dict[str, str]] = {"C": "predict"}

    def __post_init__(self) -> None:
        check(self)
        self._kind()

    def _kind(self) -> type[Backbone]:
        known = named()
        if self.architecture not in known:
            raise UsageError(f'There is no architecture "{self.architecture}". {nearest(self.architecture, known)}')
        kind = known[self.architecture]
        return KERAS.get(kind, kind) if self.keras else kind

    @staticmethod
    def of(net: Backbone) -> Probe:
        """The settings for a network that was read from a file."""
        return Probe(net.architecture, type(net) in KERAS.values())

    def build(self, spec: Spec) -> dict[str, nn.Module]:
        """{"C": ProbeClassifier} on a network with fresh weights, in whose place come those of a file."""
        need_classes(spec, "A classifier")
        return {"C": ProbeClassifier(self._kind()(), spec)}
