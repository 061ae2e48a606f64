"""Recipes with an encoder or with codes: the VAE beside the GANs, and the GANs that also learn the way back."""

from __future__ import annotations

from typing import Any

from ganworks.core.settings import Config, Facts, Optimizer, Train
from ganworks.games.latents.aae import AAE
from ganworks.games.latents.began import BEGAN
from ganworks.games.latents.bigan import BiGAN
from ganworks.games.latents.infogan import InfoGAN
from ganworks.games.latents.vae import VAE
from ganworks.games.latents.vae_gan import VAEGAN
from ganworks.networks.autoencoder import Autoencoder
from ganworks.networks.compact import Compact
from ganworks.networks.dcgan import DCGAN
from ganworks.networks.infogan import InfoNetworks
from ganworks.networks.reconstructing_critic import BEGANNetworks

_FOREVER = 1e12  # a half-life that `ema_ramp` alone limits


def vae(facts: Facts) -> Config:
    """The variational autoencoder: no discriminator, a bound on the likelihood of held-out images, and an encoder.

    Paper: Kingma and Welling 2013 (arXiv 1312.6114). The baseline of every GAN here: it leaves nothing out and blurs.
    Gaussian likelihood whose variance is learned (Rybkin et al. 2020, arXiv 2006.13202; game.variance=0.1 fixes it);
    KL term summed over dimensions, with warm-up; game.beta (arXiv 1606.05579) and game.free_bits (arXiv 1606.04934).
    Different here: convolutional networks, Adam in place of Adagrad. The score `elbo` is in nats for each image.
    """
    adam = Optimizer(lr=1e-3, lr_end=1e-5, betas=(0.9, 0.999))
    networks = Autoencoder(body=Compact(width=_width(facts, 32), z_dim=64))
    train = Train(batch=64, ema=(_FOREVER,), ema_ramp=0.02)
    return Config("vae", facts.domain, networks, VAE(), g=adam, d=adam, train=train)


def vae_gan(facts: Facts) -> Config:
    """VAE-GAN: an encoder beside a GAN, with reconstructions that are compared in the features of D, not in pixels.

    Paper: Larsen et al. 2016 (arXiv 1512.09300): batch 64, learning rate 3e-4, latent of 128. Different here: Adam with
    beta1 0.5 in place of RMSprop; both kinds of fakes count half in the adversarial loss; the features are the last map
    of D, and their variance is learned, so that gamma is 1 (the authors' code has 1e-5 to 1e-2, by data set).
    """
    networks = Autoencoder(body=_dcgan(facts, z_dim=128), judge="examples")
    return _classical("vae-gan", facts, networks, VAEGAN(), lr=3e-4)


def aae(facts: Facts) -> Config:
    """Adversarial autoencoder: D sees codes only, and makes those of the images as spread as the prior's.

    Paper: Makhzani et al. 2015 (arXiv 1511.05644): deterministic encoder, N(0, I) as prior, a latent of 8 for MNIST.
    Different here: convolutional networks, one Adam for both phases of the encoder, the error a weighted mean.
    """
    body = Compact(width=_width(facts, 32), z_dim=16)
    networks = Autoencoder(body=body, judge="codes", posterior="point")
    return _classical("aae", facts, networks, AAE(), lr=5e-4)


def bigan(facts: Facts) -> Config:
    """BiGAN: D sees pairs of image and code, so that the encoder learns to invert the generator.

    Papers: Donahue et al. 2017 (arXiv 1605.09782), whose settings these are: Adam 2e-4 with beta1 0.5, batch 128; and
    ALI, Dumoulin et al. 2017 (arXiv 1606.00704), whose encoder is a Gaussian that is sampled. That is the default, as D
    soon tells single points from a prior: on digits after 24,000 examples the Frechet distance is 9, with BiGAN's
    networks.posterior=point 60. Different here: a normal prior in place of a uniform one.
    """
    networks = Autoencoder(body=_dcgan(facts, z_dim=64), judge="both")
    return _classical("bigan", facts, networks, BiGAN(), batch=128)


def infogan(facts: Facts) -> Config:
    """InfoGAN: codes of the generator that D can read back, and so kinds and degrees that nobody labelled.

    Paper: Chen et al. 2016 (arXiv 1606.03657): one code of ten values, two of degrees in (-1, 1), noise of 62, batch
    128, Adam with beta1 0.5, 2e-4 for D and 1e-3 for G. `ganworks sample RUN 16 category=3 c1=-0.8` sets codes. With
    labels it learns codes within each class; labels=off is the paper's. Different here: normal noise, not uniform.
    """
    adam = {"betas": (0.5, 0.999)}
    g, d = Optimizer(lr=1e-3, **adam), Optimizer(lr=2e-4, **adam)
    networks = InfoNetworks(body=_dcgan(facts, z_dim=62))
    return Config("infogan", facts.domain, networks, InfoGAN(), g=g, d=d, train=Train(batch=128))


def began(facts: Facts) -> Config:
    """BEGAN: an autoencoder as discriminator, and a balance of its errors with a measure of convergence.

    Paper: Berthelot et al. 2017 (arXiv 1703.10717): gamma 0.5, k moves by 0.001, Adam 1e-4, batch 16, latent of 64. The
    measure M is shown as `convergence`, and rising to twice its lowest value raises an alarm. Different here: residual
    networks with tanh, beta1 0.5, a half cosine in place of halving the learning rate when M stalls, a normal prior. It
    takes many steps: k stays 0 until samples are reconstructed twice as well as images.
    """
    adam = Optimizer(lr=1e-4, lr_end=1e-5, betas=(0.5, 0.999))
    body = Compact(width=_width(facts, 64, small=24), z_dim=64, norm="none")
    return Config("began", facts.domain, BEGANNetworks(body=body), BEGAN(), g=adam, d=adam, train=Train(batch=16))


def _width(facts: Facts, published: int, small: int = 16) -> int:
    """Channels of the largest map, fewer where there is no GPU."""
    return small if facts.device == "cpu" else published


def _dcgan(facts: Facts, z_dim: int) -> DCGAN:
    return DCGAN(width=_width(facts, 64, small=32), z_dim=z_dim)


def _classical(name: str, facts: Facts, networks: Any, game: Any, lr: float = 2e-4, batch: int = 64) -> Config:
    """Adam with beta1 0.5 at one learning rate for all players."""
    adam = Optimizer(lr=lr, betas=(0.5, 0.999))
    return Config(name, facts.domain, networks, game, g=adam, d=adam, train=Train(batch=batch))
