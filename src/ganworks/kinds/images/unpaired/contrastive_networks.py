"""Networks of one-sided translation: a translator, a patch discriminator, and projection heads for patches.

CUT: Park et al. 2020 (2007.15651), section 3 and appendix A: the residual translator with low-pass filters, and for
each compared layer of its encoder an MLP with two layers of 256, whose output is scaled to length 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch.nn.functional as F
from torch import Tensor, nn

from ganworks.core.errors import UsageError
from ganworks.core.schema.declare import Count, Width, check, within
from ganworks.core.spec import Spec
from ganworks.kinds.images.shared.palette import class_planes, colour_table
from ganworks.kinds.images.shared.patchgan import PatchGAN, fitting_layers
from ganworks.kinds.images.shared.translator import ResidualTranslator, Translator, refuse_no_images
from ganworks.kinds.images.unpaired.coordinates import PLACES, Placed
from ganworks.kinds.images.unpaired.cycle_networks import HistoryDiscriminator
from ganworks.layers.strided import init_dcgan


class ProjectionHeads(nn.Module):
    """One MLP for each compared layer: features [B, P, c] -> [B, P, width] float32 of length 1.

    channels: c of each layer. CUT's code builds the heads at the first batch; here they exist from the start, so that
    every saved state holds them.
    """

    def __init__(self, channels: Sequence[int], width: int):
        super().__init__()
        self.heads = nn.ModuleList(
            nn.Sequential(nn.Linear(c, width), nn.ReLU(), nn.Linear(width, width)) for c in channels
        )
        self.apply(init_dcgan)

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        pairs = zip(self.heads, features, strict=True)
        return [F.normalize(head(x).float(), dim=-1, eps=1e-7) for head, x in pairs]


def tapped(G: Translator, inputs: int, width: int) -> list[int]:
    """Channels of the maps that `G.encode` returns: the padded input, the two halvings, two blocks."""
    known = dict(zip(G.taps, (inputs, 2 * width, 4 * width, 4 * width, 4 * width), strict=True))
    return [known[position] for position in sorted(known)]


@dataclass(frozen=True)
class ContrastiveNetworks:
    """Settings of the networks.

    width: channels of the translator's full-size map, four times as many in its blocks (published: 64).
    blocks: residual blocks of the translator (published: 9).
    resample: "strided" convolutions or low-pass "filter" layers (published) for halving and doubling in the translator.
    d_width: channels of the first layer of the patch discriminator.
    layers: strided layers of the patch discriminator; small images get fewer.
    norm: norm of the patch discriminator.
    memory: generated images that D keeps from G's turn to its own, at least a batch.
    features: width of the projection heads.
    places: D is given each pixel's coordinates as further channels.

    A target that is a label map (spec.facts["palettes"]) is made as class probabilities, which D sees; for the encoder
    they are painted in the colours of G's `table`.
    """

    width: Width = 64
    blocks: Count = 9
    resample: Literal["strided", "filter"] = "filter"
    d_width: Width = 64
    layers: Count = 3
    norm: Literal["instance", "none"] = "instance"
    memory: Annotated[int, within(1, unit="images")] = 32
    features: Count = 256
    places: bool = False
    makes: ClassVar[dict[str, str]] = {"G": "apply"}

    def __post_init__(self) -> None:
        check(self)

    def build(self, spec: Spec) -> dict[str, nn.Module]:
        """{"G": Translator, "D": HistoryDiscriminator, "GF": ProjectionHeads}, drawn from torch's global generator."""
        refuse_no_images(spec)
        given, made = spec.facts.get("palettes", (None, None))
        if given:
            raise UsageError("Contrastive translation is given pictures, not label maps: leave domain.labels off.")
        if spec.source[0] != (3 if made else spec.shape[0]):
            raise UsageError(
                f"Contrastive translation encodes images of both sides with one network, so both need as many "
                f"channels; there are {spec.source[0]} and {spec.shape[0]}. Give channels=."
            )
        (channels, *size), inputs = spec.shape, spec.source[0]
        generator = ResidualTranslator(self.width, self.blocks, self.resample, init="xavier").build(inputs, channels)
        if made:
            generator.finish = class_planes
            generator.register_buffer("table", colour_table(made), persistent=False)
        discriminator: nn.Module = PatchGAN(
            channels + PLACES * self.places, self.d_width, fitting_layers(*size, most=self.layers), self.norm
        )
        return {
            "G": generator,
            "D": HistoryDiscriminator(Placed(discriminator) if self.places else discriminator, self.memory, spec.shape),
            "GF": ProjectionHeads(tapped(generator, inputs, self.width), self.features),
        }
