"""Networks of cycle-consistent translation: two generators, and for each side a discriminator with an image history.

CycleGAN: Zhu et al. 2017 (1703.10593), residual generators; DualGAN: Yi et al. 2017 (1704.02510), U-Nets. The image
history of 50 images is that of Shrivastava et al. 2017 (1612.07828, section 2.3).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganworks.core.errors import UsageError
from ganworks.core.schema.declare import Count, Width, check, within
from ganworks.core.spec import Draw, Spec
from ganworks.kinds.images.pairs.unet import Pix2Pix, UNet, levels_for
from ganworks.kinds.images.shared.palette import class_planes
from ganworks.kinds.images.shared.patchgan import fitting_layers, patch_discriminator
from ganworks.kinds.images.shared.translator import ResidualTranslator, refuse_no_images
from ganworks.kinds.images.unpaired.coordinates import PLACES, Placed


class HistoryDiscriminator(nn.Module):
    """A discriminator that keeps the last `size` generated images: images [B, C, H, W] -> the output of `net`.

    The images are buffers (float16), so that a training resumes exactly where it stopped. A new image replaces the
    oldest one; in the paper, a random one.
    """

    def __init__(self, net: nn.Module, size: int, shape: tuple[int, ...]):
        super().__init__()
        self.net, self.size = net, size
        self.register_buffer("images", torch.zeros(size, *shape, dtype=torch.float16))
        self.register_buffer("written", torch.zeros((), dtype=torch.int64))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)

    @torch.no_grad()
    def remember(self, made: Tensor) -> None:
        """Write a batch [B, C, H, W] over the oldest images. Raises UsageError when it is larger than the memory."""
        count = len(made)
        if count > self.size:
            raise UsageError(f"networks.memory={self.size} is less than a batch of {count}; give at least {count}.")
        at = (self.written + torch.arange(count, device=made.device)) % self.size
        self.images[at] = made.to(self.images.dtype)
        self.written += count

    @torch.no_grad()
    def recall(self, count: int, draw: Draw, share: float = 0.5) -> Tensor:
        """The newest `count` images, each replaced with probability `share` by any kept one: float32 [count, C, H, W].

        Where a batch comes in slices (train.accumulate), the newest are those of the same slice. Raises UsageError when
        a batch of this process is larger than the memory.
        """
        part, parts = _part(draw)
        if parts > 1 and count * parts > self.size:
            raise UsageError(f"networks.memory={self.size} is less than {count * parts}, a batch in all its slices.")
        rows = torch.arange(count, device=self.written.device)
        newest = (self.written - count * (parts - part) + rows) % self.size
        known = self.written.clamp(max=self.size)
        numbers = draw.uniform(2)[:count]
        older = (numbers[:, 0] * known).long().clamp(max=self.size - 1)
        return self.images[torch.where(numbers[:, 1] < share, older, newest)].float()


def _part(draw: Draw) -> tuple[int, int]:
    """(slice of this process's batch that a draw is for, number of slices); its rows begin at rank x slices + slice."""
    if not isinstance(draw.rows, slice):
        return 0, 1
    world = torch.distributed.get_world_size() if torch.distributed.is_initialized() else 1
    parts = max(1, (draw.rows.step or 1) // world)
    return (draw.rows.start or 0) % parts, parts


_STEEP = 64.0  # factor inside the softmax over orientations: with Adam at 4e-4 the choice takes some hundred steps


class LearnedOrientation(nn.Module):
    """Turns or mirrors images [B, C, H, W], as it learns to, before `net` translates them; sides stay the same.

    Convolutions change things only where they are. Here `net` is given a mixture of the image's eight quarter turns and
    mirror images, with weights softmax(64 `way`), equal at first; in training one of them comes to dominate.
    """

    def __init__(self, net: nn.Module):
        super().__init__()
        self.net = net
        self.way = nn.Parameter(torch.zeros(8))

    def forward(self, src: Tensor, y: Tensor | None = None) -> Tensor:
        weights = (_STEEP * self.way.float()).softmax(0)
        mixed = torch.stack([w * view for w, view in zip(weights, self.views(src), strict=True)]).sum(0)
        return self.net(mixed.to(src.dtype).contiguous(memory_format=torch.channels_last))

    @staticmethod
    def views(x: Tensor) -> list[Tensor]:
        """[B, C, H, W] under the eight symmetries of the square; quarter turns are resized to the same sides."""
        turned = [v.rot90(k, (2, 3)) for v in (x, x.flip(3)) for k in range(4)]
        size = list(x.shape[2:])
        return [
            v if list(v.shape[2:]) == size else F.interpolate(v, size, mode="bilinear", antialias=True) for v in turned
        ]


@dataclass(frozen=True)
class CycleNetworks:
    """Two translators G (source to target) and G_back, two patch discriminators D (target) and D_back.

    generator: "residual" (CycleGAN) or "unet" (DualGAN; `blocks`, `resample`, `init` and `residual` then do nothing).
    width: channels of the translators' full-size map, four times as many in their blocks.
    blocks: residual blocks of the translators.
    resample: "strided" convolutions (CycleGAN) or low-pass "filter" layers (CUT) for halving and doubling in the
        translators.
    init: initial weights of the translators, see `translator.ResidualTranslator`.
    residual: the translators add to their input, so that they start near the identity.
    turning: the translators learn to turn or mirror the image first.
    places: all four are given each pixel's coordinates as further channels (`coordinates.places`).
    d_width: channels of the first layer of the discriminators.
    d_layers: strided layers of the discriminators, at most; small images get fewer.
    d_norm: norm of the discriminators. Instance norm hides from D how bright an image is and how large the share of
        each class is.
    d_scales: number of image scales that each discriminator sees.
    memory: generated images that a discriminator keeps, at least a batch.

    A side that is a label map (spec.facts["palettes"]) is made as class probabilities; its translator is marked with
    `classes`.
    """

    generator: Literal["residual", "unet"] = "residual"
    width: Width = 64
    blocks: Count = 9
    resample: Literal["strided", "filter"] = "strided"
    init: Literal["normal", "xavier"] = "normal"
    residual: bool = False
    turning: bool = False
    places: bool = False
    d_width: Width = 64
    d_layers: Count = 3
    d_norm: Literal["instance", "none"] = "instance"
    d_scales: Count = 1
    memory: Annotated[int, within(1, unit="images")] = 50

    makes: ClassVar[dict[str, str]] = {"G": "apply", "G_back": "apply"}

    def __post_init__(self) -> None:
        check(self)

    def build(self, spec: Spec) -> dict[str, nn.Module]:
        """{"G", "G_back", "D", "D_back"} with fresh weights from torch's global generator."""
        refuse_no_images(spec)
        given, made = spec.facts.get("palettes", (None, None))
        return {
            "G": self._translator(spec.source, spec.shape, bool(made)),
            "G_back": self._translator(spec.shape, spec.source, bool(given)),
            "D": self._discriminator(spec.shape),
            "D_back": self._discriminator(spec.source),
        }

    def _translator(self, source: tuple[int, ...], shape: tuple[int, ...], classes: bool) -> nn.Module:
        inputs = source[0] + PLACES * self.places
        if self.generator == "residual":
            cfg = ResidualTranslator(self.width, self.blocks, self.resample, init=self.init, residual=self.residual)
            net: nn.Module = cfg.build(inputs, shape[0])
        else:
            cfg = Pix2Pix(width=self.width, dropout=0.0, up="resize")
            net = UNet(inputs, shape[0], cfg, levels_for(*shape[1:]))
        if classes:
            net.finish = class_planes  # pyrefly: ignore
        net = Placed(net) if self.places else net
        net = LearnedOrientation(net) if self.turning else net
        net.classes = classes  # pyrefly: ignore
        return net

    def _discriminator(self, shape: tuple[int, ...]) -> HistoryDiscriminator:
        layers = fitting_layers(*shape[1:], most=self.d_layers, scales=self.d_scales)
        channels = shape[0] + PLACES * self.places
        net: nn.Module = patch_discriminator(channels, self.d_width, layers, self.d_scales, self.d_norm)
        return HistoryDiscriminator(Placed(net) if self.places else net, self.memory, shape)
