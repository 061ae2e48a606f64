"""pix2pixHD: a residual coarse-to-fine generator, and discriminators at several scales.

Wang et al. 2018 (1711.11585), section 3.1 and appendix: G1 is a 7x7 convolution, four that halve the map, nine residual
blocks on the small map, four that double it and a 7x7 convolution, with instance norm and reflected borders. The local
enhancer G2 works at the full size and adds the features that G1 made at half of it. The authors' code upsamples by
transposed 3x3 convolutions, and its instance norm learns no scale and shift: up=deconv3 norm=plain. The global
generator then has the 182,546,755 parameters of that code for 36 channels at 256 pixels or more, less 21,376 biases
that the norms behind them remove.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch.nn.functional as F
from torch import Tensor, nn

from ganworks.core.errors import UsageError
from ganworks.core.schema.declare import Count, Size, Width, check, within
from ganworks.core.spec import Spec
from ganworks.kinds.images.pairs.unet import Paired, Up, check_pair, doubled, patch_player
from ganworks.kinds.images.shared.patchgan import map_norm
from ganworks.layers.strided import init_dcgan

Norm = Literal["instance", "plain"]


class Pix2PixHDBlock(nn.Module):
    """x + norm(conv3x3(relu(norm(conv3x3(x))))), borders reflected."""

    def __init__(self, width: int, norm: Norm):
        super().__init__()
        first, second = (nn.Conv2d(width, width, 3, 1, 1, padding_mode="reflect", bias=False) for _ in range(2))
        self.body = nn.Sequential(first, map_norm(norm, width), nn.ReLU(), second, map_norm(norm, width))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


def entry(inputs: int, width: int, norm: Norm) -> nn.Module:
    """The first layer: 7x7 convolution, norm, ReLU."""
    conv = nn.Conv2d(inputs, width, 7, 1, 3, padding_mode="reflect", bias=False)
    return nn.Sequential(conv, map_norm(norm, width), nn.ReLU())


def halved(width: int, norm: Norm) -> nn.Module:
    """A strided convolution, norm, ReLU: half the sides, twice the channels."""
    return nn.Sequential(nn.Conv2d(width, 2 * width, 3, 2, 1, bias=False), map_norm(norm, 2 * width), nn.ReLU())


def grown(width: int, up: Up, norm: Norm) -> nn.Module:
    """Upsampling, norm, ReLU: twice the sides, half the channels."""
    return nn.Sequential(doubled(width, width // 2, up, False), map_norm(norm, width // 2), nn.ReLU())


class GlobalGenerator(nn.Module):
    """[B, inputs, H, W] -> features [B, width, H, W]; sides are multiples of 2**downs."""

    def __init__(self, inputs: int, width: int, downs: int, blocks: int, up: Up, norm: Norm = "instance"):
        super().__init__()
        layers = [entry(inputs, width, norm), *[halved(width * 2**n, norm) for n in range(downs)]]
        layers += [Pix2PixHDBlock(width * 2**downs, norm) for _ in range(blocks)]
        layers += [grown(width * 2**n, up, norm) for n in reversed(range(1, downs + 1))]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class CoarseToFine(Paired):
    """The generator of pix2pixHD, with its local enhancer where cfg.enhancer asks for it; see `Paired`."""

    def __init__(self, inputs: int, outputs: int, cfg: Pix2PixHD, downs: int, palette: list | None = None):
        super().__init__(2 ** (downs + cfg.enhancer), palette)
        width, norm = cfg.width, cfg.norm
        self.coarse = GlobalGenerator(inputs, width, downs, cfg.blocks, cfg.up, norm)
        self.entry = self.fine = None
        if cfg.enhancer:
            self.entry = nn.Sequential(entry(inputs, width // 2, norm), halved(width // 2, norm))
            blocks = [Pix2PixHDBlock(width, norm) for _ in range(cfg.fine_blocks)]
            self.fine = nn.Sequential(*blocks, grown(width, cfg.up, norm))
        last = width // 2 if cfg.enhancer else width
        self.last = nn.Conv2d(last, len(palette) if palette else outputs, 7, 1, 3, padding_mode="reflect")
        self.apply(init_dcgan)

    def body(self, src: Tensor) -> Tensor:
        if self.entry is None or self.fine is None:
            return self.last(self.coarse(src))
        half = F.avg_pool2d(src, 3, 2, 1, count_include_pad=False)
        return self.last(self.fine(self.entry(src) + self.coarse(half)))


@dataclass(frozen=True)
class Pix2PixHD:
    """Generator and discriminators of pix2pixHD.

    width: channels of G at its full size (even).
    downs: halvings in G; 0: at most 4, down to 8 pixels.
    blocks: residual blocks on the smallest map.
    enhancer: whether a local enhancer works at the full size.
    fine_blocks: residual blocks of the local enhancer.
    norm: norm of G and D, "instance" with a learned scale and shift, or "plain" without (published).
    up: upsampling in G: transposed convolutions of 3x3, "deconv3" (published), or of 4x4, "deconv", or "resize" (avoids
        checkerboards).
    d_width: channels of the first layer of D.
    d_layers: strided layers of D; 0: as many as make patches of a quarter of the image.
    scales: number of image scales, each with its own discriminator.
    labels: whether a target that is a label map is made from one logit per colour (on) or like any picture (off).
    """

    width: Width = 64
    downs: Annotated[int, within(0, 8)] = 0
    blocks: Count = 9
    enhancer: bool = False
    fine_blocks: Count = 3
    norm: Norm = "instance"
    up: Up = "deconv"
    d_width: Width = 64
    d_layers: Size = 0
    scales: Count = 2
    labels: bool = True

    makes: ClassVar[dict[str, str]] = {"G": "apply"}

    def __post_init__(self) -> None:
        check(self)
        if self.width % 2:
            raise UsageError(f"width must be even, not {self.width}.")

    def build(self, spec: Spec) -> dict[str, nn.Module]:
        """{"G": CoarseToFine, "D": MultiScale on source and target together}."""
        inputs, outputs = check_pair(spec, "pix2pixhd")
        smallest = min(spec.shape[1:]) // (2 if self.enhancer else 1)
        downs = self.downs or max(1, min(4, smallest.bit_length() - 4))
        if smallest // 2**downs < 2:
            raise UsageError(f"{downs} halvings leave less than 2 pixels of {spec.shape[1]} x {spec.shape[2]}.")
        palette = spec.facts.get("target_palette") if self.labels else None
        D = patch_player(inputs + outputs, spec, self.d_width, self.d_layers, self.scales, self.norm, False)
        return {"G": CoarseToFine(inputs, outputs, self, downs, palette), "D": D}
