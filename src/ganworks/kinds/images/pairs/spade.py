"""SPADE (GauGAN): every norm of the generator is scaled and shifted by the label map itself.

Park et al. 2019 (1903.07291), sections 3 and 4, appendix A: normalisation would remove a flat label map, so the map
enters at every layer, as a scale and a shift for each pixel. Instance norm takes the place of synchronised batch norm,
so that the network is the same in training and in use.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from ganworks.core.schema.declare import Count, Size, Width, check
from ganworks.core.spec import Spec
from ganworks.kinds.images.pairs.unet import Paired, check_pair, patch_player
from ganworks.kinds.images.shared.noise import Latent
from ganworks.kinds.images.shared.palette import colour_table, nearest_colour, one_hot
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

    def __init__(self, inputs: int, outputs: int, labels: int, hidden: int):
        super().__init__()
        inner = min(inputs, outputs)
        self.norms = nn.ModuleList([SPADENorm(inputs, labels, hidden), SPADENorm(inner, labels, hidden)])
        self.convs = nn.ModuleList([nn.Conv2d(inputs, inner, 3, 1, 1), nn.Conv2d(inner, outputs, 3, 1, 1)])
        self.shortcut = None if inputs == outputs else nn.Conv2d(inputs, outputs, 1, bias=False)
        self.shortcut_norm = None if inputs == outputs else SPADENorm(inputs, labels, hidden)

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
        pairs = zip([widths[0], *widths], widths, strict=False)
        self.blocks = nn.ModuleList(SPADEBlock(a, b, self.inputs, cfg.hidden) for a, b in pairs)
        self.last = nn.Conv2d(widths[-1], len(palette) if palette else outputs, 3, 1, 1)
        self.apply(init_dcgan)

    def body(self, src: Tensor) -> Tensor:
        labels = src if self.colours is None else one_hot(nearest_colour(src, self.colours), self.inputs)
        scale = self.multiple
        x = self.first(F.avg_pool2d(labels, scale))
        if self.latent is not None and self.from_latent is not None:
            x = x + self.from_latent(self.latent(src))[:, :, None, None]
        for n, block in enumerate(self.blocks):
            x = F.interpolate(x, scale_factor=2.0) if n else x
            scale = scale // 2 if n else scale
            x = block(x, F.avg_pool2d(labels, scale) if scale > 1 else labels)
        return self.last(F.leaky_relu(x, 0.2))


@dataclass(frozen=True)
class SPADENetworks:
    """Generator and discriminators of SPADE.

    width: channels of G at the full size, up to 16 times as many on smaller maps (published: 64).
    hidden: channels of the layer between the label map and its scale and shift (published: 128).
    z_dim: size of the latent drawn for each image; 0: none.
    d_width: channels of the first layer of D.
    d_layers: strided layers of D; 0: as many as make patches of a quarter of the image.
    scales: number of image scales, each with its own discriminator.
    spectral: whether D has spectral normalization.
    labels: whether a target that is a label map is made from one logit per colour (on) or like any picture (off).
    """

    width: Width = 64
    hidden: Width = 128
    z_dim: Size = 0
    d_width: Width = 64
    d_layers: Size = 0
    scales: Count = 2
    spectral: bool = True
    labels: bool = True

    makes: ClassVar[dict[str, str]] = {"G": "apply"}

    def __post_init__(self) -> None:
        check(self)

    def build(self, spec: Spec) -> dict[str, nn.Module]:
        """{"G": SPADEGenerator, "D": MultiScale on source and target together}."""
        inputs, outputs = check_pair(spec, "spade")
        ups = max(1, (min(spec.shape[1:]) // BASE).bit_length() - 1)
        D = patch_player(inputs + outputs, spec, self.d_width, self.d_layers, self.scales, "instance", self.spectral)
        return {"G": SPADEGenerator(inputs, outputs, self, ups, spec), "D": D}
