"""The classical image GANs, as their papers describe them where the data allows it."""

from __future__ import annotations

from ganworks.core.settings import Config, Facts, Optimizer, Train
from ganworks.games.adversarial import Adversarial
from ganworks.networks.dcgan import DCGAN
from ganworks.networks.mlp import MLP


def dcgan(facts: Facts) -> Config:
    """DCGAN: strided convolutions, batch norm, the non-saturating loss.

    Paper: Radford, Metz, Chintala 2015 (arXiv 1511.06434): Adam 2e-4, beta1 0.5, batch 64 (the paper's is 128).
    """
    adam = Optimizer(lr=2e-4, betas=(0.5, 0.999))
    return Config(
        "dcgan",
        facts.domain,
        DCGAN(),
        Adversarial(loss="non-saturating", r1=0.0, r2=0.0),
        g=adam,
        d=adam,
        train=Train(batch=64),
    )


def mlp(facts: Facts) -> Config:
    """The fully connected GAN that tutorials train on 28x28 digits (hidden layers of 256); any size works.

    Paper: Goodfellow et al. 2014 (arXiv 1406.2661), with LeakyReLU and Adam 2e-4, batch 100, as in the tutorials.
    """
    adam = Optimizer(lr=2e-4, betas=(0.5, 0.999))
    return Config(
        "mlp",
        facts.domain,
        MLP(hidden=(256, 256), z_dim=64),
        Adversarial(loss="non-saturating", r1=0.0, r2=0.0),
        g=adam,
        d=adam,
        train=Train(batch=100),
    )


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
    adam = Optimizer(lr=2e-4, betas=(0.5, 0.999))
    return Config(
        "lsgan",
        facts.domain,
        DCGAN(),
        Adversarial(loss="least-squares", r1=0.0, r2=0.0),
        g=adam,
        d=adam,
        train=Train(batch=64),
    )
