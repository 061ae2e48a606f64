"""Recipes of super-resolution and restoration."""

from __future__ import annotations

from dataclasses import replace

from ganworks.core.schema.convert import convert
from ganworks.core.schema.declare import Portion
from ganworks.core.settings import Config, Facts, Optimizer, Train
from ganworks.kinds.images.restoration.game import Restoration
from ganworks.kinds.images.restoration.networks import Restorer

_LR = 1e-3


def superres(facts: Facts) -> Config:
    """Super-resolution x2, x3 or x4: L1 for 90 % of the budget, then a discriminator adds the detail that L1 blurs.

    Trunk: EDSR (Lim et al. 2017, arXiv 1707.02921) at the size of the input, small enough for minutes on a CPU;
    networks.trunk=rrdb networks.width=64 networks.blocks=23 is ESRGAN's (Wang et al. 2018, arXiv 1809.00219). The
    adversarial stage follows ESRGAN, with a paired relativistic loss, and with feature matching in place of VGG19;
    features= adds a perceptual term by a published network, game.vgg= ESRGAN's own; `apply` can interpolate between the
    networks of both stages (its section 3.4).
    game.adversarial_from=1 trains for PSNR alone; `ganworks help restoration` has figures.
    """
    return _config("superres", facts, 0.9)


def restore(facts: Facts) -> Config:
    """Undo a degradation: degrade=noise=25, blur=2, jpeg=40, grey, or a chain such as blur=1.5+noise=10+jpeg=60.

    The network and the first stage of `superres` at scale 1, with the trunk at half the resolution, trained by L1;
    game.adversarial_from=0.9 adds the adversarial stage, which helps colourisation and strong blur. The trunk is
    EDSR's without norms (Lim et al. 2017, arXiv 1707.02921); degrade=realistic follows Wang et al. 2021 (arXiv
    2107.10833) with one round of degradation.
    """
    return _config("restore", facts, 1.0)


def _config(name: str, facts: Facts, usual: float) -> Config:
    """usual: where the adversarial stage begins by default; its learning rate is a tenth of the first stage's."""
    begins, warm = "game.adversarial_from", bool(facts.given.get("train.init"))
    start = convert(Portion, facts.given.get(begins, usual), begins)
    staged = 0 < start < 1
    first = Optimizer(lr=_LR, lr_end=1e-7, betas=(0.9, 0.99), warmup=0.01)
    if staged:
        first = replace(first, lr_end=_LR / 10, burn_in=start)
    elif start == 0 and warm:
        first = replace(first, lr=_LR / 5, warmup=0.3)
    d = Optimizer(lr=4e-4, lr_end=None if staged else 1e-5, betas=(0.5, 0.99))
    networks = Restorer(keep=staged or (usual < 1 and (start == 1 or warm)))
    return Config(
        name,
        facts.domain,
        networks,
        Restoration(adversarial_from=start),
        g=first,
        d=d,
        train=Train(batch=16, ema=(4_000.0,)),
    )
