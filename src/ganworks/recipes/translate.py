"""Recipes of paired translation."""

from __future__ import annotations

from ganworks.games.translate import Translate
from ganworks.networks.unet import Pix2Pix
from ganworks.settings import Config, Facts, Optimizer, Train


def pix2pix(facts: Facts) -> Config:
    """pix2pix."""
    adam = Optimizer(lr=2e-4, betas=(0.5, 0.999), lr_end=0.0)
    labels = "target_palette" in facts.spec.facts
    game = Translate(ce=1.0 if labels else 0.0)
    return Config("pix2pix", facts.domain, Pix2Pix(), game, g=adam, d=adam, train=Train(batch=4))
