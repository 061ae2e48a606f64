"""LPIPS, the learned perceptual distance, on AlexNet: Zhang et al. 2018 (1801.03924); the user supplies its weights.

The weights are not part of this package. Put them into one safetensors file and name it in the environment variable
GANWORKS_LPIPS; evaluations of paired translation then report `lpips` beside their other scores. The file holds the five
convolutions of torchvision's AlexNet as "features.0.weight", "features.0.bias", ... 3, 6, 8, 10, and the five linear
layers of version 0.1 as "lin0.model.1.weight" to "lin4.model.1.weight".
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ganworks.core.errors import UsageError
from ganworks.files import weights

VARIABLE = "GANWORKS_LPIPS"
CONVS = {0: (64, 3, 11), 3: (192, 64, 5), 6: (384, 192, 3), 8: (256, 384, 3), 10: (256, 256, 3)}
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)  # of images in [-1, 1], before the first convolution
SMALLEST = 32  # pixels: the second pooling needs that many


class Lpips:
    """Images a, b uint8 [n, C, H, W], C 1 or 3, sides of at least 32 pixels -> distances [n]; 0 is the same.

    tensors: the weights by name. name: of the file, for messages. Raises UsageError for weights or images that do not
    fit.
    """

    def __init__(self, tensors: dict[str, Tensor], name: str = "the file"):
        shapes: dict[str, tuple[int, ...]] = {}
        for number, (at, (outputs, inputs, side)) in enumerate(CONVS.items()):
            shapes[f"features.{at}.weight"] = (outputs, inputs, side, side)
            shapes[f"features.{at}.bias"] = (outputs,)
            shapes[f"lin{number}.model.1.weight"] = (1, outputs, 1, 1)
        wrong = [k for k, shape in shapes.items() if k not in tensors or tuple(tensors[k].shape) != shape]
        if wrong:
            raise UsageError(f"{name} does not hold the weights of LPIPS: {', '.join(wrong[:4])} is missing or of "
                             "another shape.")  # fmt: skip
        self.tensors = {k: tensors[k].float() for k in shapes}

    def _features(self, x: Tensor) -> list[Tensor]:
        """The maps after each of the five ReLUs; at every position the channels are scaled to length 1."""
        shift, scale = (torch.tensor(v)[None, :, None, None] for v in (SHIFT, SCALE))
        x, out = (x - shift) / scale, []
        for at, (_, _, side) in CONVS.items():
            if at in (3, 6):
                x = F.max_pool2d(x, 3, 2)
            weight, bias = (self.tensors[f"features.{at}.{part}"] for part in ("weight", "bias"))
            x = F.relu(F.conv2d(x, weight, bias, stride=4 if at == 0 else 1, padding=2 if side > 3 else 1))
            out.append(x / (x.square().sum(1, keepdim=True).sqrt() + 1e-10))
        return out

    def __call__(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        if a.shape != b.shape or a.shape[1] not in (1, 3) or min(a.shape[2:]) < SMALLEST:
            raise UsageError(f"LPIPS compares images of the same shape with 1 or 3 channels and sides of {SMALLEST} or "
                             f"more, not {a.shape} and {b.shape}.")  # fmt: skip
        parts = [self._distance(a[n : n + 32], b[n : n + 32]) for n in range(0, len(a), 32)]
        return torch.cat(parts).double().numpy()

    @torch.no_grad()
    def _distance(self, a: np.ndarray, b: np.ndarray) -> Tensor:
        x, y = (torch.from_numpy(np.ascontiguousarray(v)).float() / 127.5 - 1 for v in (a, b))
        x, y = (v.expand(-1, 3, -1, -1) for v in (x, y))
        total = torch.zeros(len(x))
        for number, (p, q) in enumerate(zip(self._features(x), self._features(y), strict=True)):
            total += F.conv2d((p - q).square(), self.tensors[f"lin{number}.model.1.weight"]).mean((1, 2, 3))
        return total


def available() -> Lpips | None:
    """LPIPS from the file that GANWORKS_LPIPS names; None if it is not set. UsageError for a file that does not fit."""
    path = os.environ.get(VARIABLE)
    if not path:
        return None
    return Lpips(weights.read(Path(path))[0], path)
