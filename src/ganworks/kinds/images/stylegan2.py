"""StyleGAN2: a mapping network turns latents into styles, and styles modulate every convolution of the generator.

Karras, Laine, Aittala, Hellsten, Lehtinen, Aila, "Analyzing and Improving the Image Quality of StyleGAN", 1912.04958;
by class, and in the sizes for small images, as in Karras et al. 2020, "Training Generative Adversarial Networks with
Limited Data", 2006.06676. Written from the papers; the parameter counts equal those of the published networks to the
digit (tested). Two differences: the lowest map may have another size than 4x4, so that images of any height and width
can be made, and nothing is clamped under autocast, as bfloat16 does not overflow where float16 does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganworks.core.errors import UsageError
from ganworks.core.schema.declare import Chance, Count, Size, Width, check, within
from ganworks.core.spec import Spec
from ganworks.kinds.images.r3gan import base_map, stages
from ganworks.layers.equalised import EqualConv, EqualLinear, pixel_norm, scaled_leaky
from ganworks.layers.minibatch_deviation import GroupDeviation
from ganworks.layers.modulation import ModulatedConv
from ganworks.layers.resample import down2, down2_conv, up2
from ganworks.layers.strided import center_crop, center_pad

MAPPING_RATE = 0.01  # learning rate of mapping networks relative to all other layers (StyleGAN, 1812.04948, appendix C)
D_MAPPING = 8  # layers that map the class for D (2006.06676: as many as its generators had)


def _fp32(x: Tensor) -> torch.autocast:
    """A context in which autocast is off on x's device."""
    return torch.autocast(x.device.type, enabled=False)


class Mapping(nn.Module):
    """z [B, z_dim], y [B] int64 or None -> w [B, w_dim]; z_dim 0: of the class alone, and z is not read.

    Latent and embedded class are both divided by their root mean square and joined; computed in float32.
    """

    def __init__(self, z_dim: int, classes: int, w_dim: int, layers: int):
        super().__init__()
        self.z_dim, self.count = z_dim, classes
        self.classes = EqualLinear(classes, w_dim) if classes else None
        sizes = [z_dim + (w_dim if classes else 0)] + [w_dim] * layers
        self.layers = nn.ModuleList(EqualLinear(a, b, rate=MAPPING_RATE) for a, b in pairwise(sizes))

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        with _fp32(z):
            parts = [pixel_norm(z)] if self.z_dim else []
            if self.classes is not None:
                if y is None:
                    raise UsageError("These networks were made for classes; give one label per example.")
                parts.append(pixel_norm(self.classes(F.one_hot(y, self.count).to(self.classes.weight.dtype))))
            w = torch.cat(parts, 1)
            for layer in self.layers:
                w = scaled_leaky(layer(w))
            return w


class StyleLayer(nn.Module):
    """Modulated 3x3 convolution, noise, bias, activation: x [B, I, h, w], w [B, w_dim] -> [B, O, H, W].

    size: (H, W). up: (H, W) is twice the size of x. The noise is one value for each pixel, times a learned strength
    that begins at 0. It is drawn anew in training; in use it is a map that was drawn with the weights, so that a latent
    has one image. size None: no noise.
    """

    def __init__(self, inputs: int, outputs: int, w_dim: int, size: tuple[int, int] | None, *, up: bool = False):
        super().__init__()
        self.conv = ModulatedConv(inputs, outputs, 3, w_dim, up=up)
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.strength = nn.Parameter(torch.zeros(())) if size else None
        self.register_buffer("noise", torch.randn(*size) if size else None)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        x = self.conv(x, w)
        if self.strength is not None and self.noise is not None:
            noise = torch.randn(len(x), 1, *x.shape[2:], device=x.device) if self.training else self.noise
            x = x + (noise * self.strength).to(x.dtype)
        return scaled_leaky(x + self.bias.to(x.dtype)[:, None, None])


