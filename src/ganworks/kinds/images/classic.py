"""The classical image GANs, as their papers describe them where the data allows it."""

from __future__ import annotations

from typing import Any

from ganworks.core.settings import Config, Facts, Optimizer, Train
from ganworks.games.adversarial import Adversarial
from ganworks.networks.dcgan import DCGAN
from ganworks.networks.mlp import MLP


def dcgan(facts: Facts) -> Config:
    """DCGAN: strided convolutions, batch norm, the non-saturating loss.

    Paper: Radford, Metz, Chintala 2015 (arXiv 1511.06434): Adam 2e-4, beta1 0.5, batch 64 (the paper's is 128).
    """
    return _unpenalised("dcgan", facts, DCGAN(), "non-saturating", batch=64)


def mlp(facts: Facts) -> Config:
    """The fully connected GAN that tutorials train on 28x28 digits (hidden layers of 256); any size works.

    Paper: Goodfellow et al. 2014 (arXiv 1406.2661), with LeakyReLU and Adam 2e-4, batch 100, as in the tutorials.
    """
    return _unpenalised("mlp", facts, MLP(hidden=(256, 256), z_dim=64), "non-saturating", batch=100)


def wgan(facts: Facts) -> Config:
    """WGAN: a Wasserstein critic kept Lipschitz by clipping its weights to 0.01, five critic turns per turn of G.

    Paper: Arjovsky, Chintala, Bottou 2017 (arXiv 1701.07875), algorithm 1: RMSprop 5e-5, batch 64.
    """
    rms = Optimizer(name="rmsprop", lr=5e-5, betas=(0.0, 0.99))
    game = Adversarial(loss="wasserstein", r1=0.0, r2=0.0, clip=0.01, n_critic=5)
    return Config("wgan", facts.domain, DCGAN(), game, g=rms, d=rms, train=Train(batch=64))


def wgan_gp(facts: Facts) -> Config:
    """WGAN-GP: a Wasserstein critic with a gradient penalty of weight 10 on interpolates and no batch norm.

    Paper: Gulrajani et al. 2017 (arXiv 1704.00028), algorithm 1: Adam 1e-4, betas (0, 0.9), batch 64, five critic
    turns per turn of G.
    """
    adam = Optimizer(lr=1e-4, betas=(0.0, 0.9))
    game = Adversarial(loss="wasserstein", r1=0.0, r2=0.0, gp=10.0, n_critic=5)
    return Config("wgan-gp", facts.domain, DCGAN(norm="none"), game, g=adam, d=adam, train=Train(batch=64))


def lsgan(facts: Facts) -> Config:
    """LSGAN: least squares (a=0, b=c=1) in place of the logistic loss, on DCGAN networks.

    Paper: Mao et al. 2016 (arXiv 1611.04076): Adam, beta1 0.5; here lr 2e-4, batch 64 as in DCGAN.
    """
    return _unpenalised("lsgan", facts, DCGAN(), "least-squares", batch=64)


def _unpenalised(name: str, facts: Facts, networks: Any, loss: str, batch: int) -> Config:
    """One turn each without a penalty, both players with Adam 2e-4 and beta1 0.5."""
    adam = Optimizer(lr=2e-4, betas=(0.5, 0.999))
    game = Adversarial(loss=loss, r1=0.0, r2=0.0)
    return Config(name, facts.domain, networks, game, g=adam, d=adam, train=Train(batch=batch))
