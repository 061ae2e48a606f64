"""Features of pictures by a published network from a file."""

from __future__ import annotations

import numpy as np
import torch

from ganworks.core.errors import UsageError
from ganworks.core.spec import Spec
from ganworks.metrics.features import to_unit
from ganworks.pretrained.architectures.backbone import Backbone
from ganworks.pretrained.load import Loaded

CHUNK = 16  # pictures at a time: what stays in a core's cache is computed faster


class PublishedFeatures:
    """The pooled features of a published network as a `FeatureExtractor`: float32 [n, net.dim].

    Pictures of any size are scaled to the network's (bilinear, both sides), so that the same pictures have the same
    features. Raises UsageError for data that are not pictures with 1, 3 or 4 channels.
    """

    def __init__(self, spec: Spec, loaded: Loaded, device: str = "cpu"):
        if len(spec.shape) != 3 or spec.shape[0] not in (1, 3, 4):
            raise UsageError(
                f"{loaded.key} looks at pictures with 1, 3 or 4 channels; this data is {spec.kind} of shape "
                f"{spec.shape}. Leave features out."
            )
        self.spec, self.device, self.net = spec, device, loaded.net.to(device)
        self.name, self.sha256, self.key, self.dim = loaded.net.architecture, loaded.sha256, loaded.key, loaded.net.dim

    @torch.no_grad()
    def __call__(self, examples: np.ndarray) -> np.ndarray:
        parts = [np.empty((0, self.dim), np.float32)]
        for start in range(0, len(examples), CHUNK):
            x = to_unit(examples[start : start + CHUNK], self.spec).to(self.device) / 2 + 0.5
            x = self.net.prepare(x).contiguous(memory_format=torch.channels_last)
            parts.append(self.net(x).float().cpu().numpy())
        return np.concatenate(parts)


@torch.no_grad()
def middle_and_last(net: Backbone, x: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Means over each map of pictures [B, C, H, W] in [-1, 1]: of the middle stages [B, m], and of the last one [B, d].

    The mean of a picture's and of its mirror image's, so that mirroring changes nothing. float32.
    """
    seen = net.prepare(x / 2 + 0.5)
    ways = [net.stages(way.contiguous(memory_format=torch.channels_last)) for way in (seen, seen.flip(3))]
    means = [(a.mean((2, 3)) + b.mean((2, 3))).float().cpu() / 2 for a, b in zip(*ways, strict=True)]
    return torch.cat(means[len(means) // 2 : -1], 1).numpy(), means[-1].numpy()
