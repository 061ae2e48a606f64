"""pix2pix: a U-Net that translates images, and a discriminator that scores patches of source and target together.

Isola et al. 2017 (1611.07004), section 6.1: the encoder halves the image down to one pixel, with 4x4 kernels and
LeakyReLU 0.2; the decoder doubles it again and is given the encoder's map of the same size; dropout 0.5 in its inner
blocks is the noise. At 256 pixels, with width 64 and 3 to 3 channels, it has 54,413,955 parameters. One difference:
each example is normalised by itself (as by batch norm at the published batch of 1), so that the network has no running
statistics and is the same in training and in use.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from ganworks.core.errors import UsageError
from ganworks.core.schema.declare import Chance, Count, Size, Width, check
from ganworks.core.spec import Spec
from ganworks.kinds.images.shared.noise import Noise
from ganworks.kinds.images.shared.palette import colour_table, mixed
from ganworks.kinds.images.shared.patchgan import MapNormName, fitting_layers, map_norm, patch_discriminator
from ganworks.kinds.images.shared.tiles import reflected
from ganworks.layers.strided import init_dcgan

Up = Literal["deconv", "deconv3", "resize"]


def levels_for(height: int, width: int) -> int:
    """How often the short side can be halved: 8 for 256, 6 for 64 to 127."""
    return min(height, width).bit_length() - 1


def doubled(inputs: int, outputs: int, up: Up, bias: bool) -> nn.Module:
    """Twice the sides: a transposed convolution of 4x4 or of 3x3, or nearest-neighbour upsampling and a 3x3
    convolution, which makes no checkerboard (Odena et al. 2016, distill.pub/2016/deconv-checkerboard)."""
    if up == "deconv":
        return nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=bias)
    if up == "deconv3":
        return nn.ConvTranspose2d(inputs, outputs, 3, 2, 1, output_padding=1, bias=bias)
    return nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(inputs, outputs, 3, 1, 1, bias=bias))


class Paired(nn.Module):
    """src [B, inputs, H, W] in [-1, 1] -> [B, outputs, H, W] in [-1, 1], float32, of any size; the base of generators.

    The image is padded by reflection to a multiple of `multiple`, and the output is cropped. palette: the K colours of
    a label map to be made; `body` then ends in K logits per pixel, and the output has the colour of the likeliest
    class.
    finish: the output activation where there is no palette.
    """

    def __init__(self, multiple: int, palette: list | None):
        super().__init__()
        self.multiple = multiple
        self.finish: Callable[[Tensor], Tensor] = torch.tanh
        self.register_buffer("table", colour_table(palette) if palette else None, persistent=False)

    def body(self, src: Tensor) -> Tensor:
        """src whose sides are multiples of `multiple` -> what enters tanh or softmax, of the same size."""
        raise NotImplementedError

    def _run(self, src: Tensor) -> Tensor:
        height, width = src.shape[2:]
        src = reflected(src, -height % self.multiple, -width % self.multiple)
        return self.body(src)[:, :, :height, :width].float()

    def logits(self, src: Tensor) -> Tensor:
        """Logits [B, K, H, W] of the colours of the palette; only for a network that makes label maps."""
        if self.table is None:
            raise UsageError("This network makes pictures, not label maps: it has no logits.")
        return self._run(src)

    def forward(self, src: Tensor, y: Tensor | None = None) -> Tensor:
        out = self._run(src)
        return self.finish(out) if self.table is None else mixed(out, self.table)


class UNet(Paired):
    """The encoder and the decoder of pix2pix; see `Paired`."""

    def __init__(self, inputs: int, outputs: int, cfg: Pix2Pix, levels: int, palette: list | None = None):
        super().__init__(2**levels, palette)
        widths = [cfg.width * min(8, 2**n) for n in range(levels)]
        bare = cfg.norm == "none"
        downs: list[nn.Module] = [nn.Conv2d(inputs, widths[0], 4, 2, 1, bias=bare)]
        for n in range(1, levels):
            innermost = n == levels - 1
            norm = nn.Identity() if innermost else map_norm(cfg.norm, widths[n])
            conv = nn.Conv2d(widths[n - 1], widths[n], 4, 2, 1, bias=bare)
            downs.append(nn.Sequential(nn.LeakyReLU(0.2), conv, norm))
        noisy = range(min(4, levels - 2), levels - 1)
        ups: list[nn.Module] = []
        for n in reversed(range(1, levels)):
            given = widths[n] * (1 if n == levels - 1 else 2)
            layers = [nn.ReLU(), doubled(given, widths[n - 1], cfg.up, bare), map_norm(cfg.norm, widths[n - 1])]
            ups.append(nn.Sequential(*layers, *([Noise(cfg.dropout)] if n in noisy else [])))
        self.downs, self.ups = nn.ModuleList(downs), nn.ModuleList(ups)
        last = doubled(2 * widths[0], len(palette) if palette else outputs, cfg.up, True)
        self.last = nn.Sequential(nn.ReLU(), last)
        self.apply(init_dcgan)

    def body(self, src: Tensor) -> Tensor:
        x, skips = src, []
        for down in self.downs:
            x = down(x)
            skips.append(x)
        skips.pop()
        for up in self.ups:
            x = torch.cat([up(x), skips.pop()], 1)
        return self.last(x)


def check_pair(spec: Spec, name: str) -> tuple[int, int]:
    """(channels of the source, channels of the target); UsageError for data that does not consist of image pairs."""
    if len(spec.shape) != 3 or len(spec.source) != 3:
        raise UsageError(
            f"{name} translates images into images; this data is {list(spec.source)} to {list(spec.shape)}."
        )
    return spec.source[0], spec.shape[0]


def patch_layers(height: int, width: int) -> int:
    """Strided layers of a D whose patches span about a quarter of the image, as the published 70 of 256 pixels do.

    1 (patches of 16 pixels) for short sides up to 90, 2 (34) up to 181, else 3 (70); fewer where the image is too
    small.
    """
    side = min(height, width)
    return fitting_layers(height, width, 1 if side <= 90 else 2 if side <= 181 else 3)


def patch_player(
    channels: int, spec: Spec, width: int, layers: int, scales: int, norm: MapNormName, spectral: bool
) -> nn.Module:
    """The discriminator of a translation: one PatchGAN, or `scales` of them; layers=0: as `patch_layers` says."""
    height, wide = spec.shape[1:]
    half = 2 ** (scales - 1)
    layers = layers or min(patch_layers(height, wide), fitting_layers(height // half, wide // half))
    return patch_discriminator(channels, width, layers, scales, norm, spectral)


@dataclass(frozen=True)
class Pix2Pix:
    """Generator and discriminator of pix2pix.

    width: channels of the first layer of G, up to 8 times as many in the inner ones.
    levels: halvings in G; 0: down to one pixel.
    dropout: probability of the dropout that is G's noise.
    norm: norm of G; batch norm is not offered, as it differs between training and use.
    up: upsampling in G: transposed convolutions of 4x4, "deconv" (published), or of 3x3, "deconv3", or "resize" (avoids
        checkerboards).
    d_width: channels of the first layer of D.
    d_layers: strided layers of D; 0: as many as make patches of a quarter of the image.
    d_norm: norm of D.
    scales: number of image scales, each with its own discriminator.
    spectral: whether D has spectral normalization.
    labels: whether a target that is a label map is made from one logit per colour (on) or like any picture (off).
    """

    width: Width = 64
    levels: Size = 0
    dropout: Chance = 0.5
    norm: Literal["instance", "none"] = "instance"
    up: Up = "deconv"
    d_width: Width = 64
    d_layers: Size = 0
    d_norm: MapNormName = "instance"
    scales: Count = 1
    spectral: bool = False
    labels: bool = True

    makes: ClassVar[dict[str, str]] = {"G": "apply"}

    def __post_init__(self) -> None:
        if self.norm == "batch":
            raise UsageError(
                'norm must be "instance" or "none", not \'batch\': with running statistics the network '
                "would do something else in use than in training."
            )
        check(self)

    def build(self, spec: Spec) -> dict[str, nn.Module]:
        """{"G": UNet, "D": PatchGAN or MultiScale on source and target together}."""
        inputs, outputs = check_pair(spec, "pix2pix")
        most = levels_for(*spec.shape[1:])
        if most < 2 or not 0 <= self.levels <= most:
            raise UsageError(
                f"A U-Net for {spec.shape[1]} x {spec.shape[2]} pixels can have 2 to {most} levels, not {self.levels}."
            )
        palette = spec.facts.get("target_palette") if self.labels else None
        return {
            "G": UNet(inputs, outputs, self, self.levels or most, palette),
            "D": patch_player(
                inputs + outputs, spec, self.d_width, self.d_layers, self.scales, self.d_norm, self.spectral
            ),
        }
