"""Recipes of cycle-consistent unpaired translation: CycleGAN and DualGAN."""

from __future__ import annotations

from dataclasses import replace

from ganworks.core.settings import Config, Facts, Optimizer, Train
from ganworks.kinds.images.unpaired.cycle_game import CycleGame
from ganworks.kinds.images.unpaired.cycle_networks import CycleNetworks

_PUBLISHED = Optimizer(lr=2e-4, lr_end=2e-6, betas=(0.5, 0.999))
_SMALL = replace(_PUBLISHED, lr=4e-4, lr_end=4e-6)
_NOTE = (
    "The networks are small, as there is no GPU: networks.width=64 networks.blocks=9 networks.d_width=64 are the "
    "published ones."
)


def cyclegan(facts: Facts) -> Config:
    """CycleGAN: translation between two sets of images without pairs, constrained by cycle consistency.

    Paper: Zhu et al. 2017 (arXiv 1703.10593): least squares, cycle terms of weight 10, identity terms of 5, a history
    of 50 images, residual generators with nine blocks, Adam 2e-4 (0.5, 0.999), batch 1. On a CPU a smaller network,
    lr 4e-4 and batch 4, so that minutes suffice at 64 pixels. Different here: the learning rate falls by a half cosine
    from the start, the generators are averaged, and the history drops its oldest image, not a random one.

    With a label map on one side (domain.labels=on): U-Nets; coordinates as further channels of all networks;
    discriminators at two scales with R1 and without norms, as a norm would hide the share of each class from them; and
    a cycle that must read classes from what is visible in the image, not from hidden traces in it (`CycleGame`: labels,
    through, noise, recolour).
    """
    networks, game = CycleNetworks(), CycleGame()
    if _labels(facts):
        networks = replace(networks, generator="unet", d_norm="none")
        game = replace(game, cycle=2.0, identity=0.0, adversarial=0.5, history=0.0, r1=1.0, r1_share=0.25)
    return _config("cyclegan", facts, networks, game)


def dualgan(facts: Facts) -> Config:
    """DualGAN: both directions with U-Nets, Wasserstein losses and a large cycle weight, without identity terms.

    Paper: Yi et al. 2017 (arXiv 1704.02510); its code uses WGAN-GP with a penalty of 10, one critic turn and a cycle
    weight of 500, which are the settings here. Different here: Adam 2e-4 (0.5, 0.9) in place of RMSProp 5e-5, which
    takes longer; patch discriminators in place of a dense one; nearest-neighbour upsampling and convolutions in place
    of transposed convolutions; no dropout; any image size. On a CPU the networks are smaller, as in `cyclegan`. With a
    label map on one side the settings are those of `cyclegan`, but for the gradient penalty and the critics' published
    learning rate.
    """
    game = CycleGame("wasserstein", cycle=500.0, identity=0.0, history=0.0, gp=10.0)
    if _labels(facts):
        game = replace(game, labels=20.0)
    config = _config("dualgan", facts, CycleNetworks(generator="unet", d_norm="none"), game)
    g, d = (replace(side, betas=(0.5, 0.9)) for side in (config.g, config.d))
    d = replace(d, lr=_PUBLISHED.lr, lr_end=_PUBLISHED.lr_end) if _labels(facts) else d
    return replace(config, g=g, d=d)


def _labels(facts: Facts) -> bool:
    return any(facts.spec.facts.get("palettes", ()))


def _config(name: str, facts: Facts, networks: CycleNetworks, game: CycleGame) -> Config:
    small = facts.device == "cpu"
    if _labels(facts):
        networks = replace(networks, places=True, d_scales=2)
        game = replace(game, through=0.1, noise=0.4, recolour=0.3)
    adam = _SMALL if small else _PUBLISHED
    networks = replace(networks, width=24, blocks=4, d_width=32) if small else networks
    train = Train(batch=4 if small else 1, ema=(1e12,), ema_ramp=0.04)
    return Config(name, facts.domain, networks, game, g=adam, d=adam, train=train, notes=(_NOTE,) if small else ())
