"""Small networks that learn fast, for budgets of minutes and for machines without a GPU.

Residual blocks of dense 3x3 convolutions work on the small maps only. One strided convolution makes the full
resolution, and one reads it, so that most of the work is dense arithmetic, which is fast on a CPU in bfloat16.
The discriminator has no normalisation, because of the gradient penalty (R3GAN, 2501.05441). The generator has
batch norm and tanh (DCGAN, 1511.06434). R3GAN, which trains for days, has neither; in short trainings both
matter. Frechet distance on classifier features for MNIST after 36,000 images: 243 with neither, 126 with tanh,
61 with both.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganworks.core.errors import UsageError
from ganworks.core.schema.declare import Count, Width, check, within
from ganworks.core.spec import Spec
from ganworks.layers.minibatch_deviation import MinibatchDeviation
from ganworks.layers.strided import SizePlan, center_crop, center_pad, conv_down, conv_up, norm_layer, size_plan

SLOPE = 0.2  # of every LeakyReLU
GAIN = math.sqrt(2 / (1 + SLOPE**2))  # keeps the second moment through a LeakyReLU (He et al. 2015)


def filled(layer: nn.Conv2d | nn.ConvTranspose2d | nn.Linear, gain: float) -> nn.Module:
    """The layer with weights from N(0, gain^2 / fan_in) and biases 0; fan_in: the inputs that one output sums over."""
    if isinstance(layer, nn.ConvTranspose2d):
        taps = zip(layer.kernel_size, layer.stride, strict=True)
        fan = layer.in_channels * math.prod(k / s for k, s in taps)
    else:
        fan = layer.weight[0].numel()
    nn.init.normal_(layer.weight, std=gain / math.sqrt(fan))
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def act(x: Tensor) -> Tensor:
    """LeakyReLU with slope 0.2, in place: neither convolutions nor norms need their outputs for the backward pass."""
    return F.leaky_relu(x, SLOPE, inplace=True)


class CompactBlock(nn.Module):
    """x + conv3x3(act(norm(conv3x3(x)))); the second convolution starts at zero (fix-up, 1901.09321)."""

    def __init__(self, width: int, norm: Literal["batch", "none"], depth: int):
        super().__init__()
        self.enter = filled(nn.Conv2d(width, width, 3, padding=1), GAIN * depth**-0.5)
        self.norm = norm_layer(norm, width)
        self.leave = filled(nn.Conv2d(width, width, 3, padding=1, bias=False), 0.0)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.leave(act(self.norm(self.enter(x))))


class CompactGenerator(nn.Module):
    """z [B, z_dim], y [B] int64 or None -> images [B, C, H, W] in (-1, 1)."""

    def __init__(self, cfg: Compact, spec: Spec):
        super().__init__()
        plan, widths = cfg.ladder(spec, cfg.width)
        self.z_dim, self.size = cfg.z_dim, spec.shape[1:]
        self.classes = nn.Embedding(spec.num_classes, cfg.z_dim) if spec.num_classes else None
        inputs = cfg.z_dim * (2 if spec.num_classes else 1)
        self.lowest = (widths[0], *plan.base)
        self.project = filled(nn.Linear(inputs, math.prod(self.lowest)), 1.0)
        depth = cfg.blocks * len(widths)
        ups: list[nn.Module] = [nn.Identity()]
        steps = zip(widths, widths[1:], plan.strides, strict=False)
        ups += [filled(conv_up(a, b, s), 1.0) for a, b, s in steps]
        self.ups = nn.ModuleList(ups)
        self.norms = nn.ModuleList(norm_layer(cfg.norm, w) for w in widths)
        self.blocks = nn.ModuleList(
            nn.Sequential(*[CompactBlock(w, cfg.norm, depth) for _ in range(cfg.blocks)]) for w in widths
        )
        last = plan.strides[-1] if cfg.skips_full_size(plan) else (1, 1)
        self.finish = norm_layer(cfg.norm, widths[-1])
        self.to_image = filled(conv_up(widths[-1], spec.shape[0], last), 1.0)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        if self.classes is not None:
            if y is None:
                raise UsageError("This generator was trained with classes; give one label per latent.")
            z = torch.cat([z, self.classes(y).to(z.dtype)], 1)
        x = self.project(z).unflatten(1, self.lowest).contiguous(memory_format=torch.channels_last)
        for up, norm, blocks in zip(self.ups, self.norms, self.blocks, strict=True):
            x = blocks(act(norm(up(x))))
        x = self.to_image(act(self.finish(x)))
        return center_crop(x.float().tanh(), *self.size)


class CompactDiscriminator(nn.Module):
    """Images [B, C, H, W], y [B] int64 or None -> logits [B] float32, high for real; conditional by projection.

    As in R3GAN, the logit is a linear layer on a weighted sum over the smallest map, both in float32.
    """

    HEAD = ("pool", "head", "classes")

    def __init__(self, cfg: Compact, spec: Spec):
        super().__init__()
        plan, widths = cfg.ladder(spec, cfg.d_width or cfg.width)
        self.built, widths = plan.built, widths[::-1]
        skips, strides = cfg.skips_full_size(plan), plan.strides[::-1]
        self.from_image = filled(conv_down(spec.shape[0], widths[0], strides[0] if skips else (1, 1)), GAIN)
        depth = cfg.blocks * len(widths)
        downs: list[nn.Module] = [nn.Identity()]
        steps = zip(widths, widths[1:], strides[1:] if skips else strides, strict=False)
        downs += [filled(conv_down(a, b, s), GAIN) for a, b, s in steps]
        self.downs = nn.ModuleList(downs)
        self.blocks = nn.ModuleList(
            nn.Sequential(*[CompactBlock(w, "none", depth) for _ in range(cfg.blocks)]) for w in widths
        )
        features = widths[-1]
        self.feature_shape = (features, *plan.base)
        self.crowd = MinibatchDeviation(features) if cfg.crowd else None
        self.pool = nn.Parameter(torch.randn(features, *plan.base) / math.sqrt(math.prod(plan.base)))
        self.head = filled(nn.Linear(features, features if spec.num_classes else 1, bias=False), 1.0)
        self.classes = nn.Embedding(spec.num_classes, features) if spec.num_classes else None
        if self.classes is not None:
            nn.init.normal_(self.classes.weight, std=features**-0.5)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self.judge(self.features(x, y), y)

    def features(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """The smallest map [B, *feature_shape] float32, before the head."""
        x = self.from_image(center_pad(x, *self.built))
        last = len(self.blocks) - 1
        for level, (down, blocks) in enumerate(zip(self.downs, self.blocks, strict=True)):
            x = act(down(x))
            if self.crowd is not None and level == last:
                x = self.crowd(x, y)
            x = blocks(x)
        with torch.autocast(x.device.type, enabled=False):
            return act(x.float())

    def judge(self, features: Tensor, y: Tensor | None = None) -> Tensor:
        """The logits [B] of `features`."""
        with torch.autocast(features.device.type, enabled=False):
            h = self.head((features * self.pool).sum((2, 3)))
            if self.classes is None:
                return h[:, 0]
            if y is None:
                raise UsageError("This discriminator was trained with classes; give one label per image.")
            return (h * self.classes(y)).sum(1)


@dataclass(frozen=True)
class Compact:
    """Generator and discriminator for images [C, H, W] of any size.

    width: channels of the largest map that has residual blocks, in G; twice as many on each smaller map, up to 4 times.
    d_width: the same in D; 0: as in G.
    blocks: residual blocks per map.
    z_dim: size of the latent, and of the embedded class.
    norm: normalisation in the generator.
    crowd: minibatch standard deviation within each class, on the smallest map of D; it works against a generator that
        leaves out part of a class.
    """

    width: Width = 48
    d_width: Annotated[int, within(0, unit="channels")] = 0
    blocks: Count = 1
    z_dim: Count = 64
    norm: Literal["batch", "none"] = "batch"
    crowd: bool = False

    def __post_init__(self) -> None:
        check(self)

    @staticmethod
    def skips_full_size(plan: SizePlan) -> bool:
        """Whether the full resolution has no residual blocks, which is so with more than one smaller map."""
        return len(plan.strides) > 1

    def ladder(self, spec: Spec, width: int) -> tuple[SizePlan, tuple[int, ...]]:
        """The size plan, and the channels of the maps with residual blocks from the smallest up. Raises UsageError."""
        if len(spec.shape) != 3:
            raise UsageError(f"The compact networks make images [C, H, W], not shape {list(spec.shape)}.")
        plan = size_plan(*spec.shape[1:])
        maps = len(plan.strides) + (0 if self.skips_full_size(plan) else 1)
        return plan, tuple(width * min(4, 2**n) for n in reversed(range(maps)))

    def build(self, spec: Spec) -> dict[str, nn.Module]:
        """{"G": CompactGenerator, "D": CompactDiscriminator} with fresh weights from torch's global generator."""
        return {"G": CompactGenerator(self, spec), "D": CompactDiscriminator(self, spec)}
