"""The residual generator of unpaired translation.

Johnson et al. 2016 (1603.08155), as CycleGAN uses it (Zhu et al. 2017, 1703.10593, section 7.2): a 7x7 convolution,
two that halve the map, residual blocks, two that double it again, a 7x7 convolution and tanh; instance norm and
reflected borders. CUT (Park et al. 2020, 2007.15651) halves and doubles through low-pass filters instead.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganworks.core.errors import UsageError
from ganworks.core.schema.declare import Count, Width, check
from ganworks.core.spec import Spec
from ganworks.layers.norms import InstanceNorm

MULTIPLE = 4  # sides are padded to multiples of this, as the map is halved twice
SMALLEST = 8  # pixels a side: the smallest map needs 2 for its reflected borders


def refuse_no_images(spec: Spec) -> None:
    """Raise UsageError unless both sides are images."""
    if len(spec.shape) != 3 or len(spec.source) != 3:
        raise UsageError(f"These networks translate images, not {list(spec.source)} to {list(spec.shape)}.")


class FilterDown(nn.Module):
    """Halve [B, C, H, W] with even sides: the low-pass filter [1,3,3,1], borders repeated, then every second pixel.

    Computed as the transpose of bilinear upsampling, which is much faster on a CPU than a depthwise convolution.
    """

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        half = [b, c, h // 2, w // 2]
        return torch.ops.aten.upsample_bilinear2d_backward(0.25 * x, [h, w], half, False, 2.0, 2.0)


class FilterUp(nn.Module):
    """Double [B, C, H, W]: zeros between the pixels, then the filter [1,3,3,1], which is bilinear upsampling."""

    def forward(self, x: Tensor) -> Tensor:
        return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


class TranslatorBlock(nn.Module):
    """x + norm(conv3x3(relu(norm(conv3x3(x))))), borders reflected."""

    def __init__(self, width: int):
        super().__init__()
        self.body = nn.Sequential(
            nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), InstanceNorm(width), nn.ReLU(),
            nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), InstanceNorm(width),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


def _down(width: int, filtered: bool) -> list[nn.Module]:
    conv = nn.Conv2d(width, 2 * width, 3, 1 if filtered else 2, padding=1)
    return [conv, InstanceNorm(2 * width), nn.ReLU(), *([FilterDown()] if filtered else [])]


def _up(width: int, filtered: bool) -> list[nn.Module]:
    if filtered:
        first: list[nn.Module] = [FilterUp(), nn.Conv2d(width, width // 2, 3, padding=1)]
    else:
        first = [nn.ConvTranspose2d(width, width // 2, 3, 2, padding=1, output_padding=1)]
    return [*first, InstanceNorm(width // 2), nn.ReLU()]


class Translator(nn.Module):
    """src [B, inputs, H, W] in [-1, 1] -> [B, outputs, H, W] in (-1, 1), float32; sides of 8 pixels and more.

    finish: the output activation: tanh, or `palette.class_planes` where a label map is made. layers: all layers in one
    list; `encode` counts positions in it. taps: the five positions that CUT compares: the input, both halvings, the
    first and the middle block (0, 4, 8, 12, 16 with filters and nine blocks, as published).
    """

    def __init__(self, inputs: int, outputs: int, cfg: ResidualTranslator):
        super().__init__()
        width, filtered, self.residual = cfg.width, cfg.resample == "filter", cfg.residual
        if self.residual and inputs != outputs:
            raise UsageError(
                f"networks.residual=on needs as many channels in as out; there are {inputs} and {outputs}."
            )
        enter = [nn.ReflectionPad2d(3), nn.Conv2d(inputs, width, 7), InstanceNorm(width), nn.ReLU()]
        down = [*_down(width, filtered), *_down(2 * width, filtered)]
        blocks = [TranslatorBlock(4 * width) for _ in range(cfg.blocks)]
        up = [*_up(4 * width, filtered), *_up(2 * width, filtered)]
        leave = [nn.ReflectionPad2d(3), nn.Conv2d(width, outputs, 7)]
        self.layers = nn.ModuleList([*enter, *down, *blocks, *up, *leave])
        first = len(enter) + len(down)
        self.finish: Callable[[Tensor], Tensor] = torch.tanh
        self.taps = (0, 4, 4 + len(down) // 2, first, first + cfg.blocks // 2)
        self.apply(cfg.fill)

    def forward(self, src: Tensor, y: Tensor | None = None) -> Tensor:
        return self.traced(src)[0]

    def traced(self, src: Tensor, layers: Sequence[int] = ()) -> tuple[Tensor, list[Tensor]]:
        """(the translation, what `encode` returns for these layers), from one pass."""
        height, width = src.shape[2:]
        x = pad_to_multiple(src, MULTIPLE)
        h, kept = self._through(x, len(self.layers), self._wanted(layers))
        h = h.float()
        if self.residual:
            h = h + torch.atanh(0.98 * x.float().clamp(-1, 1))
        return self.finish(h)[:, :, :height, :width], kept

    def encode(self, x: Tensor, layers: Sequence[int] = ()) -> list[Tensor]:
        """Outputs of the layers at these positions (none given: `taps`), each [B, C, h, w], in ascending order.

        Layers beyond the last position are not computed. Raises UsageError for a position that does not exist.
        """
        wanted = self._wanted(layers)
        return self._through(pad_to_multiple(x, MULTIPLE), max(wanted) + 1, wanted)[1]

    def _wanted(self, layers: Sequence[int]) -> set[int]:
        wanted = set(layers or self.taps)
        if not wanted <= set(range(len(self.layers))):
            raise UsageError(f"This generator has the layers 0 to {len(self.layers) - 1}, not {sorted(wanted)}.")
        return wanted

    def _through(self, h: Tensor, stop: int, wanted: set[int]) -> tuple[Tensor, list[Tensor]]:
        """(output of the layers before `stop`, outputs of the wanted ones)."""
        kept = []
        for position, layer in enumerate(self.layers[:stop]):
            h = layer(h)
            if position in wanted:
                kept.append(h)
        return h, kept


def pad_to_multiple(x: Tensor, multiple: int) -> Tensor:
    """Pad [B, C, H, W] by reflection at the right and lower border until `multiple` divides both sides.

    Raises UsageError for sides below 8 pixels.
    """
    tall, wide = (-n % multiple for n in x.shape[2:])
    if min(x.shape[2:]) < SMALLEST:
        raise UsageError(f"Images of {x.shape[3]} x {x.shape[2]} pixels are too small; {SMALLEST} is the least.")
    return F.pad(x, (0, wide, 0, tall), mode="reflect") if tall or wide else x


@dataclass(frozen=True)
class ResidualTranslator:
    """Settings of a `Translator`.

    width: channels of the full-size map; the blocks have four times as many.
    blocks: residual blocks.
    resample: "strided" convolutions (CycleGAN) or low-pass "filter" layers for halving and doubling (CUT).
    init: initial weights from N(0, gain^2) ("normal") or N(0, gain^2 / mean fan) ("xavier").
    gain: standard deviation of the initial weights, for "normal"; its factor, for "xavier".
    residual: the network adds to its input, so that it starts near the identity.
    """

    width: Width = 64
    blocks: Count = 9
    resample: Literal["strided", "filter"] = "strided"
    init: Literal["normal", "xavier"] = "normal"
    gain: float = 0.02
    residual: bool = False

    def __post_init__(self) -> None:
        check(self)

    def build(self, inputs: int, outputs: int) -> Translator:
        """A translator with fresh weights from torch's global generator."""
        return Translator(inputs, outputs, self)

    def fill(self, layer: nn.Module) -> None:
        """Initialise the weights of a convolution; biases become 0."""
        if not isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            return
        taps = math.prod(layer.kernel_size)
        fan = taps * (layer.in_channels + layer.out_channels) / 2
        nn.init.normal_(layer.weight, 0.0, self.gain / (math.sqrt(fan) if self.init == "xavier" else 1.0))
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
