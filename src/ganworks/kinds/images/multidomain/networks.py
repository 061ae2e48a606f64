"""The networks of StarGAN: a generator that translates to the class of a label, and a discriminator that classifies.

Choi et al. 2018 (1711.09020), appendix 7.2: convolutions, residual blocks with instance norm, and one discriminator
that scores each patch and predicts the class of the image. The paper gives the label to G as constant maps beside the
image. Instance norm subtracts what is the same everywhere, and so removes these maps except at the border, where zeros
surround the image. Here the label sets the scale and shift after each norm ("modulate"), or the maps enter a first
layer without norm and with reflected borders ("maps"), or everything is as published ("published").

As published, at 128 pixels with 5 classes, G has 8,430,528 parameters and D 44,762,048: labels=published width=64
blocks=6 residual=off d_form=strided d_width=64 layers=6.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganworks.core.errors import UsageError
from ganworks.core.schema.declare import Count, Width, check
from ganworks.core.spec import Spec
from ganworks.kinds.images.shared.patchgan import PatchGAN, fitting_layers
from ganworks.kinds.images.shared.translator import MULTIPLE, pad_to_multiple
from ganworks.layers.norms import AffineInstanceNorm, InstanceNorm, instance_norm
from ganworks.layers.strided import init_dcgan

Labels = Literal["modulate", "maps", "published"]


class ConditionalInstanceNorm(nn.Module):
    """Instance norm of x [B, c, H, W] with a learned scale and shift for each label; y: [B] int64."""

    def __init__(self, channels: int, classes: int):
        super().__init__()
        self.scale, self.shift = (nn.Embedding(classes, channels) for _ in range(2))
        nn.init.normal_(self.scale.weight, 1.0, 0.1)
        nn.init.normal_(self.shift.weight, 0.0, 0.1)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        scale, shift = (table(y).to(x.dtype)[:, :, None, None] for table in (self.scale, self.shift))
        return torch.addcmul(shift, instance_norm(x), scale)


class LabelledConv(nn.Module):
    """Convolution, norm, and ReLU unless `linear`; with `classes` above 0 the norm depends on the label, else
    it is `norm` (None: instance norm)."""

    def __init__(
        self, conv: nn.Module, channels: int, classes: int, linear: bool = False, norm: nn.Module | None = None
    ):
        super().__init__()
        self.conv = conv
        self.norm = ConditionalInstanceNorm(channels, classes) if classes else norm or InstanceNorm(channels)
        self.classes, self.linear = classes, linear

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        x = self.conv(x)
        x = self.norm(x, y) if self.classes else self.norm(x)
        return x if self.linear else F.relu(x)


class LabelledResidual(nn.Module):
    """x plus two `LabelledConv` stages of 3x3; as `published`, zeros surround the maps, else their reflection."""

    def __init__(self, width: int, classes: int, published: bool = False):
        super().__init__()
        border = "zeros" if published else "reflect"
        self.stages = nn.ModuleList(
            LabelledConv(
                nn.Conv2d(width, width, 3, padding=1, padding_mode=border, bias=False),
                width,
                classes,
                linear,
                AffineInstanceNorm(width) if published else None,
            )
            for linear in (False, True)
        )

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        out = x
        for stage in self.stages:
            out = stage(out, y)
        return x + out


class StarGenerator(nn.Module):
    """Images [B, C, H, W] in [-1, 1] and asked labels y [B] int64 -> images of the same size in (-1, 1), float32."""

    def __init__(self, cfg: StarNetworks, spec: Spec):
        super().__init__()
        channels, width = spec.shape[0], cfg.width
        self.classes, self.maps, self.residual = spec.num_classes, cfg.labels != "modulate", cfg.residual
        published = cfg.labels == "published"
        by = 0 if self.maps else spec.num_classes
        inputs = channels + (spec.num_classes if self.maps else 0)
        border = "zeros" if published else "reflect"
        self.enter = nn.Conv2d(inputs, width, 7, padding=3, padding_mode=border, bias=not published)
        self.enter_norm = AffineInstanceNorm(width) if published else nn.Identity()

        def stage(conv: nn.Module, channels: int) -> nn.Module:
            return LabelledConv(conv, channels, by, norm=AffineInstanceNorm(channels) if published else None)

        stages: list[nn.Module] = [stage(nn.Conv2d(c, 2 * c, 4, 2, 1, bias=False), 2 * c) for c in (width, 2 * width)]
        stages += [LabelledResidual(4 * width, by, published) for _ in range(cfg.blocks)]
        stages += [stage(nn.ConvTranspose2d(c, c // 2, 4, 2, 1, bias=False), c // 2) for c in (4 * width, 2 * width)]
        self.stages = nn.ModuleList(stages)
        self.leave = nn.Conv2d(width, channels, 7, padding=3, padding_mode=border, bias=not published)
        for module in () if published else self.modules():
            if not isinstance(module, nn.Embedding):
                init_dcgan(module)
        if self.residual:
            nn.init.normal_(self.leave.weight, 0.0, 0.002)

    def forward(self, src: Tensor, y: Tensor | None = None) -> Tensor:
        if y is None:
            raise UsageError("This generator translates to a class: give one label per image.")
        height, width = src.shape[2:]
        x = pad_to_multiple(src, MULTIPLE)
        if self.maps:
            labels = F.one_hot(y, self.classes).to(x.dtype)[:, :, None, None]
            x = torch.cat([x, labels.expand(-1, -1, *x.shape[2:])], 1)
        x = F.relu(self.enter_norm(self.enter(x)))
        for stage in self.stages:
            x = stage(x, y)
        x = self.leave(x).float()[:, :, :height, :width]
        if self.residual:
            x = x + torch.atanh(0.98 * src.float().clamp(-1, 1))
        return torch.tanh(x)


class StridedDiscriminator(nn.Module):
    """The published discriminator, with the interface of `StarDiscriminator`.

    Every layer halves the map and doubles the channels, without a limit; the class logits see the whole last map.
    """

    def __init__(self, cfg: StarNetworks, spec: Spec):
        super().__init__()
        channels, *size = spec.shape
        layers = min(cfg.layers, min(size).bit_length() - 1)
        widths = [channels, *(cfg.d_width * 2**n for n in range(layers))]
        convs = [nn.Conv2d(a, b, 4, 2, 1) for a, b in pairwise(widths)]
        self.layers = nn.Sequential(*[part for conv in convs for part in (conv, nn.LeakyReLU(0.01))])
        self.last = nn.Conv2d(widths[-1], 1, 3, 1, 1, bias=False)
        height, wide = (n // 2**layers for n in size)
        self.kind = nn.Conv2d(widths[-1], spec.num_classes, (height, wide), bias=False)

    def both(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(patch logits, class logits), float32."""
        h = self.layers(x)
        with torch.autocast(x.device.type, enabled=False):
            return self.last(h.float()), self.kind(h.float()).mean((2, 3))

    def forward(self, x: Tensor) -> Tensor:
        return self.both(x)[0]


