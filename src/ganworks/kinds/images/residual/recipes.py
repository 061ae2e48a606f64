"""Recipes of the residual GANs. On a GPU they are as published; on a CPU they are narrower and learn faster.

The small form, for minutes on a CPU: the widest networks that the budget feeds (`sizing.py`), batch 64, one turn of D
for each of G at a higher learning rate, and an average over the last twentieth of the training.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ganworks.core.settings import Config, Facts, Optimizer, Train
from ganworks.games.adversarial import Adversarial
from ganworks.kinds.images.residual.game import OrthogonalGame
from ganworks.kinds.images.residual.networks import ResNetGAN
from ganworks.kinds.images.residual.sizing import Form, alike, doublings, form

_FOREVER = 1e12  # a half-life that `ema_ramp` alone limits
_STEPS = 6931  # steps in which an average with the decay 0.9999 forgets half
_SNGAN = 64  # its width
SMALL = 5e-4  # learning rate of G in the small form


def sngan(facts: Facts) -> Config:
    """SNGAN: residual networks, spectral norm in D, hinge loss, five turns of D for each of G, classes by projection.

    Papers: Miyato, Kataoka, Koyama, Yoshida 2018 (arXiv 1802.05957), Miyato and Koyama 2018 (arXiv 1802.05637): Adam
    2e-4, betas (0, 0.9), batch 64; 4.28 M and 1.05 M parameters for CIFAR-10. Different here: the learning rate falls
    along a half cosine, not a straight line, and the generator is averaged. With minutes on a CPU: narrower, one turn
    of D.
    """

    def networks(width: int) -> ResNetGAN:
        half = width == _SNGAN and alike(facts.spec)  # published for CIFAR-10; from 64 pixels on D is as wide as G
        return ResNetGAN(width=width, d_width=width // 2 if half else 0, spectral="D", d_inner="in")

    chosen = form(facts, _SNGAN, networks)
    adam = Optimizer(lr=2e-4, lr_end=0.0, betas=(0.0, 0.9))
    game = Adversarial(loss="hinge", r1=0.0, r2=0.0, n_critic=5)
    return _sized(Config("sngan", facts.domain, networks(chosen.width), game, g=adam, d=adam), chosen, 2)


def sagan(facts: Facts) -> Config:
    """SAGAN: self-attention and spectral norm in both players, hinge loss, a four times higher learning rate for D.

    Paper: Zhang, Goodfellow, Metaxas, Odena 2019 (arXiv 1805.08318): attention at 64 pixels (32 for images below 128),
    Adam 1e-4 for G and 4e-4 for D, betas (0, 0.9), batch 256, one turn each. Different here: the generator is averaged.
    With minutes on a CPU: narrower, batch 64.
    """
    attention = 64 if max(facts.spec.shape[1:]) >= 128 else 32

    def networks(width: int) -> ResNetGAN:
        return ResNetGAN(width=width, spectral="both", attention=attention)

    chosen = form(facts, 64, networks)
    g, d = (Optimizer(lr=lr, betas=(0.0, 0.9)) for lr in (1e-4, 4e-4))
    game, train = Adversarial(loss="hinge", r1=0.0, r2=0.0), Train(batch=256)
    return _sized(Config("sagan", facts.domain, networks(chosen.width), game, g=g, d=d, train=train), chosen, 4)


def biggan(facts: Facts) -> Config:
    """BigGAN: classes and a part of z in every norm of G, orthogonal weights and regularisation, attention, averaging.

    Paper: Brock, Donahue, Simonyan 2019 (arXiv 1809.11096): width 96, 70.4 M and 88.0 M parameters at 128 pixels; Adam
    5e-5 for G and 2e-4 for D, betas (0, 0.999), two turns of D, decay 0.9999. Different here: batch 256 (paper: 2048,
    train.batch=2048 train.accumulate=8). Below 64 pixels: the rates of the authors' code for CIFAR-10, width 64, 2e-4,
    four turns of D, batch 64 (theirs is 50), without attention. With minutes on a CPU: narrower, one turn of D.
    """
    slots = doublings(facts.spec) + 1  # 20 numbers of z for the first layer and for each stage

    def networks(width: int) -> ResNetGAN:
        return replace(_biggan(facts, width), z_dim=20 * slots, latent="split")

    return _big("biggan", facts, 64 if alike(facts.spec) else 96, networks)


def biggan_deep(facts: Facts) -> Config:
    """BigGAN-deep: bottleneck blocks, two a size, shortcuts without weights, the class and all of z in each norm.

    Paper: Brock, Donahue, Simonyan 2019 (arXiv 1809.11096, appendix B): width 128, 50.2 M and 34.6 M parameters at 128
    pixels. The other settings are those of `biggan`.
    """

    def networks(width: int) -> ResNetGAN:
        return replace(_biggan(facts, width), latent="everywhere", bottleneck=True, blocks=2)

    return _big("biggan-deep", facts, 128, networks)


def _biggan(facts: Facts, width: int) -> ResNetGAN:
    attention = 0 if alike(facts.spec) else 64
    return ResNetGAN(width=width, attention=attention, spectral="both", embed=128, init="orthogonal")


def _big(name: str, facts: Facts, published: int, networks: Any) -> Config:
    chosen = form(facts, published, networks)
    cifar = alike(facts.spec)
    g, d = (Optimizer(lr=lr, betas=(0.0, 0.999)) for lr in ((2e-4, 2e-4) if cifar else (5e-5, 2e-4)))
    game = OrthogonalGame(loss="hinge", r1=0.0, r2=0.0, n_critic=4 if cifar else 2)
    batch = 64 if cifar else 256
    train = Train(batch=batch, ema=(float(_STEPS * batch),))
    return _sized(Config(name, facts.domain, networks(chosen.width), game, g=g, d=d, train=train), chosen, 4)


def _sized(config: Config, chosen: Form, ratio: int) -> Config:
    """The published configuration, or its small form. ratio: of D's learning rate to G's in the small form."""
    if chosen.published:
        return replace(config, notes=chosen.notes)
    g, d = (Optimizer(lr=lr, lr_end=lr / 20, betas=(0.0, 0.99)) for lr in (SMALL, ratio * SMALL))
    note = (
        "Small form: batch 64, one turn of D for each of G, learning rates "
        f"{SMALL:g} for G and {ratio * SMALL:g} for D, falling twentyfold."
    )
    return replace(
        config,
        game=replace(config.game, n_critic=1),
        g=g,
        d=d,
        train=Train(batch=64, ema=(_FOREVER,), ema_ramp=0.05),
        notes=(*chosen.notes, note),
    )
