"""Restoration in two stages: G alone on the L1 distance to the original, then, if asked for, against a discriminator.

SRGAN (Ledig et al. 2017, 1609.04802) and ESRGAN (Wang et al. 2018, 1809.00219) start their adversarial training from
a network trained for PSNR; here both are stages of one training. Where no network is given for a perceptual loss,
feature matching on the discriminator's own features takes its place (1711.11585).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from ganworks.core.contracts import Terms
from ganworks.core.schema.declare import Portion, Weight, check
from ganworks.core.spec import Batch
from ganworks.games.losses import loss
from ganworks.games.patches import (
    discriminator_terms,
    distance,
    feature_matching,
    generator_terms,
    per_example,
    shifted,
)
from ganworks.kinds.images.shared.two_stages import TwoStages


@dataclass(frozen=True)
class Restoration(TwoStages):
    """Settings of the game. Images are in [-1, 1]; batch["src"] is the input and batch["x"] the target.

    adversarial_from: fraction of the budget at which the second stage begins; 1: never, 0: at once.
    loss: loss of the adversarial stage, a name from `games.losses.LOSSES`.
    gan: weight of the generator's adversarial term in the second stage.
    pixel: weight of L1 in the second stage (in the first, L1 has weight 1).
    match: weight of feature matching in the second stage.
    """

    adversarial_from: Portion = 1.0
    loss: str = "relativistic"
    gan: Weight = 0.01
    pixel: Weight = 1.0
    match: Weight = 0.1

    def __post_init__(self) -> None:
        check(self)
        loss(self.loss)

    def pixel_turn(self, nets: dict[str, Any], batch: Batch) -> Terms:
        """l1 and, where there is no second stage, perceptual, each [B].

        A G that keeps a copy of its first stage updates it here.
        """
        if hasattr(nets["G"], "remember"):
            nets["G"].remember()
        made, x = nets["G"](batch["src"]), batch["x"]
        return {"l1": distance(made, x), **self.early_terms(made, x, batch)}

    def discriminator_turn(self, nets: dict[str, Any], batch: Batch) -> Terms:
        """d_loss [B]; _real and _fake are the logits."""
        with torch.no_grad():
            fake = nets["G"](batch["src"])
        x, fake = shifted(batch, batch["x"], fake)
        r, f = nets["D"](x), nets["D"](fake)
        return {"d_loss": discriminator_terms(self._loss, r, f), "_real": per_example(r), "_fake": per_example(f)}

    def generator_turn(self, nets: dict[str, Any], batch: Batch) -> Terms:
        """g_loss, l1 and, where weighted, match and perceptual, each [B]."""
        D, x = nets["D"], batch["x"]
        fake = nets["G"](batch["src"])
        seen, made = shifted(batch, x, fake)
        found, wanted = self.seen_by(D, made, seen)
        adversarial = generator_terms(self._loss, None if wanted is None else wanted[-1], found[-1])
        terms = {"g_loss": self.gan * adversarial, "l1": self.pixel * distance(fake, x)}
        if wanted is not None and self.match:
            terms["match"] = self.match * feature_matching(wanted, found)
        return {**terms, **self.late_terms(fake, x, batch), "_fake": per_example(found[-1])}