class StarDiscriminator(nn.Module):
    """Images [B, C, H, W] -> patch logits [B, 1, h, w]; `both` returns class logits [B, classes] as well."""

    def __init__(self, cfg: StarNetworks, spec: Spec):
        super().__init__()
        channels, *size = spec.shape
        layers = fitting_layers(*size, most=cfg.layers)
        self.patches = PatchGAN(channels, cfg.d_width, layers, norm="none")
        self.kind = nn.Linear(cfg.d_width * min(8, 2**layers), spec.num_classes)
        init_dcgan(self.kind)

    def both(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(patch logits, class logits), float32."""
        *_, last, logits = self.patches.features(x)
        with torch.autocast(x.device.type, enabled=False):
            return logits, self.kind(last.float().mean((2, 3)))

    def forward(self, x: Tensor) -> Tensor:
        return self.patches(x)


@dataclass(frozen=True)
class StarNetworks:
    """Generator and discriminator for labelled images [C, H, W] with sides of 12 pixels or more.

    width: channels at full size, 4 times as many in the residual blocks (published: 64).
    blocks: residual blocks (published: 6).
    labels: how the class enters G, by the scale and shift of norms, "modulate", or as constant "maps" into a first
        layer without norm, or as "published", where only the zeros around the image carry the maps past the norms.
    residual: G adds to its input, so that it starts near the identity (published: it does not).
    d_form: the discriminator, "patches" of `layers` halvings and at most 8 times d_width channels, or the published
        "strided" one, whose channels double in every layer.
    d_width: channels of the first layer of D (published: 64).
    layers: strided layers of D; small images get fewer (published: 6 at 128 pixels).
    """

    width: Width = 32
    blocks: Count = 4
    labels: Labels = "modulate"
    residual: bool = True
    d_form: Literal["patches", "strided"] = "patches"
    d_width: Width = 32
    layers: Count = 3
    makes: ClassVar[dict[str, str]] = {"G": "apply"}

    def __post_init__(self) -> None:
        check(self)

    def build(self, spec: Spec) -> dict[str, nn.Module]:
        """{"G": StarGenerator, "D": StarDiscriminator} with fresh weights from torch's global generator."""
        if len(spec.shape) != 3 or spec.num_classes < 2 or min(spec.shape[1:]) < 12:
            raise UsageError(
                f"Translation between classes needs images of 12 pixels or more with 2 classes or more, not shape "
                f"{list(spec.shape)} with {spec.num_classes}."
            )
        judge = StridedDiscriminator if self.d_form == "strided" else StarDiscriminator
        return {"G": StarGenerator(self, spec), "D": judge(self, spec)}
