"""Feature extractors: the representations in which metrics compare examples. Every score names its extractor and hash.

None needs a download. "random", `RandomConv`: random convolutions, for images without labels; a rough signal only.
"identity", `Identity`: for points and small vectors. "classifier", in `classifier.py`: a small network trained on the
labels of the data.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganworks.core.chance import untouched_random_state
from ganworks.core.spec import Spec, key

Progress = Callable[[str, int, int], None]
BATCH = 512


class MetricDataset(Protocol):
    """The part of a packed data set that metrics read; `train` and `held` are disjoint index arrays."""

    spec: Spec
    fingerprint: str
    train: np.ndarray
    held: np.ndarray
    labels: np.ndarray | None

    def raw(self, indices: np.ndarray) -> np.ndarray:
        """Examples [n, *spec.shape] as stored, in spec.dtype."""
        ...


class FeatureExtractor(Protocol):
    """Examples [n, *shape] as stored -> float32 features [n, dim]; in batches, without gradients."""

    name: str
    sha256: str
    dim: int

    def __call__(self, examples: np.ndarray) -> np.ndarray: ...


def score_key(extractor: FeatureExtractor) -> str:
    """The name of an extractor beside every score, e.g. "clf-1a2b3c4d@99ffee00".

    A published network has a key of its own, "mobilenet_v2:272e38e5", with the hash of its file.
    """
    return getattr(extractor, "key", "") or f"{extractor.name}@{extractor.sha256[:8]}"


def score_name(metric: str, extractor: FeatureExtractor) -> str:
    """The name of a number: "kid", or with the features of a published network "kid[mobilenet_v2:272e38e5]"."""
    key = getattr(extractor, "key", "")
    return f"{metric}[{key}]" if key else metric


def to_unit(examples: np.ndarray, spec: Spec) -> Tensor:
    """Examples as stored -> float32 tensor, with spec.low at -1 and spec.high at 1."""
    x = torch.from_numpy(np.array(examples, np.float32))
    return (x - spec.low) * (2 / (spec.high - spec.low)) - 1


def in_batches(examples: np.ndarray, spec: Spec, device: torch.device | str = "cpu") -> Iterator[Tensor]:
    """Slices of at most 512 examples as float32 tensors in [-1, 1] on the device."""
    for start in range(0, len(examples), BATCH):
        yield to_unit(examples[start : start + BATCH], spec).to(device)


def fit_inside(x: Tensor, side: int) -> Tensor:
    """Shrink images [B, C, H, W] whose longer side exceeds `side` (bilinear, antialiased); others are unchanged."""
    height, width = x.shape[-2:]
    scale = side / max(height, width)
    if scale >= 1:
        return x
    size = max(1, round(height * scale)), max(1, round(width * scale))
    return F.interpolate(x, size=size, mode="bilinear", antialias=True, align_corners=False)


def hash_state(module: nn.Module) -> str:
    """SHA-256 (hex) over names, shapes and bytes of all parameters and buffers."""
    digest = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        digest.update(f"{name}{tuple(value.shape)}".encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


class Identity:
    """Features that are the example itself, flattened, in [-1, 1]: for points and small vectors."""

    def __init__(self, spec: Spec):
        self.spec, self.dim, self.name = spec, int(np.prod(spec.shape)), "identity"
        self.sha256 = hashlib.sha256(f"identity {spec.shape} {spec.low} {spec.high}".encode()).hexdigest()

    def __call__(self, examples: np.ndarray) -> np.ndarray:
        return to_unit(examples, self.spec).flatten(1).numpy()


class _RandomNet(nn.Module):
    """Orthogonal 3x3 convolutions that halve the image down to 4 px, then a 2x2 mean and a random projection."""

    def __init__(self, shape: tuple[int, ...], dim: int, side: int):
        super().__init__()
        self.side = side
        channels, *size = shape
        height, width = fit_inside(torch.empty(1, 1, *size), side).shape[-2:]
        layers, inside = [], 32
        while max(height, width) > 4 or not layers:
            step = (2 if height > 4 else 1, 2 if width > 4 else 1)
            layers += [nn.Conv2d(channels, inside, 3, stride=step, padding=1), nn.LeakyReLU(0.2)]
            height, width = -(-height // step[0]), -(-width // step[1])
            channels, inside = inside, min(2 * inside, 96)
        self.body = nn.Sequential(*layers)
        self.project = nn.Linear(channels * 4, dim)

    def forward(self, x: Tensor) -> Tensor:
        x = F.adaptive_avg_pool2d(self.body(fit_inside(x, self.side)), 2)
        return self.project(x.flatten(1))


class RandomConv:
    """Features of untrained convolutions, several seeds side by side: [n, seeds * width], for any image shape.

    They rank noise, blur and dropped modes correctly and consistently over seeds, but a trained extractor detects
    dropped modes about twice as well: use them as a rough signal, not as a measure of quality.
    """

    def __init__(self, spec: Spec, seed: int = 0, seeds: int = 3, width: int = 24, device: str = "cpu"):
        self.spec, self.device, self.dim = spec, device, seeds * width
        self.name = f"randconv-s{seed}-{self.dim}d"
        with untouched_random_state():  # building a layer draws weights, which are then replaced
            built = [_RandomNet(spec.shape, width, 64) for _ in range(seeds)]
        nets = [_seeded(net, key("randconv", seed, i)) for i, net in enumerate(built)]
        self.nets = nn.ModuleList(nets).eval().requires_grad_(False)
        self.sha256 = hash_state(self.nets)
        self.nets.to(device)

    @torch.no_grad()
    def __call__(self, examples: np.ndarray) -> np.ndarray:
        parts = [torch.empty(0, self.dim)]
        for x in in_batches(examples, self.spec, self.device):
            parts.append(torch.cat([net(x) for net in self.nets], 1).cpu())
        return torch.cat(parts).numpy()


def _seeded(net: nn.Module, seed: int) -> nn.Module:
    """Orthogonal weights with gain 2^1/2 and zero biases, drawn from a generator of its own."""
    generator = torch.Generator().manual_seed(seed)
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.orthogonal_(layer.weight, 2**0.5, generator=generator)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return net


NEEDS = {
    "classifier": "images with labels",
    "random": "images",
    "identity": "examples of at most 4,096 values",
}  # name of an extractor -> the data that it is for
_LARGEST = 4096


def choices(dataset: MetricDataset) -> tuple[str, ...]:
    """Names of the extractors for a data set, the default first."""
    spec = dataset.spec
    if len(spec.shape) != 3:
        return ("identity",)
    labelled = dataset.labels is not None and spec.num_classes > 1
    small = int(np.prod(spec.shape)) <= _LARGEST
    return (*(["classifier"] if labelled else []), "random", *(["identity"] if small else []))
