"""LPIPS, the learned perceptual distance: Zhang et al. 2018 (1801.03924); the user supplies its weights.

The weights are not part of this package. Name their files in the environment variable GANWORKS_LPIPS; evaluations of
paired translation then report `lpips` beside their other scores. Needed are torchvision's AlexNet, VGG16 or SqueezeNet
1.1, and the linear layers of version 0.1 for it ("lin0.model.1.weight", ...): both in one file, or in two with the
system's separator of paths (":", or ";" on Windows) between them. They are read by `ganworks.pretrained`.
"""

from __future__ import annotations

import os

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ganworks.core.errors import UsageError
from ganworks.files.foreign.read import read
from ganworks.files.weights import Content
from ganworks.pretrained.architectures.backbone import Backbone, in_stages, ready
from ganworks.pretrained.load import build

VARIABLE = "GANWORKS_LPIPS"
TAPS = {  # the layers whose maps are compared; SqueezeNet's seven are not all stages
    "alexnet": (1, 4, 7, 9, 11),
    "vgg16": (3, 8, 15, 22, 29),
    "squeezenet1_1": (1, 4, 7, 9, 10, 11, 12),
}
SMALLEST = 32  # pixels: the second pooling needs that many
_LINEAR = "lin{}.model.1.weight"


class Lpips:
    """Images a, b uint8 [n, C, H, W], C 1 or 3, sides of at least 32 pixels -> distances [n]; 0 is the same.

    net: the network whose maps are compared. linear: the weights [1, C, 1, 1] of the channels of each map. Raises
    UsageError for images that do not fit.
    """

    def __init__(self, net: Backbone, linear: list[Tensor]):
        self.net, self.linear, self.taps = net, linear, TAPS[net.architecture]

    @staticmethod
    def of(tensors: dict[str, Tensor], name: str = "the file") -> Lpips:
        """LPIPS from its tensors by name. name: of the file, for messages. Raises UsageError for others."""
        net, _ = build(Content(tensors, {}, "", False), name)
        if net.architecture not in TAPS:
            raise UsageError(f"LPIPS compares by {', '.join(TAPS)}; {name} holds {net.architecture}.")
        linear = [tensors.get(_LINEAR.format(n)) for n in range(len(TAPS[net.architecture]))]
        with torch.no_grad():
            found = in_stages(net.features, torch.zeros(1, 3, 64, 64), TAPS[net.architecture])  # pyrefly: ignore
        fits = [w is not None and w.shape == (1, m.shape[1], 1, 1) for w, m in zip(linear, found, strict=True)]
        if not all(fits):
            raise UsageError(
                f"{name} does not hold the linear layers of LPIPS for {net.architecture}: "
                f"{_LINEAR.format(fits.index(False))} is missing or of another shape. The package lpips has them."
            )
        return Lpips(ready(net), [w.float() for w in linear if w is not None])

    def _features(self, x: Tensor) -> list[Tensor]:
        """The maps of the network; at every position the channels are scaled to length 1."""
        found = in_stages(self.net.features, self.net.at_least(x), self.taps)  # pyrefly: ignore
        return [m / (m.square().sum(1, keepdim=True).sqrt() + 1e-10) for m in found]

    def __call__(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        if a.shape != b.shape or a.shape[1] not in (1, 3) or min(a.shape[2:]) < SMALLEST:
            raise UsageError(f"LPIPS compares images of the same shape with 1 or 3 channels and sides of {SMALLEST} or "
                             f"more, not {a.shape} and {b.shape}.")  # fmt: skip
        parts = [self._distance(a[n : n + 32], b[n : n + 32]) for n in range(0, len(a), 32)]
        return torch.cat(parts).double().numpy()

    @torch.no_grad()
    def _distance(self, a: np.ndarray, b: np.ndarray) -> Tensor:
        x, y = (torch.from_numpy(np.ascontiguousarray(v)).float() / 255 for v in (a, b))
        total = torch.zeros(len(x))
        for p, q, weight in zip(self._features(x), self._features(y), self.linear, strict=True):
            total += F.conv2d((p - q).square(), weight).mean((1, 2, 3))
        return total


def available() -> Lpips | None:
    """LPIPS from the files that GANWORKS_LPIPS names; None if it is not set. UsageError for files that do not fit."""
    paths = os.environ.get(VARIABLE)
    if not paths:
        return None
    tensors: dict[str, Tensor] = {}
    for path in paths.split(os.pathsep):
        tensors |= read(path).tensors
    return Lpips.of(tensors, paths)
