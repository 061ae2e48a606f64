"""The networks of AC-GAN (Odena, Olah and Shlens 2017, 1610.09585), and a classifier that learns from G's images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from ganworks.core.errors import UsageError
from ganworks.core.schema.declare import Chance, Count, Width, check
from ganworks.core.spec import Spec
from ganworks.kinds.images.classification.networks import ConvClassifier, NormedLinear, need_classes
from ganworks.networks.compact import Compact


class AuxiliaryDiscriminator(ConvClassifier):
    """Images [B, C, H, W] -> (realness logits [B], class logits [B, K]), both float32 (1610.09585, section 4)."""

    def __init__(self, width: int, spec: Spec):
        super().__init__(width, 0.0, spec)
        self.real = NormedLinear(4 * width, 1, 1.0)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        logits, features = self.both(x)
        return self.real(features)[:, 0].float(), logits


@dataclass(frozen=True)
class ACGAN:
    """C: the classifier to be trained. G, D: a conditional generator and a discriminator with a class head.

    width: channels of the largest map of C and of D.
    g_width: channels of G's largest map, as in `Compact`.
    z_dim: size of the latent.
    dropout: dropout in C.
    """

    width: Width = 32
    g_width: Width = 32
    z_dim: Count = 64
    dropout: Chance = 0.0
    makes: ClassVar[dict[str, str]] = {"C": "predict", "G": "sample"}

    def __post_init__(self) -> None:
        if min(self.width, self.g_width) < 1:
            raise UsageError(f"ACGAN needs widths of at least 1 channel, not {self.width} and {self.g_width}.")
        check(self)

    def build(self, spec: Spec) -> dict[str, nn.Module]:
        """{"C", "G", "D"} with fresh weights, for labelled images [C, H, W] of any size."""
        need_classes(spec, "AC-GAN")
        if len(spec.shape) != 3:
            raise UsageError(f"AC-GAN reads images [C, H, W], not shape {list(spec.shape)}.")
        return {
            "C": ConvClassifier(self.width, self.dropout, spec),
            "G": Compact(width=self.g_width, z_dim=self.z_dim).build(spec)["G"],
            "D": AuxiliaryDiscriminator(self.width, spec),
        }
