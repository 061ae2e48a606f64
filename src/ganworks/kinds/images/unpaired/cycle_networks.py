"""Players of translation with a way back: two generators, and for each side a discriminator with an image history.

CycleGAN: Zhu et al. 2017 (1703.10593), residual generators; DualGAN: Yi et al. 2017 (1704.02510), U-Nets. The memory
is the image history of Shrivastava et al. 2017 (1612.07828, section 2.3), 50 images.
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
    """A discriminator with an image history: images [B, C, H, W] -> what `net` returns; the last `size` generated
    images are kept.

    They are buffers, float16, so that a training goes on exactly where it stopped. A new image takes the place of the
    oldest; in the paper, of a random one.
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
        """The newest `count` images, each with probability `share` replaced by any that is remembered; float32.

        Where a batch comes in slices (train.accumulate), those that the same slice has made. UsageError when a batch
        of this process is larger than the memory.
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
    """Which slice of this process's batch a draw is for, and of how many; its rows begin at rank x slices + slice."""
    if not isinstance(draw.rows, slice):
        return 0, 1
    world = torch.distributed.get_world_size() if torch.distributed.is_initialized() else 1
    parts = max(1, (draw.rows.step or 1) // world)
    return (draw.rows.start or 0) % parts, parts


_STEEP = 64.0  # of the softmax over turns: with Adam at 4e-4 a choice takes some hundred steps


class LearnedOrientation(nn.Module):
    """Turns or mirrors an image before the network translates it; which way is learned. [B, C, H, W] -> the same sides.

    Convolutions change things where they are. Here the image is a mixture of its eight quarter turns and mirror
    images, with weights softmax(64 `way`), equal at first; the training settles on one.
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
        """The eight symmetries of the square; a quarter turn of other images is stretched to their sides."""
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
    resample: "strided" convolutions (CycleGAN) or low-pass "filter" before halving and after doubling (CUT), in the
        translators.
    init: first weights of the translators, see `translator.ResidualTranslator`.
    residual: the translators add to their input, so that they begin near the identity.
    turning: the translators may turn or mirror the image first, in a way that they learn.
    places: all four are told where a pixel lies (`layers.places`).
    d_width: channels of the first layer of the discriminators.
    d_layers: strided layers of the discriminators, at most; small images get fewer.
    d_norm: norm of the discriminators. An instance norm takes from D how bright an image is and how much there is of
        each class.
    d_scales: scales of the image at which each discriminator looks.
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
