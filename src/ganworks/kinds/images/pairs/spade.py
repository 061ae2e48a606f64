"""SPADE (GauGAN): every norm of the generator is scaled and shifted by the label map itself.

Park et al. 2019 (1903.07291), sections 3 and 4, appendix A: normalisation would remove a flat label map, so the map
enters at every layer, as a scale and a shift for each pixel. Different here: instance norm takes the place of
synchronised batch norm, so that the network is the same in training and in use; a label map is made smaller by
averages, not by its nearest pixels; a latent is added to the first map, where the paper has it in place of the labels.
With middle=2 and g_spectral=on, at 256 pixels and 151 classes, G has the 96,492,483 parameters of the authors' code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from ganworks.core.schema.declare import Count, Size, Width, check
from ganworks.core.spec import Spec
from ganworks.kinds.images.pairs.unet import Paired, check_pair, patch_player
from ganworks.kinds.images.shared.noise import Latent
from ganworks.kinds.images.shared.palette import colour_table, nearest_colour, one_hot
from ganworks.kinds.images.shared.patchgan import MapNormName
from ganworks.layers.norms import instance_norm
from ganworks.layers.strided import init_dcgan

BASE = 8  # side of the smallest map in pixels, about


class SPADENorm(nn.Module):
    """norm(x) * (1 + gamma) + beta; gamma and beta come from the label map by two 3x3 convolutions (figure 3)."""

    def __init__(self, width: int, labels: int, hidden: int):
        super().__init__()
        self.shared = nn.Sequential(nn.Conv2d(labels, hidden, 3, 1, 1), nn.ReLU())
        self.gamma, self.beta = (nn.Conv2d(hidden, width, 3, 1, 1) for _ in range(2))

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        h = self.shared(labels)
        return instance_norm(x) * (1 + self.gamma(h)) + self.beta(h)


class SPADEBlock(nn.Module):
    """Residual block with two SPADE norms; where the number of channels changes, the shortcut is learned (figure 4)."""

    def __init__(self, inputs: int, outputs: int, labels: int, hidden: int, doubles: bool):
        super().__init__()
        self.doubles = doubles
        inner = min(inputs, outputs)
        self.norms = nn.ModuleList([SPADENorm(inputs, labels, hidden), SPADENorm(inner, labels, hidden)])
        self.convs = nn.ModuleList([nn.Conv2d(inputs, inner, 3, 1, 1), nn.Conv2d(inner, outputs, 3, 1, 1)])
        self.shortcut = None if inputs == outputs else nn.Conv2d(inputs, outputs, 1, bias=False)
        self.shortcut_norm = None if inputs == outputs else SPADENorm(inputs, labels, hidden)

    def normalise(self) -> None:
        """Put spectral norm on the convolutions of the block, not on those that read the labels."""
        for conv in [*self.convs, *([] if self.shortcut is None else [self.shortcut])]:
            spectral_norm(conv)

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        short = x
        if self.shortcut is not None and self.shortcut_norm is not None:
            short = self.shortcut(self.shortcut_norm(x, labels))
        for norm, conv in zip(self.norms, self.convs, strict=True):
            x = conv(F.leaky_relu(norm(x, labels), 0.2))
        return short + x


class SPADEGenerator(Paired):
    """The generator of SPADE; see `Paired`. A source that is a label map enters as one channel per colour."""

    def __init__(self, inputs: int, outputs: int, cfg: SPADENetworks, ups: int, spec: Spec):
        palette = spec.facts.get("target_palette") if cfg.labels else None
        super().__init__(2**ups, palette)
        colours = spec.facts.get("source_palette")
        self.register_buffer("colours", colour_table(colours) if colours else None, persistent=False)
        self.inputs = len(colours) if colours else inputs
        widths = [cfg.width * min(16, 2 ** (ups - n)) for n in range(ups + 1)]
        self.latent = Latent(cfg.z_dim) if cfg.z_dim else None
        self.from_latent = nn.Linear(cfg.z_dim, widths[0]) if cfg.z_dim else None
        self.first = nn.Conv2d(self.inputs, widths[0], 3, 1, 1)
        sizes = [(a, b, n > 0) for n, (a, b) in enumerate(zip([widths[0], *widths], widths, strict=False))]
        sizes[2:2] = [(widths[1], widths[1], False)] * (cfg.middle - 1)
        self.blocks = nn.ModuleList(SPADEBlock(a, b, self.inputs, cfg.hidden, up) for a, b, up in sizes)
        self.last = nn.Conv2d(widths[-1], len(palette) if palette else outputs, 3, 1, 1)
        self.apply(init_dcgan)
        for block in self.blocks if cfg.g_spectral else ():
            block.normalise()  # pyrefly: ignore

    def body(self, src: Tensor) -> Tensor:
        labels = src if self.colours is None else one_hot(nearest_colour(src, self.colours), self.inputs)
        scale = self.multiple
        x = self.first(F.avg_pool2d(labels, scale))
        if self.latent is not None and self.from_latent is not None:
            x = x + self.from_latent(self.latent(src))[:, :, None, None]
        for block in self.blocks:
            if block.doubles:
                x, scale = F.interpolate(x, scale_factor=2.0), scale // 2
            x = block(x, F.avg_pool2d(labels, scale) if scale > 1 else labels)
        return self.last(F.leaky_relu(x, 0.2))


@dataclass(frozen=True)
class SPADENetworks:
    """Generator and discriminators of SPADE.

    width: channels of G at the full size, up to 16 times as many on smaller maps (published: 64).
    hidden: channels of the layer between the label map and its scale and shift (published: 128).
    middle: blocks on the second smallest map (published: 2).
    g_spectral: whether the blocks of G have spectral normalization (published: on).
    z_dim: size of the latent drawn for each image; 0: none.
    d_width: channels of the first layer of D.
    d_layers: strided layers of D; 0: as many as make patches of a quarter of the image.
    scales: number of image scales, each with its own discriminator.
    d_norm: norm of D; "plain" has no learned scale and shift (published).
    spectral: whether D has spectral normalization.
    labels: whether a target that is a label map is made from one logit per colour (on) or like any picture (off).
    """

    width: Width = 64
    hidden: Width = 128
    middle: Count = 1
    g_spectral: bool = False
    z_dim: Size = 0
    d_width: Width = 64
    d_layers: Size = 0
    scales: Count = 2
    d_norm: MapNormName = "instance"
    spectral: bool = True
    labels: bool = True

    makes: ClassVar[dict[str, str]] = {"G": "apply"}

    def __post_init__(self) -> None:
        check(self)

    def build(self, spec: Spec) -> dict[str, nn.Module]:
        """{"G": SPADEGenerator, "D": MultiScale on source and target together}."""
        inputs, outputs = check_pair(spec, "spade")
        ups = max(1, (min(spec.shape[1:]) // BASE).bit_length() - 1)
        D = patch_player(inputs + outputs, spec, self.d_width, self.d_layers, self.scales, self.d_norm, self.spectral)
        return {"G": SPADEGenerator(inputs, outputs, self, ups, spec), "D": D}
