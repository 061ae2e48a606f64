"""Published networks as teachers of a generator: the distance of two pictures in their features.

A perceptual loss (Johnson et al. 2016, 1603.08155; Zhang et al. 2018, 1801.03924) by any of the architectures of
`pretrained`. A teacher is frozen, works in float32 also under autocast, and belongs to no run: a run holds the hash of
its file. What a discriminator sees may be augmented; a teacher compares the two pictures as they are, both cut at the
same random place, so that its strides leave no pattern.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from ganworks.core.contracts import Terms
from ganworks.core.errors import UsageError, nearest
from ganworks.core.schema.declare import Weight
from ganworks.core.spec import Batch, Spec
from ganworks.games.patches import shifted
from ganworks.pretrained.architectures.backbone import Backbone, in_stages
from ganworks.pretrained.load import Loaded
from ganworks.pretrained.store import named

# Layers of VGG19 before their ReLU, and their weights: Real-ESRGAN (2107.10833), section 4.1
ESRGAN = {2: 0.1, 7: 0.1, 16: 1.0, 25: 1.0, 34: 1.0}
_LEAST = 1e-3  # mean size of features below which a distance is no longer relative


def load_all(features: str) -> tuple[Loaded, ...]:
    """The networks of names or files with commas between them; none for "". Raises UsageError."""
    return tuple(named(word.strip()) for word in features.split(",") if word.strip())


def keys_of(teachers: tuple[Loaded, ...], spec: Spec) -> dict[str, str]:
    """Key -> SHA-256 of networks; UsageError for data that they do not look at."""
    if teachers and (len(spec.shape) != 3 or spec.shape[0] not in (1, 3, 4)):
        raise UsageError(
            f"features: published networks look at pictures with 1, 3 or 4 channels; this data has the shape "
            f"{list(spec.shape)}. Leave features out."
        )
    return {teacher.key: teacher.sha256 for teacher in teachers}


def maps(net: Backbone, x: Tensor, side: int = 0) -> list[Tensor]:
    """Stages [B, C, h, w], float32, of pictures [B, 1, 3 or 4, H, W] in [-1, 1]; the network is moved to their device.

    side: pictures whose shorter side is smaller are enlarged to it; 0: they are seen at their own size.
    """
    if next(net.parameters()).device != x.device:
        net.to(x.device)
    with torch.autocast(x.device.type, enabled=False):
        seen = net.at_least(x.float() / 2 + 0.5, side)
        return net.stages(seen.contiguous(memory_format=torch.channels_last))


def apart(net: Backbone, made: Tensor, real: Tensor, chosen: tuple[int, ...]) -> Tensor:
    """[B]: the mean over stages of the mean absolute difference of features, in units of the real picture's.

    So every stage, and every architecture, counts the same: 0 is the same picture, about 1 an unrelated one. No
    gradient reaches `real`.
    """
    with torch.no_grad():
        wanted = maps(net, real)
    found = maps(net, made)
    shares = [
        (found[n] - wanted[n]).abs().flatten(1).mean(1) / (wanted[n].abs().flatten(1).mean(1) + _LEAST) for n in chosen
    ]
    return torch.stack(shares).mean(0)


def esrgan_distance(net: Backbone, made: Tensor, real: Tensor) -> Tensor:
    """[B]: weighted L1 distance between VGG19's features before their ReLU: 2107.10833, section 4.1."""

    def seen(x: Tensor) -> list[Tensor]:
        with torch.autocast(x.device.type, enabled=False):
            return in_stages(net.features, net.at_least(x.float() / 2 + 0.5), tuple(ESRGAN))  # pyrefly: ignore

    if next(net.parameters()).device != made.device:
        net.to(made.device)
    with torch.no_grad():
        wanted = seen(real)
    distances = [
        weight * (a - b).abs().flatten(1).mean(1)
        for weight, a, b in zip(ESRGAN.values(), seen(made), wanted, strict=True)
    ]
    return torch.stack(distances).sum(0)


@dataclass(frozen=True)
class Taught:
    """Settings of a game whose generator may learn from published networks; see `ganworks features`.

    features: published networks by whose features G's pictures are compared with their targets, by name or file,
        several with commas; "": none.
    stages: names of the stages that are compared, with commas; "": all of each network.
    perceptual: weight of that comparison, which is about 1 for unrelated pictures.
    """

    features: str = ""
    stages: str = ""
    perceptual: Weight = 1.0

    @cached_property
    def _teachers(self) -> tuple[Loaded, ...]:
        return load_all(self.features) if self.perceptual else ()

    @cached_property
    def _chosen(self) -> list[tuple[int, ...]]:
        """Numbers of the stages that are compared, for each teacher."""
        asked = [word.strip() for word in self.stages.split(",") if word.strip()]
        known = [teacher.net.names for teacher in self._teachers]
        for word in asked:
            if not any(word in names for names in known):
                every = sorted({name for names in known for name in names})
                raise UsageError(f'There is no stage "{word}" in {self.features}. {nearest(word, every)}')
        found = [tuple(n for n, name in enumerate(names) if not asked or name in asked) for names in known]
        if blind := [t.key for t, numbers in zip(self._teachers, found, strict=True) if not numbers]:
            raise UsageError(f"stages={self.stages} names no stage of {', '.join(blind)}.")
        return found

    def taught_by(self, spec: Spec) -> dict[str, str]:
        """Key -> SHA-256 of the networks that G learns from; see `contracts.LearnsFromNetworks`."""
        _ = self._chosen
        return keys_of(self._teachers, spec)

    def perceptual_terms(self, made: Tensor, real: Tensor, batch: Batch) -> Terms:
        """{"perceptual": [B]} for pictures [B, C, H, W] in [-1, 1] where there are teachers, else {}."""
        if not self._teachers:
            return {}
        real, made = shifted(batch, real, made)
        pairs = zip(self._teachers, self._chosen, strict=True)
        distances = [apart(teacher.net, made, real, chosen) for teacher, chosen in pairs]
        return {"perceptual": self.perceptual * torch.stack(distances).mean(0)}