class ToImage(nn.Module):
    """Modulated 1x1 convolution without demodulation: x [B, I, H, W], w [B, w_dim] -> [B, channels, H, W] float32."""

    def __init__(self, inputs: int, channels: int, w_dim: int):
        super().__init__()
        self.conv = ModulatedConv(inputs, channels, 1, w_dim, demodulate=False)
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        return self.conv(x, w).to(self.bias.dtype) + self.bias[:, None, None]


class StyleGenerator(nn.Module):
    """z [B, z_dim], y [B] int64 or None -> images [B, C, H, W]; the output is not squashed by tanh.

    The lowest map is a learned constant. Each map adds its own image to the upsampled image below (output skips). There
    is a style for each convolution and one for the last image: `count` in all. `w_avg` is the mean of the styles that
    training has seen, `path_length` belongs to `games.styles`.
    """

    def __init__(self, cfg: StyleGAN2, spec: Spec):
        super().__init__()
        widths = cfg.resolve(spec)
        channels, self.height, self.width = spec.shape
        rows, columns = base_map(self.height, self.width, len(widths))
        self.z_dim, self.decay, self.count = cfg.z_dim, cfg.w_decay, 2 * len(widths)
        self.mapping = Mapping(cfg.z_dim, spec.num_classes, cfg.w_dim, cfg.mapping)
        self.basis = nn.Parameter(torch.randn(widths[0], rows, columns))
        sizes = [(rows * 2**k, columns * 2**k) if cfg.noise else None for k in range(len(widths))]
        self.layers = nn.ModuleList([StyleLayer(widths[0], widths[0], cfg.w_dim, sizes[0])])
        for before, now, size in zip(widths, widths[1:], sizes[1:], strict=False):
            self.layers.append(StyleLayer(before, now, cfg.w_dim, size, up=True))
            self.layers.append(StyleLayer(now, now, cfg.w_dim, size))
        self.to_images = nn.ModuleList(ToImage(width, channels, cfg.w_dim) for width in widths)
        self.register_buffer("w_avg", torch.zeros(cfg.w_dim))
        self.register_buffer("w_seen", torch.zeros((), dtype=torch.int64))
        self.register_buffer("path_length", torch.zeros(()))

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.synthesis(self.styles(z, y))

    def styles(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """z [B, z_dim], y [B] or None -> w [B, count, w_dim], the same style for every layer.

        In training `w_avg` follows the styles: their plain mean at first, then a running one.
        """
        w = self.mapping(z, y)
        if self.training:
            with torch.no_grad():
                self.w_seen += 1
                self.w_avg.lerp_(w.mean(0), (1 / self.w_seen).clamp_min(1 - self.decay))
        return w[:, None].expand(-1, self.count, -1)

    def truncated(self, z: Tensor, y: Tensor | None, truncation: float) -> Tensor:
        """Images of styles w_avg + truncation * (w - w_avg): StyleGAN (1812.04948), appendix B."""
        return self.synthesis(torch.lerp(self.w_avg, self.styles(z, y), truncation))

    def synthesis(self, w: Tensor) -> Tensor:
        """w [B, count, w_dim] -> images [B, C, H, W]. The lowest map is computed in float32 under autocast."""
        x = self.basis.expand(len(w), -1, -1, -1).contiguous(memory_format=torch.channels_last)
        with _fp32(w):
            x = self.layers[0](x, w[:, 0])
            image = self.to_images[0](x, w[:, 1])
        for k, to_image in enumerate(self.to_images[1:], 1):
            x = self.layers[2 * k - 1](x, w[:, 2 * k - 1])
            x = self.layers[2 * k](x, w[:, 2 * k])
            image = up2(image) + to_image(x, w[:, 2 * k + 1])
        return center_crop(image, self.height, self.width)


class StyleBlock(nn.Module):
    """3x3 convolution, then one that halves the map: x [B, I, H, W] -> [B, O, H/2, W/2].

    residual: the halved input, through a 1x1 convolution, is added, and the sum divided by sqrt(2).
    """

    def __init__(self, inputs: int, outputs: int, *, residual: bool):
        super().__init__()
        self.enter = EqualConv(inputs, inputs, 3)
        self.leave = EqualConv(inputs, outputs, 3)
        self.skip = EqualConv(inputs, outputs, 1, bias=False) if residual else None

    def forward(self, x: Tensor) -> Tensor:
        y = scaled_leaky(self.enter(x))
        y = scaled_leaky(down2_conv(y, self.leave.scaled(), self.leave.bias))
        return y if self.skip is None else (y + self.skip(down2(x))) * math.sqrt(0.5)


class StyleDiscriminator(nn.Module):
    """Images [B, C, H, W], y [B] int64 or None -> realness logits [B], float32.

    With classes the logit is the inner product of the features and the mapped class, over sqrt(features)
    (2006.06676, appendix B). The lowest map, with minibatch standard deviation, is computed in float32.
    """

    def __init__(self, cfg: StyleGAN2, spec: Spec):
        super().__init__()
        widths = cfg.resolve(spec)[::-1]
        channels, height, width = spec.shape
        base, scale = base_map(height, width, len(widths)), 2 ** (len(widths) - 1)
        self.built, features = (base[0] * scale, base[1] * scale), widths[-1]
        self.from_image = EqualConv(channels, widths[0], 1)
        self.blocks = nn.Sequential(*[StyleBlock(a, b, residual=cfg.residual) for a, b in pairwise(widths)])
        self.crowd = GroupDeviation(cfg.group) if cfg.group else nn.Identity()
        self.last = EqualConv(features + (cfg.group > 0), features, 3)
        self.dense = EqualLinear(features * math.prod(base), features)
        self.head = EqualLinear(features, features if spec.num_classes else 1)
        self.mapping = Mapping(0, spec.num_classes, features, D_MAPPING) if spec.num_classes else None

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        x = self.blocks(scaled_leaky(self.from_image(center_pad(x, *self.built))))
        with _fp32(x):
            x = scaled_leaky(self.last(self.crowd(x.to(self.last.weight.dtype))))
            h = self.head(scaled_leaky(self.dense(x.flatten(1))))
            if self.mapping is None:
                return h[:, 0]
            return (h * self.mapping(h, y)).sum(1) / math.sqrt(h.shape[1])


@dataclass(frozen=True)
class StyleGAN2:
    """Generator and discriminator of StyleGAN2 for images [C, H, W] of any size.

    The published networks have width 512, z_dim 512 and w_dim 512, and wide_to 64 or 32 ("full" and "half" width).

    width: channels of the maps up to `wide_to` pixels; halved at each doubling above that.
    wide_to: the largest map, in pixels, that has `width` channels.
    z_dim: size of the latent.
    w_dim: size of a style.
    mapping: layers of the mapping network: 8 in the paper, 2 for small images in 2006.06676.
    w_decay: decay rate of the mean of all styles, towards which `truncation` moves a sample, at each pass.
    noise: whether each convolution of G is followed by noise of a learned strength.
    residual: whether the blocks of D have a residual path (2006.06676 leaves it out for CIFAR-10).
    group: examples that minibatch standard deviation compares in D; 0: it is left out.
    """

    width: Width = 512
    wide_to: Annotated[int, within(4, unit="pixels")] = 32
    z_dim: Count = 512
    w_dim: Count = 512
    mapping: Count = 8
    w_decay: Chance = 0.998
    noise: bool = True
    residual: bool = True
    group: Size = 4

    def __post_init__(self) -> None:
        check(self)

    def resolve(self, spec: Spec) -> tuple[int, ...]:
        """Channels of each map, lowest first; UsageError unless the spec is of images.

        The lowest map counts as one of 4 pixels, whatever its size.
        """
        if len(spec.shape) != 3:
            raise UsageError(f"The stylegan2 networks make images [C, H, W], not shape {list(spec.shape)}.")
        sides = [4 * 2**k for k in range(stages(*spec.shape[1:]))]
        return tuple(max(1, min(self.width, self.width * self.wide_to // side)) for side in sides)

    def build(self, spec: Spec) -> dict[str, nn.Module]:
        """{"G": StyleGenerator, "D": StyleDiscriminator} with fresh weights from torch's global generator."""
        return {"G": StyleGenerator(self, spec), "D": StyleDiscriminator(self, spec)}
